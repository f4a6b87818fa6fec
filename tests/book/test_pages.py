"""Every page of the built book, each opened once with the network cut off: see tests/visit.py."""

import re

import numpy as np
import pytest

from tests.browser import HTML, MOVED, axe_script, pages
from tests.contrast import faint
from tests.visit import Known, Visit

pytestmark = pytest.mark.slow
#: The longest first: what two workers share ends at the same time. Without a book: in any order.
PAGES = [
    str(path.relative_to(HTML))
    for path in sorted(
        [*pages(), HTML / "search.html", HTML / "genindex.html"],
        key=lambda path: -path.stat().st_size if path.is_file() else 0,
    )
]


@pytest.fixture(scope="module")
def known():
    """What earlier pages showed already, and axe-core."""
    return Known(), axe_script()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_seen_told_and_moved_as_it_should(browser, known, name):
    problems = Visit(browser, (HTML / name).as_uri(), *known).all()
    assert not problems, f"{name}:\n" + "\n".join(problems)


def test_an_old_address_leads_to_the_new_page_and_its_section(context):
    page = context.new_page()
    for old, new in MOVED.items():
        page.goto((HTML / f"{old}.html").as_uri() + "#exercises", wait_until="commit")
        wanted = (HTML / f"{new}.html").as_uri() + "#exercises"
        page.wait_for_url(wanted, wait_until="commit")
    assert MOVED


# ---- the checks can fail -------------------------------------------------------------------------
#: A page with one fault for each check. Like the book's, its theme is the one that is asked for.
FAULTY = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width">
<style>body { margin: 0; background: #fff; color: #222; } h1 { color: #123; }
[data-theme=dark] body { background: #111; color: #eee; } [data-theme=dark] h1 { color: #222; }
[data-theme=dark] .lbl-figure { color: #333; } .narrow { overflow: hidden; width: 100%; }
.narrow span { display: block; width: 500px; } .far { position: absolute; left: 1300px; }</style>
<script>const asked = matchMedia('(prefers-color-scheme: dark)');
const show = () => { document.documentElement.dataset.theme = asked.matches ? 'dark' : 'light'; };
asked.addEventListener('change', show); show(); console.error('something broke');</script>
<body><main><article class="bd-article"><h1>Words that are faint in the dark theme</h1>
<div class="narrow"><span>words that a phone cuts</span></div>
<p class="far">far</p><p style="color: #aaa">faint words</p><p><img alt="short"></p>
<div class="lbl-component"></div><div class="lbl-component"></div>
<div class="lbl-figure" role="group" aria-label="A dead figure"><p class="lbl-error">an error</p>
<label>a dead slider <input type="range"></label><label>a live slider <input type="range"
oninput="this.nextElementSibling.textContent = this.value"><b>50</b></label><input type="text">
<p style="color: #bbb">a faint figure</p></div>
<figure class="lbl-still"><svg width="9" height="9"><image width="1" height="1"/></svg></figure>
<ul>ENTRIES</ul></article></main></body></html>""".replace(
    "ENTRIES", 20 * '<li><a href="#"></a></li>'
)
#: The problems that it has, each by its beginning and by a word that tells where.
FAULTS = [
    ("[390 wide: what is cut]", "words that a phone cuts"),
    ("[390 wide: the page]", "pixels wide"),
    ("[1280 wide: the page]", "pixels wide"),
    ("[light theme: words of figures]", "'a faint figure'"),
    ("[dark theme: words of figures]", "'an error'"),
    ("[a control without a label]", 'type="text"'),
    ("[drawings]", "has no size"),
    ("[alternative texts]", '"short"'),
    ("[moving figures are drawn]", "an error"),
    ("[moving figures are drawn]", "1 of 2"),
    ("[axe, light theme]", "color-contrast: <p style"),
    ("[axe, light theme]", 'label: <input type="text"'),
    ("[axe, light theme]", 'link-name: <a href="#">'),
    ("[axe, dark theme: contrast]", "color-contrast: <h1"),
    ("[controls of A dead figure]", "a dead slider"),
    ("[page, console and network]", "something broke"),
]


def test_each_check_finds_its_fault_and_hides_no_other(browser, known, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(FAULTY, encoding="utf-8")
    problems = Visit(browser, path.as_uri(), Known(), known[1]).all()
    for check, told in FAULTS:
        assert any(p.startswith(check) and told in p for p in problems), (check, told, problems)
    text = "\n".join(problems)
    assert not re.search("live slider.* does nothing|broke:", text), text
    assert "[1280 wide: what is cut]" not in text, text
    assert "h1" not in "".join(p for p in problems if p.startswith("[axe, light"))


def test_a_check_that_breaks_is_a_problem_and_the_others_go_on(browser, known, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(FAULTY, encoding="utf-8")
    problems = Visit(browser, path.as_uri(), Known(), "throw Error('no axe')").all()
    assert any(p.startswith("[axe, light theme] this check broke:") for p in problems), problems
    assert any(p.startswith("[controls of A dead figure]") for p in problems), problems


def test_words_and_controls_of_an_earlier_page_are_not_judged_again(browser, known, tmp_path):
    path, seen = tmp_path / "page.html", Known()
    path.write_text(FAULTY, encoding="utf-8")
    first = Visit(browser, path.as_uri(), seen, known[1]).all()
    again = Visit(browser, path.as_uri(), seen, known[1]).all()
    assert set(again) < set(first)
    assert not any("color-contrast" in problem for problem in again)
    assert any("a dead slider" in problem for problem in again)  # the first control is touched


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
