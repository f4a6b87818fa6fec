"""Losses that see a float network: each against its formula, and through a run and a recipe."""

import math

import pytest
import torch
import torch.nn.functional as F

from stompp_lite import assert_binary, fit
from stompp_lite.errors import CheckpointError, ConfigError
from stompp_lite.lab.config import Config
from stompp_lite.lab.run import run
from stompp_lite.relatives.guided import GUIDES, Attention, Features
from tests.conftest import lab_net, same_state


def pair(seed=0):
    """Two tensors [2, 3, 2, 2], and both as nested lists."""
    g = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(2, 3, 2, 2, generator=g).double() for _ in range(2))
    return a, b, a.tolist(), b.tolist()


def guide(kind, weight=1.0):
    student = lab_net("ste:identity", "ste:clip")
    return student, kind(student, lab_net("float", "float").eval(), weight)


def test_features_are_compared_entry_by_entry():
    a, b, mine, theirs = pair()
    flat = [[x for n in t for c in n for h in c for x in h] for t in (mine, theirs)]
    wanted = sum((x - y) ** 2 for x, y in zip(*flat)) / len(flat[0])
    assert guide(Features)[1].distance(a, b).item() == pytest.approx(wanted)


def test_attention_is_where_an_image_is_large_whatever_the_channels_say():
    a, b, mine, theirs = pair()

    def normed(image):  # [C][H][W] -> squares summed over channels, of length 1
        q = [sum(c[h][w] ** 2 for c in image) for h in range(2) for w in range(2)]
        return [x / math.sqrt(sum(y * y for y in q)) for x in q]

    apart = [math.dist(normed(s), normed(t)) for s, t in zip(mine, theirs)]
    found = guide(Attention)[1]
    assert found.distance(a, b).item() == pytest.approx(sum(apart) / 2)
    assert found.distance(a, 7 * a[:, [2, 0, 1]]).item() == pytest.approx(0, abs=1e-9)
    signs = torch.where(a > 0, 1.0, -1.0)  # why it looks before the sign: there is nothing to see
    assert found.distance(signs, -signs).item() == 0


def test_a_guide_adds_the_mean_over_the_places_to_cross_entropy(tiny):
    student, found = guide(Features, 0.5)
    x, y = tiny.train_x[:6], tiny.train_y[:6]
    arrived = {True: [], False: []}
    names = [n for n, m in student.named_modules() if n == "act" or n.endswith(("act1", "act2"))]
    for net in (student, found.teacher):
        for name in names:
            net.get_submodule(name).register_forward_pre_hook(
                lambda _m, got, mine=net is student: arrived[mine].append(got[0])
            )
    logits = student(x)
    loss = found(x, y, logits)
    apart = [F.mse_loss(a, b).item() for a, b in zip(arrived[True], arrived[False], strict=True)]
    assert len(apart) == len(names) == 5
    wanted = F.cross_entropy(logits, y).item() + 0.5 * sum(apart) / len(apart)
    assert loss.item() == pytest.approx(wanted, rel=1e-6)
    loss.backward()
    assert all(p.grad is None for p in found.teacher.parameters())
    found.close()
    student(x), found.teacher(x)
    assert not student.act._forward_pre_hooks.keys() & {h.id for h in found._handles}


@pytest.mark.parametrize("name", GUIDES)
def test_a_guided_run_goes_on_from_its_checkpoint_and_is_another_run_than_one_without(
    name, tiny, tmp_path
):
    kept, options = tmp_path / "run.npz", {"epochs": 2, "batch_size": 8, "progress": False}
    whole, one = guide(GUIDES[name])
    fit(whole, tiny, loss=one, **options)
    assert_binary(whole, tiny.test_x[:2])
    assert same_state(one.teacher, lab_net("float", "float"))  # as it was made
    plain = lab_net("ste:identity", "ste:clip")
    fit(plain, tiny, **options)
    assert any(not torch.equal(a, b) for a, b in zip(whole.parameters(), plain.parameters()))
    parts, two = guide(GUIDES[name])
    fit(parts, tiny, loss=two, checkpoint=kept, stop_at=3, **options)
    with pytest.raises(CheckpointError, match="loss"):
        fit(
            parts,
            tiny,
            loss=lambda x, y, logits: F.cross_entropy(logits, y),
            checkpoint=kept,
            **options,
        )
    fit(parts, tiny, loss=two, checkpoint=kept, **options)
    assert same_state(parts, whole)
    with pytest.raises(CheckpointError, match="loss"):
        fit(parts, tiny, checkpoint=kept, **options)


def test_a_recipe_s_run_has_the_float_start_as_its_teacher(monkeypatch):
    from stompp_lite.lab import run as run_module

    seen = []

    class Watched(Features):
        def __init__(self, student, teacher, weight=1.0):
            seen.append([p.detach().clone() for p in teacher.parameters()])
            seen.append([p.detach().clone() for p in student.parameters()])
            super().__init__(student, teacher, weight)

    monkeypatch.setitem(run_module.GUIDES, "features", Watched)
    settings = {"epochs": 1, "width": 4, "pretrain": 1, "weights": "ste:identity"}
    run(Config(activations="ste:clip", guide="features", **settings), progress=False)
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))


def test_what_cannot_guide_is_refused(tiny):
    student = lab_net("ste:identity", "ste:clip")
    with pytest.raises(ConfigError, match="a teacher needs the student's activations"):
        Features(student, lab_net("float", "float", blocks=(1,)))
    with pytest.raises(ConfigError, match="unknown guide 'feature'; did you mean 'features'"):
        Config(guide="feature", pretrain=2)
    with pytest.raises(ConfigError, match="set pretrain to its epochs"):
        Config(guide="features")
    with pytest.raises(ConfigError, match="a function of inputs, labels and logits, got 3"):
        fit(student, tiny, loss=3)
