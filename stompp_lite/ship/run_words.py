"""Operations on signs in words of 64 bits, by the kernels of :mod:`stompp_lite.ship.kernels`.

Weights are laid out once, when a layer is first called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stompp_lite.errors import ShapeError
from stompp_lite.ship import kernels
from stompp_lite.ship.program import Op, Program, out_size

_NONE = np.zeros((0, 0, 0, 0), np.uint64)


@dataclass
class Bits:
    """Signs: ``words`` uint64 [N, ..., words] with channels last, and how many channels."""

    words: np.ndarray
    channels: int


@dataclass
class _Layout:
    """A layer as its kernel wants it, for an image of ``size``."""

    size: tuple[int, int]
    geometry: Any
    border: np.ndarray
    weights: np.ndarray
    base: np.ndarray
    limit: np.ndarray
    flip: np.ndarray


def to_words(bits: np.ndarray) -> np.ndarray:
    """Bool [..., C] to uint64 [..., words], the first channel in the lowest bit."""
    count = -(-bits.shape[-1] // 64)
    padded = np.zeros((*bits.shape[:-1], 64 * count), bool)
    padded[..., : bits.shape[-1]] = bits
    packed = np.packbits(padded, axis=-1, bitorder="little")
    return packed.view("<u8").astype(np.uint64)


def _pairs(op: Op) -> tuple[tuple[int, int], ...]:
    s = op.settings
    return tuple((int(s[k][0]), int(s[k][1])) for k in ("kernel", "stride", "padding", "dilation"))


_POINT = ((1, 1), (1, 1), (0, 0), (1, 1))  # a linear layer is a convolution of one pixel


class Words:
    """The operations on signs.

    Args:
        program: the network; its weights are laid out when they are first used.
    """

    def __init__(self, program: Program) -> None:
        self.dtype = np.dtype(program.dtype)
        self._layouts: dict[str, _Layout] = {}

    def sign(self, op: Op, x: np.ndarray) -> Bits:
        """Floats to words; NaN becomes -1, as in the network."""
        planes, shape = _as_planes(x >= 0)
        out = np.empty((planes.shape[0], planes.shape[2], -(-planes.shape[1] // 64)), np.uint64)
        kernels.pack_planes(planes, out)
        return Bits(out.reshape(*shape, -1), planes.shape[1])

    def unpack(self, op: Op, x: Bits) -> np.ndarray:
        """The same numbers as floats, with channels where torch has them."""
        return _from_bits(x).astype(self.dtype)

    def xnor(self, op: Op, x: Bits, residual: Bits | None = None) -> Bits | np.ndarray:
        """A convolution or a linear layer: whole numbers as floats, or their signs."""
        s, weight = op.settings, op.arrays["signs"]
        groups = s.get("groups", 1)
        if x.channels != weight.shape[1] * groups:
            raise ShapeError(
                f"{op.name!r} takes {weight.shape[1] * groups} channels, got {x.channels}"
            )
        linear = s["layer"] == "linear"
        words = x.words.reshape(-1, 1, 1, x.words.shape[-1]) if linear else x.words
        size = (words.shape[1], words.shape[2])
        layout = self._layouts.get(op.output)
        if layout is None or layout.size != size:
            layout = self._layouts[op.output] = _layout(op, size)
        n, (oh, ow), o = len(words), layout.border.shape, len(weight)
        lead = x.words.shape[:-1] if linear else (n, oh, ow)
        if groups > 1:
            found = np.empty((n, o, oh, ow), np.int32)
            bytes_ = np.where(weight, np.int8(1), np.int8(-1))
            kernels.grouped(_from_bits(x), bytes_, *size, layout.geometry, found)
            return self._compared(op, found, residual)
        whole = "thresholds" not in op.arrays
        sums = np.empty((n if whole else 0, o, oh * ow), np.float32)
        signs = np.empty((0 if whole else n, oh, ow, -(-o // 64)), np.uint64)
        kernels.convolve(
            words, layout.weights, layout.base, layout.limit, layout.flip, layout.border,
            _NONE if residual is None else residual.words.reshape(signs.shape), o, x.channels,
            layout.geometry, sums, signs,
        )  # fmt: skip
        if not whole:
            return Bits(signs.reshape(*lead, -1), o)
        sums = sums.astype(self.dtype, copy=False)
        return sums.reshape(*lead, o) if linear else sums.reshape(n, o, oh, ow)

    def _compared(self, op: Op, sums: np.ndarray, residual: Bits | None) -> Bits | np.ndarray:
        if "thresholds" not in op.arrays:
            return sums.astype(self.dtype)
        flip = op.arrays["flip"][:, None, None]
        rows = [(sums >= t[:, None, None]) != flip for t in op.arrays["thresholds"]]
        plus = rows[0]
        if residual is not None:
            plus = np.where(_from_bits(residual) > 0, rows[1], rows[0])
        return Bits(to_words(plus.transpose(0, 2, 3, 1)), sums.shape[1])

    def or_pool(self, op: Op, x: Bits) -> Bits:
        """The largest sign of each window is the or of its bits."""
        geometry = _pairs(op)
        size = [out_size(x.words.shape[1 + i], *(g[i] for g in geometry)) for i in (0, 1)]
        out = np.empty((len(x.words), *size, x.words.shape[3]), np.uint64)
        kernels.or_pool(x.words, geometry, out)
        return Bits(out, x.channels)

    def flat_signs(self, op: Op, x: Bits) -> Bits:
        """[N, C, H, W] to [N, C H W]; of one pixel nothing has to move."""
        n, *space, words = x.words.shape
        if all(size == 1 for size in space):
            return Bits(x.words.reshape(n, words), x.channels)
        flat = _from_bits(x).reshape(n, -1)
        return Bits(to_words(flat > 0), flat.shape[1])


def _as_planes(x: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """[N, C, H, W] as [N, C, H W] and (N, H, W); [..., C] as [rows, C, 1] and (...)."""
    x = np.ascontiguousarray(x)
    if x.ndim == 4:
        return x.reshape(*x.shape[:2], -1), (x.shape[0], *x.shape[2:])
    return x.reshape(-1, x.shape[-1], 1), x.shape[:-1]


def _from_bits(x: Bits) -> np.ndarray:
    """+1 and -1, int8, with channels where torch has them."""
    lead = x.words.shape[:-1]
    image = len(lead) == 3
    rows = (lead[0], lead[1] * lead[2]) if image else (int(np.prod(lead)), 1)
    out = np.empty((rows[0], x.channels, rows[1]), np.int8)
    kernels.unpack_planes(x.words.reshape(*rows, -1), out)
    return out.reshape(lead[0], x.channels, *lead[1:]) if image else out.reshape(*lead, x.channels)


def _layout(op: Op, size: tuple[int, int]) -> _Layout:
    """Weights as words, and what an output is without disagreements, in each class of pixels."""
    weight = op.arrays["signs"]
    o, c = weight.shape[:2]
    geometry = _pairs(op) if op.settings["layer"] == "conv" else _POINT
    _check(op, geometry[0])
    taps = weight.reshape(o, c, -1).transpose(0, 2, 1)  # [O, taps, C]
    inside = _inside(size, geometry)
    classes, border = np.unique(inside.reshape(-1, taps.shape[1]), axis=0, return_inverse=True)
    # a missing tap holds zeros: it disagrees with each weight of +1, which must not count
    ones = taps.sum(2).astype(np.int64)
    base = c * classes.sum(1)[:, None] + 2 * (~classes).astype(np.int64) @ ones.T
    wide = _up(o, kernels.LANES)
    limit: np.ndarray = np.zeros((1, 1, 1, 1), np.int64)
    flip: np.ndarray = np.zeros((1, 1), np.uint64)
    if (found := op.arrays.get("thresholds")) is not None:
        limit = np.full((len(classes), len(found), wide), -1)  # never, behind the last
        limit[..., :o] = (base[:, None] - found.astype(np.int64)) // 2
        flip = np.zeros(wide, np.uint64)
        flip[:o] = op.arrays["flip"]
        limit = limit.reshape(*limit.shape[:2], -1, kernels.LANES)
        flip = flip.reshape(-1, kernels.LANES)
    rows = to_words(taps.reshape(o, -1)) if c <= 64 else to_words(taps).reshape(o, -1)
    # zeros agree with what is not there
    weights = np.zeros((_up(rows.shape[1], kernels.TURN), wide), np.uint64)
    weights[: rows.shape[1], :o] = rows.T
    return _Layout(size, geometry, border.reshape(inside.shape[:2]), weights, base, limit, flip)


def _up(size: int, block: int) -> int:
    """The next multiple of ``block``."""
    return -(-size // block) * block


def _check(op: Op, kernel: tuple[int, int]) -> None:
    """Arrays that fit each other: the kernels do not look where their indices point."""
    a, o = op.arrays, len(op.arrays["signs"])
    found: list[Any] = [a["signs"].shape[2:]]
    want: list[Any] = [kernel if op.settings["layer"] == "conv" else ()]
    if "thresholds" in a:
        found += [a["thresholds"].shape, a["flip"].shape]
        want += [(len(op.inputs), o), (o,)]
    if found != want or o % op.settings.get("groups", 1):
        raise ShapeError(f"the arrays of {op.name!r} do not fit its settings: {found}, not {want}")


def _inside(size: tuple[int, int], geometry: Any) -> np.ndarray:
    """Which taps lie in the image: bool [OH, OW, taps]."""
    axes = []
    for i in (0, 1):
        kernel, stride, padding, dilation = (g[i] for g in geometry)
        count = out_size(size[i], kernel, stride, padding, dilation)
        at = np.arange(count)[:, None] * stride - padding + np.arange(kernel) * dilation
        axes.append((at >= 0) & (at < size[i]))
    both: np.ndarray = axes[0][:, None, :, None] & axes[1][None, :, None, :]
    return both.reshape(both.shape[0], both.shape[1], -1)
