"""Masks through a run: who moves, who stands still, and what the fast path leaves out."""

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F

from stompp_lite import Plan, Progression, assert_binary, fit
from stompp_lite.errors import CheckpointError, ConfigError, NonFiniteError, NotBinaryError
from stompp_lite.masks import MASK_RULES, Mask
from stompp_lite.schedule import ORDERS
from tests.conftest import lab_net, same_state


def train_step(model, progression, optimizer, data, t):
    progression.set_step(t)
    loss = F.cross_entropy(model(data.train_x), data.train_y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    progression.before_update()
    optimizer.step()
    progression.after_update()
    return loss


def sgd(model, lr=0.2):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def test_threshold_mask_follows_p_exactly():
    mask = Mask(key=1, numel=20_000, rule="threshold", refresh=0.05, device="cpu")
    for step, p in enumerate([0.0, 0.1, 0.3, 0.7, 1.0]):
        frozen = float(mask.advance(p, step).float().mean())
        assert abs(frozen - p) < 4 * (p * (1 - p) / 20_000) ** 0.5 + 1e-9


def test_refresh_changes_the_right_share_of_entries():
    for refresh in (0.0, 0.02, 0.5):
        mask = Mask(2, 50_000, "threshold", refresh, "cpu")
        mask.advance(0.5, 0)
        before = mask.state.clone()
        mask.advance(0.5, 1)
        changed = float((mask.state != before).float().mean())
        assert abs(changed - refresh) < 4 * (refresh * (1 - refresh) / 50_000) ** 0.5 + 1e-9


def test_redraw_lags_behind_p_and_threshold_does_not():
    share = {}
    for rule in MASK_RULES:
        mask = Mask(3, 50_000, rule, 0.01, "cpu")
        for step in range(50):
            frozen = mask.advance(0.8, step)
        share[rule] = float(frozen.float().mean())
    assert share["threshold"] == pytest.approx(0.8, abs=0.01)
    # mean of an entry after 50 redraw chances of 1 %: 0.8 (1 - 0.99^50)
    assert share["redraw"] == pytest.approx(0.8 * (1 - 0.99**50), abs=0.01)


@pytest.mark.parametrize("rule", MASK_RULES)
def test_mask_state_survives_packing(rule):
    a, b = (Mask(4, 1003, rule, 0.1, "cpu") for _ in range(2))
    for step in range(5):
        a.advance(0.4, step)
    b.unpack(a.pack())
    b.step = a.step
    assert torch.equal(a.advance(0.5, 5), b.advance(0.5, 5))
    if rule == "redraw":
        assert a.pack().numel() == 126  # eight entries a byte


def test_frozen_latents_stand_still_and_free_ones_move(tiny):
    model = lab_net()
    progression, optimizer = Progression(model, 100, Plan(tail=0.0, refresh=0.0)), sgd(model)
    layer = model.blocks[0].conv1
    moved_later = torch.zeros_like(layer.weight, dtype=torch.bool)
    for t in range(40):  # stage 1 has its window in steps 20 ... 39
        before = layer.weight.detach().clone()
        train_step(model, progression, optimizer, tiny, t)
        moved = layer.weight != before
        mask = layer.binarizer.mask
        if mask is not None:
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
    progression, optimizer = Progression(model, 100, plan), sgd(model)
    layer, moved = model.blocks[0].conv1, False
    for t in range(36):
        before = layer.weight.detach().clone()
        train_step(model, progression, optimizer, tiny, t)
        mask = layer.binarizer.mask
        if mask is not None and mask.any():
            moved |= bool((layer.weight != before)[mask].any())
    assert moved


def test_latents_stay_in_the_unit_interval(tiny):
    for rule in ("ste", "stompp", "stompp+ste", "float"):
        model = lab_net(rule, rule)
        fit(model, tiny, epochs=10, batch_size=16, lr=5.0, progress=False, diagnose=False)
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
                masks.append(layer.binarizer.mask.clone())
        seen[order] = masks
    assert len(seen["forward"]) == len(seen["reverse"]) > 5
    assert all(torch.equal(a, b) for a, b in zip(seen["forward"], seen["reverse"]))


def test_weights_and_activations_have_orders_of_their_own():
    model = lab_net()
    plan = Plan(order="forward", activation_order="reverse", tail=0.0)
    progression = Progression(model, 50, plan)
    progression.set_step(24)  # the middle of five windows of ten
    p = progression.fractions()
    assert p["weights"][1] == 1 and p["weights"][4] == 0
    assert p["activations"][4] == 1 and p["activations"][0] == 0


def test_hybrid_rules_are_combinations(tiny):
    model = lab_net(weights="ste:identity", activations="stompp")
    history = fit(model, tiny, epochs=10, batch_size=16, progress=False, seed=1)
    first, last = history.epochs[0], history.epochs[-1]
    assert first["p_weights"][1:] == [1.0] * 4
    assert first["p_activations"][-1] == 0.0 and last["p_activations"] == [1.0] * 5


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rules", [("stompp", "stompp"), ("stompp+ste", "stompp+ste")])
def test_fast_and_plain_paths_are_equal_to_the_bit(tiny, order, rules):
    nets = []
    for plain in (False, True):
        model = lab_net(*rules)
        history = fit(
            model, tiny, epochs=12, batch_size=16, plan=Plan(order=order), plain=plain,
            progress=False, diagnose=False, history="step",
        )  # fmt: skip
        nets.append((model, history))
    assert same_state(nets[0][0], nets[1][0])
    assert nets[0][1].steps == nets[1][1].steps


def test_a_committed_prefix_is_neither_stored_nor_visited(tiny):
    """Autograd holds nothing of the prefix after the forward pass; backward stays out of it."""
    model = lab_net(blocks=(2, 2))
    progression, optimizer = Progression(model, 90, Plan(tail=0.0)), sgd(model)
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
                gc.collect()
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
        (lambda: Plan(order="forwards"), "mean 'forward'"),
        (lambda: Plan(activation_order="bakward"), "unknown order 'bakward'"),
        (lambda: Plan(mask_rule="treshold"), "mean 'threshold'"),
        (lambda: Plan(refresh=1.5), r"lie in \[0, 1\], got 1.5"),
        (lambda: Plan(refresh=float("nan")), "got nan"),
        (lambda: Plan(tail=-0.1), "got -0.1"),
        (lambda: Plan(tail=1.0), "leaves no steps"),
        (lambda: Progression(lab_net(), 4), "progression steps for 5 windows"),
        (lambda: Progression(lab_net(), 0), "at least 1, got 0"),
    ],
)
def test_bad_input(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


def test_steps_cannot_go_back_and_foreign_states_are_refused():
    progression = Progression(lab_net(), 50)
    progression.set_step(12)
    with pytest.raises(ConfigError, match="back from step 12 to 3"):
        progression.set_step(3)
    other = Progression(lab_net(blocks=(2, 2)), 90)
    other.set_step(75)
    with pytest.raises(CheckpointError, match="this model has not"):
        progression.load(other.state())
    state = progression.state()
    name = next(iter(state["masks"]))
    state["masks"][name]["state"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match="does not fit"):
        Progression(lab_net(), 50).load(state)
