"""Masks through a run: every choice against the oracle, who moves, and what is left out."""

import copy
import itertools
import math
import pickle
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stompp_lite import Plan, Progression, assert_binary, binarize_model, fit, rng
from stompp_lite.errors import ConfigError, NonFiniteError, NotBinaryError
from stompp_lite.method import MASK_RULES, ORDERS, SHAPES, Binarizer, Walk, Walker
from stompp_lite.networks.layers import binary_layers
from stompp_lite.training.data import batches
from stompp_lite.training.progression import foresee
from tests.conftest import lab_net, same_state
from tests.oracle import OracleTensor, plain_forward, plain_training


def train_step(model, progression, optimizer, data, t, set_to_none=True):
    progression.set_step(t)
    loss = F.cross_entropy(model(data.train_x), data.train_y)
    optimizer.zero_grad(set_to_none=set_to_none)
    loss.backward()
    optimizer.step()
    return loss


def attached(model, steps, plan=None, lr=0.2, **options):
    """A progression and its optimizer."""
    progression = Progression(model, steps, plan, **options)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    progression.attach(optimizer)
    return progression, optimizer


CHOICES = [
    *(Plan(order=o, mask_rule=r) for o in ORDERS for r in MASK_RULES),
    *(Plan(shape=s) for s in SHAPES),
    *(Plan(lead=d, order=o) for d, o in itertools.product((-2, 3), ("forward", "reverse"))),
    *(Plan(refresh=r, mask_rule=m) for r in (0.0, 0.2, 1.0) for m in ("threshold", "redraw")),
    *(Plan(order=o, activation_order=a) for o, a in itertools.permutations(ORDERS, 2)),
    Plan(mask_rule="redraw", activation_mask_rule="threshold"),
    Plan(mask_rule="threshold", activation_mask_rule="per-sample"),
    Plan(tail=0.0),
    Plan(tail=0.35),
]


@pytest.mark.parametrize("plan", CHOICES, ids=str)
def test_every_choice_reaches_p_and_mask_of_every_tensor(plan):
    """The trace of a whole progression: (p, mask) of each tensor at each step, as the oracle's."""
    seed, steps = 7, 43
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(4, 5), nn.Hardtanh(), nn.Linear(5, 6), nn.Hardtanh(), nn.Linear(6, 3),
        nn.Hardtanh(), nn.Linear(3, 2),
    )  # fmt: skip
    model = binarize_model(net, torch.zeros(1, 4))
    progression = Progression(model, steps, plan, seed=seed)
    batch = torch.zeros(2, 1)
    oracles = {}
    for stage in model.binarization.stages:
        for kind, names in (("weight", stage.weights), ("activation", stage.activations)):
            for name in names:
                module = model.get_submodule(name)
                site = module.binarizer if kind == "weight" else module
                width = {"1": 5, "3": 6, "5": 3}.get(name)
                u = module.weight if kind == "weight" else batch.expand(2, width)
                numel = u.numel() if kind == "weight" else width
                key = rng.make_key(seed, name, kind)
                oracle = OracleTensor(plan, kind, stage.index, 3, steps, seed, key, numel)
                oracles[name, kind] = site, u, oracle
    assert len(oracles) == 5
    seen = 0
    for t in range(steps):
        progression.set_step(t)
        for (name, kind), (site, u, oracle) in oracles.items():
            assert site.p == pytest.approx(oracle.p(t), abs=1e-12), (name, kind, t)
            want = oracle.mask(t, u.numel())
            assert (site.mask is None) == (want is None)
            if want is not None:
                mask, seen = site.mask(u), seen + 1
                assert mask.flatten().tolist() == want, (name, kind, t)
                rule = plan.rule(kind)
                assert mask.shape == (
                    u.shape if kind == "weight" or rule == "per-sample" else u[0].shape
                )
    assert seen >= 20


def test_seed_and_name_and_kind_give_masks_of_their_own():
    def masks(seed):
        model = lab_net(blocks=(2, 2))
        progression = Progression(model, 40, Plan(order="global", tail=0.0), seed=seed)
        progression.set_step(30)
        same = [m for n, m in binary_layers(model).items() if m.weight.shape == (8, 8, 3, 3)]
        weights = [m.binarizer.mask(m.weight) for m in same]
        images = [model.blocks[i].act1.mask(torch.zeros(1, 4, 6, 6)) for i in (0, 1)]
        return weights + images

    first, other = masks(0), masks(1)
    for a, b in itertools.combinations(first[:3], 2):
        assert not torch.equal(a, b)
    assert not torch.equal(*first[3:])
    assert all(not torch.equal(a, b) for a, b in zip(first, other))
    assert all(torch.equal(a, b) for a, b in zip(first, masks(0)))


def walker(rule, numel=50_000, p=lambda t: 0.5, rho=0.01, key=3, start=0):
    return Walker(Binarizer(), p, start, key, rule, rho), torch.zeros(1, numel)


def test_threshold_mask_follows_p_exactly():
    path = [0.05, 0.1, 0.3, 0.7, 0.9]
    w, u = walker("threshold", 20_000, path.__getitem__, 0.05)
    for step, p in enumerate(path):
        frozen = float(w.mask(step, u).float().mean())
        assert abs(frozen - p) < 4 * (p * (1 - p) / 20_000) ** 0.5 + 1e-9


def test_refresh_changes_the_right_share_of_entries():
    for refresh in (0.0, 0.02, 0.5):
        w, u = walker("threshold", rho=refresh)
        w.mask(0, u)
        before = w.numbers.clone()
        w.mask(1, u)
        changed = float((w.numbers != before).float().mean())
        assert abs(changed - refresh) < 4 * (refresh * (1 - refresh) / 50_000) ** 0.5 + 1e-9


def test_redraw_lags_behind_p_and_threshold_does_not():
    share = {}
    for rule in ("threshold", "redraw"):
        w, u = walker(rule, p=lambda t: 0.8)
        share[rule] = float(w.mask(49, u).float().mean())
    assert share["threshold"] == pytest.approx(0.8, abs=0.01)
    # mean of an entry after 50 redraw chances of 1 %: 0.8 (1 - 0.99^50)
    assert share["redraw"] == pytest.approx(0.8 * (1 - 0.99**50), abs=0.01)


def test_per_sample_masks_differ_between_samples_and_steps():
    w, _ = walker("per-sample", p=lambda t: 0.5)
    u = torch.zeros(2, 1000)
    first = w.mask(4, u)
    assert torch.equal(first, w.mask(4, u)) and first.shape == u.shape
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, w.mask(5, u))
    assert w.mask(4, u[:1]).shape == (1, 1000)  # another batch size in the same step
    assert abs(float(first.float().mean()) - 0.5) < 0.05


@pytest.mark.parametrize("rule", MASK_RULES)
def test_masks_are_the_same_whatever_was_asked_before(rule):
    """Step by step, at once, back and forth, and after a copy and a pickle."""
    path = [i / 30 for i in range(30)]
    walked, u = walker(rule, 500, path.__getitem__, 0.2, start=4)
    want = {t: walked.mask(t, u) for t in range(4, 30)}
    jumper, _ = walker(rule, 500, path.__getitem__, 0.2, start=4)
    for t in (20, 20, 5, 29, 4, 9, 6, 13):
        assert torch.equal(jumper.mask(t, u), want[t])
    assert torch.equal(copy.deepcopy(jumper).mask(25, u), want[25])


@pytest.mark.parametrize("rule", MASK_RULES)
def test_no_draw_is_made_twice(rule, monkeypatch):
    drawn, draw = [], rng.uniform_pair
    monkeypatch.setattr(rng, "uniform_pair", lambda *a: drawn.append(a[1]) or draw(*a))
    w, u = walker(rule, 50, p=lambda t: 0.5, start=6)
    for t in (9, 9, 11, 11, 12):
        w.mask(t, u)
    assert drawn == ([3, 3, 5, 5, 6] if rule == "per-sample" else list(range(7)))


def test_the_edges_of_a_draw():
    """Frozen is below p, not at it; drawn anew is below rho, not at it."""
    w, u = walker("threshold", 100)
    w.mask(0, u)
    number = float(w.numbers[7])
    coins, _ = rng.uniform_pair(3, 1, rng.counters([100]))
    edge, _ = walker("threshold", 100, p=lambda t: number, rho=float(coins[7]))
    assert not edge.mask(0, u)[7]
    edge.mask(1, u)
    assert float(edge.numbers[7]) == number
    above, _ = walker("threshold", 100, p=lambda t: number + 2**-24, rho=float(coins[7]) + 2**-24)
    assert above.mask(0, u)[7]
    above.mask(1, u)
    assert float(above.numbers[7]) != number


def test_masks_are_made_where_the_tensor_is():
    for rule in MASK_RULES:
        w, _ = walker(rule)
        assert w.mask(2, torch.zeros(2, 3, 4, device="meta")).device.type == "meta"


def test_a_walk_alone_holds_what_is_frozen():
    """The heart without the rest: one latent weight, no model, no forward pass."""
    latent = nn.Parameter(torch.linspace(-0.9, 0.9, 40))
    path = [0.0, 0.5, 0.5, 1.0, 1.0]
    walk = Walk([Walker(Binarizer(), path.__getitem__, 1, 5, weight=latent), walker("redraw")[0]])
    optimizer = torch.optim.SGD([latent], lr=0.06, momentum=0.9)
    walk.attach(optimizer)
    for t, p in enumerate(path):
        walk.set_step(t)
        before, latent.grad = latent.detach().clone(), torch.ones(40)
        optimizer.step()
        still = latent == before
        if 0 < p < 1:
            frozen = walk.walkers[0].mask(t, latent)
            assert 5 < int(frozen.sum()) < 35 and torch.equal(still, frozen | (before == -1))
        else:
            assert still.all() if p == 1 else not still.any()
    assert float(latent.detach().min()) == -1


def test_a_model_in_mid_run_can_be_copied_and_pickled():
    model = lab_net()
    Progression(model, 50, Plan(tail=0.0)).set_step(5)
    x = torch.randn(2, 1, 6, 6)
    want = model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other.act.p = model.act.p
        assert torch.equal(other(x), want)


def test_frozen_latents_stand_still_and_free_ones_move(tiny):
    model = lab_net()
    progression, optimizer = attached(model, 100, Plan(tail=0.0, refresh=0.0))
    layer = model.blocks[0].conv1
    moved_later = torch.zeros_like(layer.weight, dtype=torch.bool)
    for t in range(40):  # stage 1 has its window in steps 20 ... 39
        before = layer.weight.detach().clone()
        train_step(model, progression, optimizer, tiny, t)
        moved = layer.weight != before
        if layer.binarizer.mask is not None:
            mask = layer.binarizer.mask(layer.weight)
            assert not moved[mask].any()
            assert moved[~mask].any() or not (~mask).any()
        moved_later |= moved
    assert moved_later.any()
    before = layer.weight.detach().clone()
    for t in range(40, 50):
        train_step(model, progression, optimizer, tiny, t)
    assert torch.equal(layer.weight, before)  # committed


def test_momentum_option_lets_frozen_latents_move(tiny):
    model = lab_net()
    plan = Plan(tail=0.0, refresh=0.0, frozen_momentum=True)
    progression, optimizer = attached(model, 100, plan)
    layer, moved = model.blocks[0].conv1, False
    for t in range(36):
        before = layer.weight.detach().clone()
        train_step(model, progression, optimizer, tiny, t)
        if layer.binarizer.mask is not None:
            moved |= bool((layer.weight != before)[layer.binarizer.mask(before)].any())
    assert moved
    for t in range(40, 44):  # committed: momentum goes on, but float parameters have none to obey
        before = copy.deepcopy(model.state_dict())
        train_step(model, progression, optimizer, tiny, t)
        now = model.state_dict()
        assert not torch.equal(now["blocks.0.conv1.weight"], before["blocks.0.conv1.weight"])
        for name in ("conv.weight", "bn.weight", "bn.bias"):
            assert torch.equal(now[name], before[name])


def test_without_momentum_the_momentum_option_changes_nothing(tiny):
    ends = []
    for option in (False, True):
        model = lab_net()
        fit(
            model, tiny, epochs=12, batch_size=16, momentum=0.0, progress=False, diagnose=False,
            plan=Plan(frozen_momentum=option, refresh=0.2),
        )  # fmt: skip
        ends.append(model)
    assert same_state(*ends)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_plain_loop_moves_nothing_that_is_frozen(tiny, momentum):
    """Whatever zero_grad does, the same weights come out, and no frozen entry ever moves."""
    ends = []
    for set_to_none in (True, False):
        model = lab_net(blocks=(2, 1))
        progression = Progression(model, 60, Plan(refresh=0.0))
        optimizer = torch.optim.SGD(
            model.parameters(), lr=0.5, momentum=momentum, weight_decay=0.01
        )
        progression.attach(optimizer)
        for t in range(60):
            before = {n: m.weight.detach().clone() for n, m in binary_layers(model).items()}
            train_step(model, progression, optimizer, tiny, t, set_to_none)
            for name, layer in binary_layers(model).items():
                b, same = layer.binarizer, layer.weight == before[name]
                assert same.all() if b.p == 1 else b.p == 0 or same[b.mask(layer.weight)].all()
        assert_binary(model, tiny.train_x[:1])
        ends.append(model)
    assert same_state(*ends)


def test_frozen_latents_keep_learning_with_a_surrogate(tiny):
    """The second variant of the method: frozen entries move, because gradient passes them."""
    model = lab_net("stompp+ste", "stompp+ste")
    progression, optimizer = attached(model, 100, Plan(tail=0.1, refresh=0.0))
    layer, mid_window = model.blocks[0].conv1, 0
    for t in range(100):
        before = layer.weight.detach().clone()
        train_step(model, progression, optimizer, tiny, t)
        if layer.binarizer.mask is not None:
            frozen = layer.binarizer.mask(before)
            mid_window += int((layer.weight != before)[frozen].sum())
    assert mid_window > 50
    assert not torch.equal(layer.weight, before)  # in the tail, wholly frozen, it still moves


def test_the_intervention_opens_what_is_committed_and_nothing_else(tiny):
    """Until a stage is committed, nothing passes its frozen entries; from then on, all can."""
    model = lab_net("stompp", "stompp-then-ste")
    progression, _ = attached(model, 50, Plan(order="reverse", tail=0.0))
    seen = set()
    for t in range(50):
        progression.set_step(t)
        for name in model.binarization.activation_sites:
            site = model.get_submodule(name)
            x = torch.randn(20, *site.shape, requires_grad=True)
            site(x).sum().backward()
            inside, passed = x.abs() <= 1, x.grad != 0
            frozen = site.mask(x) if site.mask else torch.full_like(x[0], site.p, dtype=torch.bool)
            assert torch.equal(passed, inside if site.p == 1 else inside & ~frozen)
            seen.add("committed" if site.p == 1 else "half" if site.p else "free")
    assert seen == {"free", "half", "committed"}


def test_an_optimizer_that_wants_a_closure(tiny):
    """SGD may evaluate the loss inside its step; LBFGS does so many times, and is refused."""
    ends = []
    for inside in (False, True):
        model = lab_net()
        progression, optimizer = attached(model, 30)
        for t in range(30):
            progression.set_step(t)

            def closure(model=model, optimizer=optimizer):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(tiny.train_x), tiny.train_y)
                loss.backward()
                return loss

            if inside:
                optimizer.step(closure)
            else:
                closure()
                optimizer.step()
        ends.append(model)
    assert same_state(*ends)
    model = lab_net()
    with pytest.raises(ConfigError, match="LBFGS evaluates the loss several times"):
        Progression(model, 30).attach(torch.optim.LBFGS(model.parameters()))


def test_latents_stay_in_the_unit_interval(tiny):
    for rule in ("ste", "stompp", "stompp+ste", "float"):
        model = lab_net(rule, rule)
        fit(model, tiny, epochs=3, batch_size=16, lr=5.0, progress=False, diagnose=False)
        for stage in model.binarization.stages:
            for name in stage.weights:
                assert float(model.get_submodule(name).weight.detach().abs().max()) <= 1


def test_reversed_order_replays_the_same_masks():
    seen = {}
    for order in ("forward", "reverse"):
        model = lab_net()
        progression = Progression(model, 50, Plan(order=order, tail=0.0), seed=9)
        layer, masks = model.blocks[1].conv1, []
        for t in range(50):
            progression.set_step(t)
            if layer.binarizer.mask is not None:
                masks.append(layer.binarizer.mask(layer.weight))
        seen[order] = masks
    assert len(seen["forward"]) == len(seen["reverse"]) > 5
    assert all(torch.equal(a, b) for a, b in zip(seen["forward"], seen["reverse"]))


@pytest.mark.parametrize(
    ("rules", "plan", "blind"),
    [
        (("stompp", "stompp"), Plan(), [0, 0, 0, 0]),
        (("stompp", "stompp"), Plan(order="global"), [0, 0, 0, 0]),
        (("stompp", "stompp"), Plan(order="reverse"), [1, 1, 1, 0]),  # behind them, all is done
        (("stompp", "stompp"), Plan(lead=1), [0, 0, 0, 0]),
        (("stompp", "stompp"), Plan(lead=-1), [1, 1, 1, 1]),
        (("stompp", "stompp-then-ste"), Plan(order="reverse"), [0, 0, 0, 0]),
        (("stompp+ste", "stompp+ste"), Plan(order="reverse"), [0, 0, 0, 0]),
        (("stompp", "float"), Plan(order="reverse"), [0, 0, 0, 0]),
        (("stompp", "stompp"), Plan(order="reverse", activation_order="forward"), [1, 0, 0, 0]),
    ],
)
def test_blind_commits_follow_from_the_plan(rules, plan, blind):
    model = lab_net(*rules)
    found = foresee(model, 60, plan)["blind"]
    assert math.isnan(found[0])  # the stem's activation
    assert found[1:] == pytest.approx(blind, abs=0.001)  # the first step of a window
    assert all(p.requires_grad for p in model.parameters())


def test_learning_time_ends_with_the_weight_or_with_the_gradient():
    model, linear = lab_net(), {"shape": "linear", "tail": 0.0}
    windows = [0.2, 0.4, 0.6, 0.8]  # of five: when those of the stages with weights begin
    forward = foresee(model, 1000, Plan(**linear))["learning"][1:]
    assert forward == pytest.approx([w + 0.1 for w in windows], abs=0.005)
    late = foresee(model, 1000, Plan(order="global", activation_order="forward", **linear))
    expected = [end - end**2 / 2 for end in (0.4, 0.6, 0.8, 1.0)]  # its activation cuts it off
    assert late["learning"][1:] == pytest.approx(expected, abs=0.005)
    kept = foresee(lab_net("ste", "ste"), 100)
    assert kept["blind"][1:] == [0.0] * 4  # nothing is ever cut off
    foresee(model, 5, Plan(**linear))  # windows of one step: the stem is cut off in the first
    assert all(p.requires_grad for p in model.parameters())


def test_blind_commits_are_what_a_run_does(tiny):
    """Measured: the gradient at the step before, of each weight that a step freezes."""
    plan, steps = Plan(lead=-1, tail=0.1, refresh=0.0), 60
    model = lab_net()
    progression, optimizer = attached(model, steps, plan)
    layers, zero = [model.get_submodule(s.weights[0]) for s in model.binarization.stages[1:]], {}
    blind, frozen = [0] * 4, [torch.zeros_like(m.weight, dtype=torch.bool) for m in layers]
    for t in range(steps):
        progression.set_step(t)
        for i, m in enumerate(layers):
            b = m.binarizer
            now = b.mask(m.weight) if b.mask else torch.full_like(frozen[i], b.p == 1)
            if t:
                blind[i] += int((now & ~frozen[i] & zero[i]).sum())
            frozen[i] = now
        train_step(model, progression, optimizer, tiny, t)
        zero = {
            i: torch.ones_like(frozen[i]) if m.weight.grad is None else m.weight.grad == 0
            for i, m in enumerate(layers)
        }
    found = foresee(model, steps, plan)["blind"][1:]
    assert [b / m.weight.numel() for b, m in zip(blind, layers)] == pytest.approx(found, abs=0.1)


def test_weights_and_activations_have_orders_of_their_own():
    model = lab_net()
    plan = Plan(order="forward", activation_order="reverse", tail=0.0)
    progression = Progression(model, 50, plan)
    progression.set_step(24)  # the middle of five windows of ten
    p = progression.fractions()
    assert p["weights"][1] == 1 and p["weights"][4] == 0
    assert p["weights"][0] == 0  # stage 0 has no weights
    assert p["activations"][4] == 1 and p["activations"][0] == 0


def test_a_plan_gives_schedules_of_a_whole_run():
    plan = Plan(order="random", activation_order="reverse", tail=0.2)
    found = plan.schedules(4, 100, seed=3)
    assert (found["weight"].steps, found["weight"].order, found["weight"].seed) == (80, "random", 3)
    assert found["activation"].turns == (3, 2, 1, 0)
    assert plan.schedules(4, 100)["weight"].seed == 0
    assert Plan(tail=0.9).schedules(1, 5)["weight"].steps == 1  # at least one step moves


def test_hybrid_rules_are_combinations(tiny):
    model = lab_net(weights="ste:identity", activations="stompp")
    history = fit(model, tiny, epochs=10, batch_size=16, progress=False, seed=1)
    first, last = history.epochs[0], history.epochs[-1]
    assert first["p_weights"][1:] == [1.0] * 4
    assert first["p_activations"][-1] == 0.0 and last["p_activations"] == [1.0] * 5


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "rules",
    [
        ("stompp", "stompp"), ("stompp+ste",) * 2, ("ste", "stompp"), ("stompp", "ste"),
        ("stompp", "stompp-then-ste"),
    ],
)  # fmt: skip
def test_a_run_is_equal_to_the_bit_to_the_slow_oracle(tiny, order, rules, monkeypatch):
    """The oracle computes every gradient through every mask and leaves nothing out."""
    settings = {"epochs": 8, "batch_size": 16, "seed": 3}
    fast = lab_net(*rules)
    history = fit(
        fast, tiny, plan=Plan(order=order), progress=False, diagnose=False, history="step",
        **settings,
    )  # fmt: skip
    slow = lab_net(*rules)
    progression = Progression(slow, 24, Plan(order=order), seed=3)
    monkeypatch.setattr("stompp_lite.networks.rules.Site.forward", plain_forward)

    def set_step(t):
        progression._held = True  # the oracle holds what is frozen by itself
        progression.set_step(t)
        for p in slow.parameters():
            p.requires_grad_(True)  # the oracle leaves nothing out

    slow.train()
    layers = binary_layers(slow)
    losses = plain_training(
        slow, tiny, [i for e in range(8) for i in batches(48, 16, 3, e)],
        lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9), set_step,
        {n: m.binarizer for n, m in layers.items()}, {n: m.weight for n, m in layers.items()},
    )  # fmt: skip
    monkeypatch.undo()
    assert history.steps["loss"] == losses
    assert same_state(fast, slow)


class Skipping(nn.Module):
    """A residual network that skips blocks at random in training, as stochastic depth does."""

    def __init__(self):
        super().__init__()
        self.stem, self.act = nn.Linear(6, 8), nn.Hardtanh()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)) for _ in range(3)
        )
        self.acts = nn.ModuleList(nn.Hardtanh() for _ in range(3))
        self.head = nn.Linear(8, 3)
        self.skip = None

    def forward(self, x):
        x = self.act(self.stem(x))
        for i, (block, act) in enumerate(zip(self.blocks, self.acts)):
            if not (
                self.training and (self.skip == i or (self.skip is None and torch.rand(()) < 0.3))
            ):
                x = act(block(x) + x)
        return self.head(x)


def test_a_block_skipped_when_a_stage_commits_stays_trainable():
    """What can no longer learn follows from the graph, not from one batch's missing gradients."""
    torch.manual_seed(0)
    model = binarize_model(Skipping(), torch.randn(2, 6))
    progression, optimizer = attached(model, 40, Plan(tail=0.0))
    x, y = torch.randn(16, 6), torch.arange(16) % 3
    layer = model.blocks[2][0]
    for t in range(40):
        model.skip = 2 if t < 25 else -1
        progression.set_step(t)
        assert layer.weight.requires_grad == (t < 39), t
        before = layer.weight.detach().clone()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        if 25 <= t < 29:
            assert not torch.equal(before, layer.weight)
    assert not model.stem.weight.requires_grad


def test_a_committed_prefix_is_neither_stored_nor_visited(tiny):
    """Autograd holds nothing of the prefix after the forward pass; backward stays out of it."""
    model = lab_net(blocks=(2, 2))
    progression, optimizer = attached(model, 90, Plan(tail=0.0))
    for t in range(46):  # stages 0 ... 3 are committed, 4 is on its way (nine windows of ten)
        train_step(model, progression, optimizer, tiny, t)

    alive: list[weakref.ref] = []

    class Stored:
        def __init__(self, tensor):
            self.tensor = tensor

    def pack(tensor):
        kept = Stored(tensor)
        alive.append(weakref.ref(kept))
        return kept

    per_stage, entered = {}, []
    handles = []
    for stage in model.binarization.stages:
        for name in stage.activations:

            def count(_m, _i, out, index=stage.index):
                per_stage[index] = sum(r() is not None for r in alive)
                if out.requires_grad:
                    out.register_hook(lambda g, index=index: entered.append(index))

            handles.append(model.get_submodule(name).register_forward_hook(count))
    progression.set_step(46)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        F.cross_entropy(model(tiny.train_x), tiny.train_y).backward()
    assert [per_stage[i] for i in range(4)] == [0, 0, 0, 0]
    assert per_stage[8] > 10
    assert sorted(entered) == [4, 5, 6, 7, 8]
    committed = [model.conv, model.bn, *model.blocks[0].modules(), model.blocks[1].conv1]
    for module in committed:
        assert all(p.grad is None for p in module.parameters(recurse=False))


def test_tail_is_all_frozen_and_every_method_has_it():
    for rule in ("stompp", "stompp+ste"):
        progression = Progression(lab_net(rule, rule), 100, Plan(tail=0.2))
        assert min(progression.fractions(79)["weights"][1:]) == 1.0
        assert progression.fractions(78)["weights"][-1] < 1.0
    assert Progression(lab_net("ste", "ste"), 10).fractions(0)["activations"] == [1.0] * 5


def test_assert_binary_finds_each_fault(tiny):
    model = lab_net()
    progression = Progression(model, 20)
    with pytest.raises(NotBinaryError, match="the run is not over"):
        assert_binary(model)
    progression.set_step(19)
    assert_binary(model)
    model.blocks[0].conv1.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(NonFiniteError, match=r"blocks\.0\.conv1"):
        assert_binary(model)
    model.blocks[0].conv1.weight.data[0, 0, 0, 0] = 0.0
    model.blocks[0].conv1.binarizer.forward = lambda w: w
    with pytest.raises(NotBinaryError, match="differ from those exported"):
        assert_binary(model)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Plan(order="forwards"), "unknown order 'forwards'; did you mean 'forward'"),
        (lambda: Plan(shape="cubik"), "unknown shape 'cubik'; did you mean 'cubic'"),
        (lambda: Plan(activation_order="bakward"), "unknown order 'bakward'"),
        (lambda: Plan(mask_rule="treshold"), "unknown mask rule 'treshold'; did you mean"),
        (lambda: Plan(refresh=1.5), r"lie in \[0, 1\], got 1.5"),
        (lambda: Plan(refresh=float("nan")), "got nan"),
        (lambda: Plan(tail=-0.1), "got -0.1"),
        (lambda: Plan(tail=1.0), "leaves no steps"),
        (
            lambda: Plan(activation_mask_rule="per_sample"),
            "unknown mask rule 'per_sample'; did you mean 'per-sample'",
        ),
        (lambda: Plan(lead=0.5), "the lead must be of type int, got 0.5"),
        (lambda: Plan(lead=2, activation_order="global").schedules(5, 50), "two layerwise orders"),
        (lambda: Plan(frozen_momentum=1), "frozen_momentum must be of type bool, got 1"),
        (lambda: Progression(lab_net(), 50, "reverse"), "must be a Plan, such as"),
        (lambda: Progression(lab_net(), 50, seed=0.5), "seed must be of type int, got 0.5"),
        (lambda: Progression(lab_net(), 4), "progression steps for 5 windows"),
        (lambda: Progression(lab_net(), 0), "at least 1, got 0"),
    ],
)
def test_bad_input(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


def test_steps_may_go_back_and_what_was_cut_learns_again(tiny):
    model = lab_net()
    progression = Progression(model, 50, Plan(tail=0.0))
    x = tiny.train_x
    progression.set_step(12)
    want = model.eval()(x)
    progression.set_step(45)
    assert not model.conv.weight.requires_grad
    progression.set_step(12)
    assert torch.equal(model(x), want)
    progression.set_step(3)
    assert model.conv.weight.requires_grad
    with pytest.raises(ConfigError, match=r"a step must be .* at least 0, got -1"):
        progression.set_step(-1)
    with pytest.raises(ConfigError, match=r"got 1\.5"):
        progression.fractions(1.5)


def test_release_gives_back_what_the_caller_had():
    model = lab_net()
    model.head.bias.requires_grad_(False)
    progression = Progression(model, 50)
    progression.set_step(49)
    progression.release()
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["head.bias"]


def own_loop(model, data, steps=30, attach=True, plan=None, **options):
    """The loop of the README."""
    progression = Progression(model, steps, plan, **options)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    if attach:
        progression.attach(optimizer)
    for t in range(steps):
        train_step(model, progression, optimizer, data, t)
    return progression


def test_a_second_run_trains_what_the_first_one_cut_off(tiny):
    model = lab_net()
    model.bn.weight.requires_grad_(False)  # the caller's own choice survives
    own_loop(model, tiny, 8)
    for again in (
        lambda m, d: own_loop(m, d, 8),
        lambda m, d: fit(m, d, epochs=3, batch_size=16, progress=False, diagnose=False),
    ):
        for net in (copy.deepcopy(model), model):
            before = {n: p.detach().clone() for n, p in net.named_parameters()}
            again(net, tiny)
            still = [n for n, p in net.named_parameters() if torch.equal(p, before[n])]
            assert still == ["bn.weight"]


def test_a_loop_without_attach_is_noticed(tiny):
    with pytest.raises(ConfigError, match=r"call progression\.attach\(optimizer\) before the loop"):
        own_loop(lab_net(), tiny, attach=False)
    own_loop(lab_net("ste", "ste"), tiny, attach=False)  # nothing is ever masked


def test_an_optimizer_that_does_not_call_its_hooks_is_noticed(tiny):
    class Deaf(torch.optim.SGD):
        def register_step_post_hook(self, hook):
            return None

        register_step_pre_hook = register_step_post_hook

    model = lab_net()
    progression = Progression(model, 30)
    optimizer = Deaf(model.parameters(), lr=0.2)
    progression.attach(optimizer)
    train_step(model, progression, optimizer, tiny, 0)
    with pytest.raises(ConfigError, match="did not call its step hooks"):
        train_step(model, progression, optimizer, tiny, 1)


def test_an_optimizer_of_another_model_is_refused(tiny):
    model, other = lab_net(), lab_net()
    with pytest.raises(ConfigError, match="moves none of this model's parameters"):
        Progression(model, 30).attach(torch.optim.SGD(other.parameters(), lr=0.1))
    with pytest.raises(ConfigError, match="moves parameters that are not the model's"):
        fit(
            model, tiny, epochs=4, batch_size=16,
            optimizer=lambda ps: torch.optim.SGD(other.parameters(), lr=0.1),
        )  # fmt: skip


def test_weights_replaced_behind_its_back_are_noticed():
    model = lab_net()
    progression = Progression(model, 30)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(state, assign=True)
    with pytest.raises(ConfigError, match="is another tensor than when the progression was made"):
        progression.set_step(1)


def test_what_the_user_freezes_in_mid_run_stays_frozen(tiny):
    model = lab_net()
    progression, optimizer = attached(model, 40)
    for t in range(40):
        if t == 6:
            model.head.requires_grad_(False)
            before = model.head.weight.detach().clone()
        progression.set_step(t)
        loss = F.cross_entropy(model(tiny.train_x), tiny.train_y)
        if loss.requires_grad:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert torch.equal(model.head.weight, before) and not model.head.weight.requires_grad


class Auxiliary(nn.Module):
    """A second output in training, taken before anything is binary."""

    def __init__(self):
        super().__init__()
        self.stem, self.act, self.layer = nn.Linear(6, 8), nn.Hardtanh(), nn.Linear(8, 8)
        self.act2, self.out, self.aux = nn.Hardtanh(), nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x):
        h = self.stem(x)
        y = self.out(self.act2(self.layer(self.act(h))))
        return (y, self.aux(h)) if self.training else y


def test_what_another_output_still_reaches_goes_on_learning():
    torch.manual_seed(0)
    model = binarize_model(Auxiliary(), torch.randn(2, 6), keep_float="aux")
    progression, optimizer = attached(model, 30)
    x, y = torch.randn(16, 6), torch.arange(16) % 3
    for t in range(30):
        progression.set_step(t)
        before = model.stem.weight.detach().clone()
        optimizer.zero_grad()
        sum(F.cross_entropy(out, y) for out in model(x)).backward()
        optimizer.step()
        assert not torch.equal(model.stem.weight, before), t
    assert not model.layer.weight.requires_grad  # this one only the committed output could reach


def test_nothing_is_cut_off_on_request(tiny):
    """For losses of features that a hook takes; the same weights come out where there are none."""
    ends = []
    for cut in (True, False):
        model = lab_net()
        progression = own_loop(model, tiny, cut=cut)
        assert all(p.requires_grad for p in model.parameters()) != cut
        progression.release()
        assert all(p.requires_grad for p in model.parameters())
        ends.append(model)
    assert same_state(*ends)
