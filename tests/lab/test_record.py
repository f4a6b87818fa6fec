"""Records, statistics and reports: read strictly, computed as stated, and ours are all valid."""

import copy
import gzip
import json
import math

import numpy as np
import pytest
import torch

from stompp_lite.errors import ConfigError, RecordError, ShapeError
from stompp_lite.lab import record, report, schema, stats
from stompp_lite.lab.arms import configuration
from stompp_lite.lab.config import METHODS, Config
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.run import check_same
from stompp_lite.local.signals import RULES
from tests.conftest import ROOT

RUNS = ROOT / "data" / "runs"


def make(seed=0, correct=None, name="n01-ste"):
    correct = torch.tensor([True, False, True, True]) if correct is None else correct
    return record.Record(
        recipe="r",
        name=f"{name}-s{seed}",
        config=Config(seed=seed).to_dict() | {"test_images": len(correct)},
        seed=seed,
        versions=record.versions(),
        machine=record.machine(),
        started="2026-01-01T00:00:00+00:00",
        wall_s=1.0,
        curves={"epoch": [1, 2], "loss": [1.23456789, float("nan")], "test_acc": [50.0, 75.0]},
        steps={"loss": [0.123456]},
        final={
            "test_acc": 100 * float(correct.float().mean()),
            "test_acc_bn": 75.0,
            "train_acc": 80.0,
            "loss": 0.5,
        },
        correct=record.pack_correct(correct),
    )


def test_round_trip(tmp_path):
    path = tmp_path / "a" / "r.json"
    record.save(make(), path)
    back = record.read(path)
    assert back.curves["loss"] == [1.235, None]  # four digits; NaN has no place in JSON
    assert back.correct_bits().tolist() == [True, False, True, True]
    assert (
        Config.from_dict({k: v for k, v in back.config.items() if k != "test_images"}) == Config()
    )


GOOD = json.loads(json.dumps(record._short(vars(make()))))


@pytest.mark.parametrize("field", sorted(set(GOOD) - {"outcome"}))
def test_every_missing_field_is_named(field):
    bad = copy.deepcopy(GOOD)
    del bad[field]
    with pytest.raises(RecordError, match=rf"file\.json: field '{field}' is missing"):
        record.validate(bad, "file.json")


@pytest.mark.parametrize("field", ["blocks", "validation", "lr", "plan", "data"])
def test_a_configuration_that_lacks_a_field_is_named(field):
    bad = copy.deepcopy(GOOD)
    del bad["config"][field]
    with pytest.raises(RecordError, match=rf"field 'config\.{field}' is missing"):
        record.validate(bad, "file.json")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"wall_s": float("nan")}, "'wall_s' is nan"),
        ({"name": "a b"}, "'name' is 'a b'"),
        ({"steps": {"loss": ["low"]}}, "which is no number"),
        ({"curves": {"epoch": [1], "loss": [1.0, 2.0], "test_acc": [1.0]}}, "differ in length"),
        ({"config": {}}, "'config.data' is missing"),
        ({"machine": {"cpu": torch.zeros(1)}}, "cannot be written as JSON"),
        ({"final": {}}, "'final.test_acc' is missing"),
    ],
)
def test_what_would_not_be_read_is_not_written(change, says, tmp_path):
    run = make()
    for name, value in change.items():
        setattr(run, name, value)
    with pytest.raises(RecordError, match=says):
        record.save(run, tmp_path / "r.json")
    assert not list(tmp_path.iterdir())
    with pytest.raises(RecordError, match="a Record can be saved, got None"):
        record.save(None, tmp_path / "r.json")


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("schema", 2, "'schema' is 2, this version reads 1"),
        ("seed", "0", "'seed' is a str"),
        ("seed", True, "'seed' is a bool"),
        ("extra", 1, "unknown field 'extra'"),
        ("final.test_acc", None, "'final.test_acc' is None"),
        ("final.loss", float("inf"), "'final.loss' is inf"),
        ("curves.loss", [1.0], "differ in length"),
        ("curves.loss", 5, "must be lists"),
        ("curves.loss", ["low", 1.0], "'curves.loss' holds 'low', which is no number"),
        ("curves.loss", [True, 1.0], "'curves.loss' holds True"),
        ("curves.loss", [1e999, 1.0], "holds a number that is not finite"),
        ("curves.reach", [[0.1, "x"], [0.1, 0.2]], "'curves.reach' holds 'x'"),
        ("curves.signs", [["ff"], [3]], "'curves.signs' must hold texts"),
        ("steps.loss", None, "must be lists, not 'steps.loss'"),
        ("steps.loss", "0.5", "must be lists, not 'steps.loss'"),
        ("steps.loss", ["0.5"], "'steps.loss' holds '0.5', which is no number"),
        ("config.data", None, "'config.data' is None"),
        ("config.validation", 0, "'config.validation' is 0"),
        ("config.blocks", "3", "'config.blocks' is '3'"),
        ("started", "yesterday", "'started' is 'yesterday', not a date and time"),
        ("started", "2026-01-01", "'started' is '2026-01-01', not a date and time"),
        ("final.test_acc", True, "'final.test_acc' is True"),
        ("correct", "zz", "not hexadecimal"),
        ("correct", "ffff", "has 2 bytes"),
        ("config.test_images", 0, "'config.test_images' is 0"),
        ("config.test_images", True, "'config.test_images' is True"),
        ("name", "<b>bold</b>", "line breaks, control characters and <>|` are not allowed"),
        ("name", "a\nb", "line breaks"),
        ("name", "a b", "'name' is 'a b'; letters, digits"),
        ("recipe", "../up", "'recipe' is '../up'"),
        ("recipe", "", "'recipe' is ''"),
        ("machine.cpu", "\x1b[31mred", "'machine.cpu' is"),
        ("outcome", "diverged: a\x07", "'outcome' is"),
        ("outcome", "won", "'outcome' is 'won', not finished or diverged"),
        ("outcome", "diverged", "not finished or diverged"),
        ("final.test_acc", 1e9, "'final.test_acc' is 1000000000.0, which it cannot be"),
        ("final.train_acc", 100.5, "which it cannot be"),
        ("final.loss", -1.0, "'final.loss' is -1.0"),
        ("final.test_acc", 50.0, "'final.test_acc' is 50.0, field 'correct' says 75.00"),
        ("curves.test_acc", [50.0, 1e9], "'curves.test_acc' is 1000000000.0"),
        ("wall_s", float("nan"), "'wall_s' is nan"),
        ("seed", 3, "'seed' is 3, 'config.seed' is 0"),
        ("seed", -1, "'seed' is -1"),
    ],
)
def test_wrong_fields_are_named(path, value, says):
    bad = copy.deepcopy(GOOD)
    target = bad
    *parents, last = path.split(".")
    for p in parents:
        target = target[p]
    target[last] = value
    with pytest.raises(RecordError, match=says):
        record.validate(bad, "file.json")


def test_files_that_are_no_records(tmp_path):
    for name, content, says in [
        ("list.json", "[]", "got list"),
        ("cut.json", '{"schema": 1, ', "not a JSON file"),
        ("deep.json", "[" * 100_000, "not a JSON file"),
        ("digits.json", '{"seed": ' + "9" * 5_000 + "}", "not a JSON file"),
        ("empty.json", "", "not a JSON file"),
    ]:
        (tmp_path / name).write_text(content)
        with pytest.raises(RecordError, match=rf"{name}: .*{says}"):
            record.read(tmp_path / name)
    for path in ("a\0b", "a" * 300, tmp_path):
        with pytest.raises(RecordError, match="not a JSON file"):
            record.read(path)
    with pytest.raises(RecordError, match="read from a file, got None"):
        record.read(None)
    for name in (None, "a\0b", "../up", "x" * 300):
        with pytest.raises(RecordError, match="the name of a recipe is made of letters"):
            record.read_all(name)
    with pytest.raises(RecordError, match="no such record"):
        record.read(tmp_path / "missing.json")
    with pytest.raises(RecordError, match="stompp_lite sweep tooth"):
        record.read_all("tooth", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="choose a folder"):
        record.save(make(), tmp_path / "file" / "r.json")


def test_recorded_runs_are_valid_complete_and_made_by_their_recipes():
    for name, recipe in RECIPES.items():
        if name == "quick" or recipe.full:
            continue
        runs = {run.name: run.config for run in recipe.runs.values()}
        found = {p.stem: p for p in (RUNS / name).glob("*.json")}
        assert set(found) <= set(runs), f"{name}: runs that the recipe does not know"
        complete = set(found) == set(runs)
        assert complete or recipe.missing, f"{name}: run `python -m stompp_lite sweep {name}`"
        for run in found:
            config = runs[run]
            kept = record.read(found[run])
            check_same(kept, config, found[run])
            assert (kept.recipe, kept.name, kept.seed) == (name, run, config.seed)
            if kept.diverged:
                assert "NaN" in kept.outcome or "not finite" in kept.outcome
                continue
            share = 100 * kept.correct_bits().mean()
            assert share == pytest.approx(kept.final["test_acc"], abs=1e-6)


def test_data_folder_stays_small():
    tracked = list((ROOT / "data" / "runs").rglob("*.json"))
    assert sum(p.stat().st_size for p in tracked) < 35e6


def test_recipes_match_methods_on_everything_but_the_rules():
    base = configuration({"method": "float", "blocks": 2}).to_dict()
    for method in METHODS:
        if method in RULES:
            continue  # another kind of network
        other = configuration({"method": method, "blocks": 2}).to_dict()
        assert {k for k in base if base[k] != other[k]} <= {"weights", "activations"}


def test_interval_against_the_formula_by_hand():
    scores = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1.0]])
    got = stats.interval(scores)
    per_seed, per_image = [0.75, 0.5, 1.0], [1, 2 / 3, 1 / 3, 1]
    sd = lambda v: math.sqrt(sum((x - sum(v) / len(v)) ** 2 for x in v) / (len(v) - 1))  # noqa: E731
    seed_half = 4.302652729911275 * sd(per_seed) / math.sqrt(3)  # t, 2 degrees of freedom
    half = math.hypot(seed_half, 1.96 * sd(per_image) / 2)
    assert (got.mean, got.half) == pytest.approx((75.0, 100 * half))
    assert got.low == pytest.approx(got.mean - got.half)
    assert str(stats.Interval(12.34, 0.56, 3)) == "12.3 ± 0.6"


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (np.array([[97.5, 96.0], [98.0, 97.0]]), "not percentages"),
        (np.array([[1.0, np.nan], [1.0, 0.0]]), "got nan"),
        (np.array([[1.0, np.inf], [1.0, 0.0]]), "got inf"),
        (np.array([[0.5, 1.0], [1.0, 0.0]]), "got 0.5"),
        (np.array([[1.0], [0.0]]), "at least 2 images"),
        (np.array([["1", "0"], ["1", "1"]]), "an array of numbers"),
        ([[1, 0], [0, 1]], "an array of numbers"), (None, "an array of numbers"),
    ],
)  # fmt: skip
def test_scores_that_are_none_are_refused(scores, says):
    with pytest.raises(ConfigError, match=says):
        stats.interval(scores)


@pytest.mark.parametrize("wrong", [None, 3, "text", {}, [None], ["text"], [3]])
def test_statistics_name_what_they_cannot_use(wrong):
    for function in (
        stats.accuracy_interval, lambda runs: stats.paired_difference(runs, runs), stats.p_values,
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="needs"):
            function(wrong)
    for function in (stats.seeds_interval, stats.discoveries):
        with pytest.raises(ConfigError):
            function(wrong)
    with pytest.raises(ConfigError):
        stats.Interval(1.0, math.nan, 3)


def test_a_p_value_is_the_level_at_which_the_interval_reaches_zero():
    from scipy.stats import norm, t

    rng = np.random.default_rng(1)
    for shift in (0.0, 0.02, 0.05, 0.1):
        scores = (rng.random((5, 200)) < 0.5 + shift) * 1.0 - (rng.random((5, 200)) < 0.5)
        d = stats.interval(scores)
        (p,) = stats.p_values([d])
        half = math.hypot(t.isf(p / 2, 4) * d.over_seeds, norm.isf(p / 2) * d.over_images)
        assert half == pytest.approx(abs(d.mean), rel=1e-6) or (p == 1 and d.mean == 0)
        assert (p < 0.05) == (d.side != 0)
    over_seeds_alone = stats.seeds_interval([1.0, 2.0, 3.0])
    by_scipy = t.sf(2 / over_seeds_alone.over_seeds, 2) * 2
    assert stats.p_values([over_seeds_alone]) == pytest.approx([by_scipy])
    assert stats.p_values([]).shape == (0,)
    with pytest.raises(ConfigError, match="are not known"):
        stats.p_values([stats.Interval(1.0, 0.5, 3)])


def test_discoveries_are_those_of_benjamini_and_hochberg():
    """The example of their paper of 1995: 15 values of which four survive at 5 %."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240,
         0.4262, 0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip
    shuffled = np.random.default_rng(0).permutation(len(p))
    assert np.flatnonzero(stats.discoveries(p)).tolist() == [0, 1, 2, 3]
    found = stats.discoveries([p[i] for i in shuffled])
    assert sorted(shuffled[found].tolist()) == [0, 1, 2, 3]
    assert stats.discoveries([0.04, 0.045, 0.049]).all()  # each by the one behind it
    assert not stats.discoveries([0.5, 0.9]).any() and stats.discoveries([]).shape == (0,)


def test_interval_covers_the_truth_about_95_percent_of_the_time():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        ability = rng.normal(1.0, 1.0, size=300)[None] + rng.normal(0, 0.3, size=5)[:, None]
        scores = (rng.random((5, 300)) < 1 / (1 + np.exp(-ability))).astype(float)
        truth = 100 * 0.6971  # E[1 / (1 + exp(-z))], z ~ N(1, 1.09), by numerical integration
        i = stats.interval(scores)
        hits += i.low <= truth <= i.high
    assert 0.92 <= hits / 400 <= 1.0


def test_paired_difference_uses_seeds_and_images():
    a = [make(s, torch.tensor([True, True, False, True])) for s in (0, 1)]
    b = [make(s, torch.tensor([True, False, False, True])) for s in (1, 0)]
    assert stats.paired_difference(a, b).mean == pytest.approx(25.0)
    with pytest.raises(ConfigError, match=r"seeds \[0, 1\] and \[0\]"):
        stats.paired_difference(a, b[1:])
    with pytest.raises(ConfigError, match="at least 2 seeds"):
        stats.accuracy_interval(a[:1])
    with pytest.raises(ShapeError, match="shape"):
        stats.interval(np.zeros(3))


def test_depth_report_has_a_row_for_each_depth():
    minimal = report.by_arm(record.read_all("fair", RUNS))["minimal"]
    lines = report.depth_table(minimal).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["4", "8", "16", "24", "36"]


def test_pairs_are_made_by_seed_not_by_place():
    right = torch.tensor([True, True, True, True, False, False])
    runs = {s: right.roll(s) for s in range(4)}
    first = [make(s, runs[s]) for s in (0, 1, 2, 3)]
    second = [make(s, runs[s]) for s in (3, 1, 0, 2)]
    d = stats.paired_difference(first, second)
    assert (d.mean, d.half) == (0, 0)  # paired by place, the differences would spread


def test_runs_that_are_no_pairs_are_refused():
    images = torch.tensor([True, False, True, False])
    runs = [make(s, images) for s in (0, 1)]
    with pytest.raises(ConfigError, match=r"seed 1 is there twice"):
        stats.paired_difference([runs[0], runs[1], runs[1]], [*runs, runs[1]])
    with pytest.raises(ConfigError, match=r"seed 0 is there twice"):
        stats.accuracy_interval([runs[0], runs[0]])
    fewer = [make(s, images[:3]) for s in (0, 1)]
    with pytest.raises(ConfigError, match="judged on different images"):
        stats.paired_difference(runs, fewer)
    held_out = copy.deepcopy(runs)
    for run in held_out:
        run.config["validation"] = True
    with pytest.raises(ConfigError, match="judged on different images"):
        stats.paired_difference(runs, held_out)
    for one in ([], runs[:1]):
        with pytest.raises(ConfigError, match="at least 2 seeds"):
            stats.paired_difference(one, one)


def test_a_table_with_intervals_leaves_a_lone_seed_out():
    assert report.summary([make(0)]) == "" != report.summary([make(0), make(1)])


def test_two_runs_and_wide_intervals_are_told_run_by_run():
    images = torch.arange(1000)
    two = [make(s, images < n) for s, n in enumerate((885, 714))]
    assert report.summary(two) == "88.5, 71.4"
    wide = [make(s, images < n) for s, n in enumerate((766, 698, 802))]
    assert report.summary(wide) == "76.6, 69.8, 80.2"
    close = [make(s, images < n) for s, n in enumerate((766, 770, 768))]
    assert report.summary(close).startswith("76.8 ± ")


def test_a_bundle_that_unfolds_to_gigabytes_is_refused(tmp_path, monkeypatch):
    (tmp_path / record.BUNDLE).write_bytes(gzip.compress(b" " * 10_000))
    monkeypatch.setattr(record.resources, "files", lambda _: tmp_path)
    monkeypatch.setattr(record, "BUNDLE_LIMIT", 9_999)
    with pytest.raises(RecordError, match="unpacks to more than 9,999 bytes"):
        record.read_bundle()


def test_names_made_of_files_are_valid():
    for path, name in [("my run.json", "my_run"), ("a/été.json", "t_"), ("_.json", "run")]:
        assert record.name_for(path) == name
        assert schema.NAME.fullmatch(name)


def test_records_from_before_a_setting_existed_are_readable():
    content = Config().to_dict()
    for new in ("optimizer", "lr_schedule", "diagnose"):
        del content[new]
    content["plan"] = {k: v for k, v in content["plan"].items() if k != "activation_mask_rule"}
    content["plan"]["per_sample"] = False
    assert Config.from_dict(content) == Config()
    content["plan"]["per_sample"] = True
    assert Config.from_dict(content).plan.activation_mask_rule == "per-sample"
