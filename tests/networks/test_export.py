"""What torch does with a model it does with a converted one: export, torch.func, states."""

import importlib.util
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

from stompp_lite import LabResNet, Plan, Progression, binarize_model, masked_binarize, mlp
from stompp_lite.errors import ConversionError
from stompp_lite.method import SURROGATES
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.families import resnet
from stompp_lite.networks.layers import BinaryConv2d, sites
from tests.conftest import lab_net, same_state

RULES = [("stompp", "stompp"), ("ste", "ste"), ("stompp+ste:clip", "stompp+ste:clip")]
NETWORKS = {
    "lab": (lambda: LabResNet(1, 3, 4, (1, 1)), (1, 6, 6)),
    "resnet18": (lambda: resnet("resnet18", 5), (3, 16, 16)),
    "perceptron": (lambda: mlp(36, 3, 8, 3), (36,)),
}


def finished(name="lab", rules=RULES[0], scale="layer"):
    """A converted network, all of it committed, with measured batch statistics, and inputs.

    Untrained statistics would make sums of signs exactly 0, where rounding decides about a sign.
    """
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = binarize_model(
        make(), torch.zeros(1, *shape), weights=rules[0], activations=rules[1], scale=scale
    )
    for site in sites(model).values():
        site.p = 1.0
    with torch.no_grad():
        for _ in range(20):
            model.train()(torch.randn(8, *shape))
    return model.eval(), torch.randn(8, *shape)


@pytest.mark.parametrize(
    ("name", "dynamo"),
    [
        pytest.param(
            name, new, id=f"{name}-{'dynamo' if new else 'legacy'}",
            marks=[pytest.mark.slow] if new and name == "resnet18" else [],
        )
        for name in NETWORKS for new in (False, True)
    ],
)  # fmt: skip
def test_onnxruntime_computes_what_torch_does(name, dynamo, tmp_path):
    absent = [p for p in ("onnx", "onnxruntime", "onnxscript") if not importlib.util.find_spec(p)]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)} (pip install 'stompp-lite[onnx]')")
    import onnxruntime

    model, x = finished(name, RULES[0 if dynamo else 1])
    file = str(tmp_path / "model.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about itself
        torch.onnx.export(model, (x,), file, dynamo=dynamo, verbose=False)
    session = onnxruntime.InferenceSession(file)
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    found, want = torch.from_numpy(found), model(x).detach()
    assert torch.allclose(found, want, rtol=1e-4, atol=1e-5)
    assert torch.equal(found.argmax(1), want.argmax(1))


@pytest.mark.parametrize("rules", RULES, ids=str)
def test_gradients_of_single_samples(rules):
    """torch.func's equal those of one backward pass a sample, half-way through a run."""
    torch.manual_seed(0)
    model = lab_net(*rules).eval()
    Progression(model, 40, Plan(tail=0.0), cut=False).set_step(20)
    parameters = {n: p.detach() for n, p in model.named_parameters()}
    x, y = torch.randn(4, 1, 6, 6), torch.arange(4) % 3

    def loss(parameters, x, y):
        return F.cross_entropy(functional_call(model, parameters, (x[None],)), y[None])

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        found = vmap(grad(loss), (None, 0, 0))(parameters, x, y)
    for i in range(len(x)):
        model.zero_grad()
        F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
        for name, p in model.named_parameters():
            want = torch.zeros_like(p) if p.grad is None else p.grad
            assert torch.allclose(found[name][i], want, atol=1e-6), name


@pytest.mark.parametrize("surrogate", [None, *SURROGATES])
def test_both_forms_of_the_gradient_are_equal_to_the_bit(surrogate):
    u = torch.cat([torch.tensor([0.0, -0.0, 1.0, -1.0, 1.5]), torch.randn(100)])
    mask, up = torch.rand(len(u)) < 0.5, torch.randn(len(u))
    for m in (mask, None):
        leaf = u.clone().requires_grad_(True)
        (want,) = torch.autograd.grad(masked_binarize(leaf, m, surrogate), leaf, up)
        found = grad(lambda v, m=m: (masked_binarize(v, m, surrogate) * up).sum())(u)
        assert torch.equal(found, want)


def test_double_backward():
    u = torch.randn(20, requires_grad=True)
    out = masked_binarize(u, None, "clip") ** 2
    (first,) = torch.autograd.grad(out.sum(), u, create_graph=True)
    first.sum().backward()
    assert torch.isfinite(u.grad).all()


@pytest.mark.parametrize("rules", RULES, ids=str)
def test_trace_and_export_compute_the_same(rules):
    model, x = finished(rules=rules)
    want = model(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert torch.allclose(torch.jit.trace(model, x)(x), want)
    assert torch.allclose(torch.export.export(model, (x,)).module()(x), want)


def test_jit_script_says_what_to_use_instead():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with pytest.raises(ConversionError, match=r"torch\.jit\.trace"):
            torch.jit.script(finished()[0])


# ---- states --------------------------------------------------------------------------------------
def test_a_float_state_dict_just_loads():
    torch.manual_seed(1)
    trained = LabResNet(1, 3, 4, (1, 1))
    for scale in (None, "layer"):
        torch.manual_seed(2)
        model = binarize_model(LabResNet(1, 3, 4, (1, 1)), torch.zeros(1, 1, 6, 6), scale=scale)
        model.load_state_dict(trained.state_dict())
        assert all(torch.equal(p, q) for p, q in zip(trained.parameters(), model.parameters()))
        assert all(site.p == 0 for site in sites(model).values())
        with pytest.raises(RuntimeError, match=r"Missing key.*conv\.weight"):
            model.load_state_dict({})
    finished_one, _ = finished()
    finished_one.load_state_dict(trained.state_dict())
    assert all(site.p == 1 for site in sites(finished_one).values())  # it changes no p


def test_a_float_state_dict_loads_where_a_prelu_was():
    net = nn.Sequential(nn.Linear(6, 6), nn.PReLU(), nn.Linear(6, 6), nn.PReLU(), nn.Linear(6, 2))
    model = binarize_model(net, torch.zeros(1, 6))
    model.load_state_dict(net.state_dict())
    with pytest.raises(RuntimeError, match=r"Unexpected key.*1\.strange"):
        model.load_state_dict({**net.state_dict(), "1.strange": torch.ones(1)})


def test_a_converted_state_dict_loads_into_the_float_model_without_strict():
    model, _ = finished()
    plain = LabResNet(1, 3, 4, (1, 1))
    found = plain.load_state_dict(model.state_dict(), strict=False)
    assert not found.missing_keys
    assert all(name.endswith(("_extra_state", ".alpha")) for name in found.unexpected_keys)
    assert all(torch.equal(p, q) for p, q in zip(plain.parameters(), model.parameters()))


def test_a_converted_state_dict_still_carries_what_is_committed():
    model, x = finished()
    other = binarize_model(LabResNet(1, 3, 4, (1, 1)), torch.zeros(1, 1, 6, 6), scale="layer")
    other.load_state_dict(model.state_dict())
    assert same_state(model, other) and torch.equal(model(x), other.eval()(x))


@pytest.mark.parametrize(
    ("name", "new", "says"),
    [
        ("act", nn.ReLU(), "'act' was binary .* is a ReLU now"),
        ("blocks.0.conv1", nn.Conv2d(4, 4, 3, padding=1), r"'blocks\.0\.conv1' .* a Conv2d now"),
        ("blocks.0", nn.Identity(), r"'blocks\.0\.conv1' .* is gone now"),
    ],
)
def test_a_replaced_layer_is_named(name, new, says):
    model = lab_net()
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, new)
    for use in (conversion, lambda m: Progression(m, 20)):
        with pytest.raises(ConversionError, match=says):
            use(model)


def test_a_replaced_head_is_no_matter():
    model = lab_net()
    model.head = nn.Linear(8, 7)
    Progression(model, 20).set_step(3)
    assert model(torch.zeros(2, 1, 6, 6)).shape == (2, 7)
    assert isinstance(model.blocks[0].conv1, BinaryConv2d)
