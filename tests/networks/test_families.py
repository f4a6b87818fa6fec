"""Networks of full scale: they convert, train a step by every method, and leak what they say."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stompp_lite import binarize_model, fit, import_torchvision, load
from stompp_lite.errors import ConfigError, ConversionError
from stompp_lite.lab.config import METHODS, Config
from stompp_lite.lab.run import build
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.describe import leaks
from stompp_lite.networks.families import (
    DEPTHWISE,
    RESNETS,
    BiRealNet,
    Transformer,
    activate_inputs,
    mobilenet,
    resnet,
)
from stompp_lite.networks.layers import binary_layers, sites
from stompp_lite.training.data import Data

IMAGE, IDS = torch.zeros(1, 3, 16, 16), torch.zeros(1, 8, dtype=torch.int64)
#: Name -> float model, example, number of binary layers, and whether a float path leads around.
FAMILIES = {
    "resnet18": (lambda: resnet("resnet18", 10), IMAGE, 16, False),
    "resnet34": (lambda: resnet("resnet34", 10), IMAGE, 32, False),
    "resnet50": (lambda: resnet("resnet50", 10), IMAGE, 48, False),
    "resnet18, narrow": (lambda: resnet("resnet18", 10, width=16), IMAGE, 16, False),
    "mobilenet": (lambda: mobilenet(10, width=0.25), IMAGE, 51, True),
    "mobilenet, short": (lambda: mobilenet(10, width=0.25, blocks=(1, 2, 2)), IMAGE, 15, True),
    "bireal": (lambda: BiRealNet(10, width=8), IMAGE, 16, True),
    "text": (lambda: Transformer(20, 8, classes=2, width=16), IDS, 12, True),
    "characters": (lambda: Transformer(20, 8, width=16), IDS, 12, True),
}


@pytest.fixture(params=FAMILIES, scope="module")
def family(request):
    make, example, layers, leaky = FAMILIES[request.param]
    torch.manual_seed(0)
    return binarize_model(make(), example), example, layers, leaky


def batch(example):
    if example.dtype == torch.int64:
        return torch.randint(0, 20, (4, 8))
    return torch.randn(4, *example.shape[1:])


def test_all_layers_but_the_first_the_last_and_shortcuts_are_binary(family):
    model, _, layers, _ = family
    assert len(binary_layers(model)) == layers
    others = set(conversion(model).kept.values())
    assert others <= {"first layer", "last layer", "shortcut", "norm", "embedding"}
    assert len(conversion(model).stages) == layers + 1


def test_where_gradient_leads_around_what_is_committed(family):
    """Commit all stages up to k: autograd still reaches in front of them what leaks says."""
    model, example, layers, leaky = family
    torch.manual_seed(0)
    stages = conversion(model).stages
    assert leaky == any(leaks(model, k) for k in range(layers + 1))
    for k in (0, layers // 3, layers // 2, layers - 1):
        for stage in stages:
            for name in (*stage.activations, *(f"{w}.binarizer" for w in stage.weights)):
                model.get_submodule(name).p = 1.0 if stage.index <= k else 0.0
        model.zero_grad()
        out = model(batch(example))
        (out * torch.randn_like(out)).sum().backward()
        learns = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        told = leaks(model, k)
        assert not {f"{w}.weight" for s in stages[: k + 1] for w in s.weights} & learns
        later = {f"{w}.weight" for s in stages[k + 1 :] for w in s.weights}
        assert later & learns, "the rest of the network still learns"
        # what stands behind stage k learns anyway; in front of it, only what is told
        front = front_of(model, k)
        assert front & learns == set(told) & learns


def test_what_the_float_path_of_each_family_reaches():
    """Bi-Real: stem, every norm and shortcut. MobileNetV2: norms within a group of blocks."""
    net = binarize_model(BiRealNet(10, width=8), IMAGE)
    last = len(conversion(net).stages) - 1
    front = [n for n, _ in net.named_parameters() if ".conv." not in n and not n.startswith("fc")]
    assert leaks(net, last) == [n for n in front if not n.startswith("layers.15.bn")]  # behind it
    mobile = binarize_model(mobilenet(10, width=0.25), IMAGE)
    found = {name for k in range(52) for name in leaks(mobile, k)}
    assert found and all(name.split(".")[-2] == "3" for name in found)  # of projections
    assert leaks(mobile, 51) == leaks(mobile, 50) == []
    text = binarize_model(Transformer(20, 8, classes=2, width=16), IDS)
    assert {"token.weight", "place.weight"} <= set(leaks(text, 12))
    with pytest.raises(ConfigError, match="stage 13 does not exist; there are 13"):
        leaks(text, 13)


def front_of(model, k):
    """Parameters that the activations of stage k and before depend on, by autograd itself."""
    for site in sites(model).values():
        site.p = 0.0
    model.zero_grad()
    done, outputs = conversion(model), []
    names = [n for s in done.stages[: k + 1] for n in s.activations]
    names += [f"{n}.binarizer" for s in done.stages[: k + 1] for n in s.weights]
    handles = [
        model.get_submodule(n).register_forward_hook(lambda m, a, out: outputs.append(out))
        for n in names
    ]
    x = torch.zeros(4, *done.input_shape)
    model(x.long() if len(done.input_shape) == 1 else x)
    for handle in handles:
        handle.remove()
    sum(o.sum() for o in outputs).backward()
    return {n for n, p in model.named_parameters() if p.grad is not None}


FULL = {
    **{name: {"model": name, "width": 64, "blocks": ()} for name in RESNETS},
    "mobilenet": {"model": "mobilenet", "width": 8, "blocks": ()},
    "mobilenet, short": {"model": "mobilenet", "width": 8, "blocks": (1, 2)},
    "mobilenet, depthwise float": {
        "model": "mobilenet", "width": 8, "blocks": (), "float_depthwise": True,
    },
    "bireal": {"model": "bireal", "width": 8, "blocks": (2, 2)},
    "transformer": {"model": "transformer", "width": 16, "blocks": (1,)},
}  # fmt: skip


def tiny(model):
    """A handful of samples of the right kind."""
    generator = torch.Generator().manual_seed(0)
    if model == "transformer":
        x = torch.randint(0, 20, (8, 6), generator=generator)
        return Data("tiny", x, x[:, 0] % 2, x, x[:, 0] % 2, 2, tokens=20)
    x, y = torch.randn(8, 3, 8, 8, generator=generator), torch.arange(8) % 4
    return Data("tiny", x, y, x, y, 4)


#: Every method on the smallest network of each kind; on a larger one of the same blocks one.
LARGER = ("resnet34", "resnet50", "mobilenet", "mobilenet, depthwise float")
STEPS = [
    (name, method) for name in FULL for method in ("ste", "stompp", "stompp+ste", "hybrid")
    if name not in LARGER or method == "stompp"
]  # fmt: skip


@pytest.mark.parametrize(("name", "method"), STEPS)
def test_one_real_step_of_every_method(name, method):
    """One epoch of two steps, no schedule: forward, backward, update, all of it finite."""
    weights, activations = METHODS[method]
    config = Config(weights=weights, activations=activations, **FULL[name])
    data = tiny(config.model)
    model = build(config, data)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    steps = len(conversion(model).stages) + 1  # a window needs a step
    history = fit(model, data, batch_size=4, epochs=-(-steps // 2) + 8, lr=0.01, augment="none",
                  stop_at=2, eval_every=100, diagnose=False)  # fmt: skip
    moved = [n for n, p in model.named_parameters() if not torch.equal(p, before[n])]
    assert not history.finished and len(moved) > 5
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_what_cannot_be_built_says_why():
    with pytest.raises(ConfigError, match=r"'resnet19'.*resnet18"):
        resnet("resnet19", 10)
    with pytest.raises(ConfigError, match="stem"):
        resnet("resnet18", 10, stem="mnist")
    with pytest.raises(ConfigError, match="must divide torchvision's 64 channels, got 24"):
        resnet("resnet18", 10, width=24)
    with pytest.raises(ConfigError, match="3 heads do not divide a width of 16"):
        Transformer(20, 8, width=16, heads=3)
    with pytest.raises(ConversionError, match="has no layer 'conv9'"):
        activate_inputs(resnet("resnet18", 10), ["conv9"])
    with pytest.raises(ConfigError, match="MobileNetV2 has 7 groups of blocks, not 8"):
        mobilenet(10, blocks=(1,) * 8)
    with pytest.raises(ConfigError, match="the number of blocks"):
        mobilenet(10, blocks=(1, 0))
    with pytest.raises(ConfigError, match="has the blocks that torchvision gives it"):
        Config(model="resnet18", width=64, blocks=(2, 2))
    with pytest.raises(ConfigError, match="has a width of 64, not 16"):
        Config(model="resnet18", blocks=())
    with pytest.raises(ConfigError, match="blocks must be a list"):
        Config(blocks=())
    with pytest.raises(ConfigError, match="float_depthwise is for the model 'mobilenet'"):
        Config(float_depthwise=True)
    with pytest.raises(ConfigError, match="'transformer' reads texts, 'digits' has images"):
        build(Config(model="transformer", blocks=(1,)), load("digits"))


@pytest.mark.parametrize("name", RESNETS)
def test_a_narrow_resnet_has_all_layers_of_the_wide_one_at_a_quarter(name):
    wide, narrow = (resnet(name, 10, width=width).state_dict() for width in (64, 16))
    assert list(wide) == list(narrow)
    for key, big in wide.items():
        quarter = [n if n in (3, 10) or k > 1 else n // 4 for k, n in enumerate(big.shape)]
        assert list(narrow[key].shape) == quarter, key
    drawn = narrow["layer4.0.conv1.weight"]  # variance 2 / n, n the kernel's area times outputs
    assert drawn.var().item() == pytest.approx(2 / (drawn.shape[0] * drawn[0, 0].numel()), rel=0.05)


def test_a_short_mobilenet_is_the_front_of_the_whole_one():
    """Same layers, and as many halvings; without blocks it is torchvision's."""
    whole, short = (mobilenet(10, width=0.25, blocks=b) for b in ((), (1, 2, 3)))
    strides = [
        [m.stride[0] for m in net.modules() if isinstance(m, nn.Conv2d)] for net in (whole, short)
    ]
    front = strides[1][:-1]  # less the last 1x1 convolution
    assert front == strides[0][: len(front)] and front.count(2) == 1 and strides[0].count(2) == 3
    theirs = import_torchvision().models.mobilenet_v2(width_mult=0.25, num_classes=10)
    shapes = [p.shape for p in theirs.parameters()]
    assert [p.shape for p in mobilenet(10, width=0.25).parameters()] == shapes


def test_depthwise_convolutions_can_stay_float():
    net = binarize_model(mobilenet(10, width=0.25), IMAGE, keep_float=DEPTHWISE)
    depthwise = [m for m in net.modules() if getattr(m, "groups", 1) > 1]
    assert len(depthwise) == 17 and not set(depthwise) & set(binary_layers(net).values())
    assert len(binary_layers(net)) == 34


def test_bireal_adds_a_real_number_around_every_convolution():
    """By hand: x + bn(conv(sign(x))), for one block in evaluation."""
    block = BiRealNet(10, width=8, blocks=(1,)).layers[0].eval()
    x = torch.randn(2, 8, 4, 4)
    by_hand = x + F.conv2d(x.clamp(-1, 1), block.conv.weight, padding=1) / (1 + 1e-5) ** 0.5
    assert torch.allclose(block(x), by_hand, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [lambda stem: resnet("resnet18", 3, stem=stem), lambda stem: BiRealNet(3, stem, width=4)],
)
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_a_stem_has_the_geometry_of_its_images(make, stem):
    net = make(stem)
    conv = [kind[0] for kind in (net.conv1.kernel_size, net.conv1.stride, net.conv1.padding)]
    assert conv == ([3, 1, 1] if stem == "cifar" else [7, 2, 3])
    pool = net.maxpool
    if stem == "cifar":
        assert isinstance(pool, nn.Identity)
    else:
        assert [pool.kernel_size, pool.stride, pool.padding] == [3, 2, 1]
