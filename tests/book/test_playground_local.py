"""Local signals in the playground: the package's numbers, and a page without an arrow."""

import json
import re

import numpy as np
import pytest
import torch

from stompp_lite.errors import ConfigError
from stompp_lite.local import LocalNet, as_bits
from stompp_lite.local.samples import thermometer
from stompp_lite.training.data import load
from stompp_lite.viz import components
from stompp_lite.viz.playground import CUTS, playground
from tests.browser import show

EPOCHS, BATCH, SAMPLES = 4, 24, 170  # the last batch of an epoch is smaller

TRAIN = """(a) => {
  const x = $local.asSigns(Float64Array.from(a.x), a.y.length, a.cuts), I = a.inputs;
  const net = new $local.LocalNet(a), told = [];
  let accuracy = 1 / a.classes, step = 0;
  for (let epoch = 0; epoch < a.epochs; epoch++) {
    let right = 0;
    for (let k = 0; k < a.samples; k += a.batch) {
      const end = Math.min(k + a.batch, a.samples);
      const part = x.subarray(k * I, end * I);
      const [hits, asked] = net.learnBatch(part, a.y.slice(k, end), end - k, step++, accuracy);
      told.push([hits, asked]);
      right += hits;
    }
    accuracy = right / a.samples;
  }
  const scores = [...net.answers(x, a.y.length)], C = a.classes;
  return {told, scores, x: [...x], hidden: net.layers.map((l) => [...l.hidden]),
    signs: net.layers.map((l) => [...l.weights]),
    top: a.y.map((_, n) => net.top(scores, n * C))};
}"""


@pytest.fixture
def script(context):
    """Evaluate where the engine of the worker is at hand: the module ``local`` is ``$local``."""
    page = context.new_page()
    page.goto("about:blank")
    bundle = "".join(map(components._module, ("method", "layers", "engine", "local")))
    page.evaluate(f"(0, eval)({json.dumps(bundle.replace('const $', 'var $'))})")
    return page.evaluate


def signs_of(name):
    """A set's inputs and labels, and both of its kinds of signs: the package's, and the cuts."""
    data, cuts = load(name), playground().data["sets"][name]["cuts"]
    x = torch.cat([data.train_x, data.test_x]).flatten(1)
    y = torch.cat([data.train_y, data.test_y])
    if name == "spirals":
        x = torch.tensor(playground().data["sets"][name]["x"], dtype=torch.float64).view(-1, 2)
    return data, x, y, thermometer(x, cuts), cuts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "widths", "options"),
    [
        ("digits", (16, 16), {"group": 4}),
        ("digits", (12,), {"group": 12, "robustness": 1.0, "reinforcement": 0.0}),
        ("spirals", (16, 16, 16), {"group": 2, "robustness": 0.5, "reinforcement": 1.0}),
    ],
)
def test_every_hidden_integer_is_the_package_s(script, name, widths, options):
    data, x, y, signs, cuts = signs_of(name)
    net = LocalNet((signs.shape[1], *widths), data.classes, seed=3, engine="numpy", **options)
    asked = {
        "x": x.flatten().tolist(), "y": y.tolist(), "cuts": cuts, "inputs": signs.shape[1],
        "width": widths[0], "classes": data.classes, "samples": SAMPLES, "batch": BATCH,
        "epochs": EPOCHS, "group": net.signals.group, "robustness": net.signals.robustness,
        "reinforcement": net.signals.reinforcement,
        "hidden": [h.flatten().tolist() for h in net.hidden],
        "readouts": [net.readouts[i].hidden.flatten().tolist() for i in range(len(widths))],
        "keys": [[key >> 32, key & 0xFFFFFFFF] for key in net._keys],
    }  # fmt: skip
    start = [h.copy() for h in net.hidden]
    inputs, labels, told = net.check_inputs(signs), y.numpy(), []
    accuracy, step = 1 / data.classes, 0
    for _ in range(EPOCHS):
        right = 0
        for first in range(0, SAMPLES, BATCH):
            batch = slice(first, min(first + BATCH, SAMPLES))
            told.append(list(net.learn_batch(inputs[batch], labels[batch], step, accuracy)))
            right, step = right + told[-1][0], step + 1
        accuracy = right / SAMPLES
    found = script(TRAIN, asked)
    assert found["x"] == signs.flatten().int().tolist()
    assert found["told"] == told and told[0] != told[-1]
    for mine, theirs, old in zip(found["hidden"], net.hidden, start, strict=True):
        assert mine == theirs.flatten().tolist()
        assert (theirs != old).any()
    assert found["signs"] == [np.where(h >= 0, 1, -1).flatten().tolist() for h in net.hidden]
    assert found["scores"] == net.scores(signs).flatten().tolist()
    assert found["top"] == net.predict(signs).tolist()


def test_the_digits_are_cut_where_the_package_cuts_them_and_points_at_their_places():
    bits, (_, _, _, signs, _) = as_bits(load("digits")), signs_of("digits")
    assert torch.equal(torch.cat([bits.train_x, bits.test_x]).flatten(1), signs)
    found = thermometer(torch.tensor([[0.3, -2.0], [-0.125, 1.0]]), [CUTS, CUTS])
    assert found.shape == (2, 30) and found[0].tolist() == [1.0] * 10 + [-1.0] * 20
    assert found[1].tolist() == [1.0] * 6 + [-1.0] * 9 + [1.0] * 15  # at a cut is not above it
    with pytest.raises(ConfigError, match="cuts of 2 inputs do not fit inputs of"):
        thermometer(torch.zeros(3, 4), [CUTS, CUTS])


@pytest.mark.slow
def test_the_page_trains_without_an_arrow_and_comes_back_to_gradients(context):
    page = show(context, playground()).page
    says, stages = page.locator(".lbl-says"), page.get_by_label("Signs of weights")
    page.get_by_text("more settings").click()
    assert page.get_by_label("learning rate").is_visible()
    assert not page.get_by_label("robustness").is_visible()
    page.get_by_label("start from").select_option(label="digits, local signals")
    page.wait_for_function("document.querySelector('.lbl-says').textContent.includes('asked')")
    assert "five seeds: 89.8 ± 2.7 %" in page.locator(".lbl-note:visible").text_content()
    for label in ("order", "learning rate", "optimizer", "blocks"):
        assert not page.get_by_label(label, exact=True).is_visible(), label
    assert page.get_by_label("robustness").is_visible()
    assert not page.locator(".lbl-key").is_visible()  # it tells of gradients
    assert "No gradient arrives anywhere" in stages.first.get_attribute("aria-label")
    page.get_by_label("epochs").select_option("10")
    page.wait_for_function(
        "document.querySelector('.lbl-says').textContent.includes('finished')", timeout=400_000
    )
    assert "No runs" in page.locator(".lbl-note:visible").text_content()  # recorded are 40 epochs
    assert float(re.search(r"accuracy ([\d.]+) %", says.text_content())[1]) > 75
    page.get_by_label("method").select_option("ste")
    page.wait_for_function(
        "document.querySelector('.lbl-says').textContent.includes('binary from')"
    )
    assert page.locator(".lbl-key").is_visible()
    assert page.get_by_label("learning rate").is_visible()
