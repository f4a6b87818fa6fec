"""Interactive figures, as far as Python goes; tests/test_browser.py drives them."""

import json
import re
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from stompp_lite import binarize_model, fit, method
from stompp_lite.errors import ConfigError, RecordError
from stompp_lite.lab.arms import ARMS, configuration
from stompp_lite.lab.config import METHODS, config_of
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.record import read_all
from stompp_lite.lab.report import group, summary
from stompp_lite.lab.run import build
from stompp_lite.training.data import load
from stompp_lite.training.measure import signs
from stompp_lite.viz import components, explore, first_figures, playground, style
from stompp_lite.viz.components import NAMES, Component
from tests.conftest import ROOT

WEB = ROOT / "stompp_lite" / "viz" / "web"
MODULES = sorted(p for p in WEB.glob("*.js") if p.name not in ("host.js", "worker.js"))
SCRIPTS = sorted([*WEB.glob("*.js"), *(ROOT / "book" / "_static").glob("*.js")])


@pytest.fixture(scope="module")
def runs():
    return group(read_all("fair"))


def data_of(html):
    return json.loads(re.search(r'json">(.*?)</script>', html, re.DOTALL)[1])


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_modules_import_and_export_only_in_the_way_that_the_bundle_understands(path):
    source = path.read_text(encoding="utf-8")
    taken = components._IMPORT.findall(source)
    assert len(taken) == len(re.findall(r"^\s*import\b", source, re.MULTILINE))
    assert len(components._EXPORT.findall(source)) == len(re.findall(r"\bexport\b", source))
    for names, other in taken:  # nothing is imported that is not there, or not used
        exported = components._EXPORT.findall((WEB / f"{other}.js").read_text(encoding="utf-8"))
        for name in re.findall(r"\w+", names):
            assert name in exported, f"{path.name}: {name} is not in {other}.js"
            assert len(re.findall(rf"\b{name}\b", source)) > 1, f"{path.name} does not use {name}"
    assert len(source.splitlines()) <= 350


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_lines_of_scripts_have_at_most_a_hundred_characters(path):
    long = [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 100]
    assert not long


def test_every_component_has_a_module_and_every_module_a_use():
    asked = {*components._needed(NAMES), "layers", "engine", "local"}  # the last in a worker
    assert {p.stem for p in MODULES} == asked == {*asked, *components._SHARED}


def test_the_page_script_is_small_and_holds_all_components_but_those_with_their_own():
    script, own = components.page_script(), components.page_script(components.ALONE)
    assert len(script) < 290_000 and len(own) < 200_000
    assert all((f"{name}: ${name}" in script) != (name in components.ALONE) for name in NAMES)
    assert "playground: $playground" in own and "WORKER" in own and "WORKER" not in script
    assert "$film" not in own and "$pad" in own  # what it needs, and nothing else
    assert "import {" not in script and "\nexport " not in script
    assert (
        components.esm("bits")
        .rstrip()
        .endswith("export default { render: $kit.guarded($bits.render) };")
    )


def test_no_data_can_end_the_script_element_that_holds_it():
    hostile = "</script><script>alert(1)</script><!-- & \u2028"
    html = Component("predict", {"id": hostile}).html(script=False)
    assert html.count("<script") == html.count("</script>") == 1
    assert data_of(html) == {"id": hostile}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"runs": [{"x": float("nan")}]}, r"data\['runs'\]\[0\]\['x'\] is nan; give None"),
        ({"x": (1.0, float("-inf"))}, r"data\['x'\]\[1\] is -inf"),
        ({"x": {"y": torch.ones(1)}}, r"data\['x'\]\['y'\] is of type Tensor; give plain numbers"),
    ],
)
def test_what_json_cannot_hold_is_named_with_its_key(data, message):
    with pytest.raises(ConfigError, match=message):
        Component("film", data)


def test_an_unknown_component_is_named():
    with pytest.raises(ConfigError, match="unknown component 'fillm'"):
        Component("fillm", {})


def test_live_it_is_a_widget_and_stored_it_is_html():
    figure = first_figures.step_explorer()
    bundle = figure._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert '<script type="module"' not in bundle["text/html"]
    assert figure.widget.data == figure.data and figure.state == {}
    figure.widget.state = {"t": 3}
    assert figure.state == {"t": 3}


def test_without_anywidget_it_is_html_that_draws_itself(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    bundle = first_figures.step_explorer()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert '<script type="module">' in bundle["text/html"] and ".lbl-figure" in bundle["text/html"]


# ---- what the chapters call ----------------------------------------------------------------------
def test_a_film_tells_what_its_records_tell():
    filmed = group(read_all("film"))
    stompp, ste = filmed["n06-minimal-stompp"][1], filmed["n06-minimal-ste"][0]
    data = explore.film([stompp, ste]).data
    a, b = data["runs"]
    assert a["test"] == pytest.approx(stompp.curves["test_acc"], rel=0.01)
    assert a["signs"] == stompp.curves["signs"]
    assert [len(v) for v in a["p"]] == [25] * len(a["epoch"]) and len(a["epoch"]) == 30
    assert a["p"][-1] == [1.0] * 25 and a["p"][0][-1] == 0.0
    assert b["p"][0] == [1.0] * 25  # STE is binary from the first step
    assert 0 < max(map(max, a["flips"][1:])) <= 1
    assert (a["look"], a["depth"], a["seed"]) == ("stompp", 24, 1)
    assert a["name"] == "StoMPP, 24 convolutions, seed 1" and data["start"] == [0, 1]
    reverse = explore.film(filmed["n09-minimal-stompp-reverse"]).data["runs"][0]
    assert reverse["name"] == "StoMPP, reverse order, 36 convolutions, seed 0"
    assert reverse["look"] == "reverse"


def test_kept_signs_are_those_of_the_weights_and_change_where_flips_are_counted():
    """A run with every sign kept: what differs between two entries is what was counted."""
    data, config = load("digits"), configuration({"method": "stompp", "blocks": 1})
    config = replace(config, width=4, epochs=4, eval_every=1, sign_sample=10_000)
    model = build(config, data)
    history = fit(model, data, config, progress=False)
    sizes = [len(s) for s in signs(model)]
    kept = [
        [unpacked(x, n) for x, n in zip(row, sizes, strict=True)] for row in history.curve("signs")
    ]
    assert [k == (s > 0).tolist() for k, s in zip(kept[-1], signs(model), strict=True)] == [
        True
    ] * 5
    for before, after, flips in zip(kept, kept[1:], history.curve("flips")[1:], strict=False):
        found = [
            sum(a != b for a, b in zip(*pair, strict=True))
            for pair in zip(before, after, strict=True)
        ]
        assert found == flips
    assert sum(map(sum, history.curve("flips"))) > 0
    few = fit(build(config, data), data, replace(config, sign_sample=3), progress=False)
    for row, whole in zip(few.curve("signs"), kept, strict=True):
        for x, all_of, n in zip(row, whole, sizes, strict=True):
            expected = [all_of[0], all_of[n // 3], all_of[2 * n // 3]] if n else []
            assert unpacked(x, 3 if n else 0) == expected


def unpacked(digits, n):
    bits = [int(d, 16) >> k & 1 == 1 for d in digits for k in (3, 2, 1, 0)]
    assert 0 <= len(bits) - n < 8
    return bits[:n]


def test_frozen_fractions_are_those_that_the_run_saw():
    record = group(read_all("orders"))["n06-minimal-stompp-reverse"][0]
    frames = explore.gradient_explorer({"reverse": record}).data["choices"]["reverse"]
    for frame, gradient in zip(frames, record.curves["gradient"], strict=True):
        assert frame["p"] == sorted(frame["p"])  # the last stages first
        for g, kept in zip(gradient, frame["gradient"], strict=True):
            assert kept == pytest.approx(g or 0.0, rel=0.06)


def test_results_hold_each_setting_once_and_the_intervals_of_the_tables(runs):
    data = explore.results(["fair", "orders", "schedules"]).data
    fields = list(data["fields"])
    seen = [tuple(g[f] for f in fields) for g in data["groups"]]
    assert len(seen) == len(set(seen))
    found = next(g for g in data["groups"] if g["name"] == "fair/n06-minimal-ste")
    assert found["runs"] == [round(r.final["test_acc"], 2) for r in runs["n06-minimal-ste"]]
    assert (found["mean"], found["half"]) == (81.3, 4.7)
    assert found["depth"] == 24 and found["method"] == "ste" and found["rate"] == "usual"
    split = next(g for g in data["groups"] if g["name"] == "orders/n06-minimal-stompp-reverse")
    assert split["mean"] is None and len(split["runs"]) == 10


def test_the_playground_holds_the_data_and_what_recorded_runs_gave():
    data = playground.playground().data
    digits, spirals = load("digits"), load("spirals")
    pixels = [(ord(c) - 97) / 8 - 1 for c in data["sets"]["digits"]["x"][:64]]
    assert pixels == digits.train_x[0].flatten().tolist()
    assert len(data["sets"]["digits"]["x"]) == 64 * 1797
    assert data["sets"]["spirals"]["x"][:2] == pytest.approx(spirals.train_x[0].tolist(), abs=1e-4)
    assert len(data["sets"]["spirals"]["y"]) == 600 and data["sets"]["spirals"]["train"] == 400
    assert [preset["name"] for preset in data["presets"]] == [p[0] for p in playground.PRESETS]
    known = [p for p in (*playground.PRESETS, *playground.RECORDED) if p[2]]
    for told, (_, settings, recipe, run) in zip(data["records"], known, strict=True):
        runs = sorted(group(read_all(recipe))[run], key=lambda record: record.seed)
        assert told["settings"] == settings
        assert told["runs"] == [round(record.final["test_acc"], 1) for record in runs]
        assert len(runs) == 5 or RECIPES[recipe].missing
        said = summary(runs)
        assert (told["mean"] is None) == ("±" not in said or len(runs) < 5)
        assert told["mean"] is None or f"{told['mean']} ± {told['half']}" == said
        c = config_of(runs[0])
        same = {
            "set": c.data, "layers": c.blocks[0], "width": c.width, "epochs": c.epochs,
            "groups": c.width // c.signals.group, "robustness": c.signals.robustness,
            "reinforcement": c.signals.reinforcement,
        } if c.signals else {
            "set": c.data, "order": c.plan.order, "shape": c.plan.shape, "rho": c.plan.refresh,
            "blocks": c.blocks[0], "width": c.width, "scale": c.scale == "layer",
            "optimizer": c.optimizer, "rate": c.lr, "epochs": c.epochs,
        }  # fmt: skip
        assert {k: settings[k] for k in same} == same
        assert (c.weights, c.activations) == METHODS[settings["method"]] and c.batch_size == 32


def test_differences_of_the_playground_are_paired_and_stand_only_between_means():
    data = playground.playground().data
    records = data["records"]
    assert len(data["pairs"]) > 40
    for i, j, mean, half in data["pairs"]:
        first, second = records[i], records[j]
        assert first["settings"]["set"] == second["settings"]["set"]
        assert mean == pytest.approx(first["mean"] - second["mean"], abs=0.11) and half > 0
    assert not playground.playground().data["address"]
    assert playground.playground(address=True).data["address"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: explore.film([]), ConfigError, "no run to show"),
        (lambda: explore.gradient_explorer({}), ConfigError, "no run to show"),
        (lambda: explore.results(["fare"]), ConfigError, "unknown recipe 'fare'"),
        (lambda: explore.results(["fair"], along="dept"), ConfigError, "unknown field 'dept'"),
        (
            lambda: explore.film(read_all("perceptron")), RecordError,
            "did not measure its gradients",
        ),
        (lambda: explore.film(read_all("fair")), RecordError, "kept no signs; make it with sign_s"),
        (
            lambda: explore.film(read_all("film"), start=["n06-minimal-sted-s0"]), ConfigError,
            "unknown run 'n06-minimal-sted-s0'; did you mean 'n06-minimal-ste-s0'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


SIGNS = [1, -1] * 8
DENSE = [part for _ in range(2) for part in (nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())]
LINEAR = binarize_model(nn.Sequential(*DENSE, nn.Linear(4, 2)), torch.zeros(1, 4))
SHOWN = {"at": 0.5, "p": [0.5, 0.5], "gradient": [1.0, None]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explore.schedule_explorer(rho=7), r"rho must lie in \[0, 1\], got 7"),
        (lambda: explore.schedule_explorer(window=-3), "the window must be an integer of at least"),
        (lambda: explore.schedule_explorer(window=500), "between 10 and 200, got 500"),
        (lambda: explore.schedule_explorer(order="up"), "unknown order 'up'.*forward"),
        (lambda: explore.schedule_explorer(shape="cube"), "unknown shape 'cube'; did you mean"),
        (lambda: explore.schedule_explorer(rule="none"), "unknown mask rule 'none'"),
        (lambda: explore.schedule_explorer(stages=1000), "between 1 and 37, got 1000"),
        (lambda: explore.schedule_explorer(t=451), "t must lie between 0 and 450, got 451"),
        (lambda: explore.doors_explorer({}), r"as many at each p; got \[\]"),
        (lambda: explore.doors_explorer({0.5: [1]}), r"two or more layers.*got \[1\]"),
        (lambda: explore.doors_explorer({0.5: [1, 1], 0.6: [1]}), r"got \[1, 2\]"),
        (lambda: explore.doors_explorer({1: [1, 0.5]}), "p must lie between 0 and 1, got 1"),
        (lambda: explore.doors_explorer({0.5: [1, -1]}), "what is left at p = 0.5"),
        (lambda: explore.alpha_calculator({}), "no network to show"),
        (lambda: explore.alpha_calculator({"a": nn.ReLU()}), "a has 0 binary layers"),
        (lambda: explore.alpha_calculator({"a": LINEAR}), "square convolutions.*of a is none"),
        (lambda: explore.blockade_explorer({}), "no frame to show"),
        (lambda: explore.blockade_explorer({"a": [{"at": 0}]}), "'a' lacks gradient, p"),
        (lambda: explore.blockade_explorer({"a": [{**SHOWN, "p": [0, 2]}]}), "'a' must lie in .0"),
        (lambda: explore.blockade_explorer({"a": [{**SHOWN, "p": [1]}]}), "1 stages and 2 gradi"),
        (
            lambda: explore.blockade_explorer({"a": [{**SHOWN, "gradient": [float("inf"), 1]}]}),
            "a gradient of 'a' must be of type float, got inf",
        ),
    ],
)  # fmt: skip
def test_what_an_explorer_is_given_is_checked(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_what_the_readers_own_shapes_and_orders_lack_is_named(monkeypatch):
    monkeypatch.setitem(method.SHAPES, "late", lambda tau: tau / 2)
    with pytest.raises(ConfigError, match=r"'late' must grow from 0 at 0 to 1 at 1.*0 to 0.5"):
        explore.schedule_explorer()
    monkeypatch.delitem(method.SHAPES, "late")
    monkeypatch.setitem(method.ORDERS, "half", lambda stages, seed: [0] * (stages // 2))
    with pytest.raises(ConfigError, match="order 'half' must give 1 stages a window each"):
        explore.schedule_explorer()


def test_names_of_settings_have_words():
    named = {*METHODS, *ARMS}
    assert not {n for n in named if n not in style.METHODS and n not in style.WORDS}
