"""Each relative against its formula, worked out entry by entry, and all of them through a run."""

import math
import statistics

import pytest
import torch

from stompp_lite import Plan, Rule, assert_binary, binarize_model, fit, rng
from stompp_lite.errors import CheckpointError, ConfigError
from stompp_lite.networks.layers import binary_layers
from stompp_lite.networks.models import LabResNet
from stompp_lite.networks.rules import site_of
from stompp_lite.relatives import RELATIVES
from stompp_lite.training.progression import Progression
from tests.conftest import lab_net, same_state

MOVING = 90  # steps before the tail, in the tests of single rules


def sign(u):
    return 1.0 if u >= 0 else -1.0


def latents(filters=6, inputs=5, size=0.4, seed=0):
    g = torch.Generator().manual_seed(seed)
    u = size * torch.randn(filters, inputs, generator=g)
    u[0, 0], u[1, 1], u[2, 2] = 0.0, -0.0, 1.0
    return u.clamp(-1, 1).double()


def at(rule, u, step, of_weights=True, turn=(0, 1)):
    """A Binarizer of ``rule`` at a step of its run, on latent weights ``u``."""
    site = site_of(Rule(rule))
    site.of_weights = of_weights
    weight = torch.nn.Parameter(u.clone())
    site.begin(MOVING, 7, turn, weight if of_weights else None)
    site.p = site.resting_p(step)
    site.follow(step, weight if of_weights else None)
    return site, weight


def there_and_back(site, u):
    """Values, and the gradient of their sum with weights 1, 2, 3, ..."""
    u = u.clone().requires_grad_(True)
    out = site(u)
    upstream = torch.arange(1.0, u.numel() + 1, dtype=u.dtype).view(u.shape)
    (grad,) = torch.autograd.grad(out, u, upstream)
    return out.detach(), grad, upstream


def close(found, wanted):
    assert found.flatten().tolist() == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_xnor_scales_each_filter_by_its_mean_size_now():
    u = latents()
    site, _ = at("xnor", u, 3)
    out, grad, up = there_and_back(site, u)
    rows = u.tolist()
    alpha = [sum(map(abs, row)) / len(row) for row in rows]
    close(out, [a * sign(x) for a, row in zip(alpha, rows) for x in row])
    slope = [1 / len(row) + a * (abs(x) <= 1) for a, row in zip(alpha, rows) for x in row]
    close(grad, [s * g for s, g in zip(slope, up.flatten().tolist())])
    close(site(2 * u) / out, [2.0] * u.numel())  # live, not as training started


def test_react_net_shifts_each_channel_and_learns_the_shift():
    u = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(1)).double()
    site, _ = at("shift", u, 0, of_weights=False)
    assert torch.equal(site(u), torch.where(u >= 0, 1.0, -1.0).to(u.dtype))  # a shift of 0 at first
    site.shift.data = torch.tensor([0.3, -0.2, 0.0]).double()
    out, grad, up = there_and_back(site, u)
    moved = [
        u[n, c, h, w].item() - site.shift[c].item()
        for n in range(2) for c in range(3) for h in range(2) for w in range(2)
    ]  # fmt: skip
    close(out, [sign(x) for x in moved])
    slopes = [max(0.0, 2 - 2 * abs(x)) for x in moved]
    close(grad, [s * g for s, g in zip(slopes, up.flatten().tolist())])
    (learns,) = torch.autograd.grad(site(u), site.shift, up)
    per_channel = torch.tensor(slopes).view(u.shape) * up
    close(learns, [-per_channel[:, c].sum().item() for c in range(3)])


@pytest.mark.parametrize("step", [0, 44, MOVING - 1, MOVING + 5])
def test_ir_net_s_slope_sharpens_and_weights_are_standardized(step):
    t = 10 ** (-3 + 4 * min((step + 1) / MOVING, 1))
    k = max(1 / t, 1)

    def slope(x):
        return k * t * (1 - math.tanh(t * x) ** 2)

    u = latents()
    out, grad, up = there_and_back(at("ede", u, step, of_weights=False)[0], u)
    close(out, [sign(x) for x in u.flatten().tolist()])
    close(grad, [slope(x) * g for x, g in zip(u.flatten().tolist(), up.flatten().tolist())])
    site, _ = at("ede", u, step)
    out, grad, up = there_and_back(site, u)
    standard = []
    for row in u.tolist():
        mean, deviation = statistics.mean(row), statistics.stdev(row)
        standard.append([(x - mean) / deviation for x in row])
    close(out, [sign(x) for row in standard for x in row])
    weighted = [
        [slope(x) * g for x, g in zip(row, g_row)] for row, g_row in zip(standard, up.tolist())
    ]
    for row, x, g, found in zip(u.tolist(), standard, weighted, grad):
        n, deviation = len(row), statistics.stdev(row)
        inner = sum(a * b for a, b in zip(g, x)) / (n - 1)  # the derivative of (u - mean) / std
        close(found, [(gi - sum(g) / n - xi * inner) / deviation for gi, xi in zip(g, x)])


@pytest.mark.parametrize("step", [0, 40, MOVING - 1])
def test_self_binarizing_is_a_tanh_that_sharpens_and_then_a_sign(step):
    u = latents()
    site, _ = at("tanh", u, step)
    if step == MOVING - 1:
        assert torch.equal(site(u), torch.where(u >= 0, 1.0, -1.0).to(u.dtype))
        assert not site(u.clone().requires_grad_(True)).requires_grad
        return
    nu = 1000 ** ((step + 1) / MOVING)
    out, grad, up = there_and_back(site, u)
    close(out, [math.tanh(nu * x) for x in u.flatten().tolist()])
    slopes = [nu * (1 - math.tanh(nu * x) ** 2) for x in u.flatten().tolist()]
    close(grad, [s * g for s, g in zip(slopes, up.flatten().tolist())])


def test_binary_relax_stands_between_a_weight_and_its_sign():
    u, step = latents(), 29
    out, grad, up = there_and_back(at("relax", u, step)[0], u)
    size = 1000 ** (30 / MOVING)
    close(out, [(size * sign(x) + x) / (size + 1) for x in u.flatten().tolist()])
    assert torch.equal(grad, up)


def test_prox_quant_pulls_after_the_step_and_never_past_a_sign():
    u, step = latents(), 59
    site, weight = at("prox", u, step)
    out, grad, up = there_and_back(site, u)
    assert torch.equal(out, u) and torch.equal(grad, up)
    pull = 2 * 4 * (60 / MOVING) / MOVING  # lambda
    site.settle(weight)
    wanted = []
    for x in u.flatten().tolist():
        distance = x - sign(x)
        left = max(abs(distance) - pull, 0.0)
        wanted.append(sign(x) + (left if distance > 0 else -left))
    close(weight.detach(), wanted)
    # each pull is a minimum of pull * abs(v - sign) + (v - u)^2 / 2 over v
    for x, v in zip(u.flatten().tolist(), wanted):
        costs = {w: pull * abs(w - sign(x)) + (w - x) ** 2 / 2 for w in (v, v + 1e-3, v - 1e-3)}
        assert costs[v] == min(costs.values())
    pulls = [2 * 4 * (s / MOVING) / MOVING for s in range(1, MOVING + 1)]
    assert sum(pulls) == pytest.approx(4, 0.02)


def test_inq_holds_the_largest_and_then_the_largest_of_the_rest():
    u = latents(8, 10)
    site, weight = at("inq", u, 0)
    held = set()
    for step, part in ((0, 0.5), (29, 0.75), (59, 0.875)):
        if step:
            free = torch.tensor([i not in held for i in range(80)]).view(8, 10)
            weight.data = torch.where(free, torch.flip(weight.data, [1]) * 0.9, weight.data)
        sizes = weight.detach().abs().flatten().tolist()
        rest = sorted((i for i in range(80) if i not in held), key=lambda i: (-sizes[i], i))
        held |= set(rest[: round(part * 80) - len(held)])
        site.p = site.resting_p(step)
        site.follow(step, weight)
        before = weight.detach().clone()
        out, grad, up = there_and_back(site, before)
        flat, pulls = before.flatten().tolist(), up.flatten().tolist()
        close(out, [sign(x) if i in held else x for i, x in enumerate(flat)])
        close(grad, [0.0 if i in held else g for i, g in enumerate(pulls)])
        weight.data += 0.01  # momentum would
        site.settle(weight)
        close(weight.detach(), [x if i in held else x + 0.01 for i, x in enumerate(flat)])


def test_rpr_frees_a_small_random_part_and_rotates_it():
    u = latents(20, 20)
    site, weight = at("rpr", u, 0)
    counts, before = [], None
    for step in range(0, MOVING - 1, 2):
        site.p = site.resting_p(step)
        site.follow(step, weight)
        round_ = step * 20 // MOVING
        draw, _ = rng.uniform_pair(7, round_, rng.counters((20, 20)))
        free = [d < 0.1 / 2 ** (round_ // 5) for d in draw.flatten().tolist()]
        counts.append(sum(free))
        if before is not None and step * 20 // MOVING > (step - 2) * 20 // MOVING:
            assert before != free
        before = free
        flat = weight.detach().flatten().tolist()
        out, grad, up = there_and_back(site, weight.detach())
        close(out, [x if f else sign(x) for x, f in zip(flat, free)])
        close(grad, [g if f else 0.0 for g, f in zip(up.flatten().tolist(), free)])
        weight.data = weight.data * 0.9
        site.settle(weight)
        close(weight.detach(), [0.9 * x if f else x for x, f in zip(flat, free)])
    assert counts[0] == pytest.approx(40, abs=18) and counts[-1] < 16


def test_stochastic_quantization_draws_filters_by_their_error():
    u = latents(8, 10)
    u[0] = torch.tensor([0.95, -0.9] * 5)  # nearly signs: a small error
    u[1] = 0.02 * u[1]
    picked = [0] * 8
    for step in range(29):
        site, _ = at("filters", u, step)
        drawn = site.drawn(u).tolist()
        assert sum(drawn) == 4
        picked = [a + b for a, b in zip(picked, drawn)]
        errors = [sum(abs(x - sign(x)) for x in row) / sum(map(abs, row)) for row in u.tolist()]
        draws, _ = rng.uniform_pair(7, step, rng.counters([8]))
        clocks = [-math.log(1 - d) * e for d, e in zip(draws.tolist(), errors)]
        first = sorted(range(8), key=lambda i: clocks[i])[:4]
        assert {i for i in range(8) if drawn[i]} == set(first)
        out, grad, up = there_and_back(site, u)
        rows = zip(u.tolist(), drawn)
        close(out, [sign(x) if now else x for row, now in rows for x in row])
        assert torch.equal(grad, up)
    assert picked[0] == 29 and picked[1] == min(picked)
    assert [sum(at("filters", u, s)[0].drawn(u).tolist()) for s in (30, 60, 89)] == [6, 7, 8]


def test_the_draw_of_filters_is_in_proportion_to_one_over_the_error():
    """Of two filters the first is drawn first with probability e2 / (e1 + e2)."""
    u = torch.tensor([[0.5], [0.2]])  # errors 1 and 4: chances 4 / 5 and 1 / 5
    site, _ = at("filters", u, 0)
    site.tau, first = 0.1, 0
    for step in range(2000):
        site.step = step
        first += bool(site.drawn(u)[0])
    assert first / 2000 == pytest.approx(0.8, abs=0.03)


def test_lan_s_layers_become_binary_one_after_the_other_and_train_on():
    u = latents()
    for turn in range(3):
        for step in range(MOVING):
            site, _ = at("layers", u, step, turn=(turn, 3))
            out, grad, up = there_and_back(site, u)
            binary = step + 1 > turn * MOVING / 3
            close(out, [sign(x) if binary else x for x in u.flatten().tolist()])
            assert torch.equal(grad, up)


def test_bop_flips_a_sign_only_after_gradient_against_it():
    u = torch.tensor([[0.5, 0.5, -0.5, -0.5]])
    site, weight = at("bop", u, 0)
    m, w = [0.0] * 4, [1.0, 1.0, -1.0, -1.0]
    flips = 0
    for step in range(80):
        push = [(1 if step < 30 else -1) * g for g in (2e-4, -2e-4, 2e-4, 1e-7)]
        weight.grad = torch.tensor([push])
        weight.data += 0.3  # the optimizer's own step is undone
        site.settle(weight)
        for i, g in enumerate(push):
            m[i] = (1 - 1e-3) * m[i] + 1e-3 * g
            if abs(m[i]) >= 1e-6 and sign(m[i]) == w[i]:
                w[i], flips = -w[i], flips + 1
        assert weight.detach().tolist() == [w]
    assert flips == 4 and w[3] == -1.0
    out, grad, up = there_and_back(site, weight.detach())
    assert out.tolist() == [w] and torch.equal(grad, up)


KINDS = [(rule, kind) for rule, related in RELATIVES.items() for kind in related.kinds]


@pytest.mark.parametrize(("rule", "kind"), KINDS, ids=str)
def test_a_run_ends_binary_and_goes_on_where_it_stopped(rule, kind, tiny, tmp_path):
    rules = {"weights": "ste:identity", "activations": "ste:clip", kind: rule}
    settings = {"epochs": 3, "batch_size": 8, "plan": Plan(tail=0.2), "lr": 0.05, "eval_every": 3}
    whole, parts = lab_net(**rules), lab_net(**rules)
    before = [layer.weight.detach().clone() for layer in binary_layers(whole).values()]
    history = fit(whole, tiny, **settings)
    assert math.isfinite(history.final["loss"])
    assert_binary(whole, tiny.test_x)
    after = [layer.weight.detach() for layer in binary_layers(whole).values()]
    assert all(not torch.equal(a, b) for a, b in zip(before, after))
    file = tmp_path / "run.npz"
    fit(parts, tiny, checkpoint=file, stop_at=10, **settings)
    parts = lab_net(**rules)
    fit(parts, tiny, checkpoint=file, **settings)
    assert same_state(whole, parts)
    fresh = lab_net(**rules, seed=1)  # a finished network is itself wherever it is loaded
    fresh.load_state_dict(whole.state_dict())
    assert torch.equal(fresh.eval()(tiny.test_x), whole.eval()(tiny.test_x))
    other = lab_net("ste:identity" if kind == "weights" else "ste:clip", "ste:identity")
    with pytest.raises(CheckpointError, match="belongs to another run"):
        fit(other, tiny, checkpoint=file, **settings)


def test_a_float_start_loads_into_every_rule(tiny):
    start = lab_net("float", "float", seed=5).state_dict()
    for rule, kind in KINDS:
        model = lab_net(**{"weights": "ste:identity", "activations": "ste:clip", kind: rule})
        model.load_state_dict(start)
        assert torch.equal(model.conv.weight, start["conv.weight"])


def test_lan_follows_the_plan_s_order():
    for order in ("forward", "reverse"):
        walk = Progression(lab_net("layers", "ste:clip"), 100, Plan(order=order))
        turns = [site.turn[0] for site, weight in walk._sites if weight is not None]
        assert turns == sorted(turns, reverse=order == "reverse") and len(set(turns)) > 2


def test_what_a_rule_is_not_for_is_refused():
    net, x = LabResNet(1, 3, width=4, blocks=(1, 1)), torch.zeros(1, 1, 6, 6)
    with pytest.raises(ConfigError, match="activations cannot follow the rule 'inq'"):
        binarize_model(net, x, weights="ste", activations="inq")
    with pytest.raises(ConfigError, match="weights cannot follow the rule 'shift'"):
        binarize_model(net, x, weights="shift", activations="ste")
    with pytest.raises(ConfigError, match="has no scale"):
        binarize_model(net, x, weights="inq", activations="ste", scale="layer")
    with pytest.raises(ConfigError, match="has no use for a surrogate"):
        Rule.parse("inq:clip")
