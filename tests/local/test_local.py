"""Local signals: the rules against a plain retelling, the packed version against the slow one."""

import ast
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numba import njit

from stompp_lite import load
from stompp_lite.errors import CheckpointError, ConfigError, DtypeError, ShapeError, StomppError
from stompp_lite.local import (
    LocalNet,
    RecurrentNet,
    Signals,
    as_bits,
    fit_local,
    net,
    packed,
    prototypes,
    rows,
    slow,
)
from stompp_lite.local.signals import DRAWS, chance
from stompp_lite.local.speed import gates, measure
from stompp_lite.ship import kernels
from stompp_lite.training.data import Data

DIGITS = as_bits(load("digits"))
FEW = replace(
    DIGITS, train_x=DIGITS.train_x[:230], train_y=DIGITS.train_y[:230],
    test_x=DIGITS.test_x[:50], test_y=DIGITS.test_y[:50],
)  # fmt: skip


def batch(seed, neurons=6, inputs=8, samples=9, classes=3):
    draw = np.random.default_rng(seed)
    x = 2 * draw.integers(0, 2, (samples, inputs), dtype=np.int8) - 1
    return x, draw.integers(0, classes, samples), draw


# ---- the rules -----------------------------------------------------------------------------------
def told(net_, x, y, step, accuracy):
    """What a batch does to the hidden integers, told sample by sample and neuron by neuron."""
    s, before = net_.signals, [h.tolist() for h in net_.hidden]
    sgn = lambda v: 1 if v >= 0 else -1  # noqa: E731
    after = [[row[:] for row in h] for h in before]
    for sample, label in zip(x.tolist(), y.tolist(), strict=True):
        a, layers = sample, []
        for h in before:
            z = [sum(sgn(w) * v for w, v in zip(row, a, strict=True)) for row in h]
            layers.append((a, z, [sgn(v) for v in z]))
            a = layers[-1][2]
        wanted, asked = [None] * len(before), [False] * len(before)
        for at in reversed(range(len(before))):
            _, z, out = layers[at]
            if at in net_.readouts:
                classes = net_.readouts[at].hidden.tolist()
                score = [sum(p * v for p, v in zip(row, out, strict=True)) for row in classes]
                other = max(v for c, v in enumerate(score) if c != label)
                lead = score[label] - other
                asked[at] = score.index(max(score)) != label or lead < int(s.robustness * len(out))
                wanted[at] = classes[label]
            else:
                asked[at] = asked[at + 1]
                up, gate = before[at + 1], int(s.nu * len(out))
                votes = [
                    sum(
                        sgn(up[k][i]) * wanted[at + 1][k]
                        for k in range(len(up))
                        if abs(layers[at + 1][1][k]) <= gate
                    )
                    for i in range(len(out))
                ]
                wanted[at] = [sgn(v) for v in votes]
        for at, (inputs, z, out) in enumerate(layers):
            for first in range(0, len(out), s.group):
                group = range(first, first + s.group)
                wrong = [k for k in group if out[k] != wanted[at][k]]
                if asked[at] and wrong:
                    k = min(wrong, key=lambda k: abs(z[k]))
                    for i, v in enumerate(inputs):
                        after[at][k][i] += 2 * v * wanted[at][k]
    return after


@pytest.mark.parametrize("rule", ["local", "bep"])
@pytest.mark.parametrize("widths", [(8, 6, 6), (7, 9), (16, 3, 15, 6)], ids=str)
def test_a_batch_does_what_the_rules_say(rule, widths):
    for seed in range(4):
        found = LocalNet(
            widths, 3, rule=rule, group=3, seed=seed, reinforcement=0, nu=0.5, engine="numpy"
        )
        x, y, _ = batch(seed, inputs=widths[0])
        right = told(found, x, y, 0, 0.5)
        before = [h.copy() for h in found.hidden]
        found.learn_batch(x, y, 0, 0.5)
        assert [h.tolist() for h in found.hidden] == right
        assert any((a != b).any() for a, b in zip(before, found.hidden, strict=True))


def test_a_tie_goes_to_the_neuron_and_to_the_class_with_the_lower_number():
    z = np.array([[0, 0, 2, -2]], dtype=np.int32)
    d = np.array([[-1, -1, -1, 1]], dtype=np.int8)
    assert slow.easiest(z, d, 4).tolist() == [[True, False, False, False]]
    assert slow.easiest(z, d, 2).tolist() == [[True, False, True, False]]
    assert slow.sign(np.array([0, -1, 1])).tolist() == [1, -1, 1]
    tied = np.array([[5, 5, 1]], dtype=np.int32)
    for rules in (slow, packed):
        assert [v if np.isscalar(v) else v.tolist() for v in rules.ask(tied, np.array([0]), 0)] == [
            [False],
            1,
        ]
        asked, right = rules.ask(tied, np.array([1]), 0)  # a tie that it does not win
        assert asked.tolist() == [True] and right == 0
        assert rules.ask(tied, np.array([0]), 1)[0].tolist() == [True]  # no lead


def test_reinforcement_comes_as_often_as_its_probability_and_never_turns_a_sign():
    s = Signals(reinforcement=0.5)
    p = 0.5 * np.sqrt(1 - 0.36) * np.sqrt(2 / (np.pi * 100))
    assert 0 <= p - chance(s, 0.36, 100) / DRAWS < 1 / DRAWS
    assert chance(s, 1.0, 100) == 0 == chance(Signals(reinforcement=0), 0.0, 100)
    for rules in (slow, packed):
        hidden = np.arange(-5000, 5000, dtype=np.int32).reshape(100, 100)
        memory = rules.Memory(hidden.copy())
        rules.reinforce(memory, 12345, 7, 6554)
        moved = memory.hidden - hidden
        assert set(np.unique(moved)) == {-2, 0, 2} and ((moved > 0) <= (hidden >= 0)).all()
        assert ((moved < 0) <= (hidden < 0)).all()
        assert abs((moved != 0).mean() - 0.1) < 4 * np.sqrt(0.09 / 1e4)
    assert not np.array_equal(slow.draws(1, 0, 50), slow.draws(1, 1, 50))


# ---- slow and packed -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {"widths": (64, 75, 75)},
        {"widths": (64, 65, 130), "group": 13, "clip": 70, "rule": "bep"},
        {"widths": (64, 128), "group": 128, "robustness": 1.0, "reinforcement": 1.0},
        {"widths": (64, 64, 64, 64), "group": 1, "rule": "bep", "nu": 1.0, "clip": 64},
    ],
    ids=["odd", "clipped", "even", "bep"],
)
def test_packed_and_slow_agree_to_the_bit_over_a_run(options):
    nets = [LocalNet(classes=10, engine=e, seed=3, **options) for e in ("numpy", "packed")]
    runs = [fit_local(n, FEW, epochs=2, batch_size=50, progress=False) for n in nets]
    assert runs[0] == runs[1]
    for a, b in zip(*(n.hidden for n in nets), strict=True):
        assert a.dtype == b.dtype == np.int32 and np.array_equal(a, b)
    assert np.array_equal(nets[0].scores(FEW.test_x), nets[1].scores(FEW.test_x))


@pytest.mark.parametrize("rule", ["local", "bep"])
def test_a_recurrent_network_agrees_too_and_remembers(rule):
    data = rows(FEW, 2)
    nets = [RecurrentNet(16, 45, 10, rule=rule, group=15, engine=e) for e in ("numpy", "packed")]
    runs = [fit_local(n, data, epochs=2, batch_size=50, progress=False) for n in nets]
    assert runs[0] == runs[1] and np.array_equal(nets[0].hidden[0], nets[1].hidden[0])
    changed = data.test_x.clone()
    changed[:, 0] *= -1  # the first row only
    assert (nets[0].scores(data.test_x) != nets[0].scores(changed)).any()


def test_a_recurrent_batch_is_that_of_layers_which_share_their_memory():
    """Unrolled by hand: the sum of what each step would have done alone."""
    draw = np.random.default_rng(0)
    x = (2 * draw.integers(0, 2, (5, 3, 4)) - 1).astype(np.int8)
    y = draw.integers(0, 3, 5)
    found = RecurrentNet(4, 6, 3, rule="local", group=3, reinforcement=0, engine="numpy")
    start = found.hidden[0].copy()
    state, moved = np.ones((5, 6), dtype=np.int8), np.zeros_like(start)
    for t in range(3):
        alone = LocalNet((10, 6), 3, group=3, reinforcement=0, engine="numpy")
        alone.load([start])
        alone.readouts = found.readouts
        inputs = np.concatenate([x[:, t], state], axis=1)
        state = slow.sign(inputs.astype(int) @ slow.sign(start).T.astype(int))
        alone.learn_batch(inputs, y, 0, 0.5)
        moved += alone.hidden[0] - start
    found.learn_batch(x, y, 0, 0.5)
    assert np.array_equal(found.hidden[0] - start, moved) and moved.any()


# ---- no float ------------------------------------------------------------------------------------
def arrays_in(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple | set):
        for part in value:
            yield from arrays_in(part)
    elif hasattr(value, "__dict__") and type(value).__module__.startswith("stompp_lite.local"):
        yield from arrays_in(list(vars(value).values()))


def kinds_seen(call):
    """The kinds of every array that a local variable of the room's functions ever holds."""
    kinds, floats = set(), []

    def watch(frame, event, _):
        if "stompp_lite/local/" in frame.f_code.co_filename:
            for name, value in frame.f_locals.items():
                kinds.update(a.dtype.kind for a in arrays_in(value))
                if isinstance(value, float):
                    floats.append((frame.f_code.co_name, name))
        return watch

    sys.settrace(watch)
    try:
        call()
    finally:
        sys.settrace(None)
    return kinds, set(floats)


@pytest.mark.parametrize("rule", ["local", "bep"])
@pytest.mark.parametrize("engine", ["numpy", "packed"])
def test_no_array_of_floats_takes_part(rule, engine):
    found = LocalNet((64, 15, 15), 10, rule=rule, group=5, clip=90, engine=engine)
    x, y = DIGITS.train_x[:20].numpy().reshape(20, -1).astype(np.int8), DIGITS.train_y[:20].numpy()
    kinds, floats = kinds_seen(lambda: found.learn_batch(x, y, 3, 0.5))
    assert kinds <= set("iub") and "i" in kinds
    # the one fraction: the accuracy of an epoch, on its way to becoming a whole number
    assert floats == {("learn_batch", "accuracy"), ("chance", "accuracy"), ("chance", "p")}
    kinds, floats = kinds_seen(lambda: found.scores(x))
    assert kinds <= set("iub") and not floats


def test_the_watch_would_see_a_float():
    found = LocalNet((64, 15), 10, group=5, engine="numpy")
    x = np.ones((2, 64), dtype=np.int8)
    kinds, _ = kinds_seen(lambda: found.scores(x.astype(np.float32)))
    assert "f" in kinds


def test_the_compiled_code_has_no_float_either():
    kernels = [k for k in vars(packed).values() if hasattr(k, "py_func")]
    assert len(kernels) >= 7
    for rule in ("local", "bep"):  # so that each has been called
        fit_local(LocalNet((64, 5, 5), 10, rule=rule, group=5), FEW, epochs=1, progress=False)
    for kernel in kernels:
        assert kernel.signatures, kernel
        again = njit(kernel.py_func)
        again.compile(kernel.signatures[0])
        (code,) = again.inspect_llvm().values()
        assert "i64" in code and not re.search(r"\b(double|float|half)\b", code), kernel


def test_the_rules_import_no_torch():
    for module in (slow, packed, kernels):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        names = {
            name.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        }
        names.discard("stompp_lite.ship.kernels")  # is looked at, too
        assert {n.split(".")[0] for n in names} <= {"__future__", "typing", "numpy", "numba"}


# ---- data ----------------------------------------------------------------------------------------
def test_a_pixel_is_cut_at_its_median_over_the_training_images():
    raw, bits = load("digits"), as_bits(load("digits"))
    pixel = raw.train_x[:, 0, 3, 4]
    above = pixel > np.median(pixel.numpy())
    assert torch.equal(bits.train_x[:, 0, 3, 4] == 1, above) and 0.2 < above.float().mean() < 0.8
    assert set(bits.test_x.unique().tolist()) == {-1.0, 1.0}
    assert as_bits(bits) is bits  # signs stay


def test_prototypes_are_as_noisy_as_said():
    data = prototypes(1, samples=3000, test=500)
    assert data.train_x.shape == (2500, 1000) and data.test_x.shape == (500, 1000)
    centers = torch.stack([data.train_x[data.train_y == c].mean(0).sign() for c in range(10)])
    flipped = (data.test_x != centers[data.test_y]).float().mean()
    assert abs(flipped - 0.44) < 0.01
    assert not torch.equal(prototypes(2, samples=3000, test=500).train_x, data.train_x)


# ---- runs ----------------------------------------------------------------------------------------
def test_it_learns_digits_and_says_what_happened():
    found = LocalNet((64, 525, 525), 10)
    history = fit_local(found, DIGITS, epochs=6, eval_every=3, progress=False)
    assert history.finished and history.final["test_acc"] > 75
    assert history.curve("epoch") == [3, 6]
    asked = history.curve("loss")
    assert 1 >= asked[0] > asked[1] > 0  # fewer samples ask
    assert len(history.epochs[0]["layer_acc"]) == len(history.epochs[0]["flips"]) == 2
    right = (found.predict(DIGITS.test_x) == DIGITS.test_y.numpy()).mean()
    assert history.final["test_acc"] == 100 * right


@pytest.mark.parametrize("stop", [3, 5, 7])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, stop):
    options = {"epochs": 2, "batch_size": 50, "progress": False}
    whole, parts = (LocalNet((64, 75, 75), 10, rule="bep") for _ in range(2))
    at_once = fit_local(whole, FEW, **options)
    path = tmp_path / "run.npz"
    first = fit_local(parts, FEW, **options, checkpoint=path, stop_at=stop)
    assert not first.finished
    parts = LocalNet((64, 75, 75), 10, rule="bep")  # another process
    assert fit_local(parts, FEW, **options, checkpoint=path) == at_once
    assert all(np.array_equal(a, b) for a, b in zip(whole.hidden, parts.hidden, strict=True))


def test_a_checkpoint_of_another_run_or_a_broken_one_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    options = {"epochs": 1, "batch_size": 50, "progress": False, "checkpoint": path}
    fit_local(LocalNet((64, 15), 10, group=5), FEW, **options)
    for other, name in (
        (LocalNet((64, 20), 10, group=5), "network"),
        (LocalNet((64, 15), 10, group=3), "signals"),
    ):
        before = other.hidden[0].copy()
        with pytest.raises(CheckpointError, match=f"its {name} is .*Use another file"):
            fit_local(other, FEW, **options)
        assert np.array_equal(other.hidden[0], before)
    with pytest.raises(CheckpointError, match="its epochs is 1, this call's is 3"):
        fit_local(LocalNet((64, 15), 10, group=5), FEW, **options | {"epochs": 3})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        fit_local(LocalNet((64, 15), 10, group=5), FEW, **options)


# ---- refusals ------------------------------------------------------------------------------------
NO_TWO = Data("two", torch.ones(4, 3), torch.tensor([0, 1, 0, 1]), torch.ones(2, 3),
              torch.tensor([0, 1]), 3)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: LocalNet((64, 0), 10), "a width must be an integer of at least 1, got 0"),
        (lambda: LocalNet((64,), 10), r"such as \(64, 525, 525\), got \(64,\)"),
        (lambda: LocalNet("64", 10), "got '64'"),
        (lambda: LocalNet((64, 100), 10), "groups of 75 .* choose group=50 or 100"),
        (lambda: LocalNet((64, 75), 1), "the number of classes must be an integer of at least 2"),
        (lambda: LocalNet((64, 75), 10, grup=3), "unknown setting .* did you mean 'group'"),
        (lambda: LocalNet((64, 75), 10, rule="belief"), "unknown rule of local signals 'belief'"),
        (lambda: LocalNet((64, 75), 10, robustness=1.5), r"robustness must lie in \[0, 1\]"),
        (lambda: LocalNet((64, 75), 10, clip=0), "clip must be an integer of at least 1, got 0"),
        (lambda: LocalNet((64, 75), 10, engine="gpu"), "unknown engine 'gpu'"),
        (lambda: LocalNet((64, 75), 10, seed=-1), "the seed must be .* got -1"),
        (lambda: LocalNet((64, 75), 10, {"group": 5}), "signals must be a Signals"),
        (lambda: LocalNet((64, 75), 10).predict(np.zeros((2, 64))), "must be .1 or -1, got 0"),
        (lambda: LocalNet((64, 75), 10).predict(np.ones((2, 60))), r"reads \[N, 64\]"),
        (lambda: LocalNet((64, 75), 10).predict(np.array(["a"])), "array of .1 and -1, got <U1"),
        (lambda: LocalNet((64, 75, 75), 10, rule="bep").scores(np.ones((2, 64)), 0),
         "layer 0 has no classifier; there are classifiers at: 1"),
        (lambda: RecurrentNet(8, 75, 10).predict(np.ones((2, 64))), r"reads \[N, T, 8\]"),
        (lambda: fit_local(LocalNet((64, 75), 10), load("digits")), "or -1, got .*as_bits"),
        (lambda: fit_local(LocalNet((64, 75), 10), "digits"), "must be a Data"),
        (lambda: fit_local(torch.nn.Linear(2, 2), DIGITS), "must be a LocalNet .* got Linear"),
        (lambda: fit_local(LocalNet((64, 75), 9), DIGITS), "has 10 classes, the network 9"),
        (lambda: fit_local(LocalNet((3, 75), 3), NO_TWO), "class 2 of 'two' has no training"),
        (lambda: fit_local(LocalNet((64, 75), 10), DIGITS, epochs=0), "epochs must be"),
        (lambda: fit_local(LocalNet((64, 75), 10), DIGITS, batch_size=9999), "larger than the"),
        (lambda: as_bits(load("topics")), "holds texts"),
        (lambda: rows(prototypes(samples=20, test=5)), r"rows are taken of images \[N, 1"),
        (lambda: prototypes(samples=20, test=20), "test must be fewer than all 20"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(call, said):
    with pytest.raises(StomppError, match=said) as caught:
        call()
    assert isinstance(caught.value, ConfigError | DtypeError | ShapeError)


def test_without_numba_the_slow_engine_computes(monkeypatch):
    monkeypatch.setattr(net.importlib.util, "find_spec", lambda _: None)
    assert LocalNet((64, 75), 10).engine == "numpy"
    with pytest.raises(ConfigError, match="pip install numba, or use engine='numpy'"):
        LocalNet((64, 75), 10, engine="packed")


def test_speed_is_measured_in_turns_and_says_what_it_compares():
    found = measure(prototypes(samples=400, test=100, size=128), width=75, rounds=2)
    assert {len(rounds) for rounds in found["seconds"].values()} == {2}
    low, high = found["spread"]
    assert 0 < low <= found["ratio"] <= high
    assert found["products"] == 128 * 75 + 75 * 75
    assert found["bytes"] == {"float32": 4 * found["products"], "packed": 8 * (2 * 75 + 2 * 75)}
    with pytest.raises(ConfigError, match="rounds must be"):
        measure(FEW, rounds=0)


def test_gates_are_those_of_counted_operations():
    """A network small enough to count by hand: 6 inputs, 4 neurons, then 4; 2 classes."""
    found = gates((6, 4, 4), classes=2, group=2, bits=5, batch=10)
    forward = (6 * 4 + 4 * 2 + 4 * 4 + 4 * 2) * (1 + 5)  # an XNOR and a full adder for each product
    compare = 4 * 5 * 3 + 4 * 5 * 3  # a sum of up to 6, or of up to 4, has three bits
    update = 2 * 6 * 2 * 5 + 2 * 4 * 2 * 5  # groups, inputs, a half adder for each bit
    assert list(found["local"].values()) == [forward, compare, update, 40 * 5 * 16 // 10]
    mac = 24 * 24 + 5 * 24 * 23 + 5 * 24
    weights, hears = 24 + 16 + 8, 16 + 8  # nobody needs a gradient at the inputs
    assert list(found["float"].values()) == [
        mac * weights, mac * hears, mac * weights, mac * weights // 10,
    ]  # fmt: skip
    assert found["hash"]["draws"] == 10 * 2 * (64 * 64 + 5 * 64 * 63) // 10
    with pytest.raises(ConfigError, match="a size"):
        gates((6, 0), 2, 2, 5)
