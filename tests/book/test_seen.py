"""Words that a page explains where they stand, and what the README shows of the book."""

import re

import pytest

from tests.browser import HTML, pages

from look import README  # isort: skip

pytestmark = pytest.mark.slow


def test_explained_words_stand_in_prose_and_their_meaning_is_prose(browser):
    context = browser.new_context(offline=True, java_script_enabled=False)
    page, seen = context.new_page(), set()
    for path in [path for path in pages() if path.parent.name == "notebooks"]:
        name = path.stem
        page.goto(path.as_uri())
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
    assert {"latent weight", "STE", "surrogate gradient", "stages"} <= seen
    everyday = {"scale", "committed", "window", "interval"}  # had other meanings in some chapters
    assert not everyday & {word.removesuffix("s") for word in seen}


def test_what_the_readme_shows_is_still_on_its_page():
    """``look.py --readme`` takes the picture."""
    name, section = README
    assert f'id="{section}"' in (HTML / f"{name}.html").read_text("utf-8")
