"""The rules of local signals in NumPy, one line a formula: obvious, slow, and without a float.

Arrays: ``x`` int8 [B, n], inputs of a layer, +1 or -1; ``hidden`` int32 [K, n], hidden integers, a
row a neuron; ``z`` int32 [B, K], pre-activations; ``d`` int8 [B, K], desired activations;
``readout`` int8 [C, K], a fixed random classifier. ``sign(0)`` is +1 everywhere. A score or a
neuron that ties with another gives way to the one with the smaller number.

:mod:`stompp_lite.local.packed` does the same with 64 signs in a word.

Taught in chapter 18, *Learning without gradients*.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Signs = NDArray[np.int8]
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def sign(values: NDArray[Any]) -> Signs:
    """+1 where a number is at least 0, else -1: int8."""
    return np.where(values >= 0, np.int8(1), np.int8(-1))


class Memory:
    """Hidden integers int32 [K, n], and the signs that the network computes with."""

    def __init__(self, hidden: Ints) -> None:
        self.hidden = hidden
        self.weights = sign(hidden)

    def read(self) -> None:
        """Read the signs again, after the hidden integers have changed."""
        self.weights = sign(self.hidden)


class Inputs:
    """Signs int8 [B, n] as a layer's input."""

    def __init__(self, signs: Signs) -> None:
        self.signs = signs


def products(x: Inputs, memory: Memory) -> Ints:
    """Pre-activations: int32 [B, K]."""
    return x.signs.astype(np.int32) @ memory.weights.T.astype(np.int32)


def scores(x: Inputs, readout: Memory) -> Ints:
    """How much the signs of a layer agree with each class: int32 [B, C]."""
    return products(x, readout)


def ask(scored: Ints, y: NDArray[np.int64], margin: int) -> tuple[NDArray[np.bool_], int]:
    """Which samples a layer learns from, and how many it gets right.

    A sample is learned if its class does not have the highest score, or leads by less than
    ``margin``.
    """
    rows = np.arange(len(y))
    right = scored.argmax(axis=1) == y
    others = scored.copy()
    others[rows, y] = np.iinfo(np.int32).min
    lead = scored[rows, y] - others.max(axis=1)
    return ~right | (lead < margin), int(right.sum())


def desired_by_class(readout: Memory, y: NDArray[np.int64]) -> Signs:
    """The pattern of each sample's class in a layer's classifier: int8 [B, K]."""
    return readout.weights[y]


def desired_from_above(d: Signs, z: Ints, memory: Memory, reach: int) -> Signs:
    """Desired signs of a layer, from those of the layer above (BEP): int8 [B, n].

    Each neuron above votes with its desired sign times its weight, if its pre-activation is small
    enough to be turned: at most ``reach``.

    Args:
        d, z: int8, int32 [B, K], of the layer above. memory: its weights, [K, n].
    """
    gate = abs(z) <= reach
    return sign((gate * d.astype(np.int32)) @ memory.weights.astype(np.int32))


def easiest(z: Ints, d: Signs, group: int) -> NDArray[np.bool_]:
    """Which neurons move: in each group the wrong one that is nearest to its turning point.

    A neuron is wrong if its sign differs from the desired one. A group in which all are right
    stays as it is.
    """
    stuck = np.iinfo(np.int32).max
    distance = np.where(sign(z) == d, np.int32(stuck), abs(z)).reshape(len(z), -1, group)
    chosen = np.zeros(distance.shape, dtype=bool)
    nearest = distance.argmin(axis=2)[..., None]
    np.put_along_axis(chosen, nearest, distance.min(axis=2, keepdims=True) != stuck, axis=2)
    return chosen.reshape(z.shape)


def learn(
    memory: Memory, x: Inputs, z: Ints, d: Signs, asked: NDArray[np.bool_], group: int
) -> None:
    """Add 2 d x to the hidden integers of each neuron that moves, summed over the samples."""
    moves = (easiest(z, d, group) & asked[:, None]) * d.astype(np.int32)  # [B, K]: -1, 0, +1
    memory.hidden += 2 * moves.T @ x.signs.astype(np.int32)


def draws(key: int, step: int, entries: int) -> NDArray[np.uint16]:
    """A number of 16 bits for each entry, which depends on the key, the step and the entry only.

    Four of them are the quarters of a 64-bit number, SplitMix64's finalizer of a counter, as in
    :mod:`stompp_lite.rng`.
    """
    with np.errstate(over="ignore"):
        start = np.uint64(key) ^ (np.uint64(step) * _M1)
        x = np.arange(-(-entries // 4), dtype=np.uint64) * _GOLDEN + start
        x = (x ^ (x >> np.uint64(30))) * _M1
        x = (x ^ (x >> np.uint64(27))) * _M2
        x = x ^ (x >> np.uint64(31))
    return x.astype("<u8").view("<u2")[:entries].astype(np.uint16)


def reinforce(memory: Memory, key: int, step: int, chance: int) -> None:
    """Push a hidden integer 2 away from zero where a draw is below ``chance``."""
    hidden = memory.hidden
    lucky = draws(key, step, hidden.size).reshape(hidden.shape) < chance
    hidden += 2 * lucky * sign(hidden).astype(np.int32)


def clip(memory: Memory, largest: int) -> None:
    """Keep every hidden integer between -largest and +largest."""
    np.clip(memory.hidden, -largest, largest, out=memory.hidden)
