"""The widget that trains, driven as a reader would: choose, run, stop, compare."""

import pytest

from stompp_lite import load
from stompp_lite.errors import ConfigError
from stompp_lite.lab.arms import configuration
from stompp_lite.lab.experiment import LAB
from stompp_lite.lab.run import build
from stompp_lite.method import SHAPES
from stompp_lite.schedule import Schedule
from stompp_lite.training.loop import fit
from stompp_lite.viz.live import PlanOnKernel, TrainItYourself


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


def test_what_cannot_be_trained_is_told_and_the_buttons_come_back(trainer):
    trainer.choices["epochs"].value = 2
    trainer.choices["arm"].value = "scale"
    trainer.choices["method"].value = "float"  # has no binary weights to scale
    trainer.start()
    trainer.wait(60)
    assert trainer.results[-1][1].startswith(("ended: ", "failed: "))
    assert not trainer.run_button.disabled


def test_stored_it_is_a_link_to_the_playground(trainer):
    bundle = trainer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "playground.html" in bundle["text/html"]


def test_no_depth_is_named():
    with pytest.raises(ConfigError, match="no depth to choose from"):
        TrainItYourself(blocks=())


# ---- a plan on the kernel ------------------------------------------------------------------------
def test_a_plans_masks_are_those_of_walkers_that_went_step_by_step():
    shown = PlanOnKernel(stages=4, window=30, rule="redraw", rho=0.3)
    plan = Schedule(4, 120)
    masks = []
    for t in range(70):
        shown.controls["t"].value = t
        masks.append(shown.masks())
        assert [b.binarizer.p for b in shown.walkers] == plan.fractions(t)
    assert masks[0].sum() == 0 and masks[-1][0].all() and 0 < masks[55][1].sum() < 48
    shown.controls["t"].value = 55  # back, by jumping
    assert (shown.masks() == masks[55]).all()
    assert "stage 1: p = 0." in shown.says.value and "Step 55 of 120" in shown.says.value


def test_every_control_of_a_plan_draws_anew():
    shown = PlanOnKernel(t=230)
    for name, value in (
        ("order", "reverse"), ("shape", "linear"), ("rule", "redraw"), ("rho", 1.0), ("stages", 5),
        ("window", 70), ("t", 100),
    ):  # fmt: skip
        before = bytes(shown.picture.value)
        shown.controls[name].value = value
        assert bytes(shown.picture.value) != before, name
    shown.controls["t"].value = 350
    shown.controls["stages"].value = 1  # fewer steps than the time that was shown
    assert shown.controls["t"].value == 70 and shown.masks().all()


def test_a_shape_of_the_readers_own_is_offered_and_the_book_shows_one_that_it_knows(monkeypatch):
    monkeypatch.setitem(SHAPES, "steps", lambda x: round(3 * x) / 3)
    shown = PlanOnKernel(shape="steps", stages=2, window=40, t=20)
    assert shown.walkers[0].binarizer.p == pytest.approx(2 / 3)
    stored = shown._repr_mimebundle_()["text/html"]
    assert 'data-component="schedule"' in stored and "steps" not in stored
    assert '"t":20' in stored


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"stagse": 3}, "unknown control 'stagse'.*stages"),
        ({"stages": 99}, "'stages' has no 99; it has 1 to 25"),
        ({"shape": "cube"}, "'shape' has no 'cube'; it has cubic"),
    ],
)
def test_what_a_plan_cannot_show_is_named(start, message):
    with pytest.raises(ConfigError, match=message):
        PlanOnKernel(**start)
