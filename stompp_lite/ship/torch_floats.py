"""What stays float, by torch's own operations: the same ones in the same order as in the network.

Each takes and gives NumPy arrays, like those of :mod:`stompp_lite.ship.floats`, whose numbers it
gives up to rounding. For the same batch and number of threads they are the network's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stompp_lite.ship.floats import channels_last, weight_of
from stompp_lite.ship.program import Op
from stompp_lite.ship.sequences import known_ids, reshape, take, transpose


def _arrays(f: Callable[..., Tensor]) -> Callable[..., np.ndarray]:
    @wraps(f)
    def wrapped(op: Op, *inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            out: np.ndarray = f(op, *(_tensor(x) for x in inputs)).numpy()
        return out

    return wrapped


def _tensor(x: np.ndarray) -> Tensor:
    return torch.from_numpy(x if x.flags.writeable else x.copy())


def _own(op: Op, name: str) -> Tensor | None:
    array = op.arrays.get(name)
    return None if array is None else _tensor(array)


@_arrays
def conv(op: Op, x: Tensor) -> Tensor:
    """[N, C, H, W] to [N, O, OH, OW]."""
    s, weight = op.settings, _tensor(weight_of(op, x.numpy().dtype))
    return F.conv2d(
        x, weight, _own(op, "bias"), s["stride"], s["padding"], s["dilation"], s["groups"]
    )


@_arrays
def linear(op: Op, x: Tensor) -> Tensor:
    """[..., I] to [..., O]."""
    return F.linear(x, _tensor(weight_of(op, x.numpy().dtype)), _own(op, "bias"))


@_arrays
def norm(op: Op, x: Tensor) -> Tensor:
    """Batch norm with running statistics."""
    mean, var, weight, bias = (_own(op, name) for name in ("mean", "var", "weight", "bias"))
    return F.batch_norm(x, mean, var, weight, bias, False, 0.0, op.settings["eps"])


@_arrays
def scale(op: Op, x: Tensor) -> Tensor:
    """Alpha times a sum of signs, then the bias: each rounded once."""
    shape = channels_last(tuple(x.shape), op.settings["axis"] % x.dim())
    alpha, bias = _own(op, "alpha"), _own(op, "bias")
    if alpha is not None:
        x = x * (alpha.reshape(shape) if alpha.dim() else alpha)
    return x if bias is None else x + bias.reshape(shape)


@_arrays
def clip(op: Op, x: Tensor) -> Tensor:
    """Between ``low`` and ``high``; None: no limit."""
    low, high = op.settings["low"], op.settings["high"]
    return x.clone() if low is None and high is None else x.clamp(low, high)


@_arrays
def add(op: Op, x: Tensor, y: Tensor | None = None) -> Tensor:
    """The sum of two arrays, or of one and a constant."""
    return x + _other(op, y)


@_arrays
def maxpool(op: Op, x: Tensor) -> Tensor:
    """Largest of each window."""
    s = op.settings
    return F.max_pool2d(x, s["kernel"], s["stride"], s["padding"], s["dilation"])


@_arrays
def avgpool(op: Op, x: Tensor) -> Tensor:
    """Mean of each window; zeros outside of the image count."""
    s = op.settings
    return F.avg_pool2d(x, s["kernel"], s["stride"], s["padding"])


@_arrays
def mean(op: Op, x: Tensor) -> Tensor:
    """Mean over ``axes``."""
    return x.mean(op.settings["axes"], op.settings["keep"])


@_arrays
def flatten(op: Op, x: Tensor) -> Tensor:
    """[N, ...] to [N, all the rest]."""
    return x.flatten(1)


# ---- networks of tokens --------------------------------------------------------------------------
def _other(op: Op, y: Tensor | None) -> Tensor:
    return _tensor(op.arrays["value"]) if y is None else y


@_arrays
def embed(op: Op, ids: Tensor) -> Tensor:
    """Token ids [N, T] to rows of the table, [N, T, W]."""
    known_ids(op, ids.numpy())
    return F.embedding(ids, _tensor(op.arrays["weight"]))


@_arrays
def differs(op: Op, x: Tensor) -> Tensor:
    """1.0 where an entry is not ``value``, else 0.0."""
    different: Tensor = x != op.settings["value"]
    return different.to(getattr(torch, op.settings["dtype"]))


@_arrays
def layer_norm(op: Op, x: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the last axes, then a slope and an intercept for each entry."""
    weight, bias = _tensor(op.arrays["weight"]), _tensor(op.arrays["bias"])
    return F.layer_norm(x, list(weight.shape), weight, bias, op.settings["eps"])


@_arrays
def attention(op: Op, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q kT scale) v over the last two axes, [..., T, W]; with a mask, or causal."""
    s = op.settings
    return F.scaled_dot_product_attention(
        q, k, v, None if mask is None else mask != 0, is_causal=s["causal"], scale=s["scale"]
    )


@_arrays
def gelu(op: Op, x: Tensor) -> Tensor:
    """x times the normal distribution function of x."""
    return F.gelu(x)


@_arrays
def tanh(op: Op, x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return x.tanh()


@_arrays
def multiply(op: Op, x: Tensor, y: Tensor | None = None) -> Tensor:
    """The product of two results, or of one and a constant."""
    return x * _other(op, y)


@_arrays
def divide(op: Op, x: Tensor, y: Tensor | None = None) -> Tensor:
    """The quotient of two results, or of one and a constant."""
    return x / _other(op, y)


@_arrays
def total(op: Op, x: Tensor) -> Tensor:
    """The sum over ``axes``."""
    return x.sum(op.settings["axes"], op.settings["keep"])


#: Kind -> function. What only moves entries is NumPy's; attention rounds alike in each layout.
TORCH: dict[str, Callable[..., np.ndarray]] = {
    f.__name__: f
    for f in (
        conv,
        linear,
        norm,
        scale,
        clip,
        add,
        maxpool,
        avgpool,
        mean,
        flatten,
        embed,
        differs,
        layer_norm,
        attention,
        gelu,
        tanh,
        multiply,
        divide,
        total,
    )
} | {f.__name__: f for f in (reshape, transpose, take)}
