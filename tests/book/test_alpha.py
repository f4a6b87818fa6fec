"""The alpha calculator of chapter 13 in a browser: its numbers are those of torch and package."""

import json

import pytest
import torch
from torch import nn

from stompp_lite import LabResNet, binarize_model
from stompp_lite.networks.families import resnet
from stompp_lite.networks.layers import binary_layers
from stompp_lite.viz import components
from stompp_lite.viz.components import Component
from stompp_lite.viz.explore import alpha_calculator
from tests.browser import Watched, rows, show, unsaid

pytestmark = pytest.mark.slow
WIDTH = 900  # of the pages
LAYER = {"name": "conv", "kernel": 3, "inputs": 16, "outputs": 16, "alpha": 0.1, "measured": None}
SHAPES = [(1, 64, 64), (1, 512, 2048), (3, 16, 16), (3, 64, 128), (3, 512, 512), (7, 64, 16)]


def drawn(start, kernel, inputs, outputs):
    """Mean size of weights that torch draws, and how far off a draw can be."""
    torch.manual_seed(0)
    layer = nn.Conv2d(inputs, outputs, kernel, bias=False)
    if start == "fan-out":  # as torchvision's ResNet does
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    size = layer.weight.detach().abs()
    return float(size.mean()), 5 * float(size.std()) / size.numel() ** 0.5


def test_the_formulas_give_the_mean_size_of_weights_that_torch_draws(context):
    watched = Watched(context)
    script = components._bundle(["alpha"]).replace("const $", "var $")
    watched.page.goto("about:blank")
    watched.page.evaluate(f"(0, eval)({json.dumps(script)})")
    for start in ("fan-out", "uniform"):
        found = watched.page.evaluate(
            "([shapes, start]) => shapes.map((s) => $alpha.alpha(...s, start).alpha)",
            [SHAPES, start],
        )
        for shape, alpha in zip(SHAPES, found, strict=True):
            size, off = drawn(start, *shape)
            assert alpha == pytest.approx(size, abs=off), (start, shape)
            assert off < 0.1 * size


@pytest.mark.parametrize(
    ("make", "start"),
    [
        (lambda: resnet("resnet18", 10, channels=1), "fan-out"),
        (lambda: LabResNet(1, 10, width=16, blocks=(2, 2)), "uniform"),
    ],
    ids=["ResNet-18", "lab"],
)
def test_networks_start_as_the_calculator_says_and_alpha_is_the_package_s(context, make, start):
    torch.manual_seed(0)
    net = binarize_model(make(), torch.zeros(1, 1, 16, 16), scale="layer")
    layers = binary_layers(net)
    shown = alpha_calculator({"net": net}).data["networks"]["net"]
    assert [one["name"] for one in shown] == list(layers)
    page = show(context, alpha_calculator({"net": net})).page
    for one, (layer, row) in zip(shown, zip(layers.values(), rows(page), strict=True), strict=True):
        assert one["alpha"] == pytest.approx(float(layer.alpha()), rel=1e-3)
        assert float(row[5]) == pytest.approx(1 / one["alpha"], abs=0.06)
        if start == "fan-out":
            assert float(row[6]) == pytest.approx(float(row[5]), rel=0.02)


def test_a_layer_is_chosen_and_then_changed(context):
    torch.manual_seed(0)
    nets = {
        name: binarize_model(resnet(name, 10, channels=1), torch.zeros(1, 1, 16, 16))
        for name in ("resnet18", "resnet50")
    }
    count = len(binary_layers(nets["resnet18"]))
    watched = show(context, alpha_calculator(nets, {"resnet18": [20.0] * (count - 1) + [59.0]}))
    page = watched.page
    says, sums = page.locator(".lbl-says"), page.locator(".lbl-sum")
    assert "A 3 × 3 convolution from 64 to 64 channels, normal first weights" in says.text_content()
    assert "This is layer 0 of resnet18, layer1.0.conv1" in says.text_content()
    layer = page.locator("input[type=range]")
    layer.focus()
    page.keyboard.press("End")
    assert "a measured step 59 times" in says.text_content()
    assert "n = 3² · 512 output channels = 4608" in sums.text_content()
    assert "1/α = √(πn) / 2 = 60" in sums.text_content()
    page.get_by_role("combobox", name="first weights").select_option("uniform")
    assert "n = 3² · 512 input channels = 4608" in sums.text_content()
    assert "1/α = 2√n = 136" in sums.text_content() and "This is" not in says.text_content()
    page.get_by_role("combobox", name="network").select_option("resnet50")
    assert "A 1 × 1 convolution from 64 to 64 channels, normal" in says.text_content()
    assert "1/α = √(πn) / 2 = 7.1" in sums.text_content()
    page.get_by_role("combobox", name="kernel").select_option("3")
    assert "1/α = √(πn) / 2 = 21" in sums.text_content() and "This is" not in says.text_content()
    assert not watched.wrong


BAD = [
    ({}, "there is no network to show"),
    ({"networks": {"a": []}}, "a has no binary layers"),
    ({"networks": {"a": [{**LAYER, "alpha": 0}]}}, "alpha of a holds 0"),
    ({"networks": {"a": [{**LAYER, "kernel": "<b>"}]}}, "kernel of a holds <b>, which is no"),
    ({"networks": {"a": [{**LAYER, "measured": -1}]}}, "was measured in a holds -1"),
]


def test_bad_data_draws_a_message(context):
    assert not unsaid(context, [(Component("alpha", data), said) for data, said in BAD])
