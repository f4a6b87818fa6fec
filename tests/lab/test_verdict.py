"""The protocol's rules on made-up records whose answers are known."""

from dataclasses import replace

import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.lab import record, report, verdict
from stompp_lite.lab.arms import (
    ARMS,
    FASHION_RATES,
    FIGHTERS,
    GRIDS,
    RATES,
    TUNED,
    configuration,
    in_minimal,
)
from stompp_lite.lab.config import METHODS
from stompp_lite.lab.recipes import BLOCKS, RECIPES, runs_of
from stompp_lite.lab.stats import Interval
from stompp_lite.lab.sweep import sweep
from tests.conftest import ROOT
from tests.records import made

RUNS = ROOT / "data" / "runs"


def arm(levels, name="minimal", seeds=5, wobble=0.2):
    """``levels``: method -> accuracy at 4, 8, 16, 24, 36 convolutions."""
    found = []
    for method, accuracies in levels.items():
        for n, accuracy in zip(BLOCKS, accuracies, strict=True):
            for seed in range(seeds):
                score = accuracy + wobble * (seed - 2)
                found.append(made(f"n{n:02d}-{name}-{method}", seed, score))
    return report.by_arm(found)[name]


def test_rule_1_reads_intervals_with_their_neighbors():
    cases = {
        4: Interval(5, 1, 5), 8: Interval(4, 1, 5),  # two neighbors above zero
        16: Interval(0, 1, 5), 24: Interval(1, 2.5, 5),  # zero inside: narrow, wide
        36: Interval(-4, 1, 5),  # alone below zero
    }  # fmt: skip
    said = verdict.read(cases)
    assert list(said.values()) == [
        "shown, above", "shown, above", "no difference seen", "undecided", "hint, below",
    ]  # fmt: skip
    both = {24: Interval(-2, 1, 5), 36: Interval(-2, 1, 5)}
    assert verdict.read(both) == {24: "shown, below", 36: "shown, below"}
    crossed = {24: Interval(2, 1, 5), 36: Interval(-2, 1, 5)}
    assert verdict.read(crossed) == {24: "hint, above", 36: "hint, below"}
    apart = {8: Interval(5, 1, 5), 24: Interval(5, 1, 5)}  # 4 in between is missing
    assert verdict.read(apart) == {8: "hint, above", 24: "hint, above"}
    assert verdict.read({}) == {}


def test_stompp_minus_ste_with_adam_at_36_is_a_hint_below():
    adam = report.by_arm(record.read_all("fair", RUNS))["adam"]
    found = verdict.differences(adam["stompp"], adam["ste"])
    assert found[36].signed == "-6.6 ± 2.8" and verdict.read(found)[36] == "hint, below"


@pytest.mark.parametrize("wrong", [None, 3, "text", ["text"], {3: None}, {24: "5 ± 1"}, {7: 1}])
def test_functions_name_what_they_cannot_use(wrong):
    for function in (
        verdict.read, verdict.strength, verdict.is_it_the_size, verdict.is_there_more,
        verdict.when_it_hardens, verdict.what_comes_back, verdict.own_rates,
        lambda runs: verdict.differences(runs, runs),
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            function(wrong)


def test_runs_that_are_missing_are_named():
    arms = fight((97, 97, 97, 96, 93))
    with pytest.raises(ConfigError, match="needs the runs of arm 'adam'"):
        verdict.is_there_more({"scale": arms["scale"]})
    del arms["scale"]["ste"][36]
    for function in (verdict.is_it_the_size, verdict.is_there_more):
        with pytest.raises(ConfigError, match=r"arm 'scale' has no runs of 'ste' at \[36\] binary"):
            function(arms)
    with pytest.raises(ConfigError, match="'n06-minimal-ste' belongs to no choice"):
        verdict.own_rates([made("n06-minimal-ste", 100, 90)])


def fight(scale_ste, stompp=(93, 93, 92, 90, 80)):
    levels = {"ste": scale_ste, "stompp": stompp, "stompp+ste": (96, 96, 96, 95, 92)}
    return {
        "minimal": arm({"ste": (96, 96, 92, 80, 10), "stompp": (93, 93, 92, 91, 80)}),
        "scale": arm(levels, "scale"),
        "adam": arm(levels, "adam"),
    }


def test_rule_3_size_and_more():
    lifted = fight((97, 97, 97, 96, 93))
    assert verdict.is_it_the_size(lifted).answer == "shown"
    assert verdict.is_there_more(lifted).answer == "shown against"
    # lifted, but still falling by ten points and more
    assert verdict.is_it_the_size(fight((97, 97, 95, 90, 86))).answer == "undecided"
    better = fight((80, 80, 70, 60, 12), stompp=(95, 95, 95, 95, 95))
    assert verdict.is_it_the_size(better).answer == "undecided"
    found = verdict.is_there_more(better)
    assert found.answer == "shown" and "StoMPP minus STE +35.0" in found.evidence
    lifted["adam"] = lifted["minimal"]
    assert verdict.is_it_the_size(lifted).answer == "hint"
    assert verdict.is_there_more(lifted).answer == "hint"  # above in one arm, below in the other
    split = fight((97, 97, 97, 96, 93))
    split["scale"]["ste"][36] = [
        made("n09-scale-ste", s, a) for s, a in enumerate((10, 97, 97, 97, 97))
    ]
    found = verdict.is_it_the_size(split)
    assert found.answer == "hint" and found.evidence.count("runs split") == 1


def test_rule_4_needs_both_depths():
    def adam(gain36, gain48):
        runs = []
        for n, gain in ((9, gain36), (12, gain48)):
            for seed in range(10):
                score = 90 + 0.2 * (seed % 3)
                runs.append(made(f"n{n:02d}-adam-ste", seed, score, recipe="fair-deep"))
                runs.append(made(f"n{n:02d}-adam-hybrid", seed, score + gain, recipe="fair-deep"))
        return report.by_arm(runs)["adam"]

    assert verdict.when_it_hardens(adam(3, 4)).answer == "shown"
    assert verdict.when_it_hardens(adam(3, 0)).answer == "hint"
    assert verdict.when_it_hardens(adam(-3, -4)).answer == "shown against"
    assert verdict.when_it_hardens(adam(-3, 0)).answer == "hint against"
    assert verdict.when_it_hardens(adam(0, 0)).answer == "no difference seen"
    calm, split = adam(3, 4), adam(3, 4)
    split["ste"][48][0] = made("n12-adam-ste", 0, 60)
    assert "runs split" in verdict.when_it_hardens(split).evidence
    assert "runs split" not in verdict.when_it_hardens(calm).evidence


def test_rule_5_names_the_better_side():
    up, down = (96, 96, 96, 95, 92), (93, 93, 92, 90, 80)
    better = verdict.what_comes_back(arm({"stompp+ste": up, "stompp": down})).answer
    assert better == "shown, a surrogate is better"
    worse = verdict.what_comes_back(arm({"stompp+ste": down, "stompp": up})).answer
    assert worse == "shown, nothing is better"
    same = verdict.what_comes_back(arm({"stompp+ste": up, "stompp": up})).answer
    assert same == "no difference seen"
    crossing = (90, 90, 96, 98, 98)
    mixed = verdict.what_comes_back(arm({"stompp+ste": crossing, "stompp": up})).answer
    assert mixed == "shown, and it depends on the depth"


def test_runs_that_split_or_diverge_get_no_mean():
    runs = [made("n06-adam-ste", s, a) for s, a in enumerate((10, 84, 63))]
    assert report.splits(runs) and not report.splits(runs[1:2])
    table = report.depth_table(report.by_arm(runs)["adam"])
    assert "10, 84, 63" in table and "±" not in table
    other = [made("n06-adam-hybrid", s, 90) for s in range(3)]
    arms = report.by_arm([*runs, *other])["adam"]
    assert "split" in report.difference_table(arms)
    lost = [made("n06-adam-ste", 0, 90), made("n06-adam-ste", 1, 90, outcome="diverged: NaN")]
    assert "1 of 2 diverged" in report.depth_table(report.by_arm(lost)["adam"])
    assert "±" not in report.difference_table({"hybrid": {24: other}, "ste": {24: lost}})


def test_own_rates_are_the_best_means_and_the_smaller_on_a_tie():
    runs = []
    for lr, scores in ((0.1, (90, 92)), (0.05, (91, 91)), (0.2, (99, 80))):
        runs += [
            made(f"n06-scale-stompp+ste-lr{lr}", 100 + k, a, {"lr": lr}, recipe="fair-tune")
            for k, a in enumerate(scores)
        ]
    lost = {"outcome": "diverged: NaN", "recipe": "fair-tune"}
    runs += [made("n06-scale-stompp+ste-lr0.4", 100, 99, {"lr": 0.4}, **lost)]
    assert verdict.own_rates(runs) == {("scale", "stompp+ste"): {24: 0.05}}


def test_rates_are_those_that_the_rule_picks_and_not_at_the_edge():
    picked = verdict.own_rates(record.read_all("fair-tune", RUNS))
    of_orders = verdict.own_rates(record.read_all("orders-tune", RUNS))
    tried = {
        arm: {run.config.lr for run in RECIPES["orders-tune"].runs.values() if run.arm == arm}
        for arm in ("scale", "adam")
    }
    for (arm, method), rates in RATES.items():
        if (arm, method) == ("scale", "float"):
            assert rates == RATES["sgd", "float"]
            continue
        if (arm, method) in picked:
            found, grid = [picked[arm, method][n] for n in TUNED], GRIDS[arm]
        else:  # an order, for which rates were tried at 24 only
            found, grid = [of_orders[arm, method][24]] * 2, tried[arm]
        assert rates == tuple(found), (arm, method)
        assert not {min(grid), max(grid)} & set(rates), (arm, method)
    assert len(RATES) == len(picked) + len(of_orders) + 1
    on_fashion = verdict.own_rates(record.read_all("fashion-tune", RUNS))
    assert {key: (found[36],) * 2 for key, found in on_fashion.items()} == FASHION_RATES
    for (name, _), (rate, _) in FASHION_RATES.items():
        assert min(GRIDS[name]) < rate < max(GRIDS[name])


def test_a_recipe_waits_until_its_rates_are_chosen(tmp_path, monkeypatch):
    best = RECIPES["landscape-best"]
    with pytest.raises(
        ConfigError, match=r"78 of its runs are not recorded.* sweep landscape-tune"
    ):
        verdict.check_chosen("landscape-best", tmp_path)
    with pytest.raises(ConfigError, match="78 of its runs are not recorded"):
        sweep("landscape-best", tmp_path)
    verdict.check_chosen("fair", tmp_path)  # waits for no other

    def recorded(good):
        found = []
        for run in RECIPES["landscape-tune"].runs.values():
            score = 90.0 if run.config.lr == good.get(run.method, 0.01) else 80.0
            found.append(made(run.setting, run.config.seed, score, recipe="landscape-tune"))
            found[-1].config = run.config.to_dict()
        return found

    monkeypatch.setattr(verdict, "read_all", lambda recipe, folder: recorded({}))
    monkeypatch.setitem(
        RECIPES, "landscape-best", replace(best, rates=dict.fromkeys(best.rates, (0.01, 0.01)))
    )
    verdict.check_chosen("landscape-best")
    monkeypatch.setattr(verdict, "read_all", lambda recipe, folder: recorded({"bop": 0.03}))
    with pytest.raises(ConfigError, match=r"0\.01 for .bop. in arm .adam., .* choose 0\.03"):
        verdict.check_chosen("landscape-best")
    monkeypatch.setattr(verdict, "read_all", lambda recipe, folder: recorded({})[1:])
    with pytest.raises(ConfigError, match="1 of its runs are not recorded"):
        verdict.check_chosen("landscape-best")


def test_where_runs_at_chosen_rates_are_recorded_the_records_chose_them():
    for name, recipe in RECIPES.items():
        if recipe.chosen_by and any((RUNS / name).glob("*.json")):
            verdict.check_chosen(name, RUNS)


def test_tuning_never_saw_the_test_images_nor_the_seeds_of_the_report():
    tuned = dict(runs_of("fair-tune"))
    assert all(c.validation for c in tuned.values())
    seeds = {c.seed for c in tuned.values()}
    for name in ("fair", "fair-deep", "fair-cosine", "fair-random", "tooth"):
        runs = dict(runs_of(name))
        assert runs and not any(c.validation for c in runs.values())
        assert not seeds & {c.seed for c in runs.values()}
    for method in FIGHTERS:  # the same number of runs for each method of an arm
        counts = {arm: sum(f"-{arm}-{method}-lr" in name for name in tuned) for arm in GRIDS}
        for arm, count in counts.items():
            assert count == (0 if (arm, method) == ("scale", "float") else 4 * len(GRIDS[arm]))


def test_methods_of_an_arm_differ_in_their_rules_and_rate_only():
    rates = {(a, m): (0.05, 0.2) for a in GRIDS for m in FIGHTERS}

    def of(arm, method, blocks=6):
        factors = {"arm": arm, "method": method, "blocks": blocks}
        return configuration(factors, rates=rates)

    for arm in ARMS:
        base = of(arm, "ste").to_dict()
        for method in FIGHTERS:
            other = of(arm, method).to_dict()
            differs = {k for k in base if base[k] != other[k]}
            allowed = {"weights", "activations"} | ({"scale"} if method == "float" else set())
            assert differs <= allowed
    assert of("adam", "ste", 4).lr == 0.05  # 16 takes the rate of 24
    assert of("adam", "ste", 12).lr == 0.2  # 48 that of 36
    deep = [run.config.epochs for run in RECIPES["fair-deep"].runs.values() if run.layers == 48]
    assert set(deep) == {120}
    assert len(RECIPES["fair"].runs) == 5 * (5 * (5 + 1 + 4 + 5) + 5 + 2 + 1)


def test_no_run_is_made_twice_and_arms_share_what_is_the_same():
    for recipe in RECIPES.values():
        configs = [run.config for run in recipe.runs.values()]
        assert all(configs.count(config) == 1 for config in configs), recipe.name
    arms = report.by_arm(record.read_all("fair", RUNS))
    shared = [(m, n) for m in FIGHTERS for n in TUNED if in_minimal(m, n)]
    assert shared
    for method, n in shared:
        assert arms["sgd"][method][n] is arms["minimal"][method][n]


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name.startswith("fair")])
def test_names_tell_arm_method_and_depth(recipe):
    for name, config in runs_of(recipe):
        n, arm, method = name.split("-", 2)
        assert config.blocks == (int(n[1:]), int(n[1:]))
        for field, value in ARMS[arm].items():
            assert value is None or getattr(config, field) == value
        assert method.startswith(tuple(METHODS))


def test_two_common_runs_get_their_differences_and_no_interval():
    ste = [made("n06-adam-ste", s, a) for s, a in enumerate((90, 91, 92))]
    two = [made("n06-adam-stompp", s, a) for s, a in enumerate((93, 90))]
    table = report.difference_table(report.by_arm([*ste, *two])["adam"])
    assert "+3.0, -1.0" in table and "±" not in table
