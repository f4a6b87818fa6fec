"""What stays float in networks of tokens, with NumPy alone: embeddings, norms, attention.

In the shapes N is samples, T tokens and W the width. Values may have any other axes behind the
batch, too. As in :mod:`stompp_lite.ship.floats`, products add in another order than torch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from stompp_lite.errors import DataError
from stompp_lite.ship.program import Op


def known_ids(op: Op, ids: np.ndarray) -> np.ndarray:
    """The same ids, if each has a row in the table of ``op``.

    Raises:
        DataError: one of them has none.
    """
    rows = len(op.arrays["weight"])
    if ids.size and not (ids.min() >= 0 and ids.max() < rows):
        wrong = int(ids.min() if ids.min() < 0 else ids.max())
        raise DataError(
            f"{op.name!r} got the id {wrong}; it has rows for the ids from 0 to {rows - 1}: make "
            "ids with the tokenizer that the network was trained with"
        )
    return ids


def embed(op: Op, ids: np.ndarray) -> np.ndarray:
    """Token ids [N, T] to rows of the table, [N, T, W]."""
    return np.asarray(op.arrays["weight"][known_ids(op, ids)])


def differs(op: Op, x: np.ndarray) -> np.ndarray:
    """1.0 where an entry is not ``value``, else 0.0."""
    return np.asarray(x != op.settings["value"], op.settings["dtype"])


def layer_norm(op: Op, x: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1 over the last axes, then a slope and an intercept for each entry."""
    weight, bias = op.arrays["weight"], op.arrays["bias"]
    axes = tuple(range(-weight.ndim, 0))
    wide = x.astype(np.float64)
    wide = wide - wide.mean(axes, keepdims=True)
    wide /= np.sqrt((wide * wide).mean(axes, keepdims=True) + op.settings["eps"])
    return np.asarray(wide * weight + bias, x.dtype)


def factor(op: Op, size: int) -> float:
    """What attention multiplies its scores by."""
    given: float | None = op.settings["scale"]
    return 1 / math.sqrt(size) if given is None else given


def attention(
    op: Op, q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    """softmax(q kT scale) v over the last two axes, [..., T, W]; with a mask, or causal.

    A mask is 1 where a query may look at a key. A query that may look at nothing gets zeros.
    """
    scores = q @ k.swapaxes(-1, -2) * factor(op, q.shape[-1])
    allowed = np.tri(*scores.shape[-2:]) > 0 if op.settings["causal"] else np.array(True)
    if mask is not None:
        allowed = allowed & (mask != 0)
    scores = np.where(allowed, scores, -np.inf)
    top = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(top), top, 0))
    total = weights.sum(-1, keepdims=True)
    return np.asarray((weights / np.where(total > 0, total, 1)) @ v, q.dtype)


def gelu(op: Op, x: np.ndarray) -> np.ndarray:
    """x times the normal distribution function of x."""
    erf = np.asarray(np.frompyfunc(math.erf, 1, 1)(x / math.sqrt(2)), x.dtype)
    return np.asarray(x * (1 + erf) / 2, x.dtype)


def tanh(op: Op, x: np.ndarray) -> np.ndarray:
    """The hyperbolic tangent."""
    return np.asarray(np.tanh(x))


def multiply(op: Op, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """The product of two results, or of one and a constant."""
    return np.asarray(x * (op.arrays["value"] if y is None else y))


def divide(op: Op, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """The quotient of two results, or of one and a constant."""
    return np.asarray(x / (op.arrays["value"] if y is None else y))


def total(op: Op, x: np.ndarray) -> np.ndarray:
    """The sum over ``axes``."""
    return np.asarray(x.sum(tuple(op.settings["axes"]), keepdims=bool(op.settings["keep"])))


def reshape(op: Op, x: np.ndarray) -> np.ndarray:
    """The same entries in another ``shape`` behind the batch axis."""
    return x.reshape(len(x), *op.settings["shape"])


def transpose(op: Op, x: np.ndarray) -> np.ndarray:
    """The same entries with their ``axes`` in another order; the batch stays first."""
    return x.transpose(op.settings["axes"])


def take(op: Op, x: np.ndarray) -> np.ndarray:
    """The entry ``index`` of an ``axis``."""
    return np.asarray(x.take(op.settings["index"], op.settings["axis"]))


#: Kind -> function.
SEQUENCES: dict[str, Callable[..., np.ndarray]] = {
    f.__name__: f  # type: ignore[attr-defined]
    for f in (embed, differs, layer_norm, attention, gelu, tanh, multiply, divide, total, reshape,
              transpose, take)
}  # fmt: skip
