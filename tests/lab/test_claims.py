"""The ledger: its rules on made-up runs whose answers are known, and on the runs we have."""

import html
import subprocess
from datetime import datetime

import numpy as np
import pytest
import yaml

from stompp_lite.errors import ConfigError, RecordError
from stompp_lite.lab import claims, ledger, record, sawtooth
from stompp_lite.lab.claims import Outcome, judge
from stompp_lite.lab.ledger import Comparison
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.stats import Interval, seeds_interval
from tests.conftest import ROOT
from tests.records import made

LEDGER = ledger.read()
COMPARISONS = [(c, arm, row) for c in LEDGER.values() for arm, row in c.comparisons]


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
    monkeypatch.setattr(ledger, "groups_of", lambda name: {g: set(s) for g, s in found.items()})
    return found


def level(accuracy, seeds=5):
    return {s: accuracy + 0.2 * (s % 3) for s in range(seeds)}


@pytest.mark.parametrize(
    ("expect", "by", "low", "high", "said"),
    [
        ("above", 0, 0.1, 9, "holds"), ("above", 0, -0.1, 9, "neither"),
        ("above", 0, -9, -0.1, "against"), ("above", 20, 19, 40, "neither"),
        ("above", 20, 21, 40, "holds"), ("same", 0, -2.9, 2.9, "holds"),
        ("same", 0, 0.5, 2.5, "holds"), ("same", 0, 0.5, 3.5, "against"),
        ("same", 0, -0.5, 3.5, "neither"), ("same", 0, -9, -4, "against"),
        ("apart", 0, 4, 9, "holds"), ("apart", 0, -9, -4, "holds"),
        ("apart", 0, -1, 9, "neither"), ("apart", 0, 1, 4, "neither"),
        ("apart", 0, -2, 2, "against"),
    ],
)  # fmt: skip
def test_how_an_interval_is_read(expect, by, low, high, said):
    d = Interval((low + high) / 2, (high - low) / 2, 5)
    words = {(True, False): "holds", (False, True): "against", (False, False): "neither"}
    assert words[claims.READERS[expect](d, by)] == said


@pytest.mark.parametrize(
    ("expect", "gain", "by", "said"),
    [
        ("above", 9, 0, "hint"), ("above", -9, 0, "hint, against the claim"),
        ("above", 9, 20, "hint, less than asked"), ("above", 0, 0, "no difference seen"),
        ("same", 0, 0, "no difference seen"), ("same", 9, 0, "hint, against the claim"),
        ("same", 2, 0, "hint, within 3 points"), ("apart", -9, 0, "hint"),
        ("apart", 0, 0, "no difference seen, against the claim"),
    ],
)  # fmt: skip
def test_a_difference_is_told_in_the_words_of_the_book(runs, expect, gain, by, said):
    runs |= {"n06-a": level(50 + gain), "n06-b": level(50)}
    assert judge(Comparison("", "x/n06-a", "x/n06-b", expect, by)).said == said


def test_a_comparison_pairs_seeds_over_recipes(runs):
    runs |= {"n06-a": level(90), "n06-b": level(80), "n06-more": {7: 95.0, 8: 95.2}}
    runs["n06-b"] |= {7: 80.0}
    found = judge(Comparison("", "x/n06-a & y/n06-more", "x/n06-b", "above", 5))
    assert (found.said, found.holds, found.interval.seeds) == ("hint", True, 6)  # 0 to 4, and 7
    assert found.interval.mean == pytest.approx((5 * 10 + 15) / 6)
    assert str(found) == f"+10.8 ± {found.interval.half:.2g}, n = 6: hint"


def test_a_difference_of_differences(runs):
    runs |= {"n06-a": level(90), "n06-b": level(70), "n06-c": level(95), "n06-d": level(94)}
    row = Comparison("", "x/n06-a", "x/n06-b", "above", 0, "x/n06-c", "x/n06-d")
    assert judge(row).interval.mean == pytest.approx(20 - 1)


def test_of_runs_that_split_no_mean_is_taken(runs):
    runs |= {"n06-a": level(90), "n06-b": {0: 10, 1: 80, 2: 15, 3: 85, 4: 12}}
    found = judge(Comparison("", "x/n06-a", "x/n06-b", "above"))
    assert found.interval is None and len(found.pairs) == 5 and found.holds
    assert str(found) == "runs split: +80, +10, +75, +5, +78: hint"
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "above", by=20)).said == "undecided"
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "apart")).said == "undecided"
    runs["n06-b"][3] = 95
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "above")).said == "undecided"


def test_what_is_not_recorded_is_not_run(runs):
    runs |= {"n06-a": level(90), "n06-b": {9: 90.0}}
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "above")).said == "not run"  # no common seed
    runs["n06-b"] = level(80) | {4: None}  # four of the five that are planned
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "above")).said == "not run"
    runs["n06-b"] = level(80)
    assert judge(Comparison("", "x/n06-a", "x/n06-b", "above")).said == "hint"
    with pytest.raises(ConfigError, match="unknown group of recipe 'x': 'n06-none'"):
        judge(Comparison("", "x/n06-a", "x/n06-none", "above"))


def test_runs_judged_on_different_images_are_refused(runs, monkeypatch):
    runs |= {"n06-a": level(90), "n06-b": level(80)}
    for changes in ({"images": 500}, {"config": {"data": "spirals"}}):
        other = {
            "n06-a": [made("n06-a", s, a) for s, a in level(90).items()],
            "n06-b": [made("n06-b", s, a, **changes) for s, a in level(80).items()],
        }
        monkeypatch.setattr(claims, "_recipe", lambda name, found=other: found)
        with pytest.raises(ConfigError, match="judged on different images cannot be compared"):
            judge(Comparison("", "x/n06-a", "x/n06-b", "above"))


def test_a_record_that_changes_is_read_again(tmp_path, monkeypatch):
    (tmp_path / "bireal").mkdir()
    monkeypatch.setattr(claims, "default_folder", lambda: tmp_path)
    monkeypatch.setattr(record, "default_folder", lambda: tmp_path)
    monkeypatch.setattr(claims, "_kept", {})
    name = "c16-minimal-ste-scratch"
    assert claims.runs_of(f"bireal/{name}")[0] == {}
    for seed in (0, 1):
        record.save(whole(name, seed, 90), tmp_path / "bireal" / f"{name}-s{seed}.json")
        assert set(claims.runs_of(f"bireal/{name}")[0]) == set(range(seed + 1))
    path = tmp_path / "bireal" / f"{name}-s0.json"
    record.save(whole(name, 0, 50), path)
    assert claims.runs_of(f"bireal/{name}")[0][0].final["test_acc"] == 50
    path.unlink()
    assert set(claims.runs_of(f"bireal/{name}")[0]) == {1}


def whole(name, seed, accuracy):
    """A made-up record with every field that the schema asks for."""
    found = made(f"n06-{name}", seed, accuracy)
    found.name, found.recipe = f"{name}-s{seed}", "bireal"
    found.config = ledger_config(seed) | {"test_images": 1000}
    found.versions, found.machine = record.versions(), record.machine()
    found.started = "2026-01-01T00:00:00+00:00"
    found.curves = {"epoch": [1], "loss": [1.0], "test_acc": [50.0]}
    return found


def ledger_config(seed):
    return RECIPES["bireal"].runs[f"c16-minimal-ste-scratch-s{seed}"].config.to_dict()


H, A, N = (True, False), (False, True), (False, False)


@pytest.mark.parametrize(
    ("read", "verdict"),
    [
        ([H, H], "shown"), ([H, A], "hint"), ([H, N], "hint"), ([A, N], "hint against"),
        ([A, A], "shown against"), ([N], "undecided"), ([], "not run"),
    ],
)  # fmt: skip
def test_the_verdict_of_an_arm(read, verdict):
    row = Comparison("", "x/a", "x/b", "above")
    outcomes = [Outcome(row, "hint", holds, against) for holds, against in read]
    assert claims.verdict(outcomes) == verdict
    assert verdict in ledger.VERDICTS
    assert claims.verdict([*outcomes, Outcome(row, "not run")]) == "not run"
    same = Comparison("", "x/a", "x/b", "same")
    of_same = [Outcome(same, "no difference seen", holds, against) for holds, against in read]
    expected = "no difference seen" if verdict == "shown" else verdict
    assert claims.verdict(of_same) == expected


ENTRY = """
- id: X1
  says: a
  source: b
  question: order
  recipe: fair
  arms:
    minimal: [{name: c, first: fair/n06-ARM-ste, second: fair/n06-ARM-stompp, expect: above}]
"""


def test_a_ledger_is_read_and_arms_are_filled_in():
    claim = ledger.parse(ENTRY)["X1"]
    assert claim.arms["minimal"][0].first == "fair/n06-minimal-ste"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("says:", "say:", "claim X1: unknown field of a claim: 'say'; did you mean 'says'"),
        ("  source: b\n", "", "claim X1: the field 'source' is missing"),
        ("expect: above", "expect: higher", "claim X1: minimal: unknown expectation 'higher'"),
        ("expect: above", "expect: [above]", "unknown expectation"),
        ("second:", "secnd:", "unknown field of a comparison: 'secnd'; did you mean 'second'"),
        (", second: fair/n06-ARM-stompp", "", "the field 'second' is missing"),
        ("second: fair/n06-ARM-stompp", "second: null", "'second' must be a text, got None"),
        ("second: fair/n06-ARM-stompp", "second: 3", "'second' must be a text, got 3"),
        ("fair/n06-ARM-stompp", "fare/n06-ARM-stompp", "recipe 'fare'; did you mean 'fair'"),
        ("fair/n06-ARM-stompp", "fair/n06-ARM-stomp", "did you mean 'n06-minimal-stompp'"),
        ("fair/n06-ARM-stompp", "n06-ARM-stompp", "a group is written recipe/name"),
        ("expect: above", "expect: above, by: .nan", "'by' must be of type float, got nan"),
        ("expect: above", "expect: above, by: .inf", "'by' must be of type float, got inf"),
        ("expect: above", "expect: above, by: -.inf", "'by' must be of type float, got -inf"),
        ("expect: above", "expect: above, by: -3", "'by' must be at least 0"),
        ("expect: above", "expect: above, by: much", "'by' must be of type float, got 'much'"),
        ("expect: above", "expect: same, by: 3", "'by' belongs to the expectation 'above'"),
        ("expect: above", "expect: above, minus_first: fair/n06-ARM-ste", "go together"),
        ("  question: order\n", "", "claim X1: 'question' must be one or more of ste, freezing"),
        ("question: order", "question: []", "claim X1: 'question' must be one or more of"),
        ("question: order", "question: oder", "claim X1: .*question 'oder'; did you mean 'order'"),
        ("question: order", "question: [order, 3]", "claim X1: unknown question 3"),
        ("- id", "- [id", "not YAML"),
        ("  says: a", "  measure: size\n  says: a", "unknown measure 'size'"),
        ("  says: a", "  says: <b>a</b>", "'says' is '<b>a</b>'; .*are not allowed"),
        ("  says: a", "  says: a `b`", "are not allowed"),
        ("  says: a", '  says: "a\\nb"', "are not allowed"),
        ("  says: a", "  says: 3", "'says' must be a text, got 3"),
        ("  says: a", "  seeds: 1\n  says: a", "seeds must be at least 2"),
        ("  says: a", "  written: once\n  says: a", "'written' must be a date and a time"),
        ("  says: a", "  written: 2026-11-21\n  says: a", "'written' must be a date and a time"),
        ("  says: a", "  written: 2026-11-21T22:13:19\n  says: a", "a time with its zone"),
        ("  says: a", "  verdict: {adam: hint}\n  says: a", "unknown arm of a verdict: 'adam'"),
        ("  says: a", "  verdict: {minimal: yes}\n  says: a", "unknown verdict True"),
        ("  says: a", "  verdict: {minimal: partly}\n  says: a", "unknown verdict 'partly'"),
        ("  says: a", "  verdict: shown\n  says: a", "'verdict' must be a mapping, got 'shown'"),
        ("  says: a", "  falls: {minimal: [d]}\n  says: a", "unknown comparison in arm 'minimal'"),
        ("  recipe: fair\n", "", "unknown recipe ''"),
        ("[{name: c", "{name: c", "not YAML"),
        (ENTRY, ENTRY + ENTRY, "a second one"),
        (ENTRY, "a text", "must be a mapping"),
        (ENTRY, "", "the ledger is empty"),
        (ENTRY, "[]", "the ledger is empty"),
        (ENTRY, "# nothing", "the ledger is empty"),
        (ENTRY, "[" * 2000, "not YAML"),
        (ENTRY, "[" * 5000 + "]" * 5000, "recursion"),
    ],
)  # fmt: skip
def test_a_bad_ledger_is_named(old, new, says):
    assert old in ENTRY
    with pytest.raises(RecordError, match=says):
        ledger.parse(ENTRY.replace(old, new))


@pytest.mark.parametrize("wrong", [None, 3, "text", ["text"], {}])
def test_functions_name_what_they_cannot_use(wrong):
    for function in (
        claims.judge, claims.judged, claims.verdict, claims.claim, claims.runs_of,
    ):  # fmt: skip
        if (function, wrong) != (claims.verdict, []):
            with pytest.raises((ConfigError, RecordError)):
                function(wrong)
    if not isinstance(wrong, str):
        with pytest.raises(RecordError, match="a ledger is a text"):
            ledger.parse(wrong)
    with pytest.raises(ConfigError, match="unknown measure"):
        judge(COMPARISONS[0][2], wrong)


@pytest.fixture(scope="module")
def judged():
    """Every comparison of the ledger on our records."""
    return {name: claims.judged(claim) for name, claim in LEDGER.items()}


def test_every_verdict_still_follows_from_the_records(judged):
    """A verdict in the ledger is what its rule makes of the records, no more and no less."""
    for name, claim in LEDGER.items():
        found = claims.verdicts(claim, judged[name])
        recorded = {arm: said for arm, said in found.items() if said != "not run"}
        assert dict(claim.verdict) == recorded, name


def test_a_claim_whose_own_experiment_was_not_run_has_no_verdict(judged):
    assert LEDGER["C12"].instead and set(judged["C12"]) == {"minimal", "minimal+scale", "adam"}
    assert set(claims.verdicts(LEDGER["C12"], judged["C12"]).values()) == {"not run"}
    text = claims.claim("C12")
    assert "Not run. In its place: a small encoder" in text and "| not run |" in text


@pytest.mark.parametrize(("claim", "arm", "row"), COMPARISONS)
def test_every_group_that_a_claim_names_has_seeds_enough(claim, arm, row):
    for setting in row.sides:
        for recipe, name in ledger.parts(setting):
            assert len(ledger.groups_of(recipe)[name]) >= 3, setting


def test_times_of_the_rules_are_those_of_the_history():
    """`written` is the commit in which the comparisons of a claim, as they stand, first appear."""
    git = ["git", "-C", str(ROOT), "log", "--reverse", "--format=%H %cI", "--", "data/claims.yaml"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    commits = [line.split() for line in done.stdout.splitlines()]
    if len(commits) < 18:
        pytest.skip("the history of the ledger is not here")
    first = {}
    for commit, time in commits:
        show = ["git", "-C", str(ROOT), "show", f"{commit}:data/claims.yaml"]
        text = subprocess.run(show, capture_output=True, text=True, check=True).stdout
        for entry in yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            for arm, rows in (entry.get("arms") or {}).items():
                for row in rows:
                    first.setdefault(sides(row, arm), datetime.fromisoformat(time))
    for name, claim in LEDGER.items():
        times = {first.get(sides(vars(row), arm)) for arm, row in claim.comparisons} - {None}
        assert not times or datetime.fromisoformat(claim.written) == max(times), name


def sides(row, arm):
    """What makes two comparisons the same rule, whatever they are called."""
    names = ("first", "second", "minus_first", "minus_second", "expect")
    texts = [str(row.get(name) or "").replace("ARM", arm) for name in names]
    return (arm, float(row.get("by") or 0), *texts)


def test_a_card_tells_statement_evidence_and_command():
    text = claims.claim("C1")
    assert text.startswith("**Claim C1.** Without a surrogate gradient")
    assert "sweep fair` (about" in text and "| minimal | shown | at 24 | +" in text
    bare = ledger.Claim("X1", "Nobody looked.", "nobody")
    assert "Not run at this scale" in claims.card(bare, {}, {})
    page = text._repr_html_()
    comparisons = [c for rows in LEDGER["C1"].arms.values() for c in rows]
    assert page.count("<circle") == len(comparisons) == page.count("<tr>") - 1
    assert "small steps (the papers' settings) ● shown" in html.unescape(page)
    assert "Again: python -m stompp_lite sweep fair" in page
    with pytest.raises(ConfigError, match="unknown claim 'C99'"):
        claims.claim("C99")


def test_a_finding_is_marked_as_surviving_or_not():
    d, c = Interval(4, 1, 5), Comparison("", "x/a", "x/b", "above")
    assert claims.survival(Outcome(c, "hint", True, False, d), False) == "yes"
    assert claims.survival(Outcome(c, "hint", True, False, d), True) == "no"
    assert claims.survival(Outcome(c, "undecided", interval=Interval(1, 4, 5)), True) == ""
    same = Comparison("", "x/a", "x/b", "same")
    narrow = Outcome(same, "hint, within 3 points", True, False, Interval(2, 0.5, 5))
    assert claims.survival(narrow, True) == ""
    assert claims.survival(Outcome(c, "hint", True, pairs=(5.0,)), True) == ""


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
