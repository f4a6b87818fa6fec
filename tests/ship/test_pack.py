"""A packed network computes what the network computes, to the bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stompp_lite import (
    LabResNet,
    Plan,
    Progression,
    binarize_model,
    fit,
    fold_scale,
    load,
    pack,
)
from stompp_lite.errors import ConfigError, ConversionError, DtypeError, ShapeError
from stompp_lite.networks.layers import sites
from tests.conftest import lab_net
from tests.packed import NETWORKS, exact, finished


def outputs(model, x):
    with torch.no_grad():
        return model(x).numpy()


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_equal_to_the_bit(name):
    model, x = finished(*NETWORKS[name])
    packed, want = pack(model, x[:1]), outputs(model, x)
    for kernels in ("numpy", "numba"):
        assert np.array_equal(packed(x, kernels, "torch"), want), kernels
        alone = packed(x, kernels, "numpy")
        assert np.array_equal(alone.argmax(1), want.argmax(1))
        assert np.abs(alone - want).max() < 1e-5 * np.abs(want).max()
    layers = [op for op in packed.program.ops if op.kind == "xnor"]
    assert len(layers) == len(model.binarization.stages) - 1
    bits = packed.program.sizes()
    assert bits["signs_as_float32"] == 4 * sum(op.arrays["signs"].size for op in layers)
    assert bits["signs_as_float32"] / bits["signs"] > 31


def test_between_binary_layers_of_the_labs_network_there_are_signs_only():
    model, x = finished(*NETWORKS["lab"])
    ops = pack(model, x).program.ops
    kinds = [op.kind for op in ops]
    first = [*kinds[: kinds.index("xnor")]]
    assert first == ["conv", "norm", "sign"]
    inner = [op for op in ops if op.kind == "xnor" and "thresholds" in op.arrays]
    assert [len(op.arrays["thresholds"]) for op in inner] == [1, 2, 1]  # 2: a residual sign
    # the last block has a float shortcut: its second sum meets floats
    assert kinds.count("xnor") == 4 and kinds.count("add") == 1


@pytest.mark.parametrize("scale", ["layer", "channel"])
@pytest.mark.parametrize("name", ["lab", "mobilenet"])
def test_a_scale_is_one_multiplication_after_the_sum(name, scale):
    model, x = finished(*NETWORKS[name], scale=scale)
    packed = pack(model, x[:1])
    for kernels in ("numpy", "numba"):
        assert np.array_equal(packed(x, kernels, "torch"), outputs(exact(model), x))
    model, x = finished(*NETWORKS[name], scale=scale, ties=False)
    assert np.allclose(pack(model, x)(x), outputs(model, x), atol=1e-5)
    folded = fold_scale(model)
    assert np.array_equal(pack(folded, x)(x, floats="torch"), outputs(folded, x))


@pytest.mark.parametrize("scale", [None, "layer"])
def test_a_trained_network_answers_the_same_on_the_whole_test_set(scale):
    data = load("digits")
    torch.manual_seed(0)
    model = binarize_model(LabResNet(1, 10, 8, (1, 1)), data.train_x[:1], scale=scale)
    fit(model, data, epochs=2)
    packed, want = pack(model, data.test_x[:1]), outputs(model.eval(), data.test_x)
    for kernels in ("numpy", "numba"):
        found = packed(data.test_x, kernels, "torch")
        assert np.array_equal(found, want) if scale is None else np.allclose(found, want, atol=1e-5)
        for floats in ("torch", "numpy"):
            assert np.array_equal(packed(data.test_x, kernels, floats).argmax(1), want.argmax(1))


def test_every_whole_number_finds_its_side():
    """Thresholds against the float network, at each sum that an input can make."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.act = nn.Linear(1, 9), nn.Hardtanh()
            self.inner, self.norm, self.last = nn.Linear(9, 6), nn.BatchNorm1d(6), nn.Hardtanh()
            self.head = nn.Linear(6, 2)

        def forward(self, x):
            return self.head(self.last(self.norm(self.inner(self.act(self.stem(x))))))

    torch.manual_seed(0)
    model = binarize_model(
        Net(), torch.zeros(1, 1), weights="ste", activations="ste", scale="layer"
    )
    with torch.no_grad():
        model.norm.weight.copy_(torch.tensor([1.0, -1.0, 0.0, 0.0, 1e-30, -3.0]))
        model.norm.bias.copy_(torch.tensor([0.0, 0.0, 0.0, -1.0, 0.0, 0.7]))
        model.inner.bias.zero_()
    program = pack(model.eval(), torch.zeros(1, 1)).program
    (op,) = [op for op in program.ops if op.kind == "xnor"]
    twin = exact(model)
    signs = torch.from_numpy(np.where(op.arrays["signs"], 1.0, -1.0)).float()
    for k in range(10):  # agreements of the input with a row
        for o in range(6):
            x = signs[o].clone()
            x[k:] *= -1
            z = int((signs[o] * x).sum())
            want = twin.norm(twin.inner(x[None]))[0, o] >= 0
            found = (z >= op.arrays["thresholds"][0, o]) != op.arrays["flip"][o]
            assert bool(found) == bool(want), (o, z)
    assert op.arrays["thresholds"].dtype == np.int16
    assert op.arrays["flip"].tolist() == [False, True, False, False, False, True]


@st.composite
def architectures(draw):
    channels, groups = draw(st.sampled_from([1, 3, 20, 40, 64, 65, 130])), 1
    kernel, dilation = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([1, 2]))
    out = draw(st.sampled_from([1, 7, 33, 64, 70]))
    if draw(st.booleans()):
        groups, out = channels, channels * draw(st.sampled_from([1, 2]))
    return {
        "channels": channels, "out": out, "kernel": kernel, "dilation": dilation, "groups": groups,
        "stride": draw(st.sampled_from([1, 2, 3])), "padding": draw(st.integers(0, 2)),
        "bias": draw(st.booleans()), "pool": draw(st.booleans()), "residual": draw(st.booleans()),
        "scale": draw(st.sampled_from([None, "layer", "channel"])),
        "seed": draw(st.integers(0, 1000)),
    }  # fmt: skip


class Random(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.stem, self.act0 = nn.Conv2d(2, a["channels"], 1), nn.Hardtanh()
        self.inner = nn.Conv2d(
            a["channels"], a["out"], a["kernel"], a["stride"], a["padding"], a["dilation"],
            a["groups"], bias=a["bias"],
        )  # fmt: skip
        self.norm, self.act = nn.BatchNorm2d(a["out"]), nn.Hardtanh()
        self.second = nn.Conv2d(a["out"], a["out"], 3, 1, 1)
        self.act2, self.head = nn.Hardtanh(), nn.Linear(a["out"], 3)
        self.pool = nn.MaxPool2d(2, 1, 1) if a["pool"] else nn.Identity()
        self.residual = a["residual"]

    def forward(self, x):
        x = self.pool(self.act(self.norm(self.inner(self.act0(self.stem(x))))))
        y = self.second(x)
        x = self.act2(y + x if self.residual else y)
        return self.head(x.mean((2, 3)))


@settings(max_examples=25, deadline=None)
@given(architectures())
def test_random_networks(a):
    model, x = finished(lambda: Random(a), (2, 7, 9), a["seed"], scale=a["scale"])
    packed, want = pack(model, x[:1]), outputs(exact(model), x)
    for kernels in ("numpy", "numba"):
        assert np.array_equal(packed(x, kernels, "torch"), want)


@pytest.mark.parametrize("binary", ["weights", "activations"])
def test_where_one_side_is_float_products_stay_float(binary):
    other = {"weights": "activations", "activations": "weights"}[binary]
    model, x = finished(*NETWORKS["lab"], **{binary: "ste", other: "float"})
    packed = pack(model, x)
    assert np.array_equal(packed(x, floats="torch"), outputs(model, x))
    assert np.allclose(packed(x, floats="numpy"), outputs(model, x), atol=1e-5)
    ops = packed.program.ops
    assert "xnor" not in {op.kind for op in ops}
    assert sum("signs" in op.arrays for op in ops) == (4 if binary == "weights" else 0)


def test_a_float64_network_stays_one():
    model, x = finished(*NETWORKS["lab"])
    model, x = model.double(), x.double()
    found = pack(model, x)(x)
    assert found.dtype == np.float64 and np.array_equal(found, outputs(model, x))


def test_the_model_is_left_as_it_is():
    model, x = finished(*NETWORKS["resnet18"])
    model.train()
    before = {n: t.clone() for n, t in model.state_dict().items()}
    pack(model, x[:1])
    assert model.training and all(torch.equal(t, model.state_dict()[n]) for n, t in before.items())


# ---- refusals ------------------------------------------------------------------------------------
class Branch(nn.Module):
    """A network with one odd thing in the middle."""

    def __init__(self, odd, channels=4):
        super().__init__()
        self.stem, self.act, self.inner = nn.Conv2d(1, 4, 1), nn.Hardtanh(), nn.Conv2d(4, 4, 1)
        self.act2, self.odd = nn.Hardtanh(), odd
        self.head = nn.Linear(channels, 2)

    def forward(self, x):
        return self.head(self.odd(self.act2(self.inner(self.act(self.stem(x))))).mean((2, 3)))


class Cosine(nn.Module):
    def forward(self, x):
        return torch.cos(x)


class Choice(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        (nn.GroupNorm(2, 4), r"'odd' is a GroupNorm, which cannot be packed; write the model"),
        (Cosine(), r"'cos' .* cannot be packed"),
        (Choice(), r"cannot be traced .* depends on values"),
        (nn.ConvTranspose2d(4, 4, 1), r"'odd' is a BinaryConvTranspose2d.*keep_float=\['odd'\]"),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), r"'odd' pads by 'reflect'"),
        (nn.Conv2d(4, 4, 2, padding="same"), r"'odd' pads 'same' with an even kernel"),
        (nn.AdaptiveAvgPool2d(2), r"'odd' pools to 2; only pooling to one pixel"),
        (nn.MaxPool2d(2, ceil_mode=True), r"'odd' pools incomplete windows"),
        (nn.AvgPool2d(3, 1, 1, count_include_pad=False), r"'odd' divides by the number of pixels"),
        (nn.BatchNorm2d(4, track_running_stats=False), r"'odd' keeps no running statistics"),
    ],
)
def test_what_cannot_be_packed_is_named(odd, says):
    x = torch.randn(2, 1, 5, 5)
    model = binarize_model(
        Branch(odd), x[:1], weights="ste", activations="ste", real_inputs=True
    ).eval()
    with pytest.raises(ConversionError, match=says):
        pack(model, x)


def test_an_unfinished_or_float_network_is_refused():
    x = torch.zeros(1, 1, 6, 6)
    model = lab_net()
    with pytest.raises(ConversionError, match="not binary yet; train the model first"):
        pack(model, x)
    Progression(model, 40, Plan(tail=0.0)).set_step(1)
    with pytest.raises(ConversionError, match=r"frozen to 0\.\d+ only"):
        pack(model, x)
    with pytest.raises(ConversionError, match="is not binarized"):
        pack(nn.Linear(2, 2), x)
    for site in sites(model).values():
        site.p = 1.0
    with pytest.raises(ConversionError, match=r"torch\.float16 on cpu; pack model\.float"):
        pack(model.half(), x)


def test_inputs_and_choices_are_checked():
    model, x = finished(*NETWORKS["lab"])
    packed = pack(model, x)
    with pytest.raises(ShapeError, match=r"\(4, 1, 6, 5\).*\[N, 1, 6, 6\]"):
        packed(x[..., :5])
    with pytest.raises(DtypeError, match="float64; this network takes float32"):
        packed(x.double())
    with pytest.raises(ConfigError, match="kernels must be one of numba, numpy"):
        packed(x, kernels="cuda")
    with pytest.raises(ConfigError, match="floats must be one of torch, numpy"):
        packed(x, floats="jax")


def test_the_kernels_do_not_read_beside_arrays_that_do_not_fit():
    model, x = finished(*NETWORKS["lab"])
    for change in ({"signs": (0, 1)}, {"thresholds": (1,)}):
        packed = pack(model, x)
        op = next(op for op in packed.program.ops if op.kind == "xnor")
        for name in change:
            op.arrays[name] = np.concatenate([op.arrays[name]] * 2, -1)
        with pytest.raises(ShapeError, match="do not fit its settings"):
            packed(x, kernels="numba")
