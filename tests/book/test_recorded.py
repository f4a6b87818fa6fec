"""The page of recorded runs: its index is complete, and a recipe without a section is refused."""

import re
import sys
from functools import cache

import pytest
from sphinx.errors import ExtensionError

from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.recipes_doubts import DOUBTS
from tests.browser import HTML, Watched
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import recorded

PAGE = recorded.PAGE.read_text(encoding="utf-8")


@cache
def rows():
    """Recipe -> the other cells of its row."""
    lines = recorded.index().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {re.search(r'href="#([\w-]+)"', first)[1]: rest for first, *rest in cells}


def test_the_index_has_every_recipe_with_records_and_no_other():
    folders = {p.parent.name for p in (ROOT / "data" / "runs").glob("*/*.json")}
    assert set(rows()) == folders
    for name, (asked, count, _) in rows().items():
        assert RECIPES[name].question.startswith(asked)
        assert int(count.split(" of ")[0]) == len(list((ROOT / "data/runs" / name).glob("*.json")))


def test_the_index_names_the_chapters_that_the_sections_name():
    """What a section says of its chapters is computed, too."""
    for part in re.split(r"^##+ ", PAGE, flags=re.MULTILINE):
        name, _, text = part.partition("\n")
        if name in rows():
            told = set(re.findall(r"notebooks/(\w+)\.ipynb", text))
            assert told <= set(re.findall(r"notebooks/(\w+)\.ipynb", rows()[name][2])), name
    assert "12_a_fair_fight" in rows()["fair-deep"][2] and "index.md" in rows()["race"][2]


def test_a_recipe_with_records_and_no_section_is_named():
    page = PAGE.replace("## tooth\n", "## teeth\n").replace("## lead\n", "")
    with pytest.raises(ExtensionError, match="no section for tooth, lead, of which runs"):
        recorded.index(page)
    with pytest.raises(ExtensionError, match="no section for more-time, adam-36, silence"):
        recorded.index(PAGE.replace("% table recorded doubts", ""))


def test_a_section_shows_the_runs_of_its_recipe():
    for name in recorded.sections(PAGE):
        if name not in ("processors", *(recipe.name for recipe in DOUBTS)):
            assert f"% table summary {name}\n" in PAGE, name
    assert "% table processors -" in PAGE and "% table recorded doubts" in PAGE


def test_a_doubt_has_a_section_where_it_has_records_and_a_name_where_not(monkeypatch):
    text = recorded.doubts()
    for recipe in DOUBTS:
        there = recorded.recorded(recipe.name) > 0
        assert (f"### {recipe.name}\n" in text) == there
        assert (f"`{recipe.name}`" in text.split("\n")[0]) != there
    assert "claim [L20](#claim-l20)" in text
    monkeypatch.setattr(recorded, "recorded", lambda name: 0)
    assert "###" not in recorded.doubts() and "`silence`" in recorded.doubts()


def test_recipes_of_full_size_wait_by_name():
    text = recorded.waiting()
    assert all(f"`{name}`" in text for name, recipe in RECIPES.items() if recipe.full)
    assert "`fair`" not in text


@pytest.mark.slow
def test_every_row_leads_to_its_section(context):
    watched = Watched(context)
    page = watched.page
    page.goto((HTML / "book" / "recorded_runs.html").as_uri())
    for name in rows():
        link = page.locator(f'#index a[href="#{name}"]')
        assert link.count() == 1
        assert page.locator(f'section[id="{name}"], section:has(> [id="{name}"])').count() >= 1, (
            name
        )
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not watched.wrong
