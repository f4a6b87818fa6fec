"""What answers to the exercises of chapter 19 must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from stompp_lite.check.desk import Found, a_function, exercise, numbers


@exercise("19.1", "understand", numbers(
    "times faster as a whole", "times faster with infinitely fast products"
))  # fmt: skip
def _amdahl(found: list[float]) -> Iterator[Found]:
    whole, limit = found
    hint = "add up the time that is left: the part that got faster, and the part that did not"
    if abs(whole - 15) < 0.5 or abs(whole - 0.9 * 15) < 0.5:
        hint = "that is the products alone; a tenth of the time did not get any faster"
    yield Found("the whole network", abs(whole - 6.25) < 0.1, hint)
    yield Found(
        "the limit", abs(limit - 10) < 0.1,
        "products that take no time leave the tenth that stays float",
    )  # fmt: skip


def _net(draw: np.random.Generator, n: int, ties: bool) -> tuple[np.ndarray, ...]:
    """Batch norms of n neurons: slope, offset, mean, standard deviation."""
    gamma = draw.choice([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0], n)
    mean = draw.integers(-6, 7, n).astype(float)
    beta = np.zeros(n) if ties else draw.normal(size=n)
    return gamma, beta, mean, draw.choice([0.5, 1.0, 2.0], n)


def _signs(z: int, gamma: float, beta: float, mean: float, std: float) -> bool:
    return gamma * (z - mean) / std + beta >= 0


def _agrees(fold: Callable[..., Any], norms: tuple[np.ndarray, ...], keep: np.ndarray) -> bool:
    for row in np.stack(norms, 1)[keep]:
        threshold, flip = fold(*row.tolist())
        for z in range(-40, 41):
            if ((z >= threshold) != bool(flip)) != _signs(z, *row.tolist()):
                return False
    return True


@exercise("19.2", "code", a_function("fold(gamma, beta, mean, std)"))
def _fold(fold: Callable[..., Any]) -> Iterator[Found]:
    draw = np.random.default_rng(0)
    norms, ties = _net(draw, 200, ties=False), _net(draw, 200, ties=True)
    threshold, flip = fold(1.0, 0.0, 0.5, 1.0)
    yield Found(
        "a whole number and a bool",
        isinstance(threshold, int) and isinstance(flip, bool | np.bool_),
        f"yours gives {threshold!r} and {flip!r}: of a whole sum, a whole number is enough to ask",
    )  # fmt: skip
    yield Found(
        "gamma above zero", _agrees(fold, norms, norms[0] > 0),
        "solve gamma (z - mean) / std + beta >= 0 for z, and round to the next whole number above",
    )  # fmt: skip
    yield Found(
        "gamma below zero", _agrees(fold, norms, norms[0] < 0),
        "dividing by a negative gamma turns the inequality around: large sums now give -1",
    )  # fmt: skip
    yield Found(
        "ties", _agrees(fold, ties, np.ones(200, bool)),
        "where the norm is exactly 0 the sign is +1, for either sign of gamma",
    )  # fmt: skip
