"""The picture of what we found: its numbers, its refusals, and the one screen it fits on."""

import sys

import numpy as np
import pytest
import yaml

from stompp_lite.errors import ConfigError
from stompp_lite.lab.claims import judged, runs_of, verdicts
from stompp_lite.lab.ledger import read
from tests.browser import HTML, Watched
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import findings

DATA = yaml.safe_load(findings.PATH.read_text(encoding="utf-8"))
GOOD = ["C1", "minimal", "at 36"]


def bars():
    return [bar for *_, cells in findings.rows(DATA) for found in cells.values() for bar in found]


def test_about_twelve_claims_under_four_questions():
    assert len(DATA["questions"]) == 4
    assert 12 <= sum(map(len, DATA["questions"].values())) <= 14
    assert DATA["columns"]["full"]["empty"] == "not run"


def test_each_bar_is_the_difference_of_its_runs():
    page, whole = findings.matrix(), {}
    for bar in bars():
        if bar.claim.id not in whole:
            whole[bar.claim.id] = verdicts(bar.claim, judged(bar.claim))
        assert bar.verdict == whole[bar.claim.id][bar.arm]
        plus, minus = (runs_of(side)[0] for side in bar.outcome.comparison.sides)
        seeds = sorted(set(plus) & set(minus))
        apart = [plus[s].final["test_acc"] - minus[s].final["test_acc"] for s in seeds]
        found = bar.outcome
        if found.interval is None:
            assert found.pairs == pytest.approx(apart, abs=0.01)
        else:
            assert found.interval.mean == pytest.approx(np.mean(apart), abs=0.01)
            assert found.interval.seeds == len(seeds) and bar.short in page


def test_a_bar_is_read_by_the_rule_of_its_row():
    ledger = read()

    def reading(found, expect):
        return findings.bar(found, expect, "here", ledger).reading

    assert reading(GOOD, "above") == "for"
    assert reading([*GOOD, "turned"], "above") == "against"
    assert reading(GOOD, "same") == "against"
    assert reading(["C1", "adam", "at 24"], "above") == "open"
    assert reading(["C5", "adam", "forward minus reverse"], "same") == "for"
    # ten pairs, all above zero and far apart
    assert reading(["C4", "minimal", "forward minus reverse"], "above") == "for"


@pytest.mark.parametrize(
    ("found", "expect", "said"),
    [
        (["C99", "minimal", "at 36"], "above", "claim.*C99"),
        (["C1", "sgd", "at 36"], "above", "arm of C1.*sgd"),
        (["C1", "minimal", "at 37"], "above", "comparison of C1, minimal.*at 37"),
        (GOOD, "more", "expect.*more"),
        (GOOD[:2], "above", "a bar is"),
        ([*GOOD, "around"], "above", "a bar is"),
    ],
)
def test_what_the_ledger_does_not_have_is_named(found, expect, said):
    with pytest.raises(ConfigError, match=f"(?s)here.*{said}"):
        findings.bar(found, expect, "here", read())


def test_a_bar_without_runs_names_the_command_that_makes_them(monkeypatch):
    monkeypatch.setattr("stompp_lite.lab.claims._recipe", lambda name: {})
    with pytest.raises(ConfigError, match=r"C1, minimal, 'at 36' has no recorded runs.*sweep fair"):
        findings.bar(GOOD, "above", "here", read())


def test_a_column_that_is_not_there_is_named():
    data = {
        "columns": DATA["columns"],
        "questions": {"Why?": [{"says": "So.", "expect": "above", "bars": {"mars": [GOOD]}}]},
    }
    with pytest.raises(ConfigError, match=r"'So\.': column.*mars"):
        list(findings.rows(data))


def found(browser):
    watched = Watched(browser.new_context(offline=True))
    watched.page.goto((HTML / "book" / "found.html").as_uri())
    watched.page.evaluate("document.fonts.ready")
    return watched


@pytest.fixture
def page(shared):
    watched = shared("found", found)
    yield watched.page
    assert not watched.wrong


@pytest.mark.slow
def test_the_picture_fits_one_screen(page):
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.evaluate("scrollY") == 0
    box = page.locator(".lbl-findings table").bounding_box()
    assert box["y"] + box["height"] <= 800 and box["x"] + box["width"] <= 1280
    assert page.locator(".lbl-found svg").bounding_box()["y"] < box["y"]


@pytest.mark.slow
def test_names_of_columns_do_not_run_into_each_other(page):
    for width in (1280, 1100, 1000):
        page.set_viewport_size({"width": width, "height": 800})
        names = page.locator('.lbl-findings thead th[scope="col"]')
        wide = names.evaluate_all("all => all.map((th) => [th.scrollWidth, th.clientWidth])")
        assert len(wide) > 6 and all(words <= room for words, room in wide), (width, wide)


@pytest.mark.slow
def test_every_bar_leads_to_its_card(page):
    cards = (HTML / "book" / "ledger.html").read_text(encoding="utf-8")
    links = page.locator(".lbl-findings tbody a").all()
    assert len(links) > 25
    for link in links:
        there = link.get_attribute("href")
        assert there.startswith("ledger.html#claim-") and f'id="{there.split("#")[1]}"' in cards
        told = link.get_attribute("title")
        assert "Claim" in told and "pairs of runs" in told


@pytest.mark.slow
def test_a_phone_shows_four_lists(page):
    page.set_viewport_size({"width": 390, "height": 800})
    for question in DATA["questions"]:
        assert (
            page.get_by_role("rowheader", name=question)
            .or_(page.locator("th.ask", has_text=question))
            .first.is_visible()
        )
    assert page.locator(".lbl-findings .words").first.is_visible()
    assert not page.locator(".lbl-findings td.blank").first.is_visible()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
