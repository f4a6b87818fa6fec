"""Conversion: who becomes binary, in which stage, and what is refused by name."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stompp_lite import LabResNet, binarize_model, describe, import_torchvision, mlp
from stompp_lite.binarize import Binarizer
from stompp_lite.convert import CallSites, conversion
from stompp_lite.errors import ConfigError, ConversionError
from stompp_lite.lab.diagnose import masks_at
from stompp_lite.layers import BinaryConv2d, as_binary
from tests.conftest import lab_net


def binary_layers(model):
    return [n for n, m in model.named_modules() if hasattr(m, "binary_weight")]


def test_lab_network_has_4n_binary_convolutions_and_a_stage_each():
    for n in (1, 3):
        model = lab_net(blocks=(n, n))
        stages = conversion(model).stages
        assert len(binary_layers(model)) == 4 * n
        assert len(stages) == 4 * n + 1
        assert stages[0].weights == [] and stages[0].activations == ["act"]
        assert all(len(s.weights) == len(s.activations) == 1 for s in stages[1:])
    assert stages[1].weights == ["blocks.0.conv1"] and stages[2].weights == ["blocks.0.conv2"]
    assert stages[2].activations == ["blocks.0.act2"]


def test_first_last_and_shortcuts_stay_float():
    model = lab_net(blocks=(1, 1))
    assert "conv" not in binary_layers(model) and "head" not in binary_layers(model)
    assert not any("shortcut" in name for name in binary_layers(model))


def test_the_original_is_untouched_and_the_copy_shares_nothing():
    original = LabResNet(1, 3, 4, (1, 1))
    before = {k: v.clone() for k, v in original.state_dict().items()}
    copy = binarize_model(original, torch.zeros(1, 1, 6, 6))
    for p in copy.parameters():
        p.data.add_(1)
    assert all(torch.equal(v, before[k]) for k, v in original.state_dict().items())
    assert not any(isinstance(m, Binarizer) for m in original.modules())


def test_float_rules_change_nothing_but_the_activation():
    torch.manual_seed(0)
    original = LabResNet(1, 3, 4, (1, 1)).eval()
    copy = binarize_model(
        original, torch.zeros(1, 1, 6, 6), weights="float", activations="float"
    ).eval()
    x = torch.randn(2, 1, 6, 6)
    assert torch.equal(original(x), copy(x))  # its activations are hardtanh, which is clip


@pytest.mark.parametrize(("name", "binary"), [("resnet18", 16), ("resnet50", 48)])
def test_torchvision_resnets_split_the_shared_relu(name, binary):
    models = import_torchvision().models
    net = getattr(models, name)(weights=None, num_classes=7)
    model = binarize_model(net, torch.randn(1, 3, 32, 32))
    stages = conversion(model).stages
    assert len(stages) == binary + 1
    assert [a for s in stages for a in s.activations][:2] == ["relu", "layer1.0.relu.sites.0"]
    assert all(len(s.activations) == 1 for s in stages)
    sites = [m for m in model.modules() if isinstance(m, CallSites)]
    assert sites and all(len(s.sites) == (2 if name == "resnet18" else 3) for s in sites)
    with masks_at(model, 1.0):
        first = model.eval()(torch.randn(2, 3, 32, 32))
        second = model(torch.randn(2, 3, 32, 32))  # the counters start again
    assert first.shape == second.shape == (2, 7)


def test_call_sites_get_masks_of_their_own():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(6, 6) for _ in range(3))
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.c(self.relu(self.b(self.relu(self.a(x)))))

    model = binarize_model(Twice(), torch.zeros(1, 6))
    first, second = model.relu.sites
    assert first is not second
    assert [s.activations for s in conversion(model).stages] == [["relu.sites.0"], ["relu.sites.1"]]
    model.relu.calls = 2
    with pytest.raises(ConversionError, match="called once more"):
        model.relu(torch.zeros(1, 6))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(6, 6) for _ in range(3))

    def forward(self, x):
        return self.c(F.relu(self.b(F.relu(self.a(x)))))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.loop, self.c = (nn.Linear(6, 6) for _ in range(3))
        self.act1, self.act2 = nn.ReLU(), nn.ReLU()

    def forward(self, x):
        return self.c(self.loop(self.act2(self.loop(self.act1(self.a(x))))))


@pytest.mark.parametrize(
    ("model", "example", "says"),
    [
        (Functional(), torch.randn(2, 6), "input of binary layer 'b' would not be binary"),
        (Recurrent(), torch.randn(2, 6), "layer 'loop' is called 2 times"),
        (
            nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2)),
            torch.randn(2, 6),
            "nothing to",
        ),
        (mlp(6, 2), torch.randn(2, 5), r"does not run on an example of shape \(2, 5\)"),
        (mlp(6, 2), torch.ones(2, 6, dtype=torch.int64), "dtype torch.int64"),
        (lab_net(), torch.zeros(1, 1, 6, 6), "binarized already"),
    ],
)
def test_refused_by_name(model, example, says):
    with pytest.raises(ConversionError, match=says):
        binarize_model(model, example)


def test_one_activation_object_in_several_places_is_replaced_everywhere():
    act = nn.ReLU()
    net = nn.Sequential(nn.Linear(6, 6), act, nn.Linear(6, 6), act, nn.Linear(6, 3))
    model = binarize_model(net, torch.randn(2, 6))
    assert isinstance(model[1], CallSites) and model[1] is model[3]
    with masks_at(model, 1.0):
        model(torch.randn(4, 6))
        assert set(model[3].sites[1](torch.randn(9)).tolist()) <= {-1.0, 1.0}


def test_an_activation_behind_the_last_layer_stays():
    net = nn.Sequential(
        nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3), nn.Tanh()
    )
    model = binarize_model(net, torch.randn(2, 6))
    assert isinstance(model[5], nn.Tanh)
    assert [s.activations for s in conversion(model).stages] == [["1"], ["3"]]


def test_a_block_with_a_shared_relu_runs_alone():
    net = import_torchvision().models.resnet18(weights=None)
    model = binarize_model(net, torch.randn(1, 3, 32, 32)).eval()
    model(torch.randn(1, 3, 32, 32))
    assert model.layer1(torch.randn(1, 64, 8, 8)).shape == (1, 64, 8, 8)


def tied():
    net = mlp(6, 2, width=6, depth=3)
    net[7].weight = net[4].weight
    return net


def pooled():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 4, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "example", "options", "says"),
    [
        (tied(), torch.randn(2, 6), {}, "layers '4' and '7' share their weights"),
        (pooled(), torch.zeros(1, 1, 6, 6), {}, "input of binary layer '3' would not be binary"),
        (mlp(6, 2), torch.randn(6), {}, r"must be a batch.* got \(6,\)"),
        (mlp(6, 2), (2, 6), {}, r"got \(2, 6\)"),
        (mlp(6, 2), torch.randn(2, 6), {"keep_float": ["layer3"]}, "'layer3' matches nothing"),
    ],
)
def test_more_that_is_refused(model, example, options, says):
    with pytest.raises(ConversionError, match=says):
        binarize_model(model, example, **options)


def test_ways_out_work():
    assert binary_layers(binarize_model(Functional(), torch.randn(2, 6), real_inputs=True)) == ["b"]
    net = mlp(6, 2, width=5, depth=3)
    kept = binarize_model(net, torch.randn(2, 6), keep_float=["4"])
    assert binary_layers(kept) == ["7"]
    with pytest.raises(ConversionError, match="keep_float names the rest"):
        binarize_model(net, torch.randn(2, 6), keep_float="*")
    with pytest.raises(ConfigError, match="mean 'stompp'"):
        binarize_model(net, torch.randn(2, 6), weights="stomp")
    with pytest.raises(ConversionError, match="no binary version of Conv1d"):
        as_binary(nn.Conv1d(1, 1, 1), conversion(kept).weights)
    with pytest.raises(ConversionError, match="not binarized"):
        describe(net)


def test_describe_counts_bits_and_operations():
    model = lab_net(blocks=(1, 1))
    table = describe(model)
    rows = {r.name: r for r in table.rows}
    conv = rows["blocks.0.conv2"]
    assert (conv.bits, conv.precision, conv.stage) == (4 * 4 * 9, "1 bit", 2)
    assert conv.operations == 4 * 6 * 6 * 4 * 9  # outputs times weights of one output
    assert rows["head"].bits == 32 * (8 * 3 + 3) and rows["head"].stage is None
    assert rows["act"].precision == "1 bit" and rows["act"].stage == 0
    text = str(table)
    assert "blocks.1.shortcut.0" in text and f"{sum(r.bits for r in table.rows):,}" in text
    assert table._repr_html_().count("<tr>") == len(table.rows) + 2


def test_describe_lists_every_call_of_a_shared_activation():
    net = import_torchvision().models.resnet18(weights=None)
    names = [r.name for r in describe(binarize_model(net, torch.randn(1, 3, 32, 32))).rows]
    assert names.count("layer1.0.relu.sites.0") == 1 and "layer1.0.relu.sites.1" in names


def test_layers_compute_with_signs_and_export_them():
    conv = as_binary(nn.Conv2d(2, 3, 3, padding=1), conversion(lab_net("ste", "ste")).weights)
    assert isinstance(conv, BinaryConv2d)
    x = torch.randn(1, 2, 5, 5)
    exported = conv.binary_weight()
    assert exported.dtype == torch.int8 and set(exported.unique().tolist()) <= {-1, 1}
    want = F.conv2d(x, exported.float(), conv.bias, padding=1)
    assert torch.equal(conv(x), want)
