"""What goes wrong in silence is noticed, and what people try is done or refused by name."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel

from stompp_lite import Data, Progression, accuracy, assert_binary, fit
from stompp_lite.errors import ConfigError, ConversionError, DtypeError
from stompp_lite.networks.layers import binary_layers
from tests.conftest import lab_net, same_state

STEPS = 20
SETTINGS = {"epochs": 4, "batch_size": 16, "seed": 3, "progress": False, "diagnose": False}


def sgd(parameters, **options):
    return torch.optim.SGD(parameters, lr=0.2, momentum=0.9, **options)


def go(model, data, progression, optimizers, steps=range(STEPS), extra=None):
    """The usual loop, with something else after each step."""
    for t in steps:
        progression.set_step(t)
        loss = F.cross_entropy(model(data.train_x), data.train_y)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        if extra is not None:
            extra(t)


# ---- frozen weights that move --------------------------------------------------------------------


def halves(model):
    parameters = list(model.parameters())
    return parameters[:6], parameters[6:]


def test_of_two_optimizers_each_must_be_attached(tiny):
    model = lab_net()
    progression = Progression(model, STEPS)
    first, second = map(sgd, halves(model))
    progression.attach(first)
    says = r"no attached optimizer moves the latent weights 'blocks\.0\.conv2\.weight' and 2 more"
    with pytest.raises(ConfigError, match=says):
        go(model, tiny, progression, [first, second])


def test_several_optimizers_are_one(tiny):
    ends = []
    for parts in (halves, lambda model: [list(model.parameters())]):
        model = lab_net()
        progression, optimizers = Progression(model, STEPS), [sgd(p) for p in parts(model)]
        for optimizer in optimizers:
            progression.attach(optimizer)
            progression.attach(optimizer)  # twice is once
        go(model, tiny, progression, optimizers)
        assert_binary(model)
        ends.append(model)
    assert same_state(*ends)


def test_a_new_optimizer_in_mid_run_must_be_attached(tiny):
    model = lab_net()
    progression, first = Progression(model, STEPS), sgd(model.parameters())
    progression.attach(first)
    go(model, tiny, progression, [first], range(10))
    second = sgd(model.parameters())
    with pytest.raises(ConfigError, match=r"attach for every optimizer .* also for a new one"):
        go(model, tiny, progression, [second], range(10, STEPS))
    progression.weights_loaded()
    progression.attach(second)
    go(model, tiny, progression, [second], range(12, STEPS))
    assert_binary(model)


def test_an_optimizer_of_a_part_of_the_binary_weights_is_refused(tiny):
    model = lab_net()
    progression, optimizer = Progression(model, STEPS), sgd(model.blocks[1].parameters())
    progression.attach(optimizer)
    with pytest.raises(ConfigError, match=r"'blocks\.0\.conv1\.weight' and 1 more"):
        go(model, tiny, progression, [optimizer])
    with pytest.raises(ConfigError, match=r"call requires_grad_\(False\) on weights"):
        fit(lab_net(), tiny, optimizer=lambda ps: sgd(list(ps)[-2:]), **SETTINGS)
    model.blocks[0].requires_grad_(False)
    go(model, tiny, progression, [optimizer])  # what is not trained needs no optimizer


@pytest.mark.parametrize("attach", [True, False])
def test_an_update_through_data_is_noticed(tiny, attach):
    model = lab_net()
    progression, optimizer = Progression(model, STEPS), sgd(model.parameters())
    if attach:
        progression.attach(optimizer)

    def nudge(t):
        for layer in binary_layers(model).values():
            layer.weight.data.add_(0.01)

    says = r"frozen entries of the latent weights 'blocks\.0\.conv1\.weight' have changed"
    with pytest.raises(ConfigError, match=says):
        go(model, tiny, progression, [optimizer] if attach else [], extra=nudge)


@pytest.mark.parametrize("rules", [("stompp", "stompp"), ("stompp", "float"), ("random", "stompp")])
def test_one_entry_of_a_committed_weight_is_enough(tiny, rules):
    model = lab_net(*rules)
    progression, optimizer = Progression(model, STEPS), sgd(model.parameters())
    progression.attach(optimizer)
    go(model, tiny, progression, [optimizer], range(16))
    progression.set_step(16)
    with torch.no_grad():
        model.blocks[0].conv1.weight[0, 0, 0, 0].data.mul_(-1)
    with pytest.raises(ConfigError, match=r"conv1\.weight' have changed .* \(1 of them\)"):
        progression.set_step(17)


def test_loaded_weights_are_told(tiny):
    model, other = lab_net(), lab_net(seed=5)
    progression, optimizer = Progression(model, STEPS), sgd(model.parameters())
    model.load_state_dict(other.state_dict())  # before the first step: nobody is asked
    progression.attach(optimizer)
    go(model, tiny, progression, [optimizer], range(12))
    model.load_state_dict(other.state_dict())
    progression.weights_loaded()
    before = model.blocks[0].conv1.weight.detach().clone()
    go(model, tiny, progression, [optimizer], range(12, STEPS))
    assert torch.equal(model.blocks[0].conv1.weight, before)  # committed: the loaded ones stay


# ---- gradients that are off, copies that stand still ---------------------------------------------


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_fit_computes_gradients_where_they_are_off(tiny, off):
    plain, model = lab_net(), lab_net()
    want = fit(plain, tiny, **SETTINGS)
    with off():
        assert fit(model, tiny, **SETTINGS) == want
        assert not torch.is_grad_enabled()
    assert same_state(plain, model)


def test_data_made_in_inference_mode_can_be_learned(tiny):
    with torch.inference_mode():
        x = tiny.train_x.clone()
    data = Data("tiny", x, tiny.train_y, tiny.test_x, tiny.test_y, classes=3)
    assert fit(lab_net(), data, **SETTINGS).finished


def copied(source, target):
    for name, value in target.state_dict().items():
        value.copy_(source.state_dict()[name])


@pytest.mark.parametrize("how", ["parameters", "buffers too", "state"])
def test_an_averaged_copy_is_binary_where_its_model_is(tiny, how):
    model = lab_net()
    averaged = {
        "parameters": lambda: AveragedModel(model),
        "buffers too": lambda: AveragedModel(model, use_buffers=True),
        "state": lambda: copy.deepcopy(model),
    }[how]()
    averaged.eval()
    progression, optimizer = Progression(model, STEPS), sgd(model.parameters())
    progression.attach(optimizer)
    net = averaged if how == "state" else averaged.module
    seen = set()

    def average(t):
        copied(model, net) if how == "state" else averaged.update_parameters(model)
        for name in model.binarization.activation_sites:
            p = model.get_submodule(name).p
            assert net.get_submodule(name).p == (1.0 if p == 1.0 else 0.0)  # half-frozen: free
            seen.add(p)

    go(model, tiny, progression, [optimizer], extra=average)
    assert {0.0, 1.0} < seen
    assert_binary(net)
    by_hand = lab_net("ste", "ste")
    by_hand.load_state_dict(net.state_dict())
    assert torch.equal(averaged(tiny.test_x), by_hand.eval()(tiny.test_x))
    if how == "state":
        assert accuracy(net, tiny.test_x, tiny.test_y) == accuracy(model, tiny.test_x, tiny.test_y)


def test_a_snapshot_keeps_its_p(tiny):
    model = lab_net()
    progression = Progression(model, STEPS)
    progression.set_step(9)
    snapshot = copy.deepcopy(model)
    want = snapshot(tiny.test_x)
    progression.set_step(STEPS - 1)
    assert torch.equal(snapshot(tiny.test_x), want)


# ---- learning rates, hooks, callbacks ------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_rate_that_a_callback_sets_stays(tiny, tmp_path, schedule):
    rates = []

    def watch(run):
        rates.append(run.optimizer.param_groups[0]["lr"])
        if run.step == 5:
            run.optimizer.param_groups[0]["lr"] = 0.0125

    whole, model = lab_net(), lab_net()
    settings = SETTINGS | {"lr_schedule": schedule, "callbacks": [watch]}
    fit(whole, tiny, **settings)
    assert len(rates) == 12 and rates[5:] == [0.0125] * 7 and rates[0] == 0.1
    assert (rates[4] == 0.1) == (schedule == "constant")
    for stop in (8, None):  # and after a restart
        model = lab_net()
        fit(model, tiny, checkpoint=tmp_path / "r.npz", stop_at=stop, **settings)
    assert same_state(model, whole)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_a_scheduler_of_torch_works_in_fit(tiny):
    made, rates = [], []

    def watch(run):
        if not made:
            made.append(torch.optim.lr_scheduler.StepLR(run.optimizer, 4, gamma=0.5))
        made[0].step()
        rates.append(run.optimizer.param_groups[0]["lr"])

    fit(lab_net(), tiny, callbacks=[watch], **SETTINGS)
    assert rates == [0.1] * 3 + [0.05] * 4 + [0.025] * 4 + [0.0125]


@pytest.mark.parametrize("place", ["bn", "blocks.0.conv1", "blocks.0", "head"])
def test_a_loss_on_a_feature_that_a_hook_takes_trains_to_the_end(tiny, place):
    model, kept = lab_net(), {}
    progression, optimizer = Progression(model, STEPS), sgd(model.parameters())
    progression.attach(optimizer)
    module, moved = model.get_submodule(place), []
    if place == "head":
        module.register_forward_pre_hook(lambda m, x: kept.update(x=x[0]))
    else:
        module.register_forward_hook(lambda m, x, out: kept.update(x=out))
    for t in range(STEPS):
        progression.set_step(t)
        before = model.bn.weight.detach().clone()
        loss = F.cross_entropy(model(tiny.train_x), tiny.train_y) + kept["x"].pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        moved.append(not torch.equal(before, model.bn.weight))
    # behind the first activation nothing arrives once that is committed
    assert all(moved) if place == "bn" else not all(moved)
    assert model.bn.weight.requires_grad == (place != "blocks.0.conv1")


def test_a_callback_ends_the_run_with_stop_iteration(tiny, tmp_path):
    def enough(run):
        if run.step == 7:
            raise StopIteration

    path = tmp_path / "run.npz"
    history = fit(lab_net(), tiny, callbacks=[enough], checkpoint=path, **SETTINGS)
    assert not history.finished and len(history.epochs) == 2
    whole, model = lab_net(), lab_net()
    want = fit(whole, tiny, **SETTINGS)
    assert fit(model, tiny, checkpoint=path, **SETTINGS) == want and same_state(model, whole)


# ---- copies of a progression, parts that were replaced -------------------------------------------


def test_a_copied_progression_moves_a_copied_model(tiny):
    model = lab_net()
    progression, optimizer = Progression(model, STEPS), sgd(model.parameters())
    progression.attach(optimizer)
    go(model, tiny, progression, [optimizer], range(9))
    other = copy.deepcopy(progression)
    assert same_state(other.model, model) and other.model is not model
    want = copy.deepcopy(model.state_dict())
    fresh = sgd(other.model.parameters())
    with pytest.raises(ConfigError, match="no optimizer is attached"):
        go(other.model, tiny, other, [fresh], range(9, STEPS))
    other = copy.deepcopy(progression)
    fresh = sgd(other.model.parameters())
    other.attach(fresh)
    go(other.model, tiny, other, [fresh], range(9, STEPS))
    assert_binary(other.model)
    assert all(torch.equal(v, want[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    ("parent", "name", "new"),
    [
        ("blocks.0", "act1", nn.ReLU()),
        ("blocks.1", "conv2", nn.Conv2d(8, 8, 3, padding=1)),
        ("", "act", nn.Identity()),
    ],
)
def test_a_replaced_binary_part_is_named(tiny, parent, name, new):
    model = lab_net()
    progression = Progression(model, STEPS)
    setattr(model.get_submodule(parent), name, new)
    with pytest.raises(ConfigError, match=rf"{name}' is another module than when the progression"):
        progression.set_step(1)
    with pytest.raises(ConversionError, match=rf"{name}' was binary when the model was converted"):
        fit(model, tiny, **SETTINGS)
    delattr(model.get_submodule(parent), name)
    with pytest.raises(ConversionError, match=f"{name}' was binary when .* is gone now"):
        Progression(model, STEPS)


def test_a_replaced_head_trains(tiny):
    model = lab_net()
    model.head = nn.Linear(4 * model.head.in_features // 4, 3, bias=False)
    assert fit(model, tiny, **SETTINGS).finished


# ---- data ----------------------------------------------------------------------------------------


def test_arrays_become_tensors(tiny):
    parts = {n: getattr(tiny, n) for n in ("train_x", "train_y", "test_x", "test_y")}
    arrays = {n: t.numpy().astype("f8" if n.endswith("x") else "i2") for n, t in parts.items()}
    data = Data("tiny", **arrays, classes=3)
    for name, tensor in parts.items():
        assert (
            torch.equal(getattr(data, name), tensor) and getattr(data, name).dtype == tensor.dtype
        )
    texts = np.arange(12).reshape(4, 3).astype(np.uint16)
    assert Data("t", texts, np.arange(4) % 2, texts, np.zeros(4, int), 2, tokens=12)


class Pairs(torch.utils.data.Dataset):
    def __getitem__(self, k):
        return torch.zeros(1, 6, 6), 0

    def __len__(self):
        return 4


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"train_x": Pairs()}, r"train_x must be .* got Pairs; torch\.stack\(\[x for x, _ in dat"),
        ({"train_y": [0, 1, 2]}, r"train_y must be .* got list; .*torch\.tensor\(\.\.\.\) of a l"),
        ({"test_x": None}, "test_x must be a dense tensor or a NumPy array, got NoneType"),
        ({"test_x": torch.zeros(16, 36).to_sparse()}, r"got torch\.sparse_coo; call \.to_dense"),
        ({"train_x": torch.zeros(48, 36, device="meta")}, "'meta' holds no numbers"),
        ({"train_x": np.array(["a"] * 48)}, "got ndarray"),
    ],
)
def test_data_that_cannot_be_used_says_what_can(tiny, change, says):
    good = {n: getattr(tiny, n) for n in ("train_x", "train_y", "test_x", "test_y")}
    with pytest.raises(DtypeError, match=says):
        Data("tiny", **good | change, classes=3)


def test_a_model_made_in_inference_mode_is_refused(tiny):
    model = lab_net()
    with torch.inference_mode():
        model = copy.deepcopy(model)
    with pytest.raises(ConfigError, match=r"made under torch\.inference_mode\(\)"):
        fit(model, tiny, **SETTINGS)
