"""XNOR and popcount, compiled by numba: products of signs, 64 at a time.

The product of two signs is +1 where their bits agree. So a sum of K products is K minus twice the
number of disagreements, and the disagreements of 64 products are ``popcount(x ^ w)``: two
instructions. A processor with vector popcount (AVX-512 VPOPCNTDQ) does 512 products so; the others
get what LLVM makes of it.

Words are uint64; bit j of word i is the sign of channel ``64 i + j``, 1 for +1. Bits behind the
last channel are 0 in activations and in weights, so they never disagree. Weights are [words,
outputs], so that neighbors in memory are neighboring outputs and a vector holds eight of them.

See chapter 19 of the book.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

#: Outputs and words are computed in blocks of so many; weights are padded to them.
LANES, TURN = 32, 3  # a 3x3 convolution has a multiple of three words


@intrinsic
def popcount(_context: Any, _x: Any) -> Any:
    """Number of ones in a uint64: LLVM's ctpop, which it turns into vectors."""

    def generate(_target: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic("llvm.ctpop", [args[0].type]), args)

    return types.uint64(types.uint64), generate


@njit(nogil=True, cache=True)
def disagreements(x: np.ndarray, w: np.ndarray, out: np.ndarray) -> None:
    """How many signs differ: four rows of x [4, K] with weights [K, O] into out [4, O], uint64.

    K is a multiple of :data:`TURN`: so many words a turn, and sums are loaded and stored once.
    """
    outputs = w.shape[1]
    a0, a1, a2, a3 = out[0], out[1], out[2], out[3]
    for o in range(outputs):
        a0[o], a1[o], a2[o], a3[o] = 0, 0, 0, 0
    for k in range(0, len(w), 3):
        w0, w1, w2 = w[k], w[k + 1], w[k + 2]
        b0, b1, b2 = x[0, k], x[0, k + 1], x[0, k + 2]
        c0, c1, c2 = x[1, k], x[1, k + 1], x[1, k + 2]
        d0, d1, d2 = x[2, k], x[2, k + 1], x[2, k + 2]
        e0, e1, e2 = x[3, k], x[3, k + 1], x[3, k + 2]
        for o in range(outputs):
            p, q, r = w0[o], w1[o], w2[o]
            a0[o] += popcount(b0 ^ p) + popcount(b1 ^ q) + popcount(b2 ^ r)
            a1[o] += popcount(c0 ^ p) + popcount(c1 ^ q) + popcount(c2 ^ r)
            a2[o] += popcount(d0 ^ p) + popcount(d1 ^ q) + popcount(d2 ^ r)
            a3[o] += popcount(e0 ^ p) + popcount(e1 ^ q) + popcount(e2 ^ r)


@njit(nogil=True, cache=True)
def gather(
    x: np.ndarray, n: int, y0: int, x0: int, kernel: tuple[int, int], dilation: tuple[int, int],
    channels: int, rows: np.ndarray, r: int,
) -> None:  # fmt: skip
    """The words under a window of image ``n`` whose corner is (y0, x0), in row r; outside are 0.

    Up to 64 channels, taps follow each other without a gap, also inside a word.
    """
    height, width, words = x.shape[1], x.shape[2], x.shape[3]
    for k in range(rows.shape[1]):
        rows[r, k] = 0
    bit, at = 0, 0
    for i in range(kernel[0]):
        yy = y0 + i * dilation[0]
        for j in range(kernel[1]):
            xx = x0 + j * dilation[1]
            inside = 0 <= yy < height and 0 <= xx < width
            if words == 1:
                if inside:
                    word, shift = bit >> 6, np.uint64(bit & 63)
                    rows[r, word] |= x[n, yy, xx, 0] << shift
                    if (bit & 63) + channels > 64:
                        rows[r, word + 1] |= x[n, yy, xx, 0] >> (np.uint64(64) - shift)
                bit += channels
            else:
                if inside:
                    for k in range(words):
                        rows[r, at + k] = x[n, yy, xx, k]
                at += words


@njit(nogil=True, cache=True)
def compare(
    count: np.ndarray, i: int, limit: np.ndarray, kind: int, row: int, flip: np.ndarray, b: int
) -> Any:
    """The bits of block b of outputs, from the disagreements of pixel i."""
    bits = np.uint64(0)
    for j in range(LANES):
        low = np.uint64(np.int64(count[i, b, j]) <= limit[kind, row, b, j])
        bits |= (low ^ flip[b, j]) << np.uint64(j)
    return bits


@njit(nogil=True, cache=True)
def convolve(
    x: np.ndarray, w: np.ndarray, base: np.ndarray, limit: np.ndarray, flip: np.ndarray,
    border: np.ndarray, residual: np.ndarray, outputs: int, channels: int,
    geometry: tuple[tuple[int, int], ...], sums: np.ndarray, signs: np.ndarray,
) -> None:  # fmt: skip
    """A convolution of signs x [N, H, W, words]: its sums, or the signs behind them.

    Args:
        base: the sum of a pixel without disagreements, int64 [classes, O].
        limit: most disagreements for which z >= t, int64 [classes, rows, blocks, LANES].
        flip: 1 where the sign falls as z grows, uint64 [blocks, LANES].
        border: class of each pixel [OH, OW]: which taps lie in the image.
        residual: signs like ``signs`` that choose the row; empty with one row.
        geometry: kernel, stride, padding, dilation.
        sums: float32 [N, O, OH OW] for the sums, or empty.
        signs: uint64 [N, OH, OW, words] for the signs, or empty.
    """
    kernel, stride, padding, dilation = geometry
    height, width = border.shape
    size, rows = height * width, limit.shape[1]
    columns, count = np.zeros((4, len(w)), np.uint64), np.empty((4, w.shape[1]), np.uint64)
    blocks = count.reshape(4, -1, LANES)
    total = x.shape[0] * size  # no slices in here: each would count references
    for first in range(0, total, 4):
        block = min(4, total - first)
        for i in range(block):
            n, p = (first + i) // size, (first + i) % size
            top, left = (p // width) * stride[0] - padding[0], (p % width) * stride[1] - padding[1]
            gather(x, n, top, left, kernel, dilation, channels, columns, i)
        disagreements(columns, w, count)
        for i in range(block):
            n, p = (first + i) // size, (first + i) % size
            yy, xx = p // width, p % width
            kind = border[yy, xx]
            if len(sums):
                for o in range(outputs):
                    sums[n, o, p] = base[kind, o] - 2 * np.int64(count[i, o])
                continue
            for b in range(blocks.shape[1]):
                word, shift = b // 2, np.uint64(LANES * (b % 2))
                bits = compare(blocks, i, limit, kind, 0, flip, b)
                if rows == 2:
                    other = compare(blocks, i, limit, kind, 1, flip, b)
                    chosen = residual[n, yy, xx, word] >> shift
                    bits = (bits & ~chosen) | (other & chosen)
                if shift == 0:
                    signs[n, yy, xx, word] = bits
                else:
                    signs[n, yy, xx, word] |= bits << shift


@njit(nogil=True, cache=True)
def grouped(
    x: np.ndarray, w: np.ndarray, height: int, width: int, geometry: tuple[tuple[int, int], ...],
    out: np.ndarray,
) -> None:  # fmt: skip
    """A convolution in groups, one byte a sign: x [N, C, H, W], w [O, C / groups, kh, kw], int8.

    A channel of a depthwise convolution sums nine products, too few for words of 64.
    Out: sums, int32 [N, O, OH, OW].
    """
    kernel, stride, padding, dilation = geometry
    per_group = w.shape[1]
    outputs_of_group = w.shape[0] // (x.shape[1] // per_group)
    out[:] = 0
    for n in range(x.shape[0]):
        for o in range(w.shape[0]):
            for c in range(per_group):
                plane = x[n, (o // outputs_of_group) * per_group + c]
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        sign = np.int32(w[o, c, i, j])
                        for yy in range(out.shape[2]):
                            a = yy * stride[0] - padding[0] + i * dilation[0]
                            if a < 0 or a >= height:
                                continue
                            for xx in range(out.shape[3]):
                                b = xx * stride[1] - padding[1] + j * dilation[1]
                                if 0 <= b < width:
                                    out[n, o, yy, xx] += sign * plane[a, b]


@njit(nogil=True, cache=True)
def pack_planes(x: np.ndarray, out: np.ndarray) -> None:
    """Bools [N, C, P] to words [N, P, words]."""
    line = np.empty(x.shape[2], np.uint64)
    for n in range(x.shape[0]):
        for word in range(out.shape[2]):
            line[:] = 0
            for j in range(min(64, x.shape[1] - 64 * word)):
                plane = x[n, 64 * word + j]
                for p in range(len(line)):
                    line[p] |= np.uint64(plane[p]) << np.uint64(j)
            for p in range(len(line)):
                out[n, p, word] = line[p]


@njit(nogil=True, cache=True)
def unpack_planes(words: np.ndarray, out: np.ndarray) -> None:
    """Words [N, P, words] to +1 and -1, int8 [N, C, P]."""
    one = np.uint64(1)
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            plane, shift = out[n, c], np.uint64(c & 63)
            for p in range(out.shape[2]):
                plane[p] = 2 * np.int64((words[n, p, c >> 6] >> shift) & one) - 1


@njit(nogil=True, cache=True)
def or_pool(x: np.ndarray, geometry: tuple[tuple[int, int], ...], out: np.ndarray) -> None:
    """The bitwise or of each window: words [N, H, W, words] to [N, OH, OW, words]."""
    kernel, stride, padding, dilation = geometry
    out[:] = 0
    for n in range(out.shape[0]):
        for yy in range(out.shape[1]):
            for xx in range(out.shape[2]):
                for i in range(kernel[0]):
                    a = yy * stride[0] - padding[0] + i * dilation[0]
                    for j in range(kernel[1]):
                        b = xx * stride[1] - padding[1] + j * dilation[1]
                        if 0 <= a < x.shape[1] and 0 <= b < x.shape[2]:
                            for k in range(out.shape[3]):
                                out[n, yy, xx, k] |= x[n, a, b, k]
