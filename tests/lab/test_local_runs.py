"""Runs of local signals are recorded, resumed and refused as all others."""

import json

import pytest

from stompp_lite.__main__ import main
from stompp_lite.errors import ConfigError
from stompp_lite.lab import record
from stompp_lite.lab.config import Config, config_of
from stompp_lite.lab.local import build, read
from stompp_lite.lab.recipes import RECIPES, configure
from stompp_lite.lab.run import run
from stompp_lite.local import LocalNet, RecurrentNet, Signals

SMALL = Config(model="signals", weights="local", activations="sign", blocks=(2,), width=75,
               epochs=2, batch_size=100, eval_every=1)  # fmt: skip


def test_a_run_becomes_a_record_that_tells_its_settings(tmp_path):
    found = run(SMALL, recipe="signals", name="small", progress=False)
    record.save(found, tmp_path / "small.json")
    again = record.read(tmp_path / "small.json")
    assert config_of(again) == SMALL and again.config["signals"]["group"] == 75
    assert again.final["test_acc"] == pytest.approx(100 * again.correct_bits().mean())
    assert again.curves["epoch"] == [1, 2] and len(again.curves["layer_acc"][0]) == 2
    other = run(SMALL, recipe="signals", name="small", progress=False)
    assert other.final == found.final and other.correct == found.correct


def test_all_runs_of_the_recipes_can_be_built():
    kinds = set()
    for name in ("signals", "signals-depth", "signals-settings", "signals-rows"):
        for setting in RECIPES[name].settings.values():
            c = setting.config
            if c.data == "digits":
                net = build(c, read(c))
                assert net.signals == c.signals and net.signals.rule == c.weights
                kinds.add((type(net), len(net.memories)))
    assert {(LocalNet, 10), (RecurrentNet, 1)} <= kinds


def test_a_record_of_another_kind_holds_no_signals():
    assert "signals" not in Config().to_dict()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "signals"}, "do not go together"),
        ({"weights": "local"}, "the rules local, bep are for the models signals"),
        ({"signals": Signals()}, "signals are for the models signals, signals-rows"),
        ({"model": "signals", "weights": "bep", "signals": 3}, "signals must be a Signals"),
        ({"model": "signals", "weights": "bep", "width": 100}, "choose group=50 or 100"),
    ],
)
def test_what_does_not_go_together_is_refused(change, said):
    with pytest.raises(ConfigError, match=said):
        Config(**({"blocks": (1,)} | change))


def test_the_command_line_runs_one_and_changes_a_setting(tmp_path, capsys):
    out = tmp_path / "mine.json"
    changes = ["epochs=1", "width=75", "signals.group=25"]
    call = ["run", "signals", "--name", "digits-local-02x525-s0", "--out", str(out), "--set"]
    assert main([*call, *changes]) == 0 and "test accuracy" in capsys.readouterr().out
    assert json.loads(out.read_text())["config"]["signals"]["group"] == 25
    assert main([*call, "signals.grup=25"]) == 1
    assert "did you mean 'group'" in capsys.readouterr().err
    config = configure("signals", "digits-bep-02x525-s0", None, ["validation=true"])
    assert len(read(config).test_y) == 287
