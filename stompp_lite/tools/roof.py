"""How fast a product can be: what a core computes, what memory delivers, and which one is short.

A product of [rows, length] and [length, outputs] takes rows * length * outputs operations, each a
multiplication with its addition; for signs, an XNOR with its count. It takes at least the time of
its operations at the core's best speed, and at least the time in which memory moves its bytes: the
roofline of Williams, Waterman and Patterson (2009). Every number is moved once: activations,
weights, and results of four bytes each.

See chapter 19 of the book.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from stompp_lite.checks import count, flag, number
from stompp_lite.errors import ConfigError

#: What numbers can be stored as -> bytes of a row of ``length`` of them. Signs fill words of 64.
BYTES: dict[str, Callable[[int], int]] = {
    "float32": lambda length: 4 * length,
    "int8": lambda length: length,
    "bits": lambda length: 8 * -(-length // 64),
}
_GIGA = 1e9
_SIDE, _LENGTH, _COPIED = 256, 1024, 2**24  # of the measured products; numbers of the copied array


def checked_roof(roof: Mapping[str, float]) -> dict[str, float]:
    """``roof`` with plain numbers.

    Raises:
        ConfigError: a peak or the bandwidth is missing, or is no number above 0.
    """
    out = {}
    for name in (*BYTES, "bandwidth"):
        if name not in roof:
            raise ConfigError(f"the roof has no {name!r}; give what measure_roof() returns")
        out[name] = number(roof[name], f"{name!r} of the roof")
        if out[name] <= 0:
            raise ConfigError(f"{name!r} of the roof must be above 0, got {roof[name]!r}")
    return out


def bounds(
    roof: Mapping[str, float], rows: int, length: int, outputs: int, packed: bool = True
) -> dict[str, dict[str, Any]]:
    """How long a product takes at least, for each way to store its numbers.

    Args:
        roof: ``float32``, ``int8`` and ``bits``: billions of operations a second at best;
            ``bandwidth``: billions of bytes a second.
        rows: samples, or pixels of all samples. length: of each sum. outputs: sums of a row.
        packed: activations arrive as they are multiplied. False: as float32, from which bytes or
            bits are made first, read and written once.

    Returns:
        For each of :data:`BYTES`: ``operations``, ``bytes``, ``seconds`` at least, ``speed`` in
        billions of operations a second at most, ``faster`` than float32, and ``bound``, which is
        ``"memory"`` or ``"arithmetic"``.

    Raises:
        ConfigError: a size below one, or a roof that is none.
    """
    peaks = checked_roof(roof)
    for value, what in ((rows, "rows"), (length, "length"), (outputs, "outputs")):
        count(value, what)
    flag(packed, "packed")
    operations, found = rows * length * outputs, dict[str, dict[str, Any]]()
    for name, row in BYTES.items():
        moved = (rows + outputs) * row(length) + 4 * rows * outputs
        if not packed and name != "float32":
            moved += rows * (BYTES["float32"](length) + row(length))
        compute = operations / (_GIGA * peaks[name])
        move = moved / (_GIGA * peaks["bandwidth"])
        seconds = max(compute, move)
        found[name] = {
            "operations": operations, "bytes": moved, "seconds": seconds,
            "speed": operations / seconds / _GIGA,
            "bound": "memory" if move > compute else "arithmetic",
        }  # fmt: skip
    slow = found["float32"]["seconds"]
    return {name: {**one, "faster": slow / one["seconds"]} for name, one in found.items()}


# ---- measured ------------------------------------------------------------------------------------
def milliseconds(work: Callable[[], object]) -> float:
    """CPU time of this thread for one call."""
    start = time.thread_time()
    work()
    return 1000 * (time.thread_time() - start)


def measure_roof(repeats: int = 5) -> dict[str, float]:
    """The roof of one core of this machine, each number the best of some repeats.

    Returns:
        What :func:`bounds` takes. Peaks are those of torch's products of 256 x 1,024 and 1,024 x
        256, and of our kernel on signs in the nearest cache; the bandwidth is that of a copy of 64
        MiB by NumPy, bytes read and bytes written.

    Raises:
        ConfigError: repeats below one, or numba is not installed.
    """
    import torch

    count(repeats, "repeats")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        x = torch.randint(0, 2, (_SIDE, _LENGTH)) * 2.0 - 1
        x8, y8 = x.to(torch.int8), x.to(torch.int8).T
        work = 10 * _SIDE * _SIDE * _LENGTH / 1e6  # in millions, as times are in milliseconds
        return {
            "float32": work / _best(lambda: [x @ x.T for _ in range(10)], repeats),
            "int8": work / _best(lambda: [torch._int_mm(x8, y8) for _ in range(10)], repeats),
            "bits": peak_of_signs(repeats),
            "bandwidth": bandwidth(repeats),
        }
    finally:
        torch.set_num_threads(threads)


def _best(work: Callable[[], object], repeats: int) -> float:
    work()
    return max(min(milliseconds(work) for _ in range(repeats)), 1e-3)


def bandwidth(repeats: int = 5) -> float:
    """Billions of bytes a second, read and written, while NumPy copies an array of 64 MiB."""
    source = np.ones(_COPIED, np.float32)
    target = np.zeros_like(source)
    return 2 * source.nbytes / 1e6 / _best(lambda: np.copyto(target, source), repeats)


def peak_of_signs(repeats: int = 5) -> float:
    """Billions of products of signs a second where x and w lie in the nearest cache.

    Raises:
        ConfigError: numba is not installed.
    """
    try:
        from stompp_lite.ship import kernels
    except ImportError:
        raise ConfigError("numba is not installed; run pip install 'stompp-lite[bits]'") from None
    draw = np.random.default_rng(0)
    x, w = (draw.integers(0, 2**63, s, np.uint64) for s in ((4, 12), (12, 256)))
    out = np.zeros((4, 256), np.uint64)

    def calls(words: int) -> float:
        a, b = x[:, :words], w[:words]
        return _best(lambda: [kernels.disagreements(a, b, out) for _ in range(3000)], repeats)

    work = calls(12) - calls(0)  # without what a call from Python costs
    return 3000 * 64 * x.size * 256 / max(work, 1e-3) / 1e6
