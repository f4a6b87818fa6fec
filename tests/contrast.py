"""Whether the words of a page's figures can be read, judged by a picture of them.

A screenshot without any words tells what stands behind each of them, whether that is the page, a
patch of a drawing, a map of pixels or a canvas. The bounds are those of WCAG 2.1 (1.4.3, AA): a
ratio of 4.5, and of 3 for large letters.
"""

import io

import numpy as np
from PIL import Image

FIGURES = "figure.lbl-still, .lbl-figure, .lbl-map"
#: Only figures are left on the page; their words are seen through once it has the class.
BARE = """figures => {
  const style = document.createElement('style');
  style.id = 'bare';
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
#: The class of a page whose words are seen through.
UNWORDED = "seen => { document.documentElement.classList.toggle('unworded', seen); }"


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


def whole_page(page):
    """A picture of a page from its top to its end: [height, width, 3]."""
    shot = page.screenshot(full_page=True, animations="disabled", scale="css")
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))


def faint_words(page):
    """What cannot be read in the figures of a page that :data:`BARE` was given."""
    words = page.evaluate(WORDS, FIGURES)
    if not words:
        return ["its figures show no word"]
    painted = page.evaluate(PAINTED, [word["color"] for word in words])
    page.evaluate(UNWORDED, True)
    picture = whole_page(page)
    page.evaluate(UNWORDED, False)
    return list(filter(None, (faint(*pair, picture) for pair in zip(words, painted, strict=True))))
