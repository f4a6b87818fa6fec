"""How layers, norms, activations and pooling are written down.

Each function takes the :class:`~stompp_lite.ship.nodes.Nodes` and a node of the traced model, and
adds the node's operation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from stompp_lite.errors import ConversionError
from stompp_lite.networks.layers import BinaryConv2d, BinaryLayer, BinaryLinear
from stompp_lite.networks.rules import Site
from stompp_lite.ship.nodes import WAY_OUT, Nodes, array
from stompp_lite.ship.program import Op


def same(reader: Nodes, n: fx.Node, _module: object = None) -> None:
    """The result is the input."""
    reader.same(n)


def site(reader: Nodes, n: fx.Node, module: Any) -> None:
    """An activation's Binarizer."""
    if module.p == 0.0:  # rule 'float': it clips
        return clip(reader, n, -1.0, 1.0)
    if reader.named(n.args[0]) in reader.signs:
        return reader.same(n)
    reader.add_op(n, "sign", [reader.named(n.args[0])])
    return None


def binary(reader: Nodes, n: fx.Node, module: Any) -> None:
    """A binary layer; with real inputs, or weights that are not binary, a float one."""
    if not isinstance(module, BinaryConv2d | BinaryLinear):
        raise ConversionError(
            f"{n.target!r} is a {type(module).__name__}, which cannot be packed; convert the "
            f"model with keep_float=[{str(n.target)!r}], or {WAY_OUT}"
        )
    source, site = reader.named(n.args[0]), module.binarizer
    settings = _layer_settings(n, module)
    bias = {} if module.bias is None else {"bias": array(module.bias)}
    if site.p != 1.0:
        return _float_layer(reader, n, module, site(module.weight))
    signs, alpha = array(module.weight) >= 0, {}
    if site.rule.scale is not None:
        alpha = {"alpha": array(module.alpha()).astype(reader.dtype)}
    if source not in reader.signs:  # weights of one bit, products of floats
        kind = settings.pop("layer")
        reader.add_op(n, kind, [source], settings, {"signs": signs, **alpha, **bias})
        return None
    if settings["layer"] == "linear" and len(reader.shapes[source]) > 3:
        raise ConversionError(
            f"{n.target!r} reads signs of shape {reader.shapes[source]}; a linear layer of signs "
            "takes [N, I] or [N, T, I]: flatten the axes between"
        )
    axis = -1 if settings["layer"] == "linear" else 1
    sums = n.name + (".sums" if alpha or bias else "")
    reader.ops.append(Op("xnor", reader.target(n), [source], sums, settings, {"signs": signs}))
    reader.shapes[sums] = reader.shapes[n.name]
    if alpha or bias:
        reader.add_op(n, "scale", [sums], {"axis": axis}, {**alpha, **bias})
    return None


def layer(reader: Nodes, n: fx.Node, module: Any) -> None:
    """A float layer."""
    _float_layer(reader, n, module, module.weight)


def _float_layer(reader: Nodes, n: fx.Node, module: Any, weight: Tensor) -> None:
    settings = _layer_settings(n, module)
    bias = {} if module.bias is None else {"bias": array(module.bias)}
    kind = settings.pop("layer")
    reader.add_op(n, kind, [reader.floats(n.args[0])], settings, {"weight": array(weight), **bias})


def norm(reader: Nodes, n: fx.Node, module: Any) -> None:
    """Batch norm with running statistics."""
    if module.running_mean is None:
        raise ConversionError(
            f"{n.target!r} keeps no running statistics, so a sample's result depends on the "
            "batch; use track_running_stats=True"
        )
    ones = torch.ones_like(module.running_mean)
    weight = ones if module.weight is None else module.weight
    bias = ones * 0 if module.bias is None else module.bias
    arrays = {"weight": weight, "bias": bias, "mean": module.running_mean,
              "var": module.running_var}  # fmt: skip
    reader.add_op(
        n, "norm", [reader.floats(n.args[0])], {"eps": float(module.eps)},
        {name: array(tensor) for name, tensor in arrays.items()},
    )  # fmt: skip


def clip(reader: Nodes, n: fx.Node, low: float | None, high: float | None) -> None:
    """An activation that cuts off."""
    reader.add_op(n, "clip", [reader.floats(n.args[0])], {"low": low, "high": high})


def pool(reader: Nodes, n: fx.Node, module: Any) -> None:
    """Max-pooling, of signs where they are."""
    settings = _window(reader, n, module, module.dilation)
    source = reader.named(n.args[0])
    if source in reader.signs:
        reader.add_op(n, "or_pool", [source], settings)
    else:
        reader.add_op(n, "maxpool", [source], settings)


def average(reader: Nodes, n: fx.Node, module: Any) -> None:
    """Average pooling."""
    settings = _window(reader, n, module, 1)
    padded = any(settings["padding"]) and not module.count_include_pad
    if padded or module.divisor_override:
        raise ConversionError(
            f"{n.target!r} divides by the number of pixels inside, or by one of its own; set "
            "count_include_pad=True and divisor_override=None"
        )
    reader.add_op(n, "avgpool", [reader.floats(n.args[0])], settings)


def _window(reader: Nodes, n: fx.Node, module: Any, dilation: Any) -> dict[str, Any]:
    size, stride = _pair(module.kernel_size), _pair(module.stride)
    settings = {
        "kernel": size, "stride": stride, "padding": _pair(module.padding),
        "dilation": _pair(dilation),
    }  # fmt: skip
    if module.ceil_mode:
        shape = reader.shapes[reader.named(n.args[0])]
        over = [(shape[2 + i] + 2 * settings["padding"][i] - size[i]) % stride[i] for i in (0, 1)]
        if any(over):
            raise ConversionError(
                f"{n.target!r} pools incomplete windows (ceil_mode) of an image of "
                f"{shape[2]}x{shape[3]}; use images that its stride divides"
            )
    return settings


def overall(reader: Nodes, n: fx.Node, module: Any) -> None:
    """Adaptive average pooling to one pixel."""
    _to_one(reader, n, module.output_size)


def _to_one(reader: Nodes, n: fx.Node, size: Any) -> None:
    if _pair(size) != [1, 1]:
        raise ConversionError(
            f"{reader.target(n)!r} pools to {size}; only pooling to one pixel can be packed: use "
            "AdaptiveAvgPool2d(1), or AvgPool2d"
        )
    _mean(reader, n, [2, 3], True)


def _mean(reader: Nodes, n: fx.Node, axes: list[int], keep: bool) -> None:
    settings = {"axes": axes, "keep": keep}
    reader.add_op(n, "mean", [reader.floats(n.args[0])], settings)


def mean(reader: Nodes, n: fx.Node) -> None:
    """``x.mean(axes)``."""
    _mean(reader, n, *reader.axes(n))


def flatten(reader: Nodes, n: fx.Node, module: Any = None) -> None:
    """Neighboring axes in one; of signs, all axes but the first."""
    source = reader.named(n.args[0])
    before, after = reader.shapes[source], reader.shapes[n.name]
    if after[0] != before[0]:
        raise ConversionError(
            f"{reader.target(n)!r} flattens the batch axis, too; use Flatten(), or flatten(1)"
        )
    if after == before:
        return reader.same(n)
    if len(after) == 2 and source in reader.signs:
        return reader.add_op(n, "flat_signs", [source])
    if len(after) == 2:
        return reader.add_op(n, "flatten", [source])
    return reader.add_op(n, "reshape", [reader.floats(n.args[0])], {"shape": list(after[1:])})


def add(reader: Nodes, n: fx.Node) -> None:
    """The sum of two results, or of one and a constant."""
    if n.kwargs or len(n.args) != 2:
        raise ConversionError(f"{n.name!r} is a sum with options; write x + y")
    if not any(reader.is_constant(side) for side in n.args):
        shapes = {reader.shapes[reader.named(side)] for side in n.args}
        if len(shapes) != 1:
            raise ConversionError(f"{n.name!r} adds results of different shapes, {shapes}")
    of_two(reader, n, "add")


def of_two(reader: Nodes, n: fx.Node, kind: str) -> None:
    """An operation on two results, or on one and a constant."""
    left, right = n.args[:2]
    if reader.is_constant(left) and kind != "divide":
        left, right = right, left
    if reader.is_constant(right):
        reader.add_op(n, kind, [reader.floats(left)], {}, {"value": reader.constant(right)})
    else:
        reader.add_op(n, kind, [reader.floats(left), reader.floats(right)])


def _pair(value: Any) -> list[int]:
    return [int(v) for v in value] if isinstance(value, tuple | list) else [int(value)] * 2


def _layer_settings(n: fx.Node, m: Any) -> dict[str, Any]:
    if isinstance(m, nn.Linear):
        return {"layer": "linear"}
    kernel, dilation, padding = _pair(m.kernel_size), _pair(m.dilation), m.padding
    if padding == "valid":
        padding = 0
    elif padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        if any(t % 2 for t in total):
            raise ConversionError(
                f"{n.target!r} pads 'same' with an even kernel, one side more than the other; use "
                "an odd kernel"
            )
        padding = [t // 2 for t in total]
    if m.padding_mode != "zeros" and any(_pair(padding)):
        raise ConversionError(
            f"{n.target!r} pads by {m.padding_mode!r}; only zero padding can be packed: use "
            "padding_mode='zeros'"
        )
    return {
        "layer": "conv", "kernel": kernel, "stride": _pair(m.stride), "padding": _pair(padding),
        "dilation": dilation, "groups": int(m.groups),
    }  # fmt: skip


def _clipping(low: float | None, high: float | None) -> Callable[..., None]:
    return lambda reader, n, module=None: clip(reader, n, low, high)


#: Module -> how it is written down. Other modules are refused by name, or traced into.
MODULES: dict[type[nn.Module], Callable[..., None]] = {
    Site: site,
    BinaryLayer: binary,
    nn.Conv2d: layer,
    nn.Linear: layer,
    nn.BatchNorm1d: norm,
    nn.BatchNorm2d: norm,
    nn.ReLU: _clipping(0.0, None),
    nn.ReLU6: _clipping(0.0, 6.0),
    nn.Hardtanh: lambda reader, n, module: clip(reader, n, module.min_val, module.max_val),
    nn.MaxPool2d: pool,
    nn.AvgPool2d: average,
    nn.AdaptiveAvgPool2d: overall,
    nn.Flatten: flatten,
    nn.Identity: same,
    nn.Dropout: same,
    nn.Dropout2d: same,
}
#: Function, or name of a tensor's method -> how it is written down.
FUNCTIONS: dict[Any, Callable[..., None]] = {
    operator.add: add,
    operator.iadd: add,
    torch.add: add,
    torch.flatten: flatten,
    "flatten": flatten,
    "mean": mean,
    torch.mean: mean,
    F.adaptive_avg_pool2d: lambda reader, n: _to_one(reader, n, n.args[1]),
    torch.relu: _clipping(0.0, None),
    "relu": _clipping(0.0, None),
    F.relu: _clipping(0.0, None),
}
