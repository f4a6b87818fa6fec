"""Every run of every recipe: its name and its configuration are what they were when it was made."""

import hashlib
import json

import pytest
import torch

from stompp_lite import Data
from stompp_lite.errors import ConfigError
from stompp_lite.lab.arms import ARMS, FIGHTERS, configuration, own_rate, variant
from stompp_lite.lab.config import METHODS, Config, binary_layers_of
from stompp_lite.lab.experiment import Recipe, row
from stompp_lite.lab.recipes import RECIPES, run_of, runs_of
from stompp_lite.lab.record import read_all
from stompp_lite.lab.run import build
from stompp_lite.networks.layers import binary_layers
from tests.conftest import ROOT

KNOWN = ROOT / "tests" / "lab" / "runs.json"


def digest(config):
    """Of what differs from the defaults, so that a new field with a default changes nothing."""
    usual = Config().to_dict()
    plan = {k: v for k, v in config["plan"].items() if v != usual["plan"][k]}
    changed = {k: v for k, v in config.items() if k != "plan" and v != usual[k]}
    text = json.dumps({**changed, "plan": plan}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def test_names_and_configurations_of_all_runs_are_as_recorded():
    known = json.loads(KNOWN.read_text(encoding="utf-8"))
    assert sum(map(len, known.values())) == 3718
    for recipe, runs in known.items():
        found = {run.name: digest(run.config.to_dict()) for run in RECIPES[recipe].runs.values()}
        assert found == runs, recipe


def test_a_tuple_is_an_axis_and_a_list_is_a_value():
    given = row(method=("ste", "stompp"), blocks=[1, 2], seed=range(3), head="{method}")
    made = Recipe("r", "?", "seconds", [given])
    runs = list(made.runs.values())
    assert len(runs) == 6
    assert [run.config.seed for run in runs] == [0, 0, 1, 1, 2, 2]  # seeds in turn
    assert {run.config.blocks for run in runs} == {(1, 2)}
    labeled = Recipe("r", "?", "seconds", [row(lead=-3, seed=1, label="lead{lead:+d}")])
    (run,) = labeled.runs.values()
    assert run.name == "n06-minimal-stompp-lead-3-s1"
    assert (run.setting, run.series) == ("n06-minimal-stompp-lead-3", "stompp-lead-3")
    assert (run.arm, run.method, run.layers, run.words) == ("minimal", "stompp", 24, "lead −3")
    assert run.config.plan.lead == -3


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ({"arm": "minimall"}, "minimall"),
        ({"method": "steo"}, "steo"),
        ({"bloks": 3}, "bloks"),
        ({"order": "backward"}, "backward"),
        ({"arm": "scale", "method": "ste-weights"}, "ste-weights"),
    ],
)
def test_what_a_row_cannot_mean_is_named(factors, said):
    with pytest.raises(ConfigError, match=said):
        configuration(factors)


def test_every_fighter_has_a_rate_in_every_arm():
    for arm in ARMS:
        for method in FIGHTERS:
            assert configuration({"arm": arm, "method": method, "blocks": 6}).lr > 0
    with pytest.raises(ConfigError, match="no learning rate was chosen for method 'quick'"):
        own_rate("adam", "quick", 24)
    assert own_rate("scale", "stompp", 24) == own_rate("scale", "stompp", 4) == 0.2
    assert variant(configuration({"order": "forward-5"})) == "forward-5"
    assert (
        variant(RECIPES["landscape-guided"].settings["n06-minimal-ste-features"].config)
        == "features"
    )
    assert own_rate("scale", "stompp", 48) == own_rate("scale", "stompp", 36) == 0.05


def test_depth_is_the_number_of_binary_layers_of_every_model():
    x, ids, y = torch.zeros(2, 3, 32, 32), torch.zeros(2, 6, dtype=torch.long), torch.arange(2)
    images, texts = Data("t", x, y, x, y, 2), Data("t", ids, y, ids, y, 2, tokens=5)
    sizes = (
        ("lab", (1, 2), 4), ("lab", (1, 1, 2), 4), ("mlp", (3,), 8), ("residual-mlp", (3,), 8),
        ("bireal", (1, 2), 4), ("mobilenet", (1, 2, 2), 8), ("mobilenet", (), 8),
        ("resnet18", (), 64), ("resnet34", (), 64), ("resnet50", (), 64), ("transformer", (2,), 8),
    )  # fmt: skip
    for model, blocks, width in sizes:
        config = Config(model=model, blocks=blocks, width=width)
        net = build(config, texts if model == "transformer" else images)
        assert len(binary_layers(net)) == binary_layers_of(config), model


def test_only_a_setting_or_a_part_of_names():
    assert len(runs_of("fair", only="n06-minimal-stompp")) == 5  # and not stompp+ste
    assert len(runs_of("fair", only="n06-minimal-stomp")) == 10
    with pytest.raises(ConfigError, match="n99"):
        runs_of("fair", only="n99")


def test_a_record_knows_its_run_and_a_stranger_s_gets_its_rules():
    record = next(r for r in read_all("lead") if r.name == "n06-minimal-stompp+ste-lead-24-s3")
    run = run_of(record)
    assert (run.arm, run.method, run.layers) == ("minimal", "stompp+ste", 24)
    assert run.factors["lead"] == -24
    record.recipe, record.name = "custom", "mine-s3"
    mine = run_of(record)
    assert (mine.arm, mine.method, mine.setting) == ("custom", "stompp+ste", "mine")
    assert mine.factors["lead"] == -24


def test_methods_have_names_of_their_own():
    assert len(set(METHODS.values())) == len(METHODS)
