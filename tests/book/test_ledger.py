"""The ledger's page: what verdicts leave out, computed from the ledger and our records."""

import re
import sys

import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.lab import claims, ledger
from stompp_lite.lab.arms import NAMES
from stompp_lite.lab.claims import judge
from tests.browser import HTML, Watched
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import cards
import caveats

LEDGER = ledger.read()


@pytest.fixture(scope="module")
def judged():
    """Every comparison of the ledger on our records."""
    return {name: claims.judged(claim) for name, claim in LEDGER.items()}


def test_the_findings_that_fall_are_those_of_the_ledger(judged):
    written = {name: dict(claim.falls) for name, claim in LEDGER.items() if claim.falls}
    assert caveats.falls(judged) == written


def test_the_page_names_the_rules_that_are_younger_than_their_runs():
    every, whole, some = caveats.page("older").splitlines()
    for name in ("C1", "C2", "L1", "L4", "L7", "L8", "L9"):
        assert f"[{name}](#claim-{name.lower()})" in every
    assert "[C6](#claim-c6) (1 of 2 comparisons)" in whole
    assert "[C3]" in some and "[C5]" not in every + whole + some


def test_the_page_counts_what_it_speaks_of(judged):
    counts = caveats.page("counts")
    theirs = sum(name.startswith("C") for name in LEDGER)
    assert f"has {theirs} claims of the two StoMPP papers" in counts
    assert (
        "[C8](#claim-c8) (small steps)" in counts
        and "[C9](#claim-c9) (MobileNetV2 on digits)" in counts
    )
    chance = caveats.page("chance")
    outcomes = [o for arms in judged.values() for rows in arms.values() for o in rows]
    assert f"Of the {sum(o.interval is not None for o in outcomes)} differences" in chance
    assert chance.count("\n- ") == sum(len(r) for c in LEDGER.values() for r in c.falls.values())


def test_what_a_chosen_rate_is_worth_is_told_from_the_records():
    (row,) = LEDGER["C2"].beside["scale"]
    found = judge(row)
    assert caveats.page("choice").count("\n") == 0  # beside another claim stands another question
    assert str(found) == "+0.2 ± 2.6, n = 5: no difference seen"
    assert str(found) in caveats.page("choice") and str(found) in claims.claim("C2")
    assert found not in claims.judged(LEDGER["C2"])["scale"]  # it decides nothing


def test_the_page_holds_every_card():
    page = caveats.page()
    for name, claim in LEDGER.items():
        assert f"(claim-{name.lower()})=\n### {name}\n\n:::{{div}} lbl-says\n{claim.says}\n" in page
        assert all(f": <b>{said}</b></li>" in page for said in claim.verdict.values())
    assert page.index("### C2\n") < page.index("### C12\n") < page.index("### L1\n")
    assert page.count("How we know") == len(LEDGER)
    with pytest.raises(ConfigError, match="part of the ledger's page"):
        caveats.page("nothing")


def test_the_words_on_a_card_mean_what_the_ledger_says():
    told = (ROOT / "book" / "ledger.md").read_text(encoding="utf-8")
    assert set(cards.MEANS) == set(ledger.VERDICTS)
    assert all(f"| {word} | {means} |" in told for word, means in cards.MEANS.items())


def test_a_card_keeps_all_that_the_claim_tells():
    """Each comparison with its numbers, what decides nothing, the source, and the command."""
    page = cards.html.unescape(caveats.page())
    for name, claim in LEDGER.items():
        found = claims.claim(name)
        for row in found.rows:
            assert f"<td>{cards.worded(row.name)}</td><td>{row.says}</td>" in page, name
        assert all(f"<p>{cards.worded(note)}</p>" in page for note in found.notes[1:])
        assert (
            f"From {claim.source}" in page
            and claim.certainty in page
            and cards.worded(claim.theirs) in page
        )


def test_no_short_key_of_a_setting_stands_in_the_open():
    """In prose, chips and figures settings have names."""
    text = re.sub(r"<details.*?</details>", "", caveats.page(), flags=re.DOTALL)
    assert not re.findall(r"\b(?:minimal|sgd|adam)\b", text)
    assert all(f"{cards.html.escape(cards.setting(a))}: <b>" in text for a in ("minimal", "adam"))
    assert cards.worded("STE here minus STE in minimal, in minimal+scale") == (
        f"STE here minus STE with small steps, with {NAMES['minimal+scale']}"
    )
    assert cards.worded("10 in minimal, 5 in the others") == "10 with small steps, 5 in the others"


def test_every_question_and_every_word_of_strength_has_claims():
    asked = {name for claim in LEDGER.values() for name in claim.question}
    assert asked == set(ledger.QUESTIONS)
    buttons = cards.filters(3)
    assert all(f">{words}</button>" in buttons for words in ledger.QUESTIONS.values())
    assert all(f">{words}</button>" in buttons for words in cards.STRENGTHS)
    assert set(ledger.VERDICTS) == {v for meant in cards.STRENGTHS.values() for v in meant}
    assert 'class="lbl-filters" hidden' in buttons  # until a script can use them


# ---- in a browser --------------------------------------------------------------------------------
def opened(browser):
    watched = Watched(browser.new_context(offline=True))
    watched.page.goto((HTML / "book" / "ledger.html").as_uri())
    return watched


@pytest.fixture
def page(shared):
    """The page, opened once: no filter is set, and it is wide."""
    watched = shared("ledger", opened)
    watched.page.set_viewport_size({"width": 1280, "height": 900})
    yield watched.page
    assert not watched.wrong


def shown(page):
    """Names of the cards that can be seen."""
    found = page.locator("section:has(> .lbl-says):visible").all()
    return [section.get_attribute("id").upper() for section in found]


@pytest.mark.slow
def test_filters_work_by_keyboard(page):
    assert len(shown(page)) == len(LEDGER)
    order = page.get_by_role("button", name="Does order matter?")
    order.focus()
    page.keyboard.press("Enter")
    want = {name for name, claim in LEDGER.items() if "order" in claim.question}
    assert set(shown(page)) == want and order.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="speaks against the claim").focus()
    page.keyboard.press("Space")
    against = {n for n in want if any("against" in v for v in LEDGER[n].verdict.values())}
    assert set(shown(page)) == against
    said = page.locator(".lbl-filters [role=status]")
    assert said.text_content() == f"{len(against)} of {len(LEDGER)} claims."
    assert page.locator(".lbl-filters [aria-pressed=true]").count() == 2
    for row in (0, 1):
        page.get_by_role("button", name="all", exact=True).nth(row).press("Enter")
    assert len(shown(page)) == len(LEDGER)


@pytest.mark.slow
def test_a_link_to_a_card_that_a_filter_hides_shows_it(page):
    for _ in range(2):  # the second time the address does not change
        page.get_by_role("button", name="Does order matter?").click()
        assert "C1" not in shown(page)
        page.evaluate(
            """() => { const a = document.createElement("a"); a.href = "#claim-c1";
            document.querySelector(".bd-article").append(a); a.click(); a.remove(); }"""
        )
        page.wait_for_function("!document.getElementById('c1').hidden")
        assert len(shown(page)) == len(LEDGER)
        assert "for C1" in page.locator(".lbl-filters [role=status]").text_content()
        page.wait_for_function(
            "Math.abs(document.getElementById('claim-c1').getBoundingClientRect().top) < 200"
        )


@pytest.mark.slow
def test_a_claim_has_room_for_its_words(page):
    for words in page.locator(".lbl-says > p").all():
        assert words.bounding_box()["width"] >= 0.45 * 1280
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert all(
        box["x"] + box["width"] <= 390
        for box in (svg.bounding_box() for svg in page.locator(".lbl-differences svg").all())
    )


@pytest.mark.slow
def test_without_a_script_every_card_is_there(browser):
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto((HTML / "book" / "ledger.html").as_uri())
    assert page.locator(".lbl-says").count() == len(LEDGER)
    assert page.locator("#c1").is_visible() and page.locator("#l22").is_visible()
    assert not page.locator(".lbl-filters").is_visible()
    context.close()
