"""What stays float, with NumPy alone: the operations around the binary layers.

Each function takes the operation and its inputs, and gives an array. Elementwise operations round
as torch's do on processors with a fused multiply-add; products (``conv``, ``linear``) add in
another order than torch's, so they differ from it in the last bits. Operations of networks of
tokens are in :mod:`stompp_lite.ship.sequences`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stompp_lite.ship.program import Op
from stompp_lite.ship.sequences import SEQUENCES


def channels_last(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Shape that lets a vector of channels broadcast along ``axis`` of an array of ``shape``."""
    return tuple(-1 if i == axis else 1 for i in range(len(shape)))


def windows(x: np.ndarray, s: Mapping[str, Any], fill: float) -> np.ndarray:
    """[N, C, H, W] to windows [N, C, OH, OW, kh, kw]; outside the image is ``fill``."""
    (ph, pw), (kh, kw), (sh, sw), (dh, dw) = s["padding"], s["kernel"], s["stride"], s["dilation"]
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=fill)
    span = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    return sliding_window_view(x, span, (2, 3))[:, :, ::sh, ::sw, ::dh, ::dw]


def weight_of(op: Op, dtype: Any) -> np.ndarray:
    """The weight of a layer; signs times alpha where the layer is binary and its input is not."""
    if "signs" not in op.arrays:
        return op.arrays["weight"]
    signs = np.where(op.arrays["signs"], 1, -1).astype(dtype)
    alpha = op.arrays.get("alpha")
    if alpha is None:
        return signs
    shape = alpha.shape + (1,) * (signs.ndim - 1) if alpha.ndim else ()
    return np.asarray(signs * alpha.reshape(shape))


def product(x: np.ndarray, weight: np.ndarray, s: Mapping[str, Any]) -> np.ndarray:
    """A convolution [N, C, H, W] to [N, O, OH, OW] with zero padding and groups, without bias."""
    w = windows(x, s, 0)
    n, groups, o = len(x), s["groups"], len(weight)
    _, c, oh, ow, kh, kw = w.shape
    w = w.reshape(n, groups, c // groups, oh, ow, kh, kw).transpose(1, 0, 3, 4, 2, 5, 6)
    columns = np.ascontiguousarray(w).reshape(groups, n * oh * ow, -1)
    out = columns @ weight.reshape(groups, o // groups, -1).transpose(0, 2, 1)
    out = out.reshape(groups, n, oh, ow, -1).transpose(1, 0, 4, 2, 3)
    return np.ascontiguousarray(out).reshape(n, o, oh, ow)


def _bias(op: Op, z: np.ndarray, axis: int) -> np.ndarray:
    bias = op.arrays.get("bias")
    return z if bias is None else z + bias.reshape(channels_last(z.shape, axis % z.ndim))


def conv(op: Op, x: np.ndarray) -> np.ndarray:
    """[N, C, H, W] to [N, O, OH, OW]."""
    return _bias(op, product(x, weight_of(op, x.dtype), op.settings), 1)


def linear(op: Op, x: np.ndarray) -> np.ndarray:
    """[..., I] to [..., O]."""
    return _bias(op, np.matmul(x, weight_of(op, x.dtype).T), -1)


def norm(op: Op, x: np.ndarray) -> np.ndarray:
    """Batch norm with running statistics: a slope and an intercept a channel, as torch has them."""
    a, shape = op.arrays, channels_last(x.shape, 1)
    slope = a["weight"] * (1 / np.sqrt(a["var"] + x.dtype.type(op.settings["eps"])))
    wide = np.float64 if x.dtype == np.float32 else x.dtype  # a product and a sum, rounded once
    intercept = (a["bias"] - a["mean"].astype(wide) * slope).astype(x.dtype)
    out = x.astype(wide) * slope.reshape(shape) + intercept.reshape(shape)
    return np.asarray(out, x.dtype)


def scale(op: Op, x: np.ndarray) -> np.ndarray:
    """Alpha times a sum of signs, then the bias: each rounded once."""
    axis = op.settings["axis"] % x.ndim
    if (alpha := op.arrays.get("alpha")) is not None:
        x = x * (alpha.reshape(channels_last(x.shape, axis)) if alpha.ndim else alpha)
    return np.asarray(_bias(op, x, axis))


def clip(op: Op, x: np.ndarray) -> np.ndarray:
    """Between ``low`` and ``high``; None: no limit."""
    return np.asarray(np.clip(x, op.settings["low"], op.settings["high"]))


def add(op: Op, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """The sum of two arrays, or of one and a constant."""
    return np.asarray(x + (op.arrays["value"] if y is None else y))


def maxpool(op: Op, x: np.ndarray) -> np.ndarray:
    """Largest of each window."""
    return np.asarray(windows(x, op.settings, -math.inf).max((-2, -1)))


def avgpool(op: Op, x: np.ndarray) -> np.ndarray:
    """Mean of each window; zeros outside of the image count."""
    kh, kw = op.settings["kernel"]
    total = windows(x, op.settings, 0).sum((-2, -1))
    return np.asarray(total / x.dtype.type(kh * kw))


def mean(op: Op, x: np.ndarray) -> np.ndarray:
    """Mean over ``axes``."""
    axes = tuple(op.settings["axes"])
    count = math.prod(x.shape[a] for a in axes)
    total = x.sum(axes, keepdims=bool(op.settings["keep"]))
    return np.asarray(total / x.dtype.type(count))


def flatten(op: Op, x: np.ndarray) -> np.ndarray:
    """[N, ...] to [N, all the rest]."""
    return np.ascontiguousarray(x).reshape(len(x), -1)


#: Kind -> function.
FLOATS: dict[str, Callable[..., np.ndarray]] = {
    f.__name__: f  # type: ignore[attr-defined]
    for f in (conv, linear, norm, scale, clip, add, maxpool, avgpool, mean, flatten)
} | SEQUENCES
