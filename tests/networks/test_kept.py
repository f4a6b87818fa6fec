"""What stays float: found whatever the model returns, kept by any name, and never in silence."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune
from torch.utils.flop_counter import FlopCounterMode

from stompp_lite import LabResNet, binarize_model, describe, fold_scale, mlp
from stompp_lite.checks import fitting_mask
from stompp_lite.errors import ConversionError, ShapeError
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.describe import leaks
from stompp_lite.networks.families import BiRealBlock
from stompp_lite.networks.layers import BINARY, as_binary, binary_layers
from stompp_lite.networks.models import DenseBlock
from stompp_lite.networks.rules import Rule, Site
from stompp_lite.networks.stages import ZEROS
from stompp_lite.networks.trace import trace
from stompp_lite.networks.verify import check_paths

IMAGE = torch.zeros(1, 1, 6, 6)


# ---- whatever the model returns ------------------------------------------------------------------
class Ends(LabResNet):
    """The lab's network that ends in something without gradients."""

    end = "argmax"

    def forward(self, x):
        if self.end == "no_grad" and not self.training:
            with torch.no_grad():
                return super().forward(x)
        out = super().forward(x)
        if self.training:
            return out
        return {
            "argmax": lambda: out.argmax(1),
            "numpy": lambda: out.softmax(1).detach().numpy(),
            "numpy, without gradients only": lambda: out.softmax(1).numpy(),
            "a list of numbers": lambda: out.tolist(),
            "no_grad": lambda: out,
        }[self.end]()


def net_that_ends(end):
    torch.manual_seed(0)
    net = Ends(1, 3, 4, (1, 1))
    net.end = end
    return net


@pytest.mark.parametrize("end", ["argmax", "numpy", "a list of numbers", "no_grad"])
def test_shortcuts_are_found_whatever_the_evaluation_returns(end):
    usual = binarize_model(LabResNet(1, 3, 4, (1, 1)), IMAGE, scale="layer", weights="ste")
    model = binarize_model(net_that_ends(end), IMAGE, scale="layer", weights="ste")
    assert list(binary_layers(model)) == list(binary_layers(usual))
    assert conversion(model).kept == conversion(usual).kept
    assert conversion(model).kept["blocks.1.shortcut.0"] == "shortcut"
    assert [leaks(model, k) for k in range(5)] == [leaks(usual, k) for k in range(5)]
    assert len(list(fold_scale(model).modules())) == len(list(model.modules()))


def test_the_graph_is_whole_where_gradients_forbid_the_last_step():
    """An array from a tensor with gradients is an error of torch; what came before is known."""
    calls, graph = trace(net_that_ends("numpy, without gradients only"), IMAGE)
    assert calls[-1].name == "head" and graph.results["blocks.1.shortcut.0"]
    assert graph.outputs == []


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_shortcuts_are_found_when_conversion_runs_without_gradients(mode):
    net = LabResNet(1, 3, 4, (1, 1))
    with mode():
        model = binarize_model(net, torch.zeros(1, 1, 6, 6))
    assert conversion(model).kept["blocks.1.shortcut.0"] == "shortcut"
    model(torch.randn(4, 1, 6, 6)).sum().backward()  # and it can be trained
    assert model.conv.weight.grad.any()


class Fixed(nn.Module):
    """A middle that never has gradients."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(6, 6) for _ in range(4))
        self.act1, self.act2, self.act3 = (nn.Hardtanh() for _ in range(3))

    def forward(self, x):
        x = self.act1(self.a(x))
        with torch.no_grad():
            x = self.act2(self.b(x))
        return self.d(self.act3(self.c(x)))


def test_a_layer_that_never_has_gradients_is_named():
    with pytest.raises(ConversionError, match="'b' is computed without gradients") as caught:
        binarize_model(Fixed(), torch.randn(2, 6))
    assert caught.value.keep_float == ["b"]
    assert list(binary_layers(binarize_model(Fixed(), torch.randn(2, 6), keep_float="b"))) == ["c"]


@pytest.mark.parametrize("what", ["example", "model"])
def test_tensors_without_values_are_named(what):
    net, x = mlp(6, 2), torch.zeros(1, 6)
    if what == "model":
        net = net.to("meta")
    with pytest.raises(ConversionError, match="'meta' and has no values"):
        binarize_model(net, x.to("meta"))


def test_a_sparse_example_is_named():
    with pytest.raises(ConversionError, match=r"sparse; give example\.to_dense"):
        binarize_model(mlp(6, 2), torch.eye(6).to_sparse())


# ---- by the name of a parameter ------------------------------------------------------------------
@pytest.mark.parametrize("pattern", ["4.weight", "4", "[4].w*"])
def test_a_layer_is_kept_by_the_name_of_its_weight_too(pattern):
    model = binarize_model(mlp(6, 2, 5, 3), torch.randn(2, 6), keep_float=pattern)
    assert list(binary_layers(model)) == ["7"]
    assert conversion(model).kept["4"] == "keep_float"


def test_the_name_of_a_bias_keeps_no_weight():
    net = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))
    model = binarize_model(net, torch.randn(2, 6), keep_float="2.bias")
    assert list(binary_layers(model)) == ["2"]


# ---- activations of one's own, and those that are never called -----------------------------------
class Steep(nn.ReLU):
    """A rule of its own."""

    def forward(self, x):
        return super().forward(3 * x)


class Weighted(nn.ReLU):
    """Weights of its own."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))


class Named(nn.ReLU):
    """Nothing of its own."""


def patched():
    act = nn.ReLU()
    act.forward = lambda x: 3 * x
    return act


def between(act):
    return nn.Sequential(nn.Linear(6, 6), act, nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))


@pytest.mark.parametrize("make", [Steep, Weighted, patched])
def test_an_activation_with_a_rule_of_its_own_is_left_alone_and_named(make):
    with pytest.raises(ConversionError, match=r"'2' would .*; '1' computes something of its"):
        binarize_model(between(make()), torch.randn(2, 6))
    model = binarize_model(between(make()), torch.randn(2, 6), real_inputs=True)
    assert type(model[1]) is type(make()) and isinstance(model[3], Site)
    assert conversion(model).kept["1"] == "own activation"
    assert "own activation" in str(describe(model))


@pytest.mark.parametrize("make", [Named, nn.PReLU, nn.ReLU6, lambda: nn.Hardtanh(-2, 2)])
def test_every_other_activation_becomes_binary(make):
    model = binarize_model(between(make()), torch.randn(2, 6))
    assert isinstance(model[1], Site) and "1" not in conversion(model).kept


def test_a_prelu_outside_of_the_stages_keeps_its_slope():
    net = nn.Sequential(nn.PReLU(), *between(nn.PReLU()))
    model = binarize_model(net, torch.randn(2, 6))
    assert isinstance(model[0], nn.PReLU) and isinstance(model[2], Site)
    assert conversion(model).kept["0"] == "activation" and "2" not in conversion(model).kept
    (row,) = (r for r in describe(model).rows if r.name == "0")
    assert (row.bits, row.note) == (32, "activation")


class Seldom(nn.Module):
    """Takes another activation for inputs that hardly ever come."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(6, 6) for _ in range(3))
        self.act1, self.act2, self.rare = nn.ReLU(), nn.ReLU(), nn.Tanh()

    def forward(self, x):
        x = self.act1(self.a(x))
        x = self.act2(self.b(x))
        return self.c(self.rare(x) if x.mean() > 100 else x)


def test_what_is_never_called_during_conversion_is_named():
    model = binarize_model(Seldom(), torch.randn(2, 6))
    assert conversion(model).kept["rare"] == "never called"
    (row,) = (r for r in describe(model).rows if r.name == "rare")
    assert (row.kind, row.precision, row.note) == ("Tanh", "32 bit", "never called")


# ---- weights that are exactly zero ---------------------------------------------------------------
def test_a_pruned_layer_is_refused():
    net = mlp(6, 2, 10, 3)
    prune.l1_unstructured(net[4], "weight", amount=0.3)
    with pytest.raises(ConversionError, match=r"'4' is pruned by torch\.nn\.utils\.prune"):
        binarize_model(net, torch.randn(2, 6))
    prune.remove(net[4], "weight")
    with pytest.raises(ConversionError, match=r"'4' has many .* 0 \(pruned .* \+1") as caught:
        binarize_model(net, torch.randn(2, 6))
    kept = binarize_model(net, torch.randn(2, 6), keep_float=caught.value.keep_float)
    assert list(binary_layers(kept)) == ["7"]


def test_a_zero_by_chance_is_no_matter():
    net = mlp(6, 2, 10, 3)
    net[4].weight.data.view(-1)[: int(ZEROS * 100)] = 0  # one of a hundred
    assert list(binary_layers(binarize_model(net, torch.randn(2, 6)))) == ["4", "7"]
    net[4].weight.data.view(-1)[: int(ZEROS * 100) + 1] = 0
    with pytest.raises(ConversionError, match="'4' has many"):
        binarize_model(net, torch.randn(2, 6))


# ---- operations ----------------------------------------------------------------------------------
LAYERS = {
    "linear": (lambda: nn.Linear(5, 7), (5,)),
    "linear of a sequence": (lambda: nn.Linear(5, 7), (3, 5)),
    "strided": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1), (4, 9, 8)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2), (4, 9, 8)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4), (4, 9, 8)),
    "dilated": (lambda: nn.Conv2d(4, 6, (3, 1), dilation=2), (4, 9, 8)),
    "1d": (lambda: nn.Conv1d(4, 6, 3), (4, 9)),
    "3d": (lambda: nn.Conv3d(4, 6, 3, padding=1), (4, 5, 4, 3)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 4, 3, stride=2), (4, 8, 8)),
    "transposed, padded": (
        lambda: nn.ConvTranspose2d(4, 6, 3, 2, padding=1, output_padding=1), (4, 7, 5)),
    "transposed, grouped": (lambda: nn.ConvTranspose2d(4, 6, 3, 3, groups=2), (4, 7, 5)),
    "transposed, dilated": (lambda: nn.ConvTranspose2d(4, 6, 3, dilation=2), (4, 7, 5)),
    "transposed, 1d": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2), (4, 9)),
    "transposed, 3d": (lambda: nn.ConvTranspose3d(4, 6, 2, stride=2), (4, 3, 4, 5)),
}  # fmt: skip


class Middle(nn.Module):
    """One layer between two others, which are called first and last."""

    def __init__(self, layer):
        super().__init__()
        self.first, self.layer, self.last = nn.Linear(1, 1), layer, nn.Linear(1, 1)
        self.act = nn.Hardtanh()

    def forward(self, x):
        x = self.act(self.first(x[..., None])[..., 0])
        return self.last(self.layer(x)[..., None])


@pytest.mark.parametrize("kind", LAYERS)
def test_operations_are_those_that_torch_counts(kind):
    make, shape = LAYERS[kind]
    layer = make()
    with FlopCounterMode(display=False) as counted:
        layer(torch.zeros(1, *shape))
    model = binarize_model(Middle(layer), torch.zeros(1, *shape))
    rows = {r.name: r for r in describe(model).rows}
    assert rows["layer"].operations == counted.get_total_flops() // 2  # a product and a sum each
    assert rows["layer"].precision == "1 bit" and type(layer) in BINARY


def test_a_transposed_convolution_multiplies_every_input():
    model = binarize_model(Middle(LAYERS["transposed"][0]()), torch.zeros(1, 4, 8, 8))
    (row,) = (r for r in describe(model).rows if r.name == "layer")
    assert row.operations == 8 * 8 * 4 * 4 * 9 == 9216


# ---- small faults that nobody would have noticed -------------------------------------------------
class TiedInTraining(nn.Module):
    """Uses a weight a second time, as a function, in training or in evaluation only."""

    def __init__(self, training):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(6, 6) for _ in range(3))
        self.act1, self.act2, self.when = nn.Hardtanh(), nn.Hardtanh(), training

    def forward(self, x):
        h = self.act1(self.a(x))
        out = self.c(self.act2(self.b(h)))
        return out + F.linear(h, self.b.weight) if self.training == self.when else out


@pytest.mark.parametrize("training", [True, False])
def test_a_weight_that_is_used_functionally_in_one_mode_is_named(training):
    with pytest.raises(ConversionError, match="'b' has a weight that is also used functionally"):
        binarize_model(TiedInTraining(training), torch.randn(2, 6))


@pytest.mark.parametrize(
    ("mask", "fits"),
    [
        ((4,), True), ((3, 4), True), ((2, 3, 4), True), ((1, 4), True), ((3, 1), True), ((), True),
        ((3,), False), ((2, 4), False), ((4, 3), False), ((1, 2, 3, 4), False), ((2, 1), False),
        ((0,), False),
    ],
)  # fmt: skip
def test_a_mask_fits_from_the_right(mask, fits):
    u, found = torch.zeros(2, 3, 4), torch.ones(mask, dtype=torch.bool)
    if fits:
        assert fitting_mask(found, u) is found
        assert torch.broadcast_shapes(found.shape, u.shape) == u.shape
    else:
        with pytest.raises(ShapeError, match="does not fit"):
            fitting_mask(found, u)


class Table(nn.Module):
    """Layers, and a parameter of its own."""

    def __init__(self, shape):
        super().__init__()
        self.table = nn.Parameter(torch.ones(shape))
        self.net = between(nn.ReLU())

    def forward(self, x):
        return self.net(x * self.table.mean())


@pytest.mark.parametrize(
    ("shape", "matrix"),
    [((6,), False), ((1, 6), False), ((6, 1), False), ((1, 6, 1, 1), False), ((), False),
     ((1, 1), False), ((2, 2), True), ((1, 2, 6), True), ((2, 1, 1, 2), True)],
)  # fmt: skip
def test_a_parameter_with_two_axes_is_a_matrix_and_a_vector_is_none(shape, matrix):
    if matrix:
        with pytest.raises(ConversionError, match=r"'table' is a parameter of Table"):
            binarize_model(Table(shape), torch.randn(2, 6))
    else:
        model = binarize_model(Table(shape), torch.randn(2, 6))
        assert conversion(model).kept[""] == "vector"


def residual(branch, channels=4):
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.act = nn.Conv2d(1, 4, 3, padding=1), nn.Hardtanh()
            self.straight = nn.Sequential(nn.Conv2d(4, channels, 1), branch)
            self.bent = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Hardtanh())
            self.bent2, self.act2, self.out = nn.Conv2d(4, 4, 1), nn.Hardtanh(), nn.Linear(4, 2)

        def forward(self, x):
            x = self.act(self.stem(x))
            x = self.act2(self.straight(x) + self.bent2(self.bent(x)))
            return self.out(x.mean((2, 3)))

    return Residual()


class Do(nn.Module):
    """A function as a module."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


STRAIGHT = {
    "batch norm": nn.BatchNorm2d(4),
    "group norm": nn.GroupNorm(2, 4),
    "layer norm": nn.LayerNorm(6),
    "average pooling": nn.AvgPool2d(3, 1, 1),
    "max pooling": nn.MaxPool2d(3, 1, 1),
    "adaptive pooling": nn.AdaptiveAvgPool2d(6),
    "padding": nn.Sequential(nn.ConstantPad2d(1, 0.0), nn.AvgPool2d(3, 1)),
    "upsampling": nn.Sequential(nn.AvgPool2d(2), nn.Upsample(scale_factor=2)),
    "transposing": Do(lambda x: x.transpose(2, 3).permute(0, 1, 3, 2)),
    "reshaping": Do(lambda x: x.reshape(len(x), -1).view(x.shape)),
    "slicing": Do(lambda x: x[:, :4]),
    "squeezing": Do(lambda x: x.unsqueeze(1).squeeze(1)),
    "expanding": Do(lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 6, 6)),
    "copying": Do(lambda x: x.clone().double().float()),
    "subtracting": Do(lambda x: x - 1.0),
}
BENDS = {
    "squaring": lambda x: x * x, "absolute values": torch.abs, "exponential": torch.exp,
    "sigmoid": torch.sigmoid, "a functional relu": F.relu, "a step": lambda x: x.clamp(0, 1),
    "a softmax": lambda x: x.softmax(1), "a maximum of two": lambda x: torch.maximum(x, -x),
    "a choice": lambda x: torch.where(x > 0, x, 0 * x),
}  # fmt: skip


@pytest.mark.parametrize("kind", STRAIGHT)
def test_a_branch_without_a_bend_is_a_shortcut(kind):
    model = binarize_model(residual(STRAIGHT[kind]), torch.randn(2, 1, 6, 6))
    assert conversion(model).kept["straight.0"] == "shortcut"
    assert list(binary_layers(model)) == ["bent.0", "bent2"]


@pytest.mark.parametrize("kind", BENDS)
def test_a_branch_with_a_bend_is_none(kind):
    model = binarize_model(residual(Do(BENDS[kind])), torch.randn(2, 1, 6, 6))
    assert set(binary_layers(model)) == {"straight.0", "bent.0", "bent2"}


def converted_perceptron(wrap):
    """A perceptron whose forward pass is wrapped after conversion."""
    torch.manual_seed(0)
    model = binarize_model(mlp(6, 2, 5, 3), torch.randn(2, 6))
    order = conversion(model).activation_sites
    plain = model.forward
    model.forward = lambda x: wrap(model, plain, x)
    return model, order


def test_a_training_pass_is_tried_eight_times_and_an_evaluation_once():
    """A block that training skips three times of four is found, one that never comes is not."""
    passes = {True: 0, False: 0}

    def count(skips):
        def wrap(model, plain, x):
            passes[model.training] += 1
            if model.training and passes[True] % skips:
                return model[10](model[:7](x))
            return plain(x)

        return wrap

    model, order = converted_perceptron(count(8))
    check_paths(model, torch.randn(1, 6), order)  # the eighth of each eight passes everything
    assert passes == {True: 16, False: 2}  # with gradients and without
    model, order = converted_perceptron(count(100))
    with pytest.raises(ConversionError, match="in training mode with gradients"):
        check_paths(model, torch.randn(1, 6), order)
    assert passes[True] == 16 + 8
    passes[True] = 0
    model, order = converted_perceptron(count(1))
    check_paths(model, torch.randn(1, 6), order)
    assert passes[True] == 2  # once is enough where everything is passed


@pytest.mark.parametrize(("difference", "fine"), [(1e-6, True), (1e-3, False)])
def test_evaluations_are_compared_closely(difference, fine):
    def wrap(model, plain, x):
        return plain(x) * (1 + difference * (not torch.is_grad_enabled() and not model.training))

    model, order = converted_perceptron(wrap)
    if fine:
        check_paths(model, torch.randn(4, 6), order)
    else:
        with pytest.raises(ConversionError, match="evaluates differently with and without"):
            check_paths(model, torch.randn(4, 6), order)


def test_strides_of_shortcuts_pool_as_the_papers_do():
    """Bi-Real averages before a 1x1 convolution of stride 1; odd sizes are rounded up."""
    block = BiRealBlock(4, 8, 2)
    pool, conv, _ = block.shortcut
    assert (pool.kernel_size, pool.stride, pool.ceil_mode) == (2, 2, True)
    assert (conv.stride, conv.kernel_size, block.conv.stride) == ((1, 1), (1, 1), (2, 2))
    for size in (6, 7):
        assert block(torch.randn(2, 4, size, size)).shape == (
            2,
            8,
            (size + 1) // 2,
            (size + 1) // 2,
        )
    x = torch.randn(1, 4, 6, 6)
    assert torch.allclose(pool(x), x.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)), atol=1e-6)
    assert isinstance(BiRealBlock(4, 4, 1).shortcut, nn.Identity)
    assert isinstance(BiRealBlock(4, 4, 2).shortcut, nn.Sequential)


def test_a_dense_block_adds_its_input_before_the_last_activation():
    block = DenseBlock(4).eval()
    x, scale = torch.randn(3, 4), (1 + 1e-5) ** -0.5
    y = (x @ block.linear1.weight.T * scale).clamp(-1, 1)
    want = (y @ block.linear2.weight.T * scale + x).clamp(-1, 1)
    assert torch.allclose(block(x), want, atol=1e-6)


def test_only_the_exact_classes_are_converted():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in (type("My", (nn.Linear,), {}), type("My", (nn.Conv2d,), {})):
            layer = kind(3, 5) if issubclass(kind, nn.Linear) else kind(3, 5, 2)
            with pytest.raises(ConversionError, match="no binary version of My"):
                as_binary(layer, Rule("stompp"))
