"""The search page: queries that a reader would type, each with its expected first hit."""

import json
import re
from urllib.parse import urlsplit

import pytest

from tests.browser import HTML, Watched, axe_script

pytestmark = pytest.mark.slow

#: What is typed -> page and anchor of the first hit; without an anchor, any place on the page.
EXPECTED = {
    "STE": "book/notation#word-ste",
    "stohastic": "book/notation#word-sgd",
    "straight-through": "book/notation#word-ste",
    "latent weight": "book/notation#word-latent-weight",
    "latent weights": "book/notation#word-latent-weight",
    "alpha": "book/notation#word-alpha",
    "ρ": "book/notation#word-rho",
    "committed": "book/notation#word-committed",
    "sawtooth": "notebooks/09_the_sawtooth#the-sawtooth",
    "sawtoth": "notebooks/09_the_sawtooth#the-sawtooth",
    "refresh": "notebooks/11_schedules_and_refresh#schedules-and-refresh",
    "masks": "notebooks/10_masks_that_breathe#masks-that-breathe",
    "freeze": "notebooks/05_clip_then_freeze#clip-then-freeze",
    "blockade": "notebooks/06_gradient_blockades#gradient-blockades",
    "order": "notebooks/08_order_matters#order-matters",
    "which method": "book/which_method#which-method-for-my-network",
    "ledger": "book/ledger#ledger-of-claims",
    "C7": "book/ledger#c7",
    "claim C1": "book/ledger#c1",
    "how to freeze": "notebooks/05_clip_then_freeze#clip-then-freeze",
    "benjamini": "book/ledger#findings-by-chance",
    "local signals": "book/api/local#local-signals",
    "onnx": "book/api/ship#stompp_lite.ship.export_onnx.export_onnx",
    "bop": "notebooks/17_the_landscape",
    "BERT": "notebooks/15_mobilenet_and_bert#bert-itself",
    "MobileNet": "notebooks/15_mobilenet_and_bert",
    "pack": "book/api/ship",
    "binarize_model": "book/api/networks#stompp_lite.networks.convert.binarize_model",
    "playground": "book/playground#playground",
}


def search(page, asked):
    page.goto((HTML / "search.html").as_uri())
    page.locator(".bd-search-container input").fill(asked)
    return page.locator("#lbl-results li")


def place(link):
    """Page and anchor of a link of the search page, without the ending."""
    to = urlsplit(link.get_attribute("href"))
    return f"{to.path.removesuffix('.html')}#{to.fragment}"


def test_what_readers_type_leads_to_what_they_look_for(context):
    watched, wrong = Watched(context), {}
    for asked, expected in EXPECTED.items():
        found = place(search(watched.page, asked).first.locator("a"))
        if found.partition("#" if "#" not in expected else "\n")[0] != expected:
            wrong[asked] = found
    assert not wrong and len(EXPECTED) >= 20
    assert not watched.wrong, watched.wrong


def test_every_place_that_can_be_found_is_there():
    rows = json.loads(
        (HTML / "_static" / "sections.js").read_text("utf-8").partition("= ")[2].rstrip("; \n")
    )
    kinds = {kind: sum(row[-1] == kind for row in rows) for kind in ("", "word", "name")}
    assert kinds[""] > 300 and kinds["word"] > 30 and kinds["name"] > 200
    anchors = {}
    for page, _, anchor, *_ in rows:
        if page not in anchors:
            anchors[page] = set(
                re.findall(r'\bid="([^"]+)"', (HTML / page).read_text(encoding="utf-8"))
            )
        assert anchor in anchors[page], (page, anchor)


def test_whole_words_come_first_and_a_wrong_letter_is_forgiven(context):
    page = Watched(context).page
    hits = search(page, "STE")
    marked = hits.locator("mark").all_text_contents()
    assert hits.count() == 40 and {word.lower() for word in marked} == {"ste"}
    hits = search(page, "stohastic")
    assert "Nothing has exactly" in page.locator("#lbl-count").text_content()
    assert "stochastic" in {m.lower() for m in hits.locator("mark").all_text_contents()}
    assert search(page, "mask nosuchword").count()
    assert "No place has all" in page.locator("#lbl-count").text_content()


def test_what_is_not_there_and_what_is_no_word_are_said_so(context):
    watched = Watched(context)
    page = watched.page
    page.goto((HTML / "search.html").as_uri() + "?q=%3Cxqzzyv%3E")
    assert "Nothing in the book has “<xqzzyv>”" in page.text_content("#lbl-count")
    search(page, "<img src=x>xqzzyv")
    assert not page.locator("#lbl-results img, #lbl-count img").count()
    assert not search(page, "?!").count()
    assert "Nothing in the book has" in page.text_content("#lbl-count")
    search(page, "")
    assert "What do you look for?" in page.text_content("#lbl-count")
    assert not watched.wrong, watched.wrong


def test_by_keyboard_from_any_page_to_a_hit_on_which_nothing_stays_marked(context):
    watched = Watched(context)
    page = watched.page
    page.goto((HTML / "notebooks" / "07_layer_by_layer.html").as_uri())
    page.keyboard.press("Control+k")
    page.keyboard.type("soft refresh")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=soft+refresh")
    first = page.locator("#lbl-results li").first
    marked = [m.lower() for m in first.locator("mark").all_text_contents()[:2]]
    assert marked == ["soft", "refresh"]
    page.keyboard.press("Enter")  # from the field to the first hit
    target = place(first.locator("a"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{target.replace('#', '.html#')}")
    page.locator(f"#{target.partition('#')[2]}").wait_for()
    page.wait_for_timeout(300)
    assert not page.locator(".highlighted").count()
    assert page.evaluate("localStorage.getItem('sphinx_highlight_terms')") is None
    page.go_back()
    assert page.locator(".bd-search-container input").input_value() == "soft refresh"
    assert page.locator("#lbl-results li").count()
    assert not watched.wrong, watched.wrong


def test_on_a_phone_and_in_both_themes_hits_are_readable(browser):
    context = browser.new_context(offline=True, viewport={"width": 360, "height": 740})
    page = context.new_page()
    for asked in ("loss", "binarize_model"):
        assert search(page, asked).count()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.evaluate(axe_script())
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        wrong = page.evaluate(
            "axe.run('.bd-search-container', {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa']})"
            ".then((r) => r.violations.map((v) => `${v.id}: ${v.nodes[0].html}`))"
        )
        assert not wrong, (theme, wrong)
    context.close()


def test_only_the_search_page_loads_what_is_searched_and_it_is_light():
    static = HTML / "_static"
    page = (HTML / "search.html").read_text(encoding="utf-8")
    for name in ("minisearch/minisearch.js", "sections.js", "search.js"):
        assert f"_static/{name}" in page
    other = (HTML / "notebooks" / "07_layer_by_layer.html").read_text(encoding="utf-8")
    assert not re.search(r"minisearch|sections\.js|search\.js|sphinx_highlight", other)
    assert (static / "sections.js").stat().st_size < 0.8e6
    assert not list(HTML.rglob("searchindex*")) + list(HTML.rglob("searchtools*"))
    assert "MiniSearch 7" in (static / "minisearch" / "LICENSE.txt").read_text(encoding="utf-8")
