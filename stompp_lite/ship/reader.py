"""Write down what a traced model computes, an operation for each node.

:data:`MODULES` and :data:`FUNCTIONS` say what can be packed; everything else is refused by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from stompp_lite.errors import ConversionError
from stompp_lite.networks.layers import BinaryConv2d, BinaryLayer, BinaryLinear
from stompp_lite.networks.rules import Site
from stompp_lite.ship.program import Op, Program

#: What networks may compute with.
DTYPES = {torch.float32: "float32", torch.float64: "float64"}
#: What to do about something that cannot be packed.
WAY_OUT = (
    "write the model with the layers that can be packed (the tables of stompp_lite.ship.reader), "
    "or export it whole with torch.export or torch.onnx.export"
)


class Reader(fx.Interpreter):
    """Runs the example through a traced model and writes an operation for each node."""

    def __init__(self, model: nn.Module, graph: fx.Graph, example: Tensor) -> None:
        super().__init__(fx.GraphModule(model, graph))
        self.example, self.ops = example, list[Op]()
        self.signs: set[str] = set()  # values that are signs
        self.shapes: dict[str, tuple[int, ...]] = {}  # with the batch axis
        self.alias: dict[str, str] = {}
        floats = [p.dtype for p in model.parameters() if p.is_floating_point()]
        self.dtype = DTYPES[floats[0]] if floats else "float32"

    def read(self) -> Program:
        """All operations, as they stand in the model."""
        out = self.run(self.example.clone())
        if not isinstance(out, Tensor):
            raise ConversionError(
                f"the model returns a {type(out).__name__}; pack a model that returns one tensor"
            )
        dtype = str(self.example.dtype).removeprefix("torch.")
        return Program(self.ops, tuple(self.example.shape[1:]), dtype, self.dtype)

    def run_node(self, n: fx.Node) -> Any:
        """Run a node and write it down."""
        result = super().run_node(n)
        self.shapes[n.name] = tuple(result.shape) if isinstance(result, Tensor) else ()
        if n.op == "placeholder":
            if self.alias:
                raise ConversionError("the model takes several inputs; pack one that takes one")
            self.alias[n.name] = "input"
            self.shapes["input"] = self.shapes[n.name]
        elif n.op == "output":
            self._output(n)
        else:
            self._write(n)
        return result

    # ---- names of values ------------------------------------------------------------------------
    def _name(self, n: Any) -> str:
        if not isinstance(n, fx.Node):
            raise ConversionError(f"the number {n!r} enters a sum; {WAY_OUT}")
        name = str(n.name)
        while name in self.alias:
            name = self.alias[name]
        return name

    def _floats(self, n: Any) -> str:
        """The name of a value as floats; signs are unpacked once."""
        name = self._name(n)
        if name not in self.signs:
            return name
        if not any(op.output == f"{name}.floats" for op in self.ops):
            self.ops.append(Op("unpack", name, [name], f"{name}.floats"))
            self.shapes[f"{name}.floats"] = self.shapes[name]
        return f"{name}.floats"

    def _add(
        self, n: fx.Node, kind: str, inputs: list[str], settings: dict[str, Any] | None = None,
        arrays: dict[str, np.ndarray] | None = None,
    ) -> None:  # fmt: skip
        self.ops.append(Op(kind, _target(n), inputs, str(n.name), settings or {}, arrays or {}))
        if kind in ("sign", "or_pool", "flat_signs"):
            self.signs.add(str(n.name))

    def _output(self, n: fx.Node) -> None:
        out = self._floats(n.args[0])
        if not self.ops or self.ops[-1].output != out:  # the output is the last operation's
            self.ops.append(Op("clip", "output", [out], "output", {"low": None, "high": None}))

    # ---- nodes ----------------------------------------------------------------------------------
    def _write(self, n: fx.Node) -> None:
        self._write_one(n)
        module = self.module.get_submodule(str(n.target)) if n.op == "call_module" else None
        if getattr(module, "inplace", False) or n.target is operator.iadd:
            self.alias[self._name(n.args[0])] = self._name(n)  # who reads it later sees the result

    def _write_one(self, n: fx.Node) -> None:
        if n.op == "call_module":
            module = self.module.get_submodule(str(n.target))
            for kind, write in MODULES.items():
                if isinstance(module, kind) and (
                    kind in (Site, BinaryLayer) or type(module) is kind
                ):
                    return write(self, n, module)
            raise ConversionError(
                f"{n.target!r} is a {type(module).__name__}, which cannot be packed; {WAY_OUT}"
            )
        key = n.target if n.op == "call_function" else str(n.target)
        if n.op == "get_attr" or key not in FUNCTIONS:
            what = getattr(n.target, "__name__", n.target)
            raise ConversionError(
                f"the model computes {what!r} ({n.name}), which cannot be packed; {WAY_OUT}"
            )
        return FUNCTIONS[key](self, n)

    def same(self, n: fx.Node, _module: object = None) -> None:
        """The result is the input."""
        self.alias[n.name] = self._name(n.args[0])

    def site(self, n: fx.Node, module: Any) -> None:
        """An activation's Binarizer."""
        if module.p == 0.0:  # rule 'float': it clips
            return self.clip(n, -1.0, 1.0)
        if self._name(n.args[0]) in self.signs:
            return self.same(n)
        self._add(n, "sign", [self._name(n.args[0])])
        return None

    def binary(self, n: fx.Node, module: Any) -> None:
        """A binary layer; with real inputs, or weights that are not binary, a float one."""
        if not isinstance(module, BinaryConv2d | BinaryLinear):
            raise ConversionError(
                f"{n.target!r} is a {type(module).__name__}, which cannot be packed; convert the "
                f"model with keep_float=[{str(n.target)!r}], or {WAY_OUT}"
            )
        source, site = self._name(n.args[0]), module.binarizer
        settings = _layer_settings(n, module)
        bias = {} if module.bias is None else {"bias": _array(module.bias)}
        if site.p != 1.0:
            return self._float_layer(n, module, site(module.weight))
        signs, alpha = _array(module.weight) >= 0, {}
        if site.rule.scale is not None:
            alpha = {"alpha": _array(module.alpha()).astype(self.dtype)}
        if source not in self.signs:  # weights of one bit, products of floats
            kind = settings.pop("layer")
            self._add(n, kind, [source], settings, {"signs": signs, **alpha, **bias})
            return None
        axis = -1 if settings["layer"] == "linear" else 1
        sums = n.name + (".sums" if alpha or bias else "")
        self.ops.append(Op("xnor", _target(n), [source], sums, settings, {"signs": signs}))
        self.shapes[sums] = self.shapes[n.name]
        if alpha or bias:
            self._add(n, "scale", [sums], {"axis": axis}, {**alpha, **bias})
        return None

    def layer(self, n: fx.Node, module: Any) -> None:
        """A float layer."""
        self._float_layer(n, module, module.weight)

    def _float_layer(self, n: fx.Node, module: Any, weight: Tensor) -> None:
        settings = _layer_settings(n, module)
        bias = {} if module.bias is None else {"bias": _array(module.bias)}
        kind = settings.pop("layer")
        self._add(n, kind, [self._floats(n.args[0])], settings, {"weight": _array(weight), **bias})

    def norm(self, n: fx.Node, module: Any) -> None:
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
        self._add(
            n, "norm", [self._floats(n.args[0])], {"eps": float(module.eps)},
            {name: _array(tensor) for name, tensor in arrays.items()},
        )  # fmt: skip

    def clip(self, n: fx.Node, low: float | None, high: float | None) -> None:
        """An activation that cuts off."""
        self._add(n, "clip", [self._floats(n.args[0])], {"low": low, "high": high})

    def pool(self, n: fx.Node, module: Any) -> None:
        """Max-pooling, of signs where they are."""
        settings = self._window(n, module, module.dilation)
        source = self._name(n.args[0])
        if source in self.signs:
            self._add(n, "or_pool", [source], settings)
        else:
            self._add(n, "maxpool", [source], settings)

    def average(self, n: fx.Node, module: Any) -> None:
        """Average pooling."""
        settings = self._window(n, module, 1)
        padded = any(settings["padding"]) and not module.count_include_pad
        if padded or module.divisor_override:
            raise ConversionError(
                f"{n.target!r} divides by the number of pixels inside, or by one of its own; set "
                "count_include_pad=True and divisor_override=None"
            )
        self._add(n, "avgpool", [self._floats(n.args[0])], settings)

    def _window(self, n: fx.Node, module: Any, dilation: Any) -> dict[str, Any]:
        size, stride = _pair(module.kernel_size), _pair(module.stride)
        settings = {
            "kernel": size, "stride": stride, "padding": _pair(module.padding),
            "dilation": _pair(dilation),
        }  # fmt: skip
        if module.ceil_mode:
            shape = self.shapes[self._name(n.args[0])]
            over = [
                (shape[2 + i] + 2 * settings["padding"][i] - size[i]) % stride[i] for i in (0, 1)
            ]
            if any(over):
                raise ConversionError(
                    f"{n.target!r} pools incomplete windows (ceil_mode) of an image of "
                    f"{shape[2]}x{shape[3]}; use images that its stride divides"
                )
        return settings

    def overall(self, n: fx.Node, module: Any) -> None:
        """Adaptive average pooling to one pixel."""
        self._to_one(n, module.output_size)

    def _to_one(self, n: fx.Node, size: Any) -> None:
        if _pair(size) != [1, 1]:
            raise ConversionError(
                f"{_target(n)!r} pools to {size}; only pooling to one pixel can be packed: use "
                "AdaptiveAvgPool2d(1), or AvgPool2d"
            )
        self._mean(n, [2, 3], True)

    def _mean(self, n: fx.Node, axes: list[int], keep: bool) -> None:
        settings = {"axes": axes, "keep": keep}
        self._add(n, "mean", [self._floats(n.args[0])], settings)

    def mean(self, n: fx.Node) -> None:
        """``x.mean(axes)``."""
        axes = n.args[1] if len(n.args) > 1 else n.kwargs.get("dim")
        if axes is None:
            raise ConversionError(f"{n.name!r} takes the mean over the batch, too; name the axes")
        keep = n.args[2] if len(n.args) > 2 else n.kwargs.get("keepdim", False)
        rank = len(self.shapes[self._name(n.args[0])])
        listed = [axes] if isinstance(axes, int) else list(axes)  # type: ignore[arg-type]
        self._mean(n, [int(a) % rank for a in listed], bool(keep))  # type: ignore[arg-type]

    def flatten(self, n: fx.Node, module: Any = None) -> None:
        """All axes but the first in one."""
        source = self._name(n.args[0])
        shape = self.shapes[n.name]
        if len(shape) != 2 or shape[0] != self.shapes[source][0]:
            raise ConversionError(
                f"{_target(n)!r} flattens other axes than all behind the batch; use Flatten()"
            )
        if len(self.shapes[source]) == 2:
            return self.same(n)
        self._add(n, "flat_signs" if source in self.signs else "flatten", [source])
        return None

    def add(self, n: fx.Node) -> None:
        """The sum of two results."""
        if n.kwargs or len(n.args) != 2:
            raise ConversionError(f"{n.name!r} is a sum with options; write x + y")
        left, right = n.args
        shapes = {self.shapes[self._name(side)] for side in (left, right)}
        if len(shapes) != 1:
            raise ConversionError(f"{n.name!r} adds results of different shapes, {shapes}")
        self._add(n, "add", [self._floats(left), self._floats(right)])


def _target(n: fx.Node) -> str:
    return str(n.target) if n.op == "call_module" else str(n.name)


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy()).copy()


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
    return lambda reader, n, module=None: reader.clip(n, low, high)


#: Module -> how it is written down. Other modules are refused by name, or traced into.
MODULES: dict[type[nn.Module], Callable[..., None]] = {
    Site: Reader.site,
    BinaryLayer: Reader.binary,
    nn.Conv2d: Reader.layer,
    nn.Linear: Reader.layer,
    nn.BatchNorm1d: Reader.norm,
    nn.BatchNorm2d: Reader.norm,
    nn.ReLU: _clipping(0.0, None),
    nn.ReLU6: _clipping(0.0, 6.0),
    nn.Hardtanh: lambda reader, n, module: reader.clip(n, module.min_val, module.max_val),
    nn.MaxPool2d: Reader.pool,
    nn.AvgPool2d: Reader.average,
    nn.AdaptiveAvgPool2d: Reader.overall,
    nn.Flatten: Reader.flatten,
    nn.Identity: Reader.same,
    nn.Dropout: Reader.same,
    nn.Dropout2d: Reader.same,
}
#: Function, or name of a tensor's method -> how it is written down.
FUNCTIONS: dict[Any, Callable[..., None]] = {
    operator.add: Reader.add,
    operator.iadd: Reader.add,
    torch.add: Reader.add,
    torch.flatten: Reader.flatten,
    "flatten": Reader.flatten,
    "mean": Reader.mean,
    torch.mean: Reader.mean,
    F.adaptive_avg_pool2d: lambda reader, n: reader._to_one(n, n.args[1]),
    torch.relu: _clipping(0.0, None),
    "relu": _clipping(0.0, None),
    F.relu: _clipping(0.0, None),
}
