"""What answers to the exercises of chapters 9 to 12 must have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from stompp_lite.check.desk import (
    Found,
    a_function,
    a_list,
    a_number,
    exercise,
    names_of,
    numbers,
    table,
)  # fmt: skip


# ---- chapter 9 -----------------------------------------------------------------------------------
@exercise("9.1", "understand", numbers("stages frozen", "stages half way", "stages still soft"))
def _mixture(found: list[float]) -> Iterator[Found]:
    frozen, between, soft = found
    yield Found("25 stages in all", sum(found) == 25, f"you have {sum(found):g}")
    tail = (frozen, soft) == (18, 6)
    yield Found(
        "at epoch 45", (frozen, between, soft) == (20, 1, 4),
        "the last tenth of the run is the tail: the windows share the time before it" if tail
        else "how long is one window, when 25 of them share the time up to the tail?",
    )  # fmt: skip


@exercise("9.2", "code", table(
    "a dictionary of two curves from p = 0 to p = 1, {'1': [...], 'α': [...]}", ("1", "α"), a_list
))  # fmt: skip
def _ghost(curves: dict[str, list[float]]) -> Iterator[Found]:
    loud, quiet = curves["1"], curves["α"]
    yield Found(
        "two curves at the same three or more shares", len(loud) == len(quiet) >= 3,
        f"they have {len(loud)} and {len(quiet)} points",
    )  # fmt: skip
    yield Found(
        "at p = 0 they agree to the last bit", loud[0] == quiet[0],
        "at p = 0 nothing is replaced: put the float weights back before each p",
    )  # fmt: skip
    yield Found(
        "at p = 1 they agree up to rounding", math.isclose(loud[-1], quiet[-1], rel_tol=0.02),
        "is batch norm in training mode, and is every weight replaced at p = 1?",
    )  # fmt: skip
    most = max(a - b for a, b in zip(loud, quiet, strict=True))
    yield Found(
        "in between, the loud one is higher", most > 0.05 * quiet[0],
        "are the sizes 1 and α, and is it the same random number for each weight in both curves?",
    )  # fmt: skip


# ---- chapter 10 ----------------------------------------------------------------------------------
@exercise("10.1", "understand", numbers("the frozen share at p = 0.9", "steps in a row"))
def _anew(found: list[float]) -> Iterator[Found]:
    yield Found("the share", abs(found[0] - 0.9) < 1e-6, "each number lies below p with chance p")
    yield Found(
        "how long an entry stays", abs(found[1] - 10) < 1e-6,
        "with which chance does it end in a step, and how long does one wait for that?",
    )  # fmt: skip


def _expected(S: int, rho: float, grow: Callable[[float], float]) -> float:  # noqa: N803
    """Exact share of frozen entries after S steps, when entries draw anew with chance rho."""
    m = 0.0
    for t in range(S):
        m += rho * (grow((t + 1) / S) - m)
    return m


@exercise("10.2", "code", a_function("redraw(S, rho, grow)"))
def _redraw(redraw: Callable[..., Tensor]) -> Iterator[Found]:
    mask = torch.as_tensor(redraw(50, 0.02, lambda tau: tau))
    yield Found(
        "a mask of booleans, one for each of 10,000 entries or more",
        mask.dtype == torch.bool and mask.numel() >= 10_000,
        f"you return {mask.numel()} entries of {mask.dtype}",
    )
    still = torch.as_tensor(redraw(50, 0.0, lambda tau: 1.0))
    yield Found("with ρ = 0 nobody has a turn", not bool(still.any()), "entries are free at first")

    def falls(tau: float) -> float:
        return 1.0 if tau <= 0.5 else 0.0

    share = float(torch.as_tensor(redraw(40, 0.5, falls)).float().mean())
    yield Found(
        "entries are released when they draw anew", share < 0.01,
        "your mask never shrinks: refresh draws entries anew, it does not only add" if share > 0.9
        else f"p falls from 1 to 0 in the middle of a window, and {share:.0%} are still frozen",
    )  # fmt: skip
    for k in (0.5, 5.0):
        for S in (200, 500):  # noqa: N806 - the book's name
            found = float(torch.as_tensor(redraw(S, k / S, lambda tau: tau)).float().mean())
            exact = _expected(S, k / S, lambda tau: tau)
            if found > 0.97:
                hint = "the share follows p at once; an entry must keep its state until its turn"
            elif abs(found - (1 - math.exp(-k))) < 0.02:
                hint = "an entry that has its turn freezes with chance p, and not always"
            else:
                hint = f"the jump is {1 - found:.3f}; how often does an entry have its turn?"
            says = f"linear, k = {k}, {S} steps: the jump that the law has"
            yield Found(says, abs(found - exact) < 0.02, hint)


@exercise("10.4", "break", table(
    "a dictionary {steps: jump} with windows of 5, 50 and 500 steps, cubic, k = 2",
    (5, 50, 500), a_number,
))  # fmt: skip
def _short(jumps: dict[int, float]) -> Iterator[Found]:
    for steps, jump in jumps.items():
        exact = 1 - _expected(int(steps), 2 / steps, lambda tau: tau**3)
        share = abs(jump - (1 - exact)) < 0.03
        yield Found(
            f"{steps} steps", abs(jump - exact) < 0.03,
            "that is the share that is frozen; the jump is what is missing at the end" if share
            else "take ρ = 2 / steps and p = τ³, and 10,000 entries or more",
        )  # fmt: skip


# ---- chapter 11 ----------------------------------------------------------------------------------
@exercise("11.1", "understand", numbers(
    "free share of a window, cubic", "the same, flipped quadratic", "number of stages"
))  # fmt: skip
def _free(found: list[float]) -> Iterator[Found]:
    for what, one, exact in zip(("cubic", "flipped quadratic"), found, (0.75, 1 / 3), strict=False):
        frozen = abs(one - (1 - exact)) < 0.01
        yield Found(
            f"the free share, {what}", abs(one - exact) < 0.01,
            "that is the frozen share" if frozen else "integrate 1 − p over the window",
        )  # fmt: skip
    yield Found(
        "so many stages", 3 <= found[2] <= 3.76,
        "the tail takes a tenth: how long is a window of L stages?" if 4 <= found[2] <= 4.2
        else "the difference of the two shares, times a window of 0.9 / L, is to be a tenth",
    )  # fmt: skip


@exercise("11.2", "code", a_function("late(tau)"))
def _late(late: Callable[[float], Any]) -> Iterator[Found]:
    grid = [k / 200 for k in range(201)]
    p = [a_number(late(tau), "p") for tau in grid]
    yield Found(
        "from 0 to 1", abs(p[0]) < 1e-9 and abs(p[-1] - 1) < 1e-9,
        f"it goes from {p[0]:.4g} to {p[-1]:.4g}",
    )  # fmt: skip
    yield Found(
        "and never down", all(a <= b for a, b in pairwise(p)),
        "p must not fall: a frozen share that shrinks gives back what was settled",
    )  # fmt: skip
    free = 1 - sum(p) / len(p)
    yield Found(
        "most freeze near the end", free > 0.85,
        "it freezes most near the beginning: turn it round" if free < 0.5
        else f"an entry is free for {free:.0%} of its window, and cubic has 75 %",
    )  # fmt: skip


# ---- chapter 12 ----------------------------------------------------------------------------------
_METHODS = ("STE", "StoMPP", "StoMPP + STE")


@exercise("12.1", "understand", table(
    "a dictionary of two pairs of methods, {'when': (a, b), 'back': (a, b)}, out of "
    + ", ".join(_METHODS), ("when", "back"), names_of(_METHODS),
))  # fmt: skip
def _pairs(pairs: dict[str, frozenset[str]]) -> Iterator[Found]:
    both = frozenset({"STE", "StoMPP"})
    right = {"when": {"STE", "StoMPP + STE"}, "back": {"StoMPP + STE", "StoMPP"}}
    says = {
        "when": "only when entries harden differs",
        "back": "only what frozen ones pass differs",
    }
    for key, wanted in right.items():
        yield Found(f"{key}: two methods", len(pairs[key]) == 2, "a comparison has two sides")
        yield Found(
            says[key], pairs[key] == wanted,
            "these two differ in both ways" if pairs[key] == both
            else "for each method: when do its entries harden, and what do frozen ones pass back?",
        )  # fmt: skip


@exercise("12.2", "code", table(
    "a dictionary of test accuracies in percent, {'small steps': {'STE': [...], 'StoMPP': [...]}, "
    "'Adam': {...}}", ("small steps", "Adam"),
    table("a dictionary with 'STE' and 'StoMPP'", ("STE", "StoMPP"), a_list).read,
))  # fmt: skip
def _fight(ends: dict[str, dict[str, list[float]]]) -> Iterator[Found]:
    """Six seeds: small steps 64 to 71 and 86 to 90, Adam 89 to 96 and 88 to 92."""
    rows = [scores for methods in ends.values() for scores in methods.values()]
    yield Found(
        "two starts or more, as many for both", min(map(len, rows)) >= 2
        and all(len(m["STE"]) == len(m["StoMPP"]) for m in ends.values()),
        "give both methods the same seeds",
    )  # fmt: skip
    yield Found(
        "in percent", max(max(r) for r in rows) > 1, "these are shares; multiply them by 100"
    )
    small, adam = ends["small steps"], ends["Adam"]
    yield Found(
        "with small steps StoMPP is ahead from each start",
        all(b > a + 5 for a, b in zip(small["STE"], small["StoMPP"], strict=True)),
        "is the rate 0.1 with plain SGD for both, without a scale, and are there 6 epochs?",
    )
    yield Found(
        "with Adam both learn", min(map(min, adam.values())) > 75,
        "is the rate of Adam 0.01? At 0.1 its steps are too large",
    )  # fmt: skip
