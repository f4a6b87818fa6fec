"""Gradient reach against finite differences and known cases; flips; nothing left behind."""

import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from stompp_lite import Plan, Progression, binarize_model, fit
from stompp_lite.errors import DtypeError, ShapeError
from stompp_lite.networks.trace import preserved
from stompp_lite.training import measure
from tests.conftest import lab_net, same_state


def test_activation_gradient_equals_a_finite_difference(tiny):
    model = lab_net("float", "float").double().eval()
    x, y = tiny.train_x[:4].double(), tiny.train_y[:4]
    grad = measure.activation_gradients(model, x, y)["blocks.0.act2"]
    delta = torch.zeros_like(grad)
    delta[2, 1, 3, 3] = 1e-5

    def loss(sign):
        handle = model.blocks[0].act2.register_forward_hook(lambda m, i, out: out + sign * delta)
        value = F.cross_entropy(model(x), y).item()
        handle.remove()
        return value

    assert grad[2, 1, 3, 3].item() == pytest.approx((loss(1) - loss(-1)) / 2e-5, rel=1e-5)


def test_reach_is_one_when_nothing_is_frozen(tiny):
    got = measure.gradient_reach(lab_net("float", "float"), tiny.train_x, tiny.train_y)
    assert got["reach"] == pytest.approx([1.0] * 5)
    assert max(got["zero"]) < 1


def test_reach_is_zero_behind_a_committed_block_output(tiny):
    model = lab_net()
    progression = Progression(model, 50, Plan(order="reverse", tail=0.0))
    progression.set_step(19)  # reverse order: stages 4 and 3 are committed
    got = measure.gradient_reach(model, tiny.train_x, tiny.train_y)
    assert got["reach"][:4] == [0.0] * 4 and got["zero"][:4] == [1.0] * 4
    assert got["reach"][4] > 0  # the last output is what the loss sees


def test_a_branch_activation_cuts_only_its_branch(tiny):
    model = lab_net()
    model.blocks[0].act1.p = 1.0
    got = measure.gradient_reach(model, tiny.train_x, tiny.train_y)
    assert got["reach"][0] > 0  # through the shortcut
    grads = measure.activation_gradients(model, tiny.train_x, tiny.train_y)
    assert grads["blocks.0.act1"].any()  # it arrives, but does not pass
    F.cross_entropy(model(tiny.train_x), tiny.train_y).backward()
    assert model.blocks[0].conv1.weight.grad is None and model.conv.weight.grad is not None


def test_measuring_leaves_no_trace(tiny):
    model, twin = lab_net(), lab_net()
    state = torch.get_rng_state()
    measure.gradient_reach(model, tiny.train_x, tiny.train_y)
    assert same_state(model, twin) and torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters()) and model.training


def test_masks_at_restores_and_leaves_float_rules_alone():
    model = lab_net(weights="float", activations="stompp")
    with measure.masks_at(model, 1.0):
        assert model.act.p == 1.0 and model.blocks[0].conv1.binarizer.p == 0.0
    assert model.act.p == 0.0


def test_flips_are_counted_per_stage():
    model = lab_net()
    before = measure.signs(model)
    model.blocks[1].conv2.weight.data[0, 0, 0, :2] *= -1
    assert measure.count_flips(before, measure.signs(model)) == [0, 0, 0, 0, 2]


def test_reach_is_the_ratio_of_two_norms_in_training_mode(tiny):
    """By hand: gradients at the activations, now and with nothing frozen, batch statistics on."""
    model = lab_net("ste", "ste")
    with torch.no_grad():
        model.bn.running_mean.add_(3.0)  # evaluation mode would show
        model.head.weight[:, :2] = 0.0  # nothing comes back through two of eight channels
    x, y = tiny.train_x, tiny.train_y

    def sizes():
        outputs = []

        def keep(module, inputs, out):
            out.retain_grad()
            outputs.append(out)

        names = model.binarization.activation_sites
        hooks = [model.get_submodule(n).register_forward_hook(keep) for n in names]
        F.cross_entropy(model.train()(x), y).backward()
        for hook in hooks:
            hook.remove()
        return [float(o.grad.norm()) for o in outputs], [
            float((o.grad == 0).float().mean()) for o in outputs
        ]

    now, zero = sizes()
    with measure.masks_at(model, 0.0):
        free, _ = sizes()
    got = measure.gradient_reach(model, x, y)
    assert got["reach"] == pytest.approx([a / b for a, b in zip(now, free)], rel=1e-5)
    assert got["zero"] == pytest.approx(zero) and got["zero"][4] == pytest.approx(0.25)
    assert got["gradient"] == pytest.approx(now, rel=1e-5)
    assert got["reference"] == pytest.approx(free, rel=1e-5)
    with torch.no_grad():
        model.head.weight.zero_()
    got = measure.gradient_reach(model, x, y)
    assert all(map(math.isnan, got["reach"])) and got["zero"] == [1.0] * 5


def test_weights_gradients_are_relative_to_the_latent_weights(tiny):
    model = lab_net("ste", "ste")
    x, y = tiny.train_x, tiny.train_y
    got = measure.gradient_reach(model, x, y)["relative"]
    F.cross_entropy(model.train()(x), y).backward()
    expected = [0.0]  # stage 0 has no weights
    for stage in model.binarization.stages[1:]:
        weight = model.get_submodule(stage.weights[0]).weight
        expected.append(float(weight.grad.norm() / weight.detach().norm()))
    assert got == pytest.approx(expected, rel=1e-5) and min(got[1:]) > 0
    committed = lab_net("stompp", "stompp")
    progression = Progression(committed, 100)
    progression.set_step(40)  # of 90: two stages of five are over
    relative = measure.gradient_reach(committed, x, y)["relative"]
    assert relative[1] == 0.0 and relative[3] > 0


def test_stages_with_no_activation_and_with_two():
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 6), torch.nn.Hardtanh(), torch.nn.Hardtanh(), torch.nn.Linear(6, 6),
        torch.nn.Linear(6, 6), torch.nn.Hardtanh(), torch.nn.Linear(6, 3),
    )  # fmt: skip
    model = binarize_model(net, torch.randn(2, 4), activations="ste:clip", real_inputs=True)
    assert [len(s.activations) for s in model.binarization.stages] == [2, 0, 1]
    x, y = torch.randn(8, 4), torch.arange(8) % 3
    got = measure.gradient_reach(model, x, y)
    assert math.isnan(got["reach"][1]) and math.isnan(got["zero"][1])
    grads = measure.activation_gradients(model, x, y)
    shares = [
        float((grads[n] == 0).float().mean()) for n in model.binarization.stages[0].activations
    ]
    assert got["zero"][0] == pytest.approx(sum(shares) / 2)
    assert 0 <= got["zero"][0] <= 1


def test_measuring_restores_the_gradients_it_found(tiny):
    model = lab_net()
    F.cross_entropy(model(tiny.train_x), tiny.train_y).backward()
    before = [p.grad.clone() for p in model.parameters()]
    measure.gradient_reach(model, tiny.train_x, tiny.train_y)
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), before))
    with preserved(model):
        F.cross_entropy(model(tiny.train_x), tiny.train_y).backward()
        model.eval()
        model.head.bias.requires_grad_(False)
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), before))
    assert model.training and model.head.bias.requires_grad


def test_masks_at_moves_p_and_mask_together(tiny):
    model = lab_net("stompp+ste", "stompp+ste")
    Progression(model, 50, Plan(order="global", tail=0.0)).set_step(30)
    mask = model.act.mask
    with measure.masks_at(model, 1.0):
        assert set(model.act(torch.randn(3, 4, 6, 6)).unique().tolist()) == {-1.0, 1.0}
    assert model.act.mask is mask and 0 < model.act.p < 1


@pytest.mark.parametrize(
    ("x", "y", "error", "says"),
    [
        (torch.zeros(4, 1, 6, 6), torch.zeros(4, 1, dtype=torch.int64), ShapeError, r"\(4, 1\)"),
        (torch.zeros(4, 1, 6, 6), torch.zeros(3, dtype=torch.int64), ShapeError, "do not match"),
        (torch.zeros(0, 1, 6, 6), torch.zeros(0, dtype=torch.int64), ShapeError, "at least one"),
        (torch.zeros(4, 1, 6, 6), torch.zeros(4), DtypeError, "torch.float32"),
    ],
)
def test_accuracy_refuses_what_it_cannot_count(x, y, error, says):
    with pytest.raises(error, match=says):
        measure.accuracy(lab_net(), x, y)


def test_accuracy_refuses_logits_of_another_shape():
    with pytest.raises(ShapeError, match=r"logits \[N, classes\], not \(4, 3, 2\)"):
        measure.accuracy(
            torch.nn.Linear(2, 2), torch.zeros(4, 3, 2), torch.zeros(4, dtype=torch.int64)
        )


def test_final_statistics_are_re_estimated_on_training_images(tiny):
    """test_acc_bn uses averages over the training images, never over the test images."""
    model = lab_net("ste", "ste")
    history = fit(model, tiny, epochs=4, batch_size=16, progress=False, diagnose=False)
    twin = copy.deepcopy(model)
    measure.reestimate_batch_norm(twin, tiny.train_x)
    assert history.final["test_acc_bn"] == measure.accuracy(twin, tiny.test_x, tiny.test_y)
    moved = replace(tiny, test_x=tiny.test_x + 50)
    other = lab_net("ste", "ste")
    shifted = fit(other, moved, epochs=4, batch_size=16, progress=False, diagnose=False)
    assert shifted.final["test_acc_bn"] == measure.accuracy(twin, moved.test_x, tiny.test_y)
    assert same_state(other, model)  # nothing of the finished model is changed by it
