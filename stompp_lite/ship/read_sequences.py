"""How networks of tokens are written down: attention stays float, its linear layers become bits.

Each function takes the :class:`~stompp_lite.ship.nodes.Nodes` and a node of the traced model, and
adds the node's operation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from stompp_lite.errors import ConversionError
from stompp_lite.ship.nodes import Nodes, array
from stompp_lite.ship.read_layers import clip, of_two


def embed(reader: Nodes, n: fx.Node, module: Any) -> None:
    """Rows of a table, by token ids."""
    if module.max_norm is not None:
        raise ConversionError(
            f"{n.target!r} rescales its rows as it reads them (max_norm); use max_norm=None"
        )
    reader.add_op(n, "embed", [reader.named(n.args[0])], {}, {"weight": array(module.weight)})


def layer_norm(reader: Nodes, n: fx.Node, module: Any) -> None:
    """Layer norm; without a slope and an intercept they are 1 and 0."""
    ones = torch.ones(module.normalized_shape, dtype=getattr(torch, reader.dtype))
    weight = ones if module.weight is None else module.weight
    bias = ones * 0 if module.bias is None else module.bias
    reader.add_op(
        n, "layer_norm", [reader.floats(n.args[0])], {"eps": float(module.eps)},
        {"weight": array(weight), "bias": array(bias)},
    )  # fmt: skip


def gelu(reader: Nodes, n: fx.Node, module: Any = None) -> None:
    """GELU, the exact one."""
    how = n.kwargs.get("approximate", "none") if module is None else module.approximate
    if how != "none":
        raise ConversionError(
            f"{reader.target(n)!r} approximates GELU by {how!r}; use approximate='none'"
        )
    reader.add_op(n, "gelu", [reader.floats(n.args[0])])


def tanh(reader: Nodes, n: fx.Node, module: Any = None) -> None:
    """The hyperbolic tangent."""
    reader.add_op(n, "tanh", [reader.floats(n.args[0])])


def attention(reader: Nodes, n: fx.Node) -> None:
    """Scaled dot-product attention, with a mask of True and False or without."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = dict(zip(names, n.args, strict=False)) | n.kwargs
    mask = given.get("attn_mask")
    if given.get("dropout_p") or given.get("enable_gqa"):
        raise ConversionError(
            f"{n.name!r} is attention with dropout or with groups of queries; use dropout_p=0 in "
            "evaluation, and as many heads of keys as of queries"
        )
    inputs = [reader.floats(given[name]) for name in names[:3]]
    if mask is not None:
        inputs.append(reader.named(mask))
        if reader.dtypes[mask.name] != torch.bool:
            raise ConversionError(
                f"{n.name!r} adds its mask to the scores; use a mask of True (look) and False"
            )
    scale = given.get("scale")
    settings = {
        "causal": bool(given.get("is_causal", False)),
        "scale": None if scale is None else float(reader.value(scale)),
    }
    reader.add_op(n, "attention", inputs, settings)


def multiply(reader: Nodes, n: fx.Node) -> None:
    """The product of two results, or of one and a constant."""
    of_two(reader, n, "multiply")


def divide(reader: Nodes, n: fx.Node) -> None:
    """The quotient of two results, or of one and a constant."""
    of_two(reader, n, "divide")


def differs(reader: Nodes, n: fx.Node) -> None:
    """Where an input is not a number: 1.0 and 0.0."""
    left, right = n.args
    if (
        not isinstance(left, fx.Node)
        or not reader.is_constant(right)
        or not isinstance(reader.value(right), int | float)
    ):
        raise ConversionError(f"{n.name!r} compares with something other than a number")
    ids = reader.dtypes[left.name] == torch.int64
    source = reader.named(left) if ids else reader.floats(left)
    settings = {"value": reader.value(right), "dtype": reader.dtype}
    reader.add_op(n, "differs", [source], settings)


def cast(reader: Nodes, n: fx.Node) -> None:
    """True and False as floats are already 1.0 and 0.0; floats stay what they are."""
    want = getattr(torch, reader.dtype)
    before, after = reader.dtypes[n.args[0].name], reader.dtypes[n.name]
    if after != want or before not in (want, torch.bool):
        raise ConversionError(
            f"{n.name!r} turns {before} into {after}; a packed network computes in {want}"
        )
    reader.same(n)


def at_least(reader: Nodes, n: fx.Node) -> None:
    """``x.clamp_min(number)``."""
    clip(reader, n, float(reader.value(n.args[1])), None)


def total(reader: Nodes, n: fx.Node) -> None:
    """``x.sum(axes)``."""
    axes, keep = reader.axes(n)
    reader.add_op(n, "total", [reader.floats(n.args[0])], {"axes": axes, "keep": keep})


def reshape(reader: Nodes, n: fx.Node) -> None:
    """Another shape behind the batch axis."""
    shape = reader.shapes[n.name]
    if shape[:1] != reader.shapes[reader.named(n.args[0])][:1]:
        raise ConversionError(f"{n.name!r} changes the batch axis; keep it first and as it is")
    reader.add_op(n, "reshape", [reader.floats(n.args[0])], {"shape": list(shape[1:])})


def transpose(reader: Nodes, n: fx.Node) -> None:
    """``x.transpose(a, b)`` or ``x.permute(axes)``."""
    rank = len(reader.shapes[n.name])
    given = [reader.value(a) for a in n.args[1:]]
    if isinstance(given[0], tuple | list):
        given = list(given[0])
    order = [int(a) % rank for a in given]
    if n.target in ("transpose", torch.transpose):
        a, b = order
        order = list(range(rank))
        order[a], order[b] = b, a
    if order[0]:
        raise ConversionError(f"{n.name!r} moves the batch axis; keep it first")
    reader.add_op(n, "transpose", [reader.floats(n.args[0])], {"axes": order})


def take(reader: Nodes, n: fx.Node) -> None:
    """``x[:, i]``, one entry of one axis."""
    index = n.args[1] if isinstance(n.args[1], tuple) else (n.args[1],)
    chosen = [(axis, i) for axis, i in enumerate(index) if i != slice(None)]
    if len(chosen) != 1 or not isinstance(chosen[0][1], int) or chosen[0][0] == 0:
        raise ConversionError(
            f"{n.name!r} cuts a result; only one entry of an axis behind the batch can be taken, "
            "as in x[:, 0]"
        )
    axis, i = chosen[0]
    size = reader.shapes[reader.named(n.args[0])][axis]
    reader.add_op(n, "take", [reader.floats(n.args[0])], {"axis": axis, "index": i % size})


#: Module -> how it is written down.
MODULES: dict[type[nn.Module], Callable[..., None]] = {
    nn.Embedding: embed, nn.LayerNorm: layer_norm, nn.GELU: gelu, nn.Tanh: tanh,
}  # fmt: skip
#: Function, or name of a tensor's method -> how it is written down.
FUNCTIONS: dict[Any, Callable[..., None]] = {
    F.scaled_dot_product_attention: attention,
    operator.mul: multiply, torch.mul: multiply,
    operator.truediv: divide, torch.div: divide,
    operator.ne: differs, torch.ne: differs,
    operator.getitem: take,
    F.gelu: gelu, torch.tanh: tanh, "tanh": tanh,
    "to": cast, "float": cast, "clamp_min": at_least, "sum": total, torch.sum: total,
    "transpose": transpose, torch.transpose: transpose, "permute": transpose,
    "contiguous": lambda reader, n: reader.same(n),
    "unflatten": reshape, "unsqueeze": reshape, "squeeze": reshape, "view": reshape,
    "reshape": reshape, torch.unsqueeze: reshape, torch.reshape: reshape,
}  # fmt: skip
