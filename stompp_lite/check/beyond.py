"""What answers to the exercises of Part IV must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from stompp_lite.check.desk import Found, a_function, exercise, numbers
from stompp_lite.local import slow


# ---- chapter 18 ----------------------------------------------------------------------------------
@exercise("18.1", "understand", numbers(
    "its sum after the move", "weights that turned", "the most by which a sum of five can rise"
))  # fmt: skip
def _one_move(found: list[float]) -> Iterator[Found]:
    after, turned, most = found
    hint = "the integers move by 2 in the direction of the input; a weight turns only at zero"
    if after == 7:
        hint = "you moved the weights; only the integers move, and the weights are their signs"
    yield Found("weights that turned", turned == 2, hint)
    yield Found(
        "the sum after", after == 1,
        "each weight that turned disagreed with the input and agrees now: what does that add?",
    )  # fmt: skip
    yield Found(
        "the largest rise", most == 8,
        "a sum of −3 out of five: how many weights disagree, and what if all of them turn?",
    )  # fmt: skip


@exercise("18.2", "code", a_function("easiest(z, d, group)"))
def _easiest(easiest: Callable[..., Any]) -> Iterator[Found]:
    draw = np.random.default_rng(0)
    z = draw.integers(-4, 5, (60, 12)).astype(np.int32)
    d = (2 * draw.integers(0, 2, z.shape) - 1).astype(np.int8)
    wrong = slow.sign(z) != d
    moves = np.asarray(easiest(z.copy(), d.copy(), 3))
    yield Found(
        "bool [B, K]", moves.shape == z.shape and moves.dtype == bool,
        f"yours has shape {moves.shape} and dtype {moves.dtype}, for sums {z.shape}",
    )  # fmt: skip
    yield Found(
        "only wrong neurons move", not (moves & ~wrong).any(),
        "a neuron is wrong if its sign differs from the desired one, and sign(0) is +1",
    )  # fmt: skip
    count, asked = moves.reshape(60, 4, 3).sum(2), wrong.reshape(60, 4, 3).any(2)
    yield Found("at most one in a group", bool((count <= 1).all()), "of a tie, only the first")
    yield Found(
        "a group with a wrong neuron moves one", bool((count[asked] == 1).all()),
        "a sum of 0 can be wrong, too: it is the nearest of all",
    )  # fmt: skip
    yield Found(
        "the nearest to zero, the first of a tie",
        bool(np.array_equal(moves, slow.easiest(z, d, 3))), "compare sizes, not sums with sign",
    )  # fmt: skip
    whole = np.asarray(easiest(z.copy(), d.copy(), 12))
    yield Found(
        "another group size", bool(np.array_equal(whole, slow.easiest(z, d, 12))),
        "use group, and not a number of your own",
    )  # fmt: skip
