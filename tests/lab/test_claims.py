"""The ledger: its rules on made-up runs whose answers are known, and on the runs we have."""

import numpy as np
import pytest

from stompp_lite.errors import ConfigError, RecordError
from stompp_lite.lab import claims, sawtooth
from stompp_lite.lab.claims import Comparison, judge
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.stats import Interval, seeds_interval
from tests.conftest import ROOT
from tests.records import made

LEDGER = claims.read()
COMPARISONS = [(c, arm, row) for c in LEDGER.values() for arm in c.arms for row in c.arms[arm]]


@pytest.fixture
def runs(monkeypatch):
    """Made-up groups in place of the records: name -> accuracies by seed; None: not run yet."""
    found = {}

    def recipe(name):
        return {
            group: [made(group, seed, score) for seed, score in scores.items() if score is not None]
            for group, scores in found.items()
        }

    monkeypatch.setattr(claims, "_recipe", recipe)
    monkeypatch.setattr(claims, "_planned", lambda name: {g: set(s) for g, s in found.items()})
    return found


def level(accuracy, seeds=5):
    return {s: accuracy + 0.2 * (s % 3) for s in range(seeds)}


@pytest.mark.parametrize(
    ("expect", "by", "low", "high", "said"),
    [
        ("above", 0, 0.1, 9, "holds"), ("above", 0, -0.1, 9, "undecided"),
        ("above", 0, -9, -0.1, "against"), ("above", 20, 19, 40, "undecided"),
        ("above", 20, 21, 40, "holds"), ("same", 0, -2.9, 2.9, "holds"),
        ("same", 0, 0.5, 2.5, "holds"), ("same", 0, 0.5, 3.5, "against"),
        ("same", 0, -0.5, 3.5, "undecided"), ("same", 0, -9, -4, "against"),
        ("apart", 0, 4, 9, "holds"), ("apart", 0, -9, -4, "holds"),
        ("apart", 0, -1, 9, "undecided"), ("apart", 0, 1, 4, "undecided"),
        ("apart", 0, -2, 2, "against"),
    ],
)  # fmt: skip
def test_how_an_interval_is_read(expect, by, low, high, said):
    d = Interval((low + high) / 2, (high - low) / 2, 5)
    assert claims.READERS[expect](d, by) == said


def test_a_comparison_pairs_seeds_over_recipes(runs):
    runs |= {"n06-a": level(90), "n06-b": level(80), "n06-more": {7: 95.0, 8: 95.2}}
    runs["n06-b"] |= {7: 80.0}
    found = judge(Comparison("", "x/n06-a & y/n06-more", "x/n06-b", "above", 5))
    assert (found.said, found.interval.seeds) == ("holds", 6)  # 0 to 4, and 7
    assert found.interval.mean == pytest.approx((5 * 10 + 15) / 6)
    assert str(found) == f"+10.8 ± {found.interval.half:.2g}, n = 6: holds"


def test_a_difference_of_differences(runs):
    runs |= {"n06-a": level(90), "n06-b": level(70), "n06-c": level(95), "n06-d": level(94)}
    row = Comparison("", "x/n06-a", "x/n06-b", "above", 0, "x/n06-c", "x/n06-d")
    assert judge(row).interval.mean == pytest.approx(20 - 1)


def test_of_runs_that_split_no_mean_is_taken(runs):
    runs |= {"n06-a": level(90), "n06-b": {0: 10, 1: 80, 2: 15, 3: 85, 4: 12}}
    found = judge(Comparison("", "x/n06-a", "x/n06-b", "above"))
    assert found.interval is None and len(found.pairs) == 5 and found.said == "holds"
    assert str(found) == "runs split: +80, +10, +75, +5, +78: holds"
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "above", by=20)).said == "undecided"
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "apart")).said == "undecided"
    runs["n06-b"][3] = 95
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "above")).said == "undecided"


def test_what_is_not_recorded_is_not_run(runs):
    runs |= {"n06-a": level(90), "n06-b": {9: 90.0}}
    assert judge(Comparison("", "x/n06-a", "x/n06-none", "above")).said == "not run"
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "above")).said == "not run"  # no common seed
    runs["n06-b"] = level(80) | {4: None}  # four of the five that are planned
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "above")).said == "not run"
    runs["n06-b"] = level(80)
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "above")).said == "holds"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (["holds", "holds"], "reproduced"), (["holds", "against"], "partly"),
        (["holds", "undecided"], "partly"), (["against", "undecided"], "not reproduced"),
        (["undecided"], "inconclusive"), (["holds", "not run"], "not run"), ([], "not run"),
    ],
)  # fmt: skip
def test_the_verdict_of_an_arm(said, verdict):
    row = Comparison("", "x/a", "x/b", "above")
    assert claims.verdict([claims.Outcome(row, s) for s in said]) == verdict


ENTRY = """
- id: X1
  says: a
  source: b
  arms:
    minimal: [{name: c, first: fair/n06-ARM-ste, second: fair/n06-ARM-stompp, expect: above}]
"""


def test_a_ledger_is_read_and_arms_are_filled_in():
    claim = claims.parse(ENTRY)["X1"]
    assert claim.arms["minimal"][0].first == "fair/n06-minimal-ste"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("says:", "say:", "claim X1: unknown field 'say'"),
        ("  source: b\n", "", "claim X1: .*'source'"),
        ("expect: above", "expect: higher", "claim X1, minimal: cannot expect 'higher'"),
        ("second:", "secnd:", "claim X1, minimal: unknown field 'secnd'"),
        ("- id", "- [id", "not YAML"),
        ("  says: a", "  measure: size\n  says: a", "unknown measure size"),
        ("  says: a", "  verdict: {adam: partly}\n  says: a", "no verdict 'partly' for an arm"),
        ("  says: a", "  verdict: {minimal: yes}\n  says: a", "no verdict True"),
        (ENTRY, ENTRY + ENTRY, "a second one"),
        (ENTRY, "a text", "must be a mapping"),
    ],
)  # fmt: skip
def test_a_bad_ledger_is_named(old, new, says):
    with pytest.raises(RecordError, match=says):
        claims.parse(ENTRY.replace(old, new))


def test_every_verdict_still_follows_from_the_records():
    """A verdict in the ledger is what its rule makes of the records, no more and no less."""
    for claim in LEDGER.values():
        found = {arm: claims.verdict(outcomes) for arm, outcomes in claims.judged(claim).items()}
        recorded = {arm: said for arm, said in found.items() if said != "not run"}
        assert dict(claim.verdict) == recorded, claim.id


@pytest.mark.parametrize(("claim", "arm", "row"), COMPARISONS)
def test_every_group_that_a_claim_names_is_one_of_its_recipe(claim, arm, row):
    assert claim.recipe in RECIPES
    for setting in filter(None, (row.first, row.second, row.minus_first, row.minus_second)):
        for part in setting.split(" & "):
            recipe, _, name = part.partition("/")
            seeds = [run for run in RECIPES[recipe].runs.values() if run.setting == name]
            assert len(seeds) >= 3, part


def test_a_card_tells_statement_evidence_and_command():
    text = claims.claim("C1")
    assert text.startswith("**Claim C1.** Without a surrogate gradient")
    assert "sweep fair` (about" in text and "| minimal | reproduced | at 24 | +" in text
    bare = claims.Claim("X1", "Nobody looked.", "nobody")
    assert "Not run at this scale" in claims._card(bare, {})
    assert claims.claim("C1")._repr_markdown_() == text
    page = claims.page()
    assert all(f"## {name}\n" in page and c.says in page for name, c in LEDGER.items())
    assert text in page
    with pytest.raises(ConfigError, match="unknown claim 'C99'"):
        claims.claim("C99")


def test_a_tooth_is_found_where_it_is():
    record = made("n02-x", 0, 90)
    total, stages = 1380, 9
    tau = stages * (np.arange(1242) + 1) / 1242
    loss = np.full(total, 0.5)
    loss[:1242] += 0.3 * ((tau % 1 >= 0.4) & (tau % 1 < 0.5))
    record.steps["loss"] = loss.tolist()
    assert sawtooth.height(record) == pytest.approx(0.3)
    assert int(sawtooth.by_phase(record).argmax()) == 4
    record.steps["loss"] = [0.5] * total
    assert sawtooth.height(record) == pytest.approx(0)
    del record.steps["loss"]
    with pytest.raises(RecordError, match="not recorded"):
        sawtooth.height(record)


def test_an_interval_over_seeds_alone():
    found = seeds_interval([1.0, 2.0, 3.0])
    assert found.mean == 2 and found.half == pytest.approx(4.303 / np.sqrt(3), abs=1e-3)
    with pytest.raises(ConfigError, match="at least 2"):
        seeds_interval([1.0])


def test_what_we_found_names_every_claim():
    page = (ROOT / "book" / "found.md").read_text(encoding="utf-8")
    assert [name for name in claims.read() if f"(#claim-{name.lower()})" not in page] == []
