"""Two layers on a built page: the story is open, how we know one fold away, and open on paper."""

import re
import sys
from html import unescape

import nbformat
import pytest
from PIL import Image

from tests.browser import HTML, Watched
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import caveats
import preview
from cards import MEANS
from chapters import link_claims

from stompp_lite.lab import claims, ledger

CHAPTER = HTML / "notebooks" / "04_the_depth_problem.html"


def chapter(browser):
    context = browser.new_context(viewport={"width": 1100, "height": 900}, offline=True)
    page = context.new_page()
    page.goto(CHAPTER.as_uri())
    page.get_by_text("Show me without").first.click()
    return page


@pytest.fixture
def page(shared):
    """A chapter, opened once; its folds are closed."""
    page = shared("chapter", chapter)
    page.set_viewport_size({"width": 1100, "height": 900})
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = false")
    return page


@pytest.mark.slow
def test_evidence_is_folded_on_a_screen_and_open_on_paper(page):
    def tall(selector):
        return page.locator(selector).first.evaluate(
            "el => el.getBoundingClientRect().height - el.querySelector('summary').offsetHeight"
        )

    for fold in ("details.know", ".tag_know > details"):
        closed = tall(fold)
        assert closed < 40, fold
        page.emulate_media(media="print")
        assert tall(fold) > closed + 60, fold
        page.emulate_media(media="screen")
        assert tall(fold) == closed, fold


@pytest.mark.slow
def test_in_a_fold_what_a_cell_shows_stands_before_its_code(page):
    folds = page.locator(".tag_know > details")
    assert folds.count() >= 4
    order = folds.evaluate_all(
        "all => all.map(fold => [...fold.querySelectorAll('.cell_output, .cell_input')]"
        ".map(part => part.classList.contains('cell_output')))"
    )
    assert all(parts[0] and not parts[-1] for parts in order), order


@pytest.mark.slow
def test_the_decisive_line_of_a_cell_stands_out(page):
    marked = page.locator(".bd-article .highlight .hll").all_text_contents()
    assert marked and all("# <-- " in line for line in marked)
    assert len(marked) == page.content().count("# &lt;-- ")


#: For each block of code that is shown: its source, and its first line that wraps, if one does:
#: how far the line is indented, and how far what follows of it, in characters.
CODE = """() => [...document.querySelectorAll('.cell_input pre')].map((block) => {
  const wraps = [];
  for (const line of block.querySelectorAll('.lbl-hang')) {
    const range = document.createRange(), rows = new Map();
    const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      range.selectNodeContents(node);
      for (const b of range.getClientRects())
        if (b.width > 1) {
          const top = Math.round(b.top);
          rows.set(top, Math.min(rows.get(top) ?? Infinity, b.left));
        }
    }
    const lefts = [...rows].sort((a, b) => a[0] - b[0]).map(([, left]) => left);
    const left = block.getBoundingClientRect().left, look = getComputedStyle(block);
    const start = left + parseFloat(look.paddingLeft) + parseFloat(look.borderLeftWidth);
    const rule = document.createElement('span'), text = line.textContent;
    rule.style = 'position: absolute; width: 100ch';
    block.append(rule);
    const ch = rule.getBoundingClientRect().width / 100;
    rule.remove();
    if (lefts.length > 1)
      wraps.push([text.length - text.trimStart().length, (lefts[1] - start) / ch]);
  }
  return { text: block.textContent, wraps };
})"""


def pasted(page):
    """What is on the clipboard, as it arrives in a field."""
    page.evaluate(
        "() => { const to = document.createElement('textarea'); to.id = 'to';"
        " document.body.append(to); to.focus(); }"
    )
    page.keyboard.press("Control+V")
    found = page.locator("#to").input_value()
    page.evaluate("document.getElementById('to').remove()")
    return found


@pytest.mark.slow
def test_code_that_wraps_on_a_phone_hangs_and_is_copied_as_it_was_written(page):
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    page.set_viewport_size({"width": 390, "height": 844})
    found = page.evaluate(CODE)
    wraps = [pair for block in found for pair in block["wraps"]]
    assert len(wraps) > 5 and len({indent for indent, _ in wraps}) > 1
    assert [rest for _, rest in wraps] == [pytest.approx(4 + k, abs=0.2) for k, _ in wraps]
    notebook = nbformat.read(ROOT / "notebooks" / f"{CHAPTER.stem}.ipynb", 4)
    written = [cell.source.strip() for cell in notebook.cells if cell.cell_type == "code"]
    blocks = page.locator(".cell_input pre")
    whole = sum(
        any(cell.endswith(block["text"].removesuffix("\n")) for cell in written) for block in found
    )
    longest = sorted(range(len(found)), key=lambda k: -len(found[k]["wraps"]))[:4]
    for k in longest:  # all are copied in the same way
        source = found[k]["text"].removesuffix("\n")
        blocks.nth(k).evaluate("el => getSelection().selectAllChildren(el)")
        page.keyboard.press("Control+C")
        assert pasted(page).removesuffix("\n") == source
        blocks.nth(k).hover()
        blocks.nth(k).locator("xpath=..").locator("button.copybtn").click()
        assert pasted(page) == source
    assert whole >= len(found) - 1 > 3  # of the set-up only a part is shown


@pytest.mark.slow
def test_an_abbreviation_tells_its_meaning_each_time_and_a_word_once(page):
    told = page.locator(".bd-article abbr[title]").all_text_contents()
    assert told.count("STE") > 3 and sum(word.startswith("latent weight") for word in told) == 1
    assert page.locator("abbr.lbl-first").evaluate_all("all => all.map(a => a.tabIndex)")
    again = page.locator("abbr:not(.lbl-first)")
    assert again.evaluate_all("all => all.every(a => a.tabIndex < 0)")


@pytest.mark.slow
def test_only_pages_with_formulas_load_their_script():
    for path in (*HTML.glob("book/*.html"), *HTML.glob("notebooks/*.html")):
        text = path.read_text(encoding="utf-8")
        loads = re.search(r"<script[^>]*mathjax[^>]*tex-mml", text) is not None
        assert loads == ('class="math' in text), path.name
    index = (HTML / "book" / "index.html").read_text(encoding="utf-8")
    assert "tex-mml" not in index


@pytest.mark.slow
def test_links_to_the_book_have_a_picture_with_an_absolute_address_once_there_is_one():
    image = Image.open(HTML / "_static" / preview.NAME)
    assert image.size == (1200, 630) and len(image.convert("RGB").getcolors(100_000)) > 20
    assert 'property="og:image"' in CHAPTER.read_text(encoding="utf-8")

    class Config:
        html_baseurl = ""

    assert preview.address(Config) == "../_static/preview.png"
    Config.html_baseurl = "https://book.example/"
    assert preview.address(Config) == "https://book.example/_static/preview.png"


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
def test_the_way_into_the_book_needs_no_scrolling(browser, width, height):
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    watched = Watched(context)
    watched.page.goto((HTML / "book" / "index.html").as_uri())
    box = watched.page.get_by_role("link", name="Start chapter 1").bounding_box()
    assert box and box["y"] + box["height"] <= height, box
    assert not watched.wrong, watched.wrong  # with the race that plays
    context.close()


def test_a_card_leads_to_the_ledger_and_the_ledger_back():
    card = link_claims(claims.claim("C3").html)
    assert '<a href="../book/ledger.html#c3">Claim C3</a>' in card and "data-claim" not in card
    told = caveats.chapters_of(ledger.read())
    assert "[chapter 5](../notebooks/05_clip_then_freeze.ipynb)" in told["C3"]
    assert "../notebooks/04_the_depth_problem.ipynb" in told["L1"]
    assert told["L3"].endswith(
        "on the page [*Can a plan foresee it?*](../notebooks/can_a_plan_foresee_it.ipynb)"
    )
    assert all(f"Told {told[name]}." in caveats.page() for name in ("C3", "L3"))


def test_a_card_has_its_verdicts_in_words_and_says_what_they_mean():
    for name, claim in ledger.read().items():
        card = unescape(link_claims(claims.claim(name).html))
        fold = card.rpartition("How we know</summary>")[2]
        assert ("lbl-star" in card) == bool(claim.falls), name
        for arm, said in claim.verdict.items():
            weak = arm in claim.falls
            assert f": <b>{said}{' *' * weak}</b></li>" in card
            assert f'title="{said.capitalize()}: ' in card
            assert f"<i>{said.capitalize()}</i>: {MEANS[said]}." in fold
        assert not set("◐◑≈") & set(card), name
