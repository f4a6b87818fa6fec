"""Who still hears, in the browser: the same answers as the package's, for any committed stages."""

import json
import random

import pytest
import torch

from stompp_lite import LabResNet, binarize_model
from stompp_lite.errors import ConfigError, ConversionError
from stompp_lite.networks import families
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.describe import leaks
from stompp_lite.viz import components
from stompp_lite.viz.components import Component
from stompp_lite.viz.explore import commitment_explorer
from tests.browser import Watched, rows, show

pytestmark = pytest.mark.slow
WIDTH = 900  # of the pages
IMAGE = torch.zeros(1, 3, 32, 32)
FLOAT = {
    "lab": (lambda: LabResNet(1, 10, width=4, blocks=(2, 1)), torch.zeros(1, 1, 8, 8)),
    "ResNet-18": (lambda: families.resnet("resnet18", 10), IMAGE),
    "Bi-Real": (lambda: families.BiRealNet(10, blocks=(2, 2), width=8), IMAGE),
    "MobileNetV2": (lambda: families.mobilenet(10, blocks=(1, 2, 3), width=0.5), IMAGE),
    "transformer": (
        lambda: families.Transformer(12, 16, 4, width=16, depth=1),
        torch.zeros(1, 16, dtype=torch.long),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return {name: binarize_model(make(), example) for name, (make, example) in FLOAT.items()}


@pytest.fixture
def watched(context):
    return Watched(context)


def closed(model, committed):
    """Names of what committed stages close, as training names them."""
    stages = [conversion(model).stages[k] for k in committed]
    names = [name for stage in stages for name in stage.activations]
    return names + [f"{name}.binarizer" for stage in stages for name in stage.weights]


@pytest.mark.parametrize("name", list(FLOAT))
def test_the_browser_finds_the_same_parameters_as_the_package(watched, networks, name):
    model = networks[name]
    data = commitment_explorer({name: model}).data["networks"][name]
    done, draw = conversion(model), random.Random(name)
    stages = range(len(done.stages))
    subsets = [[], list(stages), *([k] for k in stages), *([*range(k + 1)] for k in stages)]
    subsets += [[k for k in stages if draw.random() < share] for share in (0.1, 0.3, 0.6) * 20]
    script = components._bundle(["commit"]).replace("const $", "var $")
    watched.page.goto("about:blank")
    watched.page.evaluate(f"(0, eval)({json.dumps(script)})")
    found = watched.page.evaluate(
        "([net, all]) => all.map((s) => { const { reached, leaks, arrives, deaf } ="
        " $commit.hears(net, s); return { reached, leaks, arrives, deaf }; })",
        [data, subsets],
    )
    answers, graph = set(), done.graphs[-1]
    for committed, one in zip(subsets, found, strict=True):
        reached = graph.reached(closed(model, committed))
        assert set(one["reached"]) == reached, committed
        for k, stage in enumerate(done.stages):
            if stage.weights and k not in committed:
                assert one["deaf"][k] == (f"{stage.weights[0]}.weight" not in reached), committed
            assert not (one["deaf"][k] and k in committed)
        if committed and committed == list(range(len(committed))):
            assert set(one["leaks"]) == set(leaks(model, len(committed) - 1)), committed
        answers.add(frozenset(reached))
    assert len(answers) > len(done.stages)
    passed = watched.page.evaluate(
        "([n, s]) => $commit.hears(n, s, true).reached", [data, stages[:]]
    )
    assert set(passed) == graph.reached()


def test_arcs_lead_around_what_the_shortcuts_lead_around(networks):
    """After the activation that precedes a block; to before the one that follows, or to the end."""
    data = commitment_explorer(networks).data["networks"]
    arcs = {name: sorted([a["from"], a["to"]] for a in net["arcs"]) for name, net in data.items()}
    assert arcs["lab"] == [[1.0, 2.5], [3.0, 4.5], [5.0, 6.5]]
    assert arcs["ResNet-18"] == [[1.0 + 2 * k, 2.5 + 2 * k] for k in range(8)]
    assert arcs["Bi-Real"] == [[0.5, 1.5], [1.5, 2.5], [2.5, 3.5], [3.5, 5.0]]
    assert arcs["transformer"] == [[0.5, 4.5], [4.5, 7.0]]
    assert len(arcs["MobileNetV2"]) == 3  # where channels and resolution stay


def test_a_stage_is_committed_by_keyboard_or_in_the_picture_and_words_say_what_follows(
    context, networks
):
    watched = show(context, commitment_explorer({k: networks[k] for k in ("lab", "Bi-Real")}))
    page = watched.page
    says = page.locator(".lbl-says")
    assert says.text_content() == "Nothing is committed. Every free stage still hears."
    stage = page.locator(".lbl-stages button").nth(4)
    assert stage.get_attribute("aria-label").startswith("stage 4: blocks.1.conv2, ")
    stage.focus()
    page.keyboard.press("Enter")
    assert stage.get_attribute("aria-pressed") == "true"
    assert says.text_content() == (
        "Committed: stage 4. Stages 0 to 3 hear nothing: their weights cannot learn any more, "
        "although they are free."
    )
    assert says.text_content() in page.locator("canvas").first.get_attribute("aria-label")
    surrogate = page.get_by_role("button", name="Surrogate gradient")
    surrogate.click()
    assert "Every free stage still hears. Committed stages pass a surrogate" in says.text_content()
    surrogate.click()
    box = page.locator("canvas").first.bounding_box()
    page.mouse.click(box["x"] + 22 + 4.4 * (box["width"] - 66) / 7, box["y"] + 60)
    assert "Nothing is committed" in says.text_content()
    page.get_by_role("button", name="Next from the output").click()
    assert "Committed: stage 6. Stages 0 to 5 hear nothing" in says.text_content()
    page.get_by_label("network").select_option("Bi-Real")
    for _ in range(2):
        page.get_by_role("button", name="Next from the input").click()
    assert "Committed: stages 0 and 1. Every free stage still hears. A path" in says.text_content()
    table = rows(page)
    assert [row[2] for row in table] == ["yes", "yes", "no", "no", "no"]
    assert [row[4] for row in table] == ["no", "no", "yes", "yes", "yes"]
    for _ in range(3):
        page.get_by_role("button", name="Next from the input").click()
    assert "No stage is free." in says.text_content()
    page.get_by_role("button", name="Free all").click()
    assert "Nothing is committed." in says.text_content()
    assert not watched.wrong


def test_the_same_stages_are_committed_in_networks_that_are_shown_together(context):
    nets = {
        "lab": LabResNet(1, 10, width=4, blocks=(1, 1)),
        "Bi-Real": families.BiRealNet(10, channels=1, width=4, blocks=(2, 2)),
    }
    nets = {name: binarize_model(net, torch.zeros(1, 1, 8, 8)) for name, net in nets.items()}
    watched = show(context, commitment_explorer(nets, together=True))
    page = watched.page
    pictures, says = page.locator("canvas[role=img]"), page.locator(".lbl-says")
    assert pictures.count() == 2 and not page.get_by_label("network").count()
    page.get_by_role("button", name="Next from the output").click()
    page.locator(".lbl-stages button").nth(2).press("Enter")
    silent = "Stages 0, 1 and 3 hear nothing: their weights cannot learn any more, although"
    assert says.text_content() == (
        f"Committed: stages 2 and 4. lab: {silent} they are free. "
        "Bi-Real: Every free stage still hears."
    )
    assert pictures.nth(0).get_attribute("aria-label").startswith("lab: 5 stages from input")
    assert "still hears" in pictures.nth(1).get_attribute("aria-label")
    table = rows(page)
    for at, (name, model) in enumerate(nets.items()):
        done = conversion(model)
        heard = done.graphs[-1].reached(closed(model, [2, 4]))
        own = table[5 * at : 5 * at + 5]
        assert [row[0] for row in own] == [name] * 5
        for k, row in enumerate(own[1:], start=1):
            learns = k not in (2, 4) and f"{done.stages[k].weights[0]}.weight" in heard
            assert row[5] == ("yes" if learns else "no"), (name, k)
    box = pictures.nth(1).bounding_box()
    page.mouse.click(box["x"] + 22 + 4.4 * (box["width"] - 66) / 5, box["y"] + 60)
    assert says.text_content().startswith("Committed: stage 2. lab: Stages 0 and 1 hear nothing")
    assert not watched.wrong


def test_what_cannot_be_shown_is_named(context, networks):
    with pytest.raises(ConfigError, match="no network to show"):
        commitment_explorer({})
    with pytest.raises(ConversionError, match="LabResNet is not binarized"):
        commitment_explorer({"lab": LabResNet(1, 10, width=4, blocks=(1, 1))})
    with pytest.raises(ConfigError, match="equal numbers of stages, got lab: 7, Bi-Real: 5"):
        commitment_explorer({k: networks[k] for k in ("lab", "Bi-Real")}, together=True)
    with pytest.raises(ConfigError, match="together"):
        commitment_explorer({"lab": networks["lab"]}, together="yes")
    page = show(context, Component("commit", {"networks": {"x": {"stages": []}}})).page
    assert "x has no stages" in page.locator(".lbl-error").text_content()
