"""The widget that trains, driven as a reader would: choose, run, stop, compare."""

import pytest

from stompp_lite import load
from stompp_lite.errors import ConfigError
from stompp_lite.lab.arms import configuration
from stompp_lite.lab.experiment import LAB
from stompp_lite.lab.run import build
from stompp_lite.training.loop import fit
from stompp_lite.viz import live
from stompp_lite.viz.live import TrainItYourself


@pytest.fixture(scope="module")
def trainer():
    return TrainItYourself(blocks=(1,))


def test_a_run_ends_in_the_comparison_with_the_accuracy_that_fit_gives(trainer):
    trainer.choices["epochs"].value = 2
    trainer.run_button.click()
    assert trainer.run_button.disabled and not trainer.stop_button.disabled
    trainer.wait(120)
    assert not trainer.run_button.disabled and trainer.stop_button.disabled
    data = load("digits")
    config = configuration(LAB | {"blocks": 1, "epochs": 2, "eval_every": 2, "diagnose": False})
    expected = fit(build(config, data), data, config, progress=False).final["test_acc"]
    assert trainer.results[-1][1] == trainer.says.value == f"{expected:.1f} %"
    assert trainer.bar.value == 1.0 and bytes(trainer.picture.value).startswith(b"\x89PNG")
    assert f"{expected:.1f} %" in trainer.table.value


def test_stop_ends_a_run_and_keeps_what_was_there(trainer):
    before = len(trainer.results)
    trainer.choices["epochs"].value = 60
    trainer.start()
    trainer.start()  # a second press does nothing
    trainer.stop_button.click()
    trainer.wait(60)
    assert len(trainer.results) == before + 1
    assert trainer.results[-1][1].startswith("stopped at step")
    assert len(trainer.results[-1][2]) < 60 * 23


def test_every_pair_of_method_and_steps_on_offer_can_be_trained(trainer):
    methods, arms = (trainer.choices[name] for name in ("method", "arm"))
    seen = []
    for _, method in methods.options:
        methods.value = method
        for _, arm in arms.options:
            arms.value = arm
            assert configuration({"arm": arm, "method": method, "blocks": 1}).lr > 0
            seen.append((method, arm))
    assert ("stompp", "scale") in seen and ("float", "adam") in seen
    assert not {("float", "scale"), ("float", "minimal+scale")} & set(seen)
    methods.value = "ste"
    arms.value = "scale"
    methods.value = "float"  # has nothing binary to scale, so the steps give way
    assert arms.value == "minimal"


def test_an_error_is_told_and_the_buttons_come_back(trainer, monkeypatch):
    def refuse(*_, **__):
        raise ConfigError("no such thing")

    monkeypatch.setattr(live, "configuration", refuse)
    trainer.start()
    trainer.wait(60)
    assert trainer.results[-1][1] == "ended: no such thing"
    assert not trainer.run_button.disabled and "no such thing" in trainer.table.value


def test_stored_it_is_a_link_to_the_playground(trainer):
    bundle = trainer._repr_mimebundle_()
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == trainer.widget.model_id and view["version_major"] == 2
    if hasattr(trainer.widget, "_repr_mimebundle_"):  # ipywidgets 8: what it would have made
        made = trainer.widget._repr_mimebundle_()
        made = made[0] if isinstance(made, tuple) else made
        assert made["application/vnd.jupyter.widget-view+json"] == view
    assert "playground.html" in bundle["text/html"]


def test_no_depth_is_named():
    with pytest.raises(ConfigError, match="no depth to choose from"):
        TrainItYourself(blocks=())
