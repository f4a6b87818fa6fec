"""The scale of binary weights, weights that are never trained, and folding."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stompp_lite import LabResNet, Plan, assert_binary, binarize_model, describe, fit, fold_scale
from stompp_lite.errors import ConfigError, ConversionError, NotBinaryError
from stompp_lite.lab import recipes
from stompp_lite.lab.config import Config
from stompp_lite.networks.layers import as_binary, binary_layers, sites
from stompp_lite.networks.rules import SCALES, Rule
from stompp_lite.training.progression import Progression
from tests.conftest import lab_net, same_state

SETTINGS = {"epochs": 6, "batch_size": 16, "seed": 3, "progress": False}


def scaled(weights="ste", activations="ste", scale="layer", dtype=torch.float32, eps=1e-5):
    torch.manual_seed(0)
    model = LabResNet(1, 3, width=4, blocks=(1, 1)).to(dtype)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = eps
    example = torch.zeros(1, 1, 6, 6, dtype=dtype)
    return binarize_model(model, example, weights=weights, activations=activations, scale=scale)


@pytest.mark.parametrize("kind", [nn.Linear, nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("scale", SCALES)
def test_weights_are_alpha_times_their_signs(kind, scale):
    torch.manual_seed(0)
    layer = as_binary(
        kind(3, 5) if kind is nn.Linear else kind(3, 5, 2), Rule("ste", "clip", scale)
    )
    w = layer.weight.detach()
    by_channel = w.transpose(0, 1) if kind is nn.ConvTranspose2d else w
    alpha = by_channel.flatten(1).abs().mean(1) if "channel" in scale else w.abs().mean()
    assert torch.allclose(layer.alpha(), alpha)
    used = layer.binarizer(layer.weight)
    assert torch.equal(used.sign(), layer.binary_weight().to(used.dtype))
    found = used.transpose(0, 1) if kind is nn.ConvTranspose2d else used
    expected = alpha.view(-1, 1).expand(5, found[0].numel()) if alpha.dim() else alpha
    assert torch.allclose(found.flatten(1).abs(), expected)
    used.sum().backward()  # the surrogate's gradient, not alpha times it
    assert torch.equal(layer.weight.grad, (w.abs() <= 1).to(w.dtype))


def test_half_frozen_weights_are_scaled_only_where_frozen():
    layer = as_binary(nn.Linear(50, 40), Rule("stompp", scale="layer"))
    site = layer.binarizer
    mask = torch.rand(40, 50) < 0.5
    site.p, site.mask = 0.5, lambda u: mask
    w = layer.weight
    out = site(w)
    out.sum().backward()
    alpha = w.abs().mean()
    assert torch.allclose(out[mask], alpha * torch.sign(w[mask]))
    assert torch.equal(out[~mask], w[~mask])
    assert torch.equal(w.grad, (~mask).float())


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("rules", [("ste", "ste"), ("stompp", "stompp"), ("stompp+ste", "stompp")])
def test_a_finished_network_has_one_alpha_a_layer_or_channel_and_folds(tiny, rules, scale):
    model = scaled(*rules, scale=scale)
    fit(model, tiny, **SETTINGS)
    assert_binary(model, tiny.train_x[:1])
    for layer in binary_layers(model).values():
        assert layer.binary_weight().dtype == torch.int8
        assert set(layer.binary_weight().unique().tolist()) <= {-1, 1}
        assert layer.alpha().dim() == ("channel" in scale)
        assert not torch.all(layer.alpha() == 1)
    folded = fold_scale(model)
    assert_binary(folded, tiny.train_x[:1])
    for layer in binary_layers(folded).values():
        assert torch.equal(layer.binarizer(layer.weight).abs(), torch.ones_like(layer.weight))
    with torch.no_grad():
        model.eval(), folded.eval()
        assert torch.allclose(model(tiny.test_x), folded(tiny.test_x), rtol=1e-4, atol=1e-5)


def test_alpha_is_that_of_the_start(tiny):
    for scale in SCALES:
        model = scaled(scale=scale)
        start = {name: layer.alpha().clone() for name, layer in binary_layers(model).items()}
        fit(model, tiny, lr=0.5, **SETTINGS)
        for name, layer in binary_layers(model).items():
            assert torch.equal(start[name], layer.alpha())


def test_alpha_is_taken_when_training_starts_not_at_conversion():
    model = scaled()
    for layer in binary_layers(model).values():
        layer.weight.data *= 3  # other weights are loaded after conversion
    wanted = [layer.weight.abs().mean() for layer in binary_layers(model).values()]
    Progression(model, 10)
    found = [layer.alpha() for layer in binary_layers(model).values()]
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    for layer in binary_layers(model).values():
        layer.weight.data *= 3
    Progression(model, 10)  # a second training keeps it
    assert all(
        torch.equal(layer.alpha(), b)
        for layer, b in zip(binary_layers(model).values(), wanted, strict=True)
    )


def test_alpha_travels_with_the_state_dict_and_resumes_to_the_bit(tiny, tmp_path):
    whole, parts = scaled("stompp", "stompp"), scaled("stompp", "stompp")
    fit(whole, tiny, **SETTINGS)
    fit(parts, tiny, checkpoint=tmp_path / "c.npz", stop_at=7, **SETTINGS)
    again = scaled("stompp", "stompp")
    fit(again, tiny, checkpoint=tmp_path / "c.npz", **SETTINGS)
    assert same_state(whole, again)
    other = scaled("stompp", "stompp")
    assert not any("alpha" in name for name in other.state_dict())
    other.load_state_dict(whole.state_dict())
    with torch.no_grad():
        assert torch.equal(whole.eval()(tiny.test_x), other.eval()(tiny.test_x))
    with pytest.raises(RuntimeError, match="alpha"):
        scaled("stompp", "stompp", scale=None).load_state_dict(whole.state_dict())
    assert same_state(copy.deepcopy(whole), whole)


def test_scale_equals_a_larger_learning_rate_of_the_latent_weights():
    """STE with scale alpha, and STE without whose latents get 1 / alpha times the rate: with batch
    norm behind each layer (its epsilon too small to matter) the same signs at every step.

    Alphas are rounded to powers of two, so that rounding is the same and equality can be exact.
    """
    a, b = (scaled(scale=s, dtype=torch.float64, eps=1e-300) for s in ("layer", None))
    lr = 0.05
    for layer in binary_layers(a).values():
        layer.binarizer.alpha = layer.alpha().log2().round().exp2()
        assert 0 < layer.alpha() < 0.5
    alphas = {n: float(layer.alpha()) for n, layer in binary_layers(a).items()}
    rate = {id(layer.weight): lr / alphas[n] for n, layer in binary_layers(b).items()}
    slow = torch.optim.SGD(a.parameters(), lr=lr, momentum=0.9)
    fast = torch.optim.SGD(
        [{"params": [p], "lr": rate.get(id(p), lr)} for p in b.parameters()], lr=lr, momentum=0.9
    )
    runs = [(m, o, Progression(m, 60)) for m, o in ((a, slow), (b, fast))]
    for _, optimizer, progression in runs:
        progression.attach(optimizer)
    g = torch.Generator().manual_seed(1)
    start = [layer.binary_weight() for layer in binary_layers(a).values()]
    for t in range(60):
        x = torch.randn(16, 1, 6, 6, generator=g, dtype=torch.float64)
        y = torch.randint(3, (16,), generator=g)
        for model, optimizer, progression in runs:
            progression.set_step(t)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        for p, q in zip(binary_layers(a).values(), binary_layers(b).values(), strict=True):
            assert torch.equal(p.binary_weight(), q.binary_weight())
            assert torch.equal(p.weight, q.weight)
    flipped = sum(
        int((s != layer.binary_weight()).sum())
        for s, layer in zip(start, binary_layers(a).values(), strict=True)
    )
    assert flipped > 20  # they did move


@pytest.mark.parametrize("scale", SCALES)
def test_scaling_changes_nothing_that_a_network_computes(scale, tiny):
    """Batch norm undoes it: equal logits where the statistics were measured with it."""
    x = tiny.train_x.double()
    plain, with_scale = (scaled(scale=s, dtype=torch.float64, eps=1e-300) for s in (None, scale))
    for model in (plain, with_scale):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        model.train()(x)
        model.eval()
    assert torch.allclose(plain(x), with_scale(x), rtol=1e-9, atol=1e-12)


def test_weights_never_trained_keep_their_signs_and_all_else_learns(tiny):
    for optimizer in ("sgd", "adam"):
        model = lab_net("random", "ste")
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        fit(model, tiny, optimizer=optimizer, weight_decay=0.01, **SETTINGS)
        assert_binary(model, tiny.train_x[:1])
        latent = {f"{n}.weight" for n in binary_layers(model)}
        for name, p in model.named_parameters():
            assert torch.equal(p, before[name]) == (name in latent), name
    assert not sites(model)[
        f"{next(iter(latent)).removesuffix('.weight')}.binarizer"
    ].rule.progressive


def test_weights_never_trained_work_with_progressive_activations(tiny):
    model = lab_net("random", "stompp")
    fit(model, tiny, **SETTINGS)
    assert_binary(model, tiny.train_x[:1])


def test_describe_shows_the_scale_and_counts_it(tiny):
    one, channel, none = (scaled(scale=s) for s in ("layer", "channel", None))
    alpha = float(binary_layers(one)["blocks.0.conv1"].alpha())
    assert f"1 bit x {alpha:.2g} " in str(describe(one))
    assert " to " in str(describe(channel))
    total = [int(describe(m).cells()[-1][5].replace(",", "")) for m in (none, one, channel)]
    assert total[1] - total[0] == 32 * len(binary_layers(one))
    outputs = sum(layer.weight.shape[0] for layer in binary_layers(one).values())
    assert total[2] - total[0] == 32 * outputs


def test_wrong_scales_are_named(tiny):
    with pytest.raises(ConfigError, match=r"scale 'layers'.*did you mean 'layer'"):
        scaled(scale="layers")
    with pytest.raises(ConfigError, match="makes nothing binary"):
        scaled("float")
    with pytest.raises(ConfigError, match="for weights"):
        lab_net("ste", Rule("ste", "clip", "layer"))
    with pytest.raises(ConfigError, match="for weights"):
        lab_net("ste", "random")
    with pytest.raises(ConfigError, match="weights cannot follow"):
        lab_net("stompp-then-ste", "ste")
    with pytest.raises(ConfigError, match="no use for a surrogate"):
        lab_net("random:clip", "ste")
    model = scaled()
    model.blocks[0].conv1.weight.data.zero_()
    with pytest.raises(ConfigError, match=r"'blocks.0.conv1' have a mean size of 0"):
        fit(model, tiny, **SETTINGS)
    with pytest.raises(ConversionError, match="no axis of output channels"):
        as_binary(nn.ConvTranspose2d(4, 4, 2, groups=2), Rule("ste", "clip", "channel"))
    with pytest.raises(ConfigError, match="did you mean 'channel'"):
        Config(scale="chanel")


def test_weights_of_unequal_size_are_not_binary(tiny):
    model = scaled()
    fit(model, tiny, **SETTINGS)
    layer = binary_layers(model)["blocks.0.conv1"]
    layer.binarizer.alpha = torch.linspace(0.1, 0.2, 4).view(4, 1, 1, 1)
    with pytest.raises(NotBinaryError, match="one value a layer"):
        assert_binary(model)
    layer.binarizer.alpha = torch.tensor(0.0)
    with pytest.raises(NotBinaryError, match="one value a layer"):
        assert_binary(model)


def test_what_cannot_be_folded_is_named(tiny):
    torch.manual_seed(0)
    for norm in (nn.Identity(), nn.BatchNorm1d(8, affine=False), nn.LayerNorm(8)):
        layers = [nn.Linear(4, 8), nn.Hardtanh(), nn.Linear(8, 8), norm, nn.Hardtanh()]
        model = nn.Sequential(*layers, nn.Linear(8, 2))
        model = binarize_model(model, torch.zeros(2, 4), weights="ste", scale="layer")
        with pytest.raises(ConversionError, match=r"'2' is not followed by a batch norm"):
            fold_scale(model)
    with pytest.raises(ConversionError, match=r"frozen to 0\.000 only"):
        fold_scale(scaled("stompp", "stompp"))
    with pytest.raises(ConversionError, match="not binarized"):
        fold_scale(nn.Linear(2, 2))
    plain = lab_net("ste", "ste")
    assert same_state(fold_scale(plain), plain)


def test_folding_moves_a_bias_too(tiny):
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(36, 8), nn.Hardtanh(), nn.Linear(8, 8), nn.BatchNorm1d(8)]
    model = nn.Sequential(*layers, nn.Hardtanh(), nn.Linear(8, 3))
    model = binarize_model(model, torch.zeros(1, 1, 6, 6), weights="ste", scale="channel")
    fit(model, tiny, **SETTINGS)
    with torch.no_grad():
        found = fold_scale(model).eval()(tiny.test_x)
        assert torch.allclose(model.eval()(tiny.test_x), found, rtol=1e-4, atol=1e-5)


def test_scale_optimizer_and_schedule_reach_the_command_line():
    changes = [
        "scale=layer",
        "optimizer=adam",
        "lr=0.01",
        "lr_schedule=cosine",
        "plan.order=global",
    ]
    config = recipes.configure(None, None, "hybrid", changes)
    assert (config.scale, config.optimizer, config.lr_schedule) == ("layer", "adam", "cosine")
    assert (config.weights, config.activations) == ("ste:identity", "stompp+ste:clip")
    assert config.plan == Plan(order="global")
    old = config.to_dict()
    for field in ("scale", "optimizer", "lr_schedule"):  # a record from before they existed
        del old[field]
    assert Config.from_dict(old).scale is None and Config.from_dict(old).optimizer == "sgd"
