"""The ledger's page: what verdicts leave out, computed from the ledger and our records."""

import sys

import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.lab import claims, ledger
from stompp_lite.lab.claims import judge
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
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
    assert "C8 (minimal)" in counts and "[C9](#claim-c9) (MobileNetV2 on digits)" in counts
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
    assert all(f"## {name}\n" in page and c.says in page for name, c in LEDGER.items())
    assert all(claims.claim(name) in page for name in ("C1", "C2", "C4", "C6", "C12", "L10"))
    with pytest.raises(ConfigError, match="part of the ledger's page"):
        caveats.page("nothing")
