"""Stateless random draws: a key gives the same numbers on a CPU and on a GPU, in any order.

A mask must be replayable: after a resume, on another rank, or when the order of the stages is
reversed. So a draw does not advance the state of a generator. It is a hash of *what it is for*: the
seed, the tensor, the step and the entry. The hash is the finalizer of SplitMix64 (Steele, Lea,
Flood, OOPSLA 2014), in torch's 64-bit integers, which overflow in the same way everywhere.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence

import torch
from torch import Tensor

from stompp_lite.checks import whole

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: neighboring entries land far apart
_M1, _M2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _signed(x: int) -> int:
    """The 64 bits of ``x`` read as a signed integer, as torch stores them."""
    return x - (1 << 64) if x >> 63 else x


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical right shift (torch's ``>>`` copies the sign bit)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def make_key(seed: int, *parts: int | str) -> int:
    """A 64-bit key that says what a draw is for: ``make_key(seed, "layer1.conv1", "weight")``.

    Raises:
        ConfigError: a seed that is not a whole number.
    """
    text = "\x1f".join([str(whole(seed, "the seed")), *(str(p) for p in parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def counters(shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """A number for each entry of a tensor of ``shape``, far from each other: int64, that shape."""
    numbers = torch.arange(math.prod(shape), dtype=torch.int64, device=device)
    return (numbers * _signed(_GOLDEN)).view(*shape)


def bits(key: int, step: int, entries: Tensor) -> Tensor:
    """64 random bits for each entry: int64, the shape of ``entries``.

    Args:
        key: from :func:`make_key`.
        step: any integer; a new step gives new, independent bits.
        entries: from :func:`counters`.
    """
    start = (key ^ (step * _M1)) & _MASK
    x = entries + _signed(start)
    x = (x ^ _shift(x, 30)) * _signed(_M1)
    x = (x ^ _shift(x, 27)) * _signed(_M2)
    return x ^ _shift(x, 31)


def uniform_pair(key: int, step: int, entries: Tensor) -> tuple[Tensor, Tensor]:
    """Two independent uniform numbers in [0, 1) for each entry: float32, multiples of 2**-24."""
    x = bits(key, step, entries)
    high = _shift(x, 40).to(torch.float32) * 2.0**-24
    low = (x & 0xFFFFFF).to(torch.float32) * 2.0**-24
    return high, low


def permutation(count: int, seed: int) -> list[int]:
    """The numbers from 0 to count - 1 in an order that depends on the seed only."""
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return order
