"""Conversion: who becomes binary, in which stage, and what is refused by name."""

import copy
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stompp_lite import (
    LabResNet,
    Plan,
    Progression,
    Rule,
    assert_binary,
    binarize_model,
    describe,
    hard_sign,
    import_torchvision,
    mlp,
)
from stompp_lite.errors import ConfigError, ConversionError, ShapeError
from stompp_lite.method import Binarizer
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.layers import BinaryConv2d, as_binary, sites
from stompp_lite.networks.models import residual_mlp
from stompp_lite.networks.rewrite import CallSites
from stompp_lite.networks.trace import preserved
from stompp_lite.training.measure import masks_at
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
        (
            Functional(),
            torch.randn(2, 6),
            "'b' would get an input that is not binary: .* real_inputs=True",
        ),
        (Recurrent(), torch.randn(2, 6), "'loop' is called 2 times"),
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


def test_the_residual_perceptron_has_two_stages_a_block():
    net = residual_mlp(6, 2, width=5, blocks=3)
    model = binarize_model(net, torch.randn(4, 6))
    assert len(model.binarization.stages) == 7
    assert model(torch.randn(4, 6)).shape == (4, 2)
    with pytest.raises(ConfigError, match="blocks must be an integer of at least 1"):
        residual_mlp(6, 2, blocks=0)


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
        (tied(), torch.randn(2, 6), {}, "'4' shares its weights with '7'"),
        (pooled(), torch.zeros(1, 1, 6, 6), {}, "'3' would get an input that is not binary"),
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
    with pytest.raises(ConversionError, match="no binary version of Bilinear"):
        as_binary(nn.Bilinear(1, 1, 1), conversion(kept).weights)
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


# ---- nothing silently wrong ---------------------------------------------------------------------


def transformer(activation):
    return nn.Sequential(
        nn.Linear(6, 8),
        nn.TransformerEncoderLayer(8, 2, 16, activation=activation, batch_first=True, dropout=0.0),
        nn.Linear(8, 3),
    )


def test_a_transformer_layer_does_not_evaluate_as_the_float_network():
    """torch's fused path reads weights without calling layers; here it is turned off."""
    model = binarize_model(
        transformer(nn.ReLU()), torch.randn(2, 5, 6), keep_float="*.self_attn", real_inputs=True
    )
    assert binary_layers(model) == ["1.linear1", "1.linear2"]
    x = torch.randn(4, 5, 6)
    with masks_at(model, 1.0):
        model.eval()
        with torch.no_grad():
            fused = model(x)
        signs = {n: hard_sign(model.get_submodule(n).weight.detach()) for n in binary_layers(model)}
        for name, sign in signs.items():
            model.get_submodule(name).weight.data.copy_(0.1 * sign)  # only signs may matter
        with torch.no_grad():
            assert torch.allclose(model(x), fused, atol=1e-6)
        assert torch.allclose(model(x), fused, atol=1e-5)  # with gradients


class Fused(nn.Module):
    """Evaluates without gradients through functions, as fused implementations do."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(6, 6) for _ in range(3))
        self.act1, self.act2 = nn.Hardtanh(), nn.Hardtanh()

    def forward(self, x):
        x = self.act1(self.a(x))
        if not self.training and not torch.is_grad_enabled():
            return self.c(F.hardtanh(F.linear(x, self.b.weight, self.b.bias)))
        return self.c(self.act2(self.b(x)))


def test_a_path_that_leaves_binarizers_out_is_refused():
    with pytest.raises(ConversionError, match=r"without gradients '(b\.binarizer|act2)' is not"):
        binarize_model(Fused(), torch.randn(2, 6))
    model = binarize_model(Slippery(), torch.randn(2, 6))
    for site in sites(model).values():
        site.p = 1.0
    assert_binary(model, torch.randn(1, 6))
    model.slips = True
    assert_binary(model)  # its weights are binary; whether they are used shows only when it runs
    with pytest.raises(ConversionError, match="in evaluation mode with gradients"):
        assert_binary(model, torch.randn(1, 6))


class Slippery(Fused):
    slips = False

    def forward(self, x):
        x = self.act1(self.a(x))
        return self.c(x if self.slips else self.act2(self.b(x)))


class ByKeyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(6, 6) for _ in range(3))
        self.act1, self.act2 = nn.ReLU(), nn.ReLU()

    def forward(self, x):
        return self.c(input=self.act2(input=self.b(input=self.act1(input=self.a(input=x)))))


def test_calls_by_keyword_count():
    assert binary_layers(binarize_model(ByKeyword(), torch.randn(2, 6))) == ["b"]


class WithExtras(nn.Module):
    """Four layers, and whatever else is given."""

    def __init__(self, extra=None, use=lambda extra, x: x):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.act1, self.act2 = nn.Hardtanh(), nn.Hardtanh()
        self.extra, self.use = extra, use

    def forward(self, x):
        return self.c(self.act2(self.b(self.act1(self.use(self.extra, self.a(x))))))


class Learned(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(4, 6))


EXTRAS = {
    "functional": (nn.Linear(6, 6), lambda m, x: F.linear(x, m.weight), "'extra' is never called"),
    "unused": (nn.Linear(6, 6), lambda m, x: x, "'extra' is never called as a module"),
    "gru": (nn.GRU(6, 6, batch_first=True), lambda m, x: m(x[:, None])[0][:, 0], "is a GRU, which"),
    "attention": (
        nn.MultiheadAttention(6, 2, batch_first=True),
        lambda m, x: m(x[:, None], x[:, None], x[:, None])[0][:, 0],
        "'extra' is a MultiheadAttention, which has no binary version",
    ),
    "bilinear": (nn.Bilinear(6, 6, 6), lambda m, x: m(x, x), "'extra' is a Bilinear"),
    "parameter": (
        Learned(),
        lambda m, x: x + m.table[0],
        "'extra.table' is a parameter of Learned",
    ),
    "subclass": (
        type("My", (nn.Linear,), {})(6, 6),
        lambda m, x: m(x),
        "'extra' is a My, which has",
    ),
    "norm": (
        nn.utils.parametrizations.weight_norm(nn.Linear(6, 6)),
        lambda m, x: m(x),
        "'extra' is a ParametrizedLinear",
    ),
}


@pytest.mark.parametrize("kind", EXTRAS)
def test_whatever_has_weights_is_converted_or_named(kind):
    extra, use, says = EXTRAS[kind]
    net = WithExtras(extra, use)
    with pytest.raises(ConversionError, match=re.escape(says)) as caught:
        binarize_model(net, torch.randn(2, 6))
    model = binarize_model(net, torch.randn(2, 6), keep_float=caught.value.keep_float)
    assert binary_layers(model) == ["b"]
    assert any(name.startswith("extra") for name in conversion(model).kept)


class TrainingBranch(WithExtras):
    def forward(self, x):
        h = self.act1(self.a(x))
        out = self.c(self.act2(self.b(h)))
        return out + self.extra(h) if self.training else out


def test_a_branch_of_training_only_is_named():
    with pytest.raises(ConversionError, match="'extra' is never called as a module"):
        binarize_model(TrainingBranch(nn.Linear(6, 3)), torch.randn(2, 6))
    kept = binarize_model(TrainingBranch(nn.Linear(6, 3)), torch.randn(2, 6), keep_float="extra")
    assert kept.train()(torch.randn(4, 6)).shape == (4, 3)


def every_bit(model):
    sizes = {id(p): p.numel() for p in model.parameters()}
    bits = 32 * sum(sizes.values())
    buffers = [b for n, b in model.named_buffers() if b.dim()]
    return bits + 32 * sum(b.numel() for b in buffers)


@pytest.mark.parametrize("kind", EXTRAS)
def test_describe_lists_every_parameter(kind):
    extra, use, _ = EXTRAS[kind]
    net = WithExtras(extra, use)
    keep = ["extra"]
    model = binarize_model(net, torch.randn(2, 6), keep_float=keep)
    total = sum(r.bits for r in describe(model).rows)
    assert total == every_bit(net) - 31 * net.b.weight.numel()
    assert all(r.name for r in describe(model).rows)
    assert any("keep_float" in r.note for r in describe(model).rows)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_the_total_of_the_table_is_the_models(name):
    net = getattr(import_torchvision().models, name)(weights=None)
    example = torch.randn(1, 3, 64, 64)
    try:
        model = binarize_model(net, example)
    except ConversionError as err:
        model = binarize_model(net, example, keep_float=err.keep_float)
    binary = sum(model.get_submodule(n).weight.numel() for n in binary_layers(model))
    assert sum(r.bits for r in describe(model).rows) == every_bit(net) - 31 * binary


class Wrapped(nn.Module):
    """One activation, in a wrapper, at two places."""

    def __init__(self, act):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(6, 6) for _ in range(3))
        self.act = act

    def forward(self, x):
        return self.c(self.act(self.b(self.act(self.a(x)))))


class Act(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(x)


@pytest.mark.parametrize("act", [nn.Sequential(nn.ReLU()), Act(), nn.Sequential(Act())], ids=str)
def test_a_shared_activation_in_a_wrapper_gets_a_site_for_each_call(act):
    model = binarize_model(Wrapped(act), torch.randn(2, 6))
    stages = conversion(model).stages
    assert [len(s.activations) for s in stages] == [1, 1]
    names = conversion(model).activation_sites
    assert names[0].endswith("sites.0") and names[1].endswith("sites.1")
    progression = Progression(model, 20, Plan(tail=0.0))
    progression.set_step(12)  # the second window
    assert [model.get_submodule(n).p for n in names] == [1.0, pytest.approx(0.027)]
    for training in (True, False):
        fired = []
        hooks = [
            model.get_submodule(n).register_forward_hook(lambda *_, n=n, f=fired: f.append(n))
            for n in names
        ]
        model.train(training)(torch.randn(2, 6))
        assert fired == names
        for hook in hooks:
            hook.remove()


def test_keep_float_adds_to_what_stays_float_anyway():
    net = LabResNet(1, 3, 4, (1, 1))
    model = binarize_model(net, torch.zeros(1, 1, 6, 6), keep_float=["blocks.0.conv2"])
    assert binary_layers(model) == ["blocks.0.conv1", "blocks.1.conv1", "blocks.1.conv2"]
    kept = conversion(model).kept
    assert kept["blocks.1.shortcut.0"] == "shortcut" and kept["blocks.0.conv2"] == "keep_float"
    assert kept["conv"] == "first layer" and kept["head"] == "last layer"
    every = binarize_model(net, torch.zeros(1, 1, 6, 6), binary_shortcuts=True)
    assert "blocks.1.shortcut.0" in binary_layers(every)


def test_keep_float_takes_a_module_with_all_that_is_in_it():
    model = binarize_model(
        LabResNet(1, 3, 4, (1, 1)), torch.zeros(1, 1, 6, 6), keep_float="blocks.0",
        real_inputs=True,
    )  # fmt: skip
    assert binary_layers(model) == ["blocks.1.conv1", "blocks.1.conv2"]
    assert isinstance(model.blocks[0].act1, nn.Hardtanh)
    with pytest.raises(ConversionError, match=r"'block\.0' matches nothing.*did you mean 'blocks"):
        binarize_model(LabResNet(1, 3, 4), torch.zeros(1, 1, 6, 6), keep_float="block.0")


def renamed(kind):
    """A residual network whose shortcut has another name, before or after the activation."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.proj = nn.Sequential(nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8))
            self.act1, self.act2 = nn.ReLU(), nn.ReLU()
            self.norm = nn.BatchNorm2d(8)

        def forward(self, x):
            main = self.norm(self.two(self.act1(self.one(x))))
            if kind == "swapped":
                return self.act2(self.proj(x) + main)
            if kind == "in place":
                main += self.proj(x)
                return self.act2(main)
            return self.act2(torch.add(main, self.proj(x)))

    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), Block(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(),
        nn.LazyLinear(3),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["plain", "swapped", "in place"])
def test_shortcuts_are_found_by_structure(kind):
    net = renamed(kind)
    net(torch.zeros(1, 1, 8, 8))
    model = binarize_model(net, torch.zeros(1, 1, 8, 8))
    assert binary_layers(model) == ["2.one", "2.two", "3"]
    assert conversion(model).kept["2.proj.0"] == "shortcut"


@pytest.mark.parametrize(
    ("name", "rounds"), [("mobilenet_v2", 1), ("efficientnet_b0", 1), ("regnet_x_400mf", 0)]
)
def test_all_offending_layers_stand_in_one_message(name, rounds):
    net = getattr(import_torchvision().models, name)(weights=None, num_classes=5)
    example, keep = torch.randn(1, 3, 32, 32), []
    for _ in range(rounds):
        with pytest.raises(ConversionError, match="keep_float=") as caught:
            binarize_model(net, example, keep_float=keep)
        keep = caught.value.keep_float
        assert len(keep) > 10 and all(f"'{k}'" in str(caught.value) for k in keep)
    assert len(binary_layers(binarize_model(net, example, keep_float=keep))) > 20


def test_a_layer_called_twice_may_be_kept():
    class Twice(Recurrent):
        def __init__(self):
            super().__init__()
            self.more, self.act3 = nn.Linear(6, 6), nn.ReLU()

        def forward(self, x):
            x = self.act2(self.loop(self.loop(self.act1(self.a(x)))))
            return self.c(self.act3(self.more(x)))

    with pytest.raises(ConversionError, match="'loop' is called 2 times") as caught:
        binarize_model(Twice(), torch.randn(2, 6))
    assert caught.value.keep_float == ["loop"]
    assert binary_layers(binarize_model(Twice(), torch.randn(2, 6), keep_float="loop")) == ["more"]


def test_dropout_before_a_binary_layer_is_named():
    def net(*between):
        return nn.Sequential(nn.Linear(6, 8), *between, nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))

    with pytest.raises(ConversionError, match=r"'3' would .* in training: dropout .* before the"):
        binarize_model(net(nn.ReLU(), nn.Dropout(0.5)), torch.randn(2, 6))
    model = binarize_model(net(nn.Dropout(0.5), nn.ReLU()), torch.randn(2, 6))  # the way out
    assert binary_layers(model) == ["3"]


CONVOLUTIONS = {
    "Conv1d": (nn.Conv1d, (9,)), "Conv2d": (nn.Conv2d, (9, 9)), "Conv3d": (nn.Conv3d, (5, 5, 5)),
    "ConvTranspose1d": (nn.ConvTranspose1d, (9,)),
    "ConvTranspose2d": (nn.ConvTranspose2d, (7, 7)),
    "ConvTranspose3d": (nn.ConvTranspose3d, (4, 4, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_every_convolution_computes_with_signs(name):
    kind, size = CONVOLUTIONS[name]
    torch.manual_seed(0)
    layer = kind(4, 6, 3, stride=2, padding=1, groups=2)
    reference = copy.deepcopy(layer)
    binary = as_binary(layer, Rule("ste", "identity"))
    reference.weight.data = binary.binary_weight().float()
    x = torch.randn(2, 4, *size)
    assert torch.equal(binary(x), reference(x))
    if "Transpose" in name:
        larger = [2 * n for n in size]
        assert torch.equal(binary(x, larger), reference(x, larger))
    net = nn.Sequential(
        kind(2, 4, 3), nn.ReLU(), kind(4, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(),
        nn.LazyLinear(2),
    )  # fmt: skip
    example = torch.zeros(1, 2, *size)
    net(example)
    model = binarize_model(net, example)
    row = next(r for r in describe(model).rows if r.name == "2")
    x, y = net[:2](example), net[:3](example)
    per_entry = 4 * 3 ** len(size)
    if "Transpose" in name:
        assert row.operations == pytest.approx(x[0].numel() * per_entry, rel=0.5)
    else:
        assert row.operations == y[0].numel() * per_entry


def test_compiled_models_and_arguments_of_a_wrong_type_are_refused():
    net = LabResNet(1, 3, 4, (1, 1))
    compiled = nn.Module()  # as torch.compile wraps a model; compiling changes the whole process
    compiled._orig_mod = net
    with pytest.raises(ConversionError, match="compiled; convert the model itself"):
        binarize_model(compiled, torch.zeros(1, 1, 6, 6))
    with pytest.raises(ConversionError, match="keep_float takes names, got 3"):
        binarize_model(net, torch.zeros(1, 1, 6, 6), keep_float=[3])
    with pytest.raises(ConfigError, match="real_inputs must be of type bool"):
        binarize_model(net, torch.zeros(1, 1, 6, 6), real_inputs="yes")


def test_ste_means_one_thing_in_each_place():
    model = binarize_model(mlp(6, 2), torch.randn(2, 6), weights="ste", activations="ste")
    done = conversion(model)
    assert (str(done.weights), str(done.activations)) == ("ste:identity", "ste:clip")


def test_conversion_leaves_random_state_gradients_and_statistics_alone():
    net = LabResNet(1, 3, 4, (1, 1))
    net(torch.randn(4, 1, 6, 6)).sum().backward()
    grads = [p.grad.clone() for p in net.parameters()]
    state, random = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    model = binarize_model(net, torch.randn(1, 1, 6, 6, generator=torch.Generator()))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(a, b) for a, b in zip(state.values(), net.state_dict().values()))
    assert all(torch.equal(p.grad, g) for p, g in zip(net.parameters(), grads))
    for name, value in state.items():
        assert torch.equal(model.state_dict()[name], value)


def test_frozen_parameters_of_the_caller_stay_frozen():
    net = LabResNet(1, 3, 4, (1, 1))
    net.conv.weight.requires_grad_(False)
    model = binarize_model(net, torch.zeros(1, 1, 6, 6))
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["conv.weight"]
    assert "shortcut" in conversion(model).kept.values()


# ---- more that a careful attacker found ----------------------------------------------------------


class TiedAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 4, bias=False), nn.Linear(8, 2)
        self.more, self.last = nn.Linear(2, 5), nn.Linear(5, 2)
        self.acts = nn.ModuleList(nn.Hardtanh() for _ in range(4))

    def forward(self, x):
        z = self.acts[1](self.b(self.acts[0](self.a(x))))
        z = self.acts[2](self.c(F.linear(z, self.b.weight.t())))
        return self.last(self.acts[3](self.more(z)))


def test_a_binary_weight_that_is_also_used_functionally_is_named():
    with pytest.raises(ConversionError, match="'b' has a weight that is also used functionally"):
        binarize_model(TiedAutoencoder(), torch.randn(2, 6), real_inputs=True)


def two_branches(middle, merge=torch.add):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.act = nn.Linear(6, 8), nn.Hardtanh()
            self.a1, self.mid, self.a2 = nn.Linear(8, 8), middle, nn.Linear(8, 8)
            self.b1, self.bact, self.b2 = nn.Linear(8, 8), nn.Hardtanh(), nn.Linear(8, 8)
            self.act2, self.out = nn.Hardtanh(), nn.Linear(8, 2)

        def forward(self, x):
            h = self.act(self.stem(x))
            return self.out(
                self.act2(merge(self.a2(self.mid(self.a1(h))), self.b2(self.bact(self.b1(h)))))
            )

    return Two()


@pytest.mark.parametrize(
    "bend",
    [nn.CELU(), nn.Sigmoid(), nn.Softmax(-1), nn.Softsign(), nn.SELU(), nn.LogSigmoid()],
    ids=str,
)
def test_a_branch_that_bends_in_any_way_is_no_shortcut(bend):
    with pytest.raises(ConversionError, match="'a2' would get an input that is not binary"):
        binarize_model(two_branches(bend), torch.randn(2, 6))


@pytest.mark.parametrize("merge", [torch.add, torch.sub, lambda a, b: a + 1.0 * b])
def test_a_straight_branch_is_a_shortcut(merge):
    model = binarize_model(two_branches(nn.Identity(), merge), torch.randn(2, 6))
    assert [n for n, why in conversion(model).kept.items() if why == "shortcut"] == ["a1", "a2"]
    assert binary_layers(model) == ["b1", "b2"]


def test_an_activation_before_the_first_layer_stays():
    net = nn.Sequential(nn.Hardtanh(), *mlp(6, 2, width=6)[1:])
    model = binarize_model(net, torch.randn(2, 6))
    assert isinstance(model[0], nn.Hardtanh)
    assert [len(s.activations) for s in conversion(model).stages] == [1, 1, 1]


class SequenceFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(1, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.act1, self.act2 = nn.Hardtanh(), nn.Hardtanh()

    def forward(self, x):  # [N, T] to [T, N, 1]
        h = self.act2(self.b(self.act1(self.a(x.t()[..., None]))))
        return self.c(h.mean(0))


def test_activations_that_put_something_else_before_the_batch_are_named():
    with pytest.raises(ConversionError, match=r"'act1', 'act2' do not have the batch as"):
        binarize_model(SequenceFirst(), torch.randn(1, 6))


def test_maps_of_another_size_are_named_while_masks_are_partial():
    model = lab_net()
    progression = Progression(model, 50, Plan(tail=0.0))
    progression.set_step(5)
    with pytest.raises(ShapeError, match=r"shape \(4, 8, 8\), its mask \(4, 6, 6\)"):
        model(torch.zeros(2, 1, 8, 8))
    progression.set_step(49)
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 3)  # finished, it takes any size


class Caching(WithExtras):
    def __init__(self):
        super().__init__()
        self.register_buffer("cache", None)

    def forward(self, x):
        if self.cache is None:
            self.cache = torch.ones(6)
            self.register_buffer("later", torch.ones(1))
        return super().forward(x * self.cache)


def test_buffers_made_in_a_forward_pass_are_no_obstacle():
    model = binarize_model(Caching(), torch.randn(2, 6))
    assert model.cache is None and "later" not in dict(model.named_buffers())
    model(torch.randn(2, 6))
    with preserved(model):
        model(torch.randn(2, 6))
    assert torch.equal(model.cache, torch.ones(6))


def test_what_cannot_be_converted_at_all_is_named():
    with pytest.raises(ConversionError, match="must be a torch module, got 'net'"):
        binarize_model("net", torch.randn(2, 6))
    with pytest.raises(ConversionError, match=r"'0\.weight' is not initialized yet"):
        binarize_model(nn.Sequential(nn.LazyLinear(3), nn.ReLU()), torch.randn(2, 6))
    net = WithExtras()
    net.kept = net.a(torch.randn(2, 6))
    with pytest.raises(ConversionError, match="WithExtras cannot be copied"):
        binarize_model(net, torch.randn(2, 6))


class Tokens(nn.Module):
    """Embedding, perhaps an activation, a linear layer, and the rest."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.token, self.gate = kind, nn.Embedding(9, 8), nn.Embedding(9, 8)
        self.act, self.act2 = nn.Hardtanh(), nn.Hardtanh()
        self.first, self.second, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, ids):
        x = self.token(ids)
        if self.kind == "behind an activation":
            x = self.act(x)
        if self.kind == "beside one":
            x = x + self.act(self.gate(ids))
        return self.head(self.second(self.act2(self.first(x))).mean(1))


@pytest.mark.parametrize(
    ("kind", "first"),
    [("behind an activation", "token"), ("as it is", "first"), ("beside one", "first")],
)
def test_an_embedding_is_the_first_layer_only_behind_an_activation(kind, first):
    model = binarize_model(Tokens(kind), torch.zeros(1, 5, dtype=torch.int64))
    layers = list(binary_layers(model))
    assert layers == (["first", "second"] if first == "token" else ["second"])
    assert (conversion(model).kept.get("first") == "first layer") == (first == "first")
