"""The page that advises: every way leads somewhere, and the code at its end runs."""

import re
import sys

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import stompp_lite
from stompp_lite import Data, LabResNet, assert_binary, load, load_packed
from stompp_lite.errors import ConfigError, ConversionError
from stompp_lite.networks.families import BiRealNet, Transformer
from stompp_lite.networks.layers import binary_layers
from tests.browser import HTML, Watched
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import which

PAGE = (ROOT / "book" / "which_method.md").read_text(encoding="utf-8")
ADVICE = which.read()["advice"]


def few(images=192):
    """Some digits, so that a run takes a second."""
    digits = load("digits")
    part = (digits.train_x[:images], digits.train_y[:images], digits.test_x[:64])
    return Data("few", *part, digits.test_y[:64], classes=10)


def sentences():
    """Token ids that tell the class: the first word is it."""
    x = torch.randint(1, 20, (192, 8), generator=torch.Generator().manual_seed(0))
    return Data("words", x, x[:, 0] % 2, x[:64], x[:64, 0] % 2, classes=2, tokens=20)


def plain():
    """A network without norms."""
    return nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10))


#: What the code of an advice is given: a small float network of that kind, and data.
KINDS = {
    "with norms (ResNet, VGG, MobileNetV2)": lambda: (LabResNet(1, 10, width=4), few()),
    "Bi-Real": lambda: (
        BiRealNet(10, channels=1, blocks=(1, 1, 1, 1), width=4), few()
    ),
    "transformer": lambda: (Transformer(20, 8, classes=2, width=16, depth=1, heads=2), sentences()),
    "no norms": lambda: (plain(), few()),
}  # fmt: skip


def space(**given):
    names = {name: getattr(stompp_lite, name) for name in stompp_lite.__all__}
    return {**names, "torch": torch, "nn": nn, **given}


@pytest.mark.parametrize("name", ADVICE)
def test_the_code_of_an_advice_runs_on_a_small_network_of_that_kind(name):
    torch.manual_seed(0)
    net, data = KINDS[ADVICE[name]["network"].partition(":")[0]]()
    code = re.sub(r"epochs = \d+", "epochs = 4", ADVICE[name]["code"])
    assert "epochs = 4" in code or name == "add-norms"
    given = space(net=net, data=data)
    exec(code, given)
    model = given["model"]
    assert binary_layers(model)
    if name != "add-norms":  # there nothing is trained yet
        assert_binary(model, data.test_x[:1])


def test_the_code_of_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for the file of bits
    digits = few()
    for part in ("train", "val"):
        for kind in ("cats", "dogs"):
            folder = tmp_path / "images64" / part / kind
            folder.mkdir(parents=True)
            from PIL import Image

            for k in range(2):
                Image.new("RGB", (64, 64), (90 * k, 0, 0)).save(folder / f"{k}.png")
    segmenter = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 1),
    )  # fmt: skip
    rows = torch.utils.data.TensorDataset(digits.train_x, digits.train_y)
    given = space(
        train_x=digits.train_x, train_y=digits.train_y, test_x=digits.test_x, test_y=digits.test_y,
        root=tmp_path, net=LabResNet(1, 10, width=4), example=digits.train_x[:2], epochs=4,
        loader=torch.utils.data.DataLoader(rows, 64, shuffle=True), segmenter=segmenter,
        pixels=torch.randint(3, (2, 8, 8)), regressor=LabResNet(1, 1, width=4),
        target=torch.rand(2),
    )  # fmt: skip
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 8
    for block in blocks:
        before = given.get("net")
        exec(block, given)
        if "torchvision" in block:
            assert len(binary_layers(given["model"])) == 16
            given["model"].load_state_dict(given["net"].state_dict())
            given["net"] = before
        elif "loss.backward" in block:
            assert all(
                layer.weight.grad.abs().sum() > 0
                for layer in binary_layers(given["model"]).values()
            )
    assert len(given["images"].train_x) == 4
    shipped, images = load_packed(tmp_path / "net.stompp"), digits.test_x
    assert np.array_equal(shipped(images), given["packed"](images))
    assert len(binary_layers(given["model"])) == 2  # of the network that pools before the sign


def test_a_mean_of_signs_is_refused_as_the_page_says():
    bad = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip
    with pytest.raises(ConversionError, match="4"):
        stompp_lite.binarize_model(bad, torch.zeros(1, 1, 8, 8), weights="ste", activations="ste")


def test_every_recipe_that_the_page_names_is_there():
    from stompp_lite.lab.recipes import RECIPES

    for one in ADVICE.values():
        for name, only in re.findall(r"sweep ([\w-]+)(?:.*--only ([\w+-]+))?", one["run"]):
            runs = RECIPES[name].runs
            assert not only or any(only in run for run in runs), one["run"]


def test_the_gap_is_the_difference_of_the_recorded_means():
    said = which.gaps(ADVICE["one-run"])
    from stompp_lite.lab.record import read_all
    from stompp_lite.lab.report import group

    runs = group(read_all("fair"))
    means = [
        sum(r.final["test_acc"] for r in runs[name]) / 5
        for name in ("n09-sgd-float", "n09-scale-ste")
    ]
    assert f"Ours: {means[0] - means[1]:.1f} ±" in said and "CIFAR-10" in said


def spoiled(tmp_path, change):
    data = yaml.safe_load(which.PATH.read_text(encoding="utf-8"))
    change(data)
    path = tmp_path / "which.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["advice"]["cheap"].pop("cost"), "advice cheap lacks cost"),
        (lambda d: d["advice"]["several"].pop("gap"), "several does not say what it loses"),
        (
            lambda d: d["questions"]["budget"]["answers"].pop(),
            "no answer leads to the advice cheap",
        ),
        (
            lambda d: d["questions"]["start"]["answers"][1].update(take="hope"),
            "question start.*advice.*hope",
        ),
        (
            lambda d: d["questions"]["start"]["answers"][0].update(ask="norm"),
            "circle: norm > path > start",
        ),
        (lambda d: d["questions"]["start"]["answers"][0].pop("ask"), "question start.*question"),
    ],
)
def test_what_is_wrong_with_the_file_is_named(tmp_path, change, said):
    with pytest.raises(ConfigError, match=f"(?s){said}"):
        which.read(spoiled(tmp_path, change))


def test_a_gap_without_runs_names_them():
    with pytest.raises(ConfigError, match=r"fair/n09-sgd-flaot|n09-sgd-flaot"):
        which.gaps({"gap": [["fair/n09-sgd-flaot", "fair/n09-scale-ste", "x"]]})


@pytest.mark.slow
def test_a_way_is_clicked_by_keyboard(context):
    watched = Watched(context)
    page = watched.page
    page.goto((HTML / "book" / "which_method.html").as_uri())
    assert not page.locator(".lbl-advice").first.is_visible()
    for says in ("Yes: a ResNet", "No: shortcuts span", "No$", "One run"):
        answer = page.locator("details.answer > summary:visible").filter(
            has_text=re.compile(rf"^{says}")
        )
        answer.last.focus()
        page.keyboard.press("Enter")
    shown = page.locator(".lbl-advice:visible")
    assert shown.count() == 1 and "STE with a layer scale" in shown.text_content()
    # another answer to the first question closes this way
    page.locator("summary", has_text="No: a transformer").click()
    assert not page.locator("#advice-one-run").is_visible() and not watched.wrong
