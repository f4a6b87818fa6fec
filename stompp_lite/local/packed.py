"""The rules of local signals with 64 signs in a word: XNOR, popcount, plus and minus.

The same functions as in :mod:`stompp_lite.local.slow`, with the same results to the bit, compiled
by numba. A product of n signs is n minus twice the number of places in which two words differ;
places that fill up the last word are 0 in both and never differ. Signs are kept twice: packed for
products, and as int8 for the updates, which add them to hidden integers.

Taught in chapter 18, *Learning without gradients*.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stompp_lite.ship.kernels import popcount

Ints = NDArray[np.int32]
Signs = NDArray[np.int8]
Words = NDArray[np.uint64]

_ONE, _ALL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_S27, _S30, _S31, _LOW = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(0xFFFF)
_S16, _S32, _S48 = np.uint64(16), np.uint64(32), np.uint64(48)


@njit(cache=True)
def _pack_rows(values: Any, words: Words, rows: NDArray[np.int64]) -> None:
    """Bit 1 for each number of at least 0, 64 to a word, in the rows that are named."""
    n = values.shape[1]
    for k in rows:
        for w in range(words.shape[1]):
            word, first = np.uint64(0), 64 * w
            for b in range(min(64, n - first)):
                word |= np.uint64(values[k, first + b] >= 0) << np.uint64(b)
            words[k, w] = word


def pack(values: NDArray[np.integer]) -> Words:
    """Signs of numbers [N, n] as words: uint64 [N, ceil(n / 64)], the first sign in bit 0."""
    values = np.ascontiguousarray(values)
    words = np.empty((len(values), -(-values.shape[1] // 64)), dtype=np.uint64)
    _pack_rows(values, words, np.arange(len(values)))
    return words


class Memory:
    """Hidden integers int32 [K, n], and their signs as words."""

    def __init__(self, hidden: Ints) -> None:
        self.hidden = hidden
        self.words = pack(hidden)
        self._stale = np.zeros(len(hidden), dtype=bool)

    def read(self) -> None:
        """Read the signs again, of the neurons that have moved."""
        _pack_rows(self.hidden, self.words, np.flatnonzero(self._stale))
        self._stale[:] = False


class Inputs:
    """Signs int8 [B, n] as a layer's input, with the same signs as words."""

    def __init__(self, signs: Signs) -> None:
        self.signs, self.words = signs, pack(signs)


@njit(cache=True)
def _products(x: Words, weights: Words, n: int) -> Ints:
    out = np.empty((x.shape[0], weights.shape[0]), dtype=np.int32)
    for b in range(x.shape[0]):
        for k in range(weights.shape[0]):
            differ = np.uint64(0)
            for w in range(x.shape[1]):
                differ += popcount(x[b, w] ^ weights[k, w])
            out[b, k] = n - 2 * np.int64(differ)
    return out


def products(x: Inputs, memory: Memory) -> Ints:
    """Pre-activations: int32 [B, K]."""
    found: Ints = _products(x.words, memory.words, x.signs.shape[1])
    return found


scores = products


@njit(cache=True)
def sign(z: Ints) -> Signs:
    """+1 where a number is at least 0, else -1: int8 [B, K]."""
    out = np.empty(z.shape, dtype=np.int8)
    for b in range(z.shape[0]):
        for k in range(z.shape[1]):
            out[b, k] = 1 if z[b, k] >= 0 else -1
    return out


@njit(cache=True)
def _ask(scored: Ints, y: NDArray[np.int64], margin: int) -> tuple[NDArray[np.bool_], int]:
    asked, hits = np.empty(len(y), dtype=np.bool_), 0
    for b in range(len(y)):
        best, other = 0, np.int32(-2147483648)
        for c in range(scored.shape[1]):
            if scored[b, c] > scored[b, best]:
                best = c
            if c != y[b] and scored[b, c] > other:
                other = scored[b, c]
        hits += best == y[b]
        asked[b] = best != y[b] or scored[b, y[b]] - other < margin
    return asked, hits


def ask(scored: Ints, y: NDArray[np.int64], margin: int) -> tuple[NDArray[np.bool_], int]:
    """Which samples a layer learns from, and how many it gets right."""
    asked, hits = _ask(scored, y, margin)
    return asked, int(hits)


def desired_by_class(readout: Memory, y: NDArray[np.int64]) -> Signs:
    """The pattern of each sample's class in a layer's classifier: int8 [B, K]."""
    rows: Signs = readout.hidden[y].astype(np.int8)
    return rows


@njit(cache=True)
def _columns(hidden: Ints, words: Words) -> None:
    """Pack the signs of each column: bit k of a row's words is neuron k's weight."""
    words[:] = 0
    for k in range(hidden.shape[0]):
        w, b = k // 64, np.uint64(k % 64)
        for i in range(hidden.shape[1]):
            words[i, w] |= np.uint64(hidden[k, i] >= 0) << b


@njit(cache=True)
def _votes(d: Signs, z: Ints, columns: Words, reach: int) -> Signs:
    out = np.empty((d.shape[0], columns.shape[0]), dtype=np.int8)
    wish, gate = np.empty(columns.shape[1], np.uint64), np.empty(columns.shape[1], np.uint64)
    for b in range(d.shape[0]):
        wish[:], gate[:], voters = 0, 0, 0
        for k in range(d.shape[1]):
            if abs(z[b, k]) <= reach:
                voters += 1
                gate[k // 64] |= _ONE << np.uint64(k % 64)
                wish[k // 64] |= np.uint64(d[b, k] > 0) << np.uint64(k % 64)
        for i in range(columns.shape[0]):
            differ = np.uint64(0)
            for w in range(columns.shape[1]):
                differ += popcount((wish[w] ^ columns[i, w]) & gate[w])
            out[b, i] = 1 if 2 * np.int64(differ) <= voters else -1
    return out


def desired_from_above(d: Signs, z: Ints, memory: Memory, reach: int) -> Signs:
    """Desired signs of a layer, from those of the layer above (BEP): int8 [B, n]."""
    neurons, n = memory.hidden.shape
    columns = np.empty((n, -(-neurons // 64)), dtype=np.uint64)
    _columns(memory.hidden, columns)
    found: Signs = _votes(d, z, columns, reach)
    return found


@njit(cache=True)
def _learn(
    hidden: Ints, stale: NDArray[np.bool_], x: Signs, z: Ints, d: Signs,
    asked: NDArray[np.bool_], group: int,
) -> None:  # fmt: skip
    for b in range(z.shape[0]):
        if not asked[b]:
            continue
        for first in range(0, z.shape[1], group):
            best, nearest = -1, np.int64(1) << 40
            for k in range(first, first + group):
                wrong = (z[b, k] >= 0) != (d[b, k] > 0)
                if wrong and abs(z[b, k]) < nearest:
                    best, nearest = k, abs(z[b, k])
            if best >= 0:
                stale[best] = True
                move = np.int32(2 * d[b, best])
                for i in range(x.shape[1]):
                    hidden[best, i] += move * np.int32(x[b, i])


def learn(
    memory: Memory, x: Inputs, z: Ints, d: Signs, asked: NDArray[np.bool_], group: int
) -> None:
    """Add 2 d x to the hidden integers of each neuron that moves, summed over the samples."""
    _learn(memory.hidden, memory._stale, x.signs, z, d, asked, group)


@njit(cache=True)
def _reinforce(hidden: Ints, start: np.uint64, chance: int) -> None:
    flat, limit, block = hidden.reshape(-1), np.uint64(chance), 512
    drawn = np.empty(block, dtype=np.uint64)
    for first in range(0, (flat.size + 3) // 4, block):
        for q in range(block):  # a loop of its own, which the compiler can do eight at a time
            x = np.uint64(first + q) * _GOLDEN + start
            x = (x ^ (x >> _S30)) * _M1
            x = (x ^ (x >> _S27)) * _M2
            drawn[q] = x ^ (x >> _S31)
        for q in range(min(block, (flat.size + 3) // 4 - first)):
            x, at = drawn[q], 4 * (first + q)
            if min(min(x & _LOW, (x >> _S16) & _LOW), min((x >> _S32) & _LOW, x >> _S48)) < limit:
                for lane in range(min(4, flat.size - at)):
                    if (x >> np.uint64(16 * lane)) & _LOW < limit:
                        flat[at + lane] += 2 if flat[at + lane] >= 0 else -2


def reinforce(memory: Memory, key: int, step: int, chance: int) -> None:
    """Push a hidden integer 2 away from zero where a draw is below ``chance``.

    The sign of a hidden integer never changes by it, so nothing has to be read again.
    """
    if chance > 0:
        start = (key ^ (step * int(_M1))) & int(_ALL)
        _reinforce(memory.hidden, np.uint64(start), chance)


def clip(memory: Memory, largest: int) -> None:
    """Keep every hidden integer between -largest and +largest; no sign changes."""
    np.clip(memory.hidden, -largest, largest, out=memory.hidden)
