"""What the built pages show to the eye: words that can be read, and nothing cut off without a sign.

The words of a figure are judged by its picture. A screenshot without any words tells what stands
behind each of them, whether that is the page, a patch of a drawing, a map of pixels or a canvas.
The bounds are those of WCAG 2.1 (1.4.3, AA): a ratio of 4.5, and of 3 for large letters.
"""

import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.browser import HTML

from look import README  # isort: skip

pytestmark = pytest.mark.slow
PAGES = sorted(
    str(path.relative_to(HTML))
    for folder in ("book", "notebooks")
    for path in (HTML / folder).rglob("*.html")
)
FIGURES = "figure.lbl-still, .lbl-figure, .lbl-map"
MARKS = ('class="lbl-still"', 'class="lbl-component"', 'class="lbl-map"')
WITH_FIGURES = [
    name for name in PAGES if any(mark in (HTML / name).read_text("utf-8") for mark in MARKS)
]
#: Everything that waits, for a prediction or in a fold, is shown; nothing lies over a figure.
OPEN = """() => {
  for (const node of document.querySelectorAll('.lbl-hidden')) node.classList.remove('lbl-hidden');
  for (const fold of document.querySelectorAll('details')) fold.open = true;
  const style = document.createElement('style');
  style.textContent = '.bd-header, .bd-header-article, #pst-back-to-top { display: none; }';
  document.head.append(style);
  return document.fonts.ready.then(() => true);
}"""
#: Only figures are left on the page; their words are seen through once it has the class.
BARE = """figures => {
  const style = document.createElement('style');
  const rest = ':is(p, pre, ul, ol, dl, h1, h2, h3, h4, table, .cell_input, div.math)';
  style.textContent = `.bd-article ${rest}:not(:is(${figures}) *) { display: none !important; }
    .unworded :is(.lbl-figure, .lbl-figure *, figure *) { -webkit-text-fill-color: transparent; }
    .unworded :is(svg text, svg text *) { fill: transparent !important; }
    .unworded a { text-decoration: none !important; }`;
  document.head.append(style);
}"""
#: Every word of every figure: where it stands on the page, its color and size.
WORDS = """figures => [...document.querySelectorAll(figures)].flatMap((figure) => {
  const name = figure.querySelector('figcaption')?.textContent.slice(0, 60)
    || figure.getAttribute('aria-label') || figure.className;
  const frame = figure.getBoundingClientRect(), found = [];
  const walker = document.createTreeWalker(figure, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const holder = node.parentElement, svg = holder.closest('svg');
    const unseen = 'style, script, option, :disabled, .lbl-spoken';
    if (!node.data.trim() || holder.closest(unseen)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const look = getComputedStyle(holder);
    let opacity = 1, scale = 1;
    for (let up = holder; up && up !== figure.parentElement; up = up.parentElement)
      opacity *= Number(getComputedStyle(up).opacity);
    if (svg?.viewBox.baseVal.width)
      scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    for (const b of range.getClientRects()) {
      if (b.width < 1 || b.height < 1 || look.visibility !== 'visible') continue;
      const scrolled = holder.closest('.lbl-table')?.getBoundingClientRect();
      if (scrolled && (b.bottom > scrolled.bottom || b.right > scrolled.right)) continue;
      found.push({
        figure: name, text: node.data.trim().slice(0, 60), opacity,
        color: svg ? look.fill : look.color,
        cut: b.left < frame.left - 2 || b.right > frame.right + 2,
        size: parseFloat(look.fontSize) * scale, bold: Number(look.fontWeight) >= 700,
        box: [b.left + scrollX, b.top + scrollY, b.right + scrollX, b.bottom + scrollY],
      });
    }
  }
  return found;
})"""
#: Colors as the browser paints them, from 0 to 255, with their opacity.
PAINTED = """colors => {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  return colors.map((color) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = 'rgba(0, 0, 0, 0)';
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  });
}"""
#: What is wider than its place on the page, and whether it scrolls and says so.
WIDE = """() => [...document.querySelectorAll('.bd-article *')].flatMap((el) => {
  const over = el.scrollWidth - el.clientWidth, look = getComputedStyle(el);
  if (over <= 1 || !el.clientWidth || look.display === 'inline') return [];
  if (el.closest('svg, mjx-container, .lbl-controls, .lbl-spoken')) return [];
  if (el.matches('span.math, option')) return [];
  if (look.overflowX === 'visible' && [...el.children].some((c) => c.scrollWidth > el.clientWidth))
    return []; // its child is to blame
  const scrolls = ['auto', 'scroll'].includes(look.overflowX);
  const told = (el.dataset.more ?? '').includes('right') && look.boxShadow.includes('inset');
  if (scrolls && told) return [];
  const why = scrolls ? 'scrolls, and no edge shows it' : `is cut or runs off (${look.overflowX})`;
  const said = el.textContent.trim().slice(0, 50);
  return [`${el.tagName} ${el.className} (${over} pixels more, ${why}): ${said}`];
})"""


def opened(browser, name, theme="light", formulas=True):
    """A page in a theme, with everything on it shown."""
    context = browser.new_context(
        offline=True, color_scheme=theme, reduced_motion="reduce",
        viewport={"width": 1280, "height": 900},
    )  # fmt: skip
    if not formulas:
        context.route(re.compile("mathjax"), lambda route: route.abort())
    page = context.new_page()
    page.goto((HTML / name).as_uri())
    page.wait_for_load_state("load")
    page.evaluate(OPEN)
    return page


# ---- words ---------------------------------------------------------------------------------------
def luminance(colors):
    """WCAG's relative luminance of colors from 0 to 255: [..., 3] -> [...]."""
    c = np.asarray(colors, dtype=float) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def ratio(a, b):
    """WCAG's contrast of two colors, or of arrays of them."""
    x, y = luminance(a), luminance(b)
    return (np.maximum(x, y) + 0.05) / (np.minimum(x, y) + 0.05)


def contrast(word, painted, behind):
    """A word against what is behind it: what nine tenths of its box reach at least.

    A tenth may be a line of a grid or of a curve that the word lies across.
    """
    opacity = word["opacity"] * painted[3] / 255
    seen = opacity * np.array(painted[:3]) + (1 - opacity) * behind
    return float(np.quantile(ratio(seen, behind), 0.1))


def faint(word, painted, picture):
    """What is wrong with a word; empty if it can be read."""
    left, top, right, bottom = (max(0, round(x)) for x in word["box"])
    behind = picture[top:bottom, left:right].reshape(-1, 3).astype(float)
    if word["cut"] or not len(behind):
        return f"{word['figure']}: {word['text']!r} is outside of its figure"
    found, large = contrast(word, painted, behind), word["size"] >= 24
    if found >= (3 if large or (word["bold"] and word["size"] >= 18.66) else 4.5):
        return ""
    middle = np.median(behind, axis=0).astype(int).tolist()
    return f"{word['figure']}: {word['text']!r} in {painted} on {middle}, {found:.2f}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", WITH_FIGURES)
def test_every_word_of_every_figure_can_be_read(browser, name, theme):
    page = opened(browser, name, theme, formulas=False)
    page.evaluate(BARE, FIGURES)
    words = page.evaluate(WORDS, FIGURES)
    painted = page.evaluate(PAINTED, [word["color"] for word in words])
    page.evaluate("document.documentElement.classList.add('unworded')")
    shot = page.screenshot(full_page=True, animations="disabled", scale="css")
    page.context.close()
    picture = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
    problems = [faint(*pair, picture) for pair in zip(words, painted, strict=True)]
    assert words and not any(problems), f"{name}, {theme}:\n" + "\n".join(filter(None, problems))


def test_a_word_is_judged_by_what_is_behind_it():
    word = {"figure": "f", "text": "a", "opacity": 1, "size": 12, "bold": False, "cut": False}
    picture = np.full((20, 20, 3), 255, dtype=np.uint8)
    picture[:, :10] = [22, 50, 79]
    white, ink, nothing = [255, 255, 255, 255], [31, 41, 51, 255], [0, 0, 0, 0]
    for painted, box, readable in (
        (white, [0, 0, 9, 9], True), (ink, [0, 0, 9, 9], False), (white, [11, 0, 19, 9], False),
        (ink, [11, 0, 19, 9], True), (nothing, [11, 0, 19, 9], False), (ink, [5, 0, 15, 9], False),
    ):  # fmt: skip
        assert (faint({**word, "box": box}, painted, picture) == "") == readable
    assert "outside" in faint({**word, "box": [0, 0, 9, 9], "cut": True}, white, picture)


# ---- what is wide --------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_without_an_edge_that_shows_it(browser, name):
    """On a screen and on a phone."""
    page = opened(browser, name)
    problems = []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        problems += [f"{width}: {told}" for told in page.evaluate(WIDE)]
    page.context.close()
    assert not problems, f"{name}:\n" + "\n".join(problems)


# ---- words that are explained --------------------------------------------------------------------
def test_explained_words_stand_in_prose_and_their_meaning_is_prose(browser):
    context = browser.new_context(offline=True, java_script_enabled=False)
    page, seen = context.new_page(), set()
    for name in [name for name in PAGES if name.startswith("notebooks")]:
        page.goto((HTML / name).as_uri())
        found = page.locator("abbr").evaluate_all(
            "all => all.map(el => [el.textContent, el.title, el.parentElement.textContent,"
            " Boolean(el.closest('h1, h2, h3, table, .lbl-byline, .cell_output, figcaption, a'))])"
        )
        words = [text for text, *_ in found]
        once = [word for word in words if not re.search("[A-Z].*[A-Z]", word)]  # no abbreviations
        assert len(once) == len({word.removesuffix("s") for word in once}), (name, words)
        for text, meaning, sentence, misplaced in found:
            assert not misplaced, f"{name}: {text!r} is explained in {sentence[:80]!r}"
            assert re.fullmatch(r"[^$*_`{}\[\]<>\\]{30,}", meaning), (name, text, meaning)
            assert re.search(r"[.!]$", meaning) and "stompp_lite" not in meaning
        seen.update(words)
    context.close()
    assert {"latent weight", "STE", "arm", "stages"} <= seen
    everyday = {"scale", "committed", "window", "interval"}  # had other meanings in some chapters
    assert not everyday & {word.removesuffix("s") for word in seen}


def test_what_the_readme_shows_is_still_on_its_page():
    """``look.py --readme`` takes the picture."""
    name, section = README
    assert f'id="{section}"' in (HTML / f"{name}.html").read_text("utf-8")
