"""Gradient reach against finite differences and known cases; flips; nothing left behind."""

import pytest
import torch
import torch.nn.functional as F

from stompp_lite import Plan, Progression
from stompp_lite.lab import diagnose
from tests.conftest import lab_net, same_state


def test_activation_gradient_equals_a_finite_difference(tiny):
    model = lab_net("float", "float").double().eval()
    x, y = tiny.train_x[:4].double(), tiny.train_y[:4]
    grad = diagnose.activation_gradients(model, x, y)["blocks.0.act2"]
    delta = torch.zeros_like(grad)
    delta[2, 1, 3, 3] = 1e-5

    def loss(sign):
        handle = model.blocks[0].act2.register_forward_hook(lambda m, i, out: out + sign * delta)
        value = F.cross_entropy(model(x), y).item()
        handle.remove()
        return value

    assert grad[2, 1, 3, 3].item() == pytest.approx((loss(1) - loss(-1)) / 2e-5, rel=1e-5)


def test_reach_is_one_when_nothing_is_frozen(tiny):
    got = diagnose.gradient_reach(lab_net("float", "float"), tiny.train_x, tiny.train_y)
    assert got["reach"] == pytest.approx([1.0] * 5)
    assert max(got["zero"]) < 1


def test_reach_is_zero_behind_a_committed_block_output(tiny):
    model = lab_net()
    progression = Progression(model, 50, Plan(order="reverse", tail=0.0))
    progression.set_step(19)  # reverse order: stages 4 and 3 are committed
    got = diagnose.gradient_reach(model, tiny.train_x, tiny.train_y)
    assert got["reach"][:4] == [0.0] * 4 and got["zero"][:4] == [1.0] * 4
    assert got["reach"][4] > 0  # the last output is what the loss sees


def test_a_branch_activation_cuts_only_its_branch(tiny):
    model = lab_net()
    model.blocks[0].act1.p = 1.0
    got = diagnose.gradient_reach(model, tiny.train_x, tiny.train_y)
    assert got["reach"][0] > 0  # through the shortcut
    grads = diagnose.activation_gradients(model, tiny.train_x, tiny.train_y)
    assert grads["blocks.0.act1"].any()  # it arrives, but does not pass
    F.cross_entropy(model(tiny.train_x), tiny.train_y).backward()
    assert model.blocks[0].conv1.weight.grad is None and model.conv.weight.grad is not None


def test_measuring_leaves_no_trace(tiny):
    model, twin = lab_net(), lab_net()
    state = torch.get_rng_state()
    diagnose.gradient_reach(model, tiny.train_x, tiny.train_y)
    assert same_state(model, twin) and torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters()) and model.training


def test_masks_at_restores_and_leaves_float_rules_alone():
    model = lab_net(weights="float", activations="stompp")
    with diagnose.masks_at(model, 1.0):
        assert model.act.p == 1.0 and model.blocks[0].conv1.binarizer.p == 0.0
    assert model.act.p == 0.0


def test_flips_are_counted_per_stage():
    model = lab_net()
    before = diagnose.signs(model)
    model.blocks[1].conv2.weight.data[0, 0, 0, :2] *= -1
    assert diagnose.count_flips(before, diagnose.signs(model)) == [0, 0, 0, 0, 2]
