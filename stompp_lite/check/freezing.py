"""What answers to the exercises of chapters 5 to 8, and of the page after them, must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stompp_lite.check.desk import (
    Found,
    a_function,
    a_list,
    a_number,
    a_set,
    exercise,
    names_of,
    numbers,
    table,
)  # fmt: skip
from stompp_lite.check.foundations import ZERO, applied, close, slope
from stompp_lite.networks.convert import binarize_model, conversion
from stompp_lite.networks.models import LabResNet
from stompp_lite.training.finished import assert_binary
from stompp_lite.training.plan import Plan
from stompp_lite.training.progression import foresee

U = torch.tensor([0.0, -0.3, 0.4, -2.0, 0.2, 1.5, -0.7, 0.9])
M = torch.tensor([True, True, False, False, True, False, False, True])


def _sign(u: Tensor) -> Tensor:
    return torch.where(u >= 0, 1.0, -1.0)


# ---- chapter 5 -----------------------------------------------------------------------------------
@exercise("5.1", "understand", numbers(
    "τ at 5 %", "τ at half", "share of the time between 2 % and 30 %", "the same, linear"
))  # fmt: skip
def _cubic(found: list[float]) -> Iterator[Found]:
    exact = (0.05 ** (1 / 3), 0.5 ** (1 / 3), 0.3 ** (1 / 3) - 0.02 ** (1 / 3), 0.28)
    says = ("where 5 % are frozen", "where half is", "time in the valley, cubic", "and linear")
    for k, (one, right, what) in enumerate(zip(found, exact, says, strict=True)):
        if one > 1:
            hint = "give shares of one, not percent"
        elif k < 2 and abs(one - right**9) < 0.01:
            hint = "that is p at this τ; solve p = τ³ for τ"
        elif k == 2 and abs(one - (0.3**3 - 0.02**3)) < 0.01:
            hint = "those are shares p at τ = 0.02 and 0.3; you need the τ at which p is 2 and 30 %"
        else:
            hint = "solve p = τ³ for τ" if k < 3 else "for a linear schedule p is τ"
        yield Found(what, abs(one - right) < 0.01, hint)


@exercise("5.2", "code", a_function("partly_frozen(w, M)"))
def _partly_frozen(answer: Callable[..., Tensor]) -> Iterator[Found]:
    out = answer(U, M)
    inverted = close(out[~M], _sign(U[~M])) and not close(out[M], _sign(U[M]))
    yield Found(
        "where M is one, the values are ±1", close(out[M], _sign(U[M])),
        "M is taken the wrong way round: one means frozen" if inverted else ZERO,
    )  # fmt: skip
    yield Found(
        "where M is zero, the values are clipped", close(out[~M], U[~M].clamp(-1, 1)),
        "free weights are real numbers between −1 and 1",
    )  # fmt: skip
    found = slope(lambda u: answer(u, M), U)
    yield Found(
        "frozen weights have no gradient", not bool(found[M].any()),
        "a gradient passes the frozen ones: that is a straight-through estimator",
    )  # fmt: skip
    inside = ~M & (U.abs() < 1)
    yield Found(
        "free weights within ±1 have the gradient of w itself", close(found[inside], torch.ones(2)),
        "where does the gradient of the free ones get lost?",
    )  # fmt: skip


@exercise("5.4", "code", a_function("ranks(w, largest_first)"))
def _ranks(ranks: Callable[..., Tensor]) -> Iterator[Found]:
    w = torch.randn(6, 7)
    for largest in (True, False):
        found = torch.as_tensor(ranks(w, largest))
        yield Found(
            "one number in [0, 1) for each weight, all different",
            found.shape == w.shape and bool(((found >= 0) & (found < 1)).all())
            and found.unique().numel() == 42,
            "give the k-th of n weights the number k/n, in the shape of w",
        )  # fmt: skip
        by_number = w.abs().flatten()[found.flatten().argsort()]
        steps = by_number.diff()
        good = bool((steps <= 0).all() if largest else (steps >= 0).all())
        turned = bool((steps >= 0).all() if largest else (steps <= 0).all())
        yield Found(
            f"the {'largest' if largest else 'smallest'} weights have the smallest numbers", good,
            "the order is turned round" if turned else
            "argsort says which weight stands at each place, not at which place each weight stands",
        )  # fmt: skip


# ---- chapter 6 -----------------------------------------------------------------------------------
_HEARS = ("conv1", "conv2", "earlier")


@exercise("6.1", "understand", table(
    "a dictionary {'act1': set, 'both': set}: who still hears when act1 is committed, and when "
    "both are, out of 'conv1', 'conv2', 'earlier'", ("act1", "both"), names_of(_HEARS),
))  # fmt: skip
def _block(hears: dict[str, frozenset[str]]) -> Iterator[Found]:
    one, both = hears["act1"], hears["both"]
    yield Found(
        "conv1, behind a wall", "conv1" not in one, "what stands between conv1 and the loss?"
    )
    yield Found(
        "conv2, with act1 committed", "conv2" in one,
        "which of the two activations lies between conv2 and the loss?",
    )  # fmt: skip
    yield Found(
        "the earlier blocks, with act1 committed", "earlier" in one,
        "there is a second way into the sum of the block",
    )  # fmt: skip
    yield Found(
        "with both committed", not both, "what passes act2: the branch, the shortcut, or both?"
    )


@exercise("6.2", "code", a_function("door(z, M, beta)"))
def _door(door: Callable[..., Tensor]) -> Iterator[Found]:
    beta = 0.7
    out = door(U, M, beta)
    quiet = close(out[M], beta * U[M].clamp(-1, 1))
    loud = close(out[M], _sign(U[M]))
    yield Found(
        "frozen units are beta times the sign", close(out[M], beta * _sign(U[M])),
        "frozen units still carry their size" if quiet
        else "frozen units are as loud as before: where is beta?" if loud else ZERO,
    )  # fmt: skip
    yield Found(
        "free units are clipped, and not made quieter", close(out[~M], U[~M].clamp(-1, 1)),
        "beta belongs to the frozen units alone",
    )  # fmt: skip
    found = slope(lambda u: door(u, M, beta), U)
    yield Found(
        "frozen units pass no gradient", not bool(found[M].any()),
        "a frozen unit lets gradient through",
    )  # fmt: skip
    inside = ~M & (U.abs() < 1)
    yield Found(
        "free units do", close(found[inside], torch.ones(2)), "free units have slope 1 inside"
    )


@exercise("6.3", "explore", table(
    "a dictionary {blocks: gradient left at the first stage} with 2, 4, 8 and 12 blocks",
    (2, 4, 8, 12), a_number,
))  # fmt: skip
def _blocks(left: dict[int, float]) -> Iterator[Found]:
    """At p = 0.5, six seeds: 0.5 to 0.95 times the rule of thumb."""
    ordered = [left[k] for k in sorted(left)]
    yield Found(
        "more blocks leave less", all(a > b > 0 for a, b in pairwise(ordered)),
        "take the reach at stage 0, with and without masks in one network",
    )  # fmt: skip
    ratios = [value / 0.5**blocks for blocks, value in left.items()]
    yield Found(
        "the rule of thumb holds within a factor of five",
        all(0.2 < ratio < 5 for ratio in ratios),
        f"you have {min(ratios):.1e} to {max(ratios):.1e} times the rule: is p one half, and are "
        "all stages at that p at once?",
    )


# ---- chapter 7 -----------------------------------------------------------------------------------
@exercise("7.1", "understand", a_set(("stem", "blocks", "classifier")))
def _after_reverse(hears: frozenset[str]) -> Iterator[Found]:
    yield Found(
        "the blocks", "blocks" not in hears,
        "the last activation carries branch and shortcut: does anything pass it once it is closed?",
    )  # fmt: skip
    yield Found("the stem", "stem" not in hears, "what lies between the stem and the loss?")
    yield Found(
        "the classifier", "classifier" in hears, "what lies between the classifier and the loss?"
    )


@exercise("7.2", "code", a_function("freeze_reversed(model, epochs)"))
def _freeze_reversed(freeze: Callable[..., Any]) -> Iterator[Found]:
    model = binarize_model(LabResNet(1, 10, width=16, blocks=(1, 1)), torch.zeros(1, 1, 8, 8))
    stages = conversion(model).stages
    acts = [model.get_submodule(stage.activations[0]) for stage in stages]
    shares: list[list[float]] = []
    masks: list[Tensor] = []
    first = model.get_submodule(stages[-1].weights[0])

    def look(*_: Any) -> None:
        shares.append([float(act.p) for act in acts])  # type: ignore[arg-type]
        mask = first.binarizer.mask  # type: ignore[union-attr]
        if mask is not None:
            masks.append(mask(first.weight).clone())  # type: ignore[operator]

    handle = model.register_forward_pre_hook(look)
    freeze(model, 2)
    handle.remove()
    yield Found("it trains", len(shares) >= 40, "two epochs have 46 steps: call the model in each")
    walk = torch.tensor(shares)
    yield Found(
        "no share ever falls", bool((walk.diff(dim=0) >= -1e-6).all()),
        "time runs backward: p must grow from 0 to 1 in the window of each stage",
    )  # fmt: skip
    ends = walk[-1]
    yield Found(
        "every stage ends frozen",
        bool((ends == 1).all()),
        f"stages 0 to {len(acts) - 1} end at p = {', '.join(f'{p:.2f}' for p in ends.tolist())}: "
        "which window has the last stage, and which the first?",
    )
    done = (walk == 1).float().argmax(0).tolist()
    forward = done == sorted(done)
    yield Found(
        "the last stage is finished first, and the first last", done == sorted(done, reverse=True),
        "this is the forward order: which number does the window of a stage have?" if forward
        else f"the stages are finished at steps {done}",
    )  # fmt: skip
    left = any(bool((a & ~b).any()) for a, b in pairwise(masks))
    yield Found(
        "entries leave the mask as well as enter it", left,
        "your mask never shrinks: refresh draws entries anew, it does not only add",
    )  # fmt: skip
    try:
        assert_binary(model)
        hint = ""
    except AssertionError as err:
        hint = str(err)
    yield Found("what comes out is binary", not hint, hint)


# ---- chapter 8 -----------------------------------------------------------------------------------
@exercise("8.1", "understand", a_function("windows(l, L), with l from 0 to L − 1"))
def _windows(windows: Callable[[int, int], Any]) -> Iterator[Found]:
    for L in (1, 3, 5):  # noqa: N806 - the book's name
        orders = list(permutations(range(1, L + 1)))
        for l in range(L):  # noqa: E741 - the book's name
            exact = sum(min(order[l:]) for order in orders) / len(orders)
            found = a_number(windows(l, L))
            if abs(found - (L + 1) / 2) < 1e-9:
                hint = "the walls behind a stage count as well as its own window"
            elif abs(found - L / (L - l)) < 1e-9:
                hint = "windows are whole numbers, so the smallest of n is not L/n on average"
            else:
                hint = (
                    f"tried in all {len(orders)} orders, it is more than one part in a thousand off"
                )
            says = f"stage {l} of {L}: the average over all orders"
            yield Found(says, abs(found - exact) < 1e-3 * exact, hint)


@exercise("8.2", "code", a_function("opened(z, M), or an autograd function's class"))
def _opened(answer: Any) -> Iterator[Found]:
    call = applied(answer)
    z = torch.linspace(-2, 2, 9)
    partial, full = torch.arange(9) % 2 == 0, torch.ones(9, dtype=torch.bool)
    for mask, what in ((partial, "partial"), (full, "full")):
        wanted = torch.where(mask, _sign(z), z.clamp(-1, 1))
        yield Found(f"{what} mask: forward is the equation", close(call(z, mask), wanted), ZERO)
    inside = (z.abs() <= 1).float()
    found = slope(lambda u: call(u, partial), z)
    yield Found(
        "partial mask: the gradient is StoMPP's", close(found, inside * ~partial),
        "a frozen unit is open already; only a full mask opens it" if bool(found[partial].any())
        else "free units have slope 1 inside of [−1, 1] and 0 outside",
    )  # fmt: skip
    found = slope(lambda u: call(u, full), z)
    yield Found(
        "full mask: the gradient is 1 inside of [−1, 1] and 0 outside", close(found, inside),
        "a committed activation still silences what is before it" if not bool(found.any())
        else "it passes beyond ±1 too: backward is the clip",
    )  # fmt: skip


@exercise("8.3", "explore", table(
    "a dictionary {'none': [...], 'one': [...], 'all': [...]} of test accuracies in percent with "
    "no activation opened, with the last one opened, with all opened",
    ("none", "one", "all"), a_list,
))  # fmt: skip
def _how_many(ends: dict[str, list[float]]) -> Iterator[Found]:
    """Three seeds, 8 epochs: none 35 to 48 %, one 62 to 65 %, all nine 77 to 84 %."""
    none, one, everything = (sum(ends[k]) / len(ends[k]) for k in ("none", "one", "all"))
    yield Found("in percent", everything > 1, "these are shares; multiply them by 100")
    yield Found(
        "with all of them open, accuracy returns", everything > none + 15,
        "open means the rule stompp-then-ste:clip on the activations, in reverse order",
    )  # fmt: skip
    yield Found(
        "one open activation gives a part of it", none < one < everything - 5,
        "are the other activations walls again? Their rule must be set back before training",
    )  # fmt: skip


# ---- Can a plan foresee it? ----------------------------------------------------------------------
def _foreseen(plans: Mapping[str, Plan]) -> dict[str, dict[str, float]]:
    """Learning time and blind commits of plans for the network with 8 binary convolutions."""
    net = binarize_model(LabResNet(1, 10, width=4, blocks=(2, 2)), torch.zeros(1, 1, 8, 8))
    seen = {name: foresee(net, 8 * 23, plan) for name, plan in plans.items()}
    return {n: {key: float(np.nanmean(v)) for key, v in one.items()} for n, one in seen.items()}


@exercise("plan.2", "code", a_function("ranked(plans), of a dictionary of plans"))
def _ranked(ranked: Callable[[dict[str, Plan]], Sequence[str]]) -> Iterator[Found]:
    first = {
        "reverse": Plan(order="reverse"), "weights 1 behind": Plan(lead=-1), "forward": Plan(),
        "weights 8 ahead": Plan(lead=8),
    }  # fmt: skip
    second = {
        "early": Plan(order="global", shape="flipped-quadratic"), "forward": Plan(),
        "at once": Plan(order="global"),
    }  # fmt: skip
    for plans, what in ((first, "four plans"), (second, "three others")):
        seen, found = _foreseen(plans), list(ranked(dict(plans)))
        yield Found(
            f"{what}: each name once", sorted(map(str, found)) == sorted(plans),
            f"you return {found!r}"[:90],
        )  # fmt: skip
        right = sorted(plans, key=lambda name: -seen[name]["learning"])
        blind = sorted(plans, key=lambda name: seen[name]["blind"])
        if found == right[::-1]:
            hint = "it begins with the one that has the least"
        elif [seen[n]["blind"] for n in found] == [seen[n]["blind"] for n in blind]:
            hint = "that is how blind commits rank them; take the other number that foresee returns"
        elif found == list(plans):
            hint = "they are as they came. Stage 0 has no weights, so its entry is NaN: nanmean"
        else:
            hint = "take the mean over the stages of what foresee calls learning, without the NaN"
        yield Found(f"{what}: the most learning time first", found == right, hint)
