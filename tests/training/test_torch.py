"""What people do with torch models works with binary ones: a few steps each, tiny networks."""

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from stompp_lite import Data, LabResNet, Progression, assert_binary, binarize_model, fit
from stompp_lite.networks.layers import binary_layers
from tests.conftest import lab_net, same_state

STEPS = 12
RULES = [("stompp", "stompp"), ("stompp+ste", "stompp+ste")]


def train(model, data, *, make=None, backward=None, forward=None, each=None, parts=1):
    """A loop with one thing changed; the model ends binary and frozen weights stood still."""
    progression = Progression(model, STEPS)
    optimizer = (make or (lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)))(model)
    progression.attach(optimizer)
    for t in range(STEPS):
        progression.set_step(t)
        frozen = {n: m.weight.detach().clone() for n, m in binary_layers(model).items()}
        optimizer.zero_grad()
        for x, y in zip(data.train_x.chunk(parts), data.train_y.chunk(parts)):
            loss = F.cross_entropy((forward or model)(x).float(), y) / parts
            (backward or (lambda loss: loss.backward()))(loss)
        if each is None:
            optimizer.step()
        else:
            each(model, optimizer)
        for name, layer in binary_layers(model).items():
            b = layer.binarizer
            if b.surrogate is None and b.p == 1.0:
                assert torch.equal(layer.weight, frozen[name].clamp(-1, 1))
    assert_binary(model)
    return model


G = torch.Generator().manual_seed(0)
DATA = Data(
    "tiny", torch.randn(24, 1, 6, 6, generator=G), torch.arange(24) % 3,
    torch.randn(6, 1, 6, 6, generator=G), torch.arange(6) % 3, classes=3,
)  # fmt: skip


def clipped(model, optimizer):
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()


SCALER = torch.amp.GradScaler("cpu", init_scale=4.0)


def scaled(model, optimizer):
    SCALER.step(optimizer)
    SCALER.update()


def groups(model):
    latents = [m.weight for m in binary_layers(model).values()]
    rest = [p for p in model.parameters() if all(p is not w for w in latents)]
    return torch.optim.AdamW(
        [{"params": latents, "weight_decay": 0.1}, {"params": rest, "lr": 0.003}], lr=0.01
    )


def one_cycle(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=STEPS + 1)
    optimizer.register_step_post_hook(lambda *_: scheduler.step())
    return optimizer


@pytest.mark.parametrize("rules", RULES, ids="/".join)
@pytest.mark.parametrize(
    "change",
    [
        {"each": clipped},
        {"each": scaled, "backward": lambda loss: SCALER.scale(loss).backward()},
        {"parts": 3},
        {"make": one_cycle},
        {"make": groups},
    ],
    ids=["clipping", "GradScaler", "accumulation", "OneCycleLR", "groups"],
)
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_training_loops_of_all_kinds(rules, change):
    model = lab_net(*rules)
    start = {n: m.weight.detach().clone() for n, m in binary_layers(model).items()}
    train(model, DATA, **change)
    assert any(not torch.equal(m.weight, start[n]) for n, m in binary_layers(model).items())


@pytest.mark.parametrize("rules", RULES, ids="/".join)
def test_gradient_checkpointing_is_the_same_to_the_bit(rules):
    plain, model = train(lab_net(*rules), DATA), lab_net(*rules)
    train(model, DATA, forward=lambda x: checkpoint(model, x, use_reentrant=False))
    pairs = zip(model.parameters(), plain.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_double_backward_is_that_of_the_clipped_identity():
    """A penalty on the input's gradient: second derivatives pass free entries, not frozen ones."""
    model = lab_net()
    progression = Progression(model, STEPS)
    progression.set_step(1)  # the first stage is half-frozen
    x = DATA.train_x.clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(model(x).pow(2).sum(), x, create_graph=True)
    grad.pow(2).sum().backward()
    assert model.head.weight.grad.abs().sum() > 0 and torch.isfinite(x.grad).all()


def test_two_networks_under_one_optimizer():
    nets = [lab_net(), lab_net(seed=1)]
    walks = [Progression(net, STEPS, seed=k) for k, net in enumerate(nets)]
    both = torch.optim.SGD([p for net in nets for p in net.parameters()], lr=0.1, momentum=0.9)
    for walk in walks:
        walk.attach(both)
    for t in range(STEPS):
        both.zero_grad()
        for walk in walks:
            walk.set_step(t)
        sum(F.cross_entropy(net(DATA.train_x), DATA.train_y) for net in nets).backward()
        both.step()
    for net in nets:
        assert_binary(net)


def test_distillation_from_a_float_teacher():
    torch.manual_seed(0)
    teacher, student = LabResNet(1, 3, width=4, blocks=(1, 1)).eval(), lab_net()
    with torch.no_grad():
        target = teacher(DATA.train_x).softmax(-1)
    walk, optimizer = Progression(student, STEPS), torch.optim.Adam(student.parameters(), lr=0.01)
    walk.attach(optimizer)
    for t in range(STEPS):
        walk.set_step(t)
        optimizer.zero_grad()
        F.kl_div(student(DATA.train_x).log_softmax(-1), target, reduction="batchmean").backward()
        optimizer.step()
    assert_binary(student)


@pytest.mark.parametrize("kind", ["channels_last", "double", "bfloat16"])
def test_formats_and_precisions(kind):
    torch.manual_seed(0)
    net, dtype = LabResNet(1, 3, width=4, blocks=(1, 1)), getattr(torch, kind, torch.float32)
    change = {"memory_format": torch.channels_last} if kind == "channels_last" else {"dtype": dtype}
    x = [t.to(**change) for t in (DATA.train_x, DATA.test_x)]
    data = Data("tiny", x[0], DATA.train_y, x[1], DATA.test_y, classes=3)
    model = train(binarize_model(net.to(**change), x[0][:1]), data)
    assert model(x[1]).dtype == next(model.parameters()).dtype == x[0].dtype


def test_a_state_dict_a_pickle_and_a_copy_are_the_network():
    model, fresh = train(lab_net(), DATA).eval(), lab_net(seed=4)
    fresh.load_state_dict(model.state_dict())
    stored = io.BytesIO()
    torch.save(model, stored)
    stored.seek(0)
    want = model(DATA.test_x)
    for other in (fresh, copy.deepcopy(model), torch.load(stored, weights_only=False)):
        assert torch.equal(other.eval()(DATA.test_x), want)
        assert_binary(other)


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
@pytest.mark.parametrize("steps", [None, STEPS - 1], ids=["free", "committed"])
def test_traced_and_exported_networks_compute_the_same(steps):
    model = lab_net().eval()
    if steps is not None:
        Progression(model, STEPS).set_step(steps)
    want = model(DATA.test_x)
    traced = torch.jit.trace(copy.deepcopy(model), DATA.test_x)
    assert torch.equal(traced(DATA.test_x), want)
    exported = torch.export.export(copy.deepcopy(model), (DATA.test_x,))
    assert torch.equal(exported.module()(DATA.test_x), want)


def test_cross_validation_by_deepcopy():
    start, ends = lab_net(), []
    before = copy.deepcopy(start.state_dict())
    for k in (0, 1, 0):
        model, held = copy.deepcopy(start), torch.arange(24) % 2 == k
        x, y = DATA.train_x, DATA.train_y
        fold = Data("fold", x[~held], y[~held], x[held], y[held], classes=3)
        fit(model, fold, epochs=6, batch_size=6, progress=False, diagnose=False)
        ends.append(model)
    assert same_state(ends[0], ends[2]) and not same_state(ends[0], ends[1])
    assert all(torch.equal(v, before[k]) for k, v in start.state_dict().items())
