"""The nodes of a traced model, run on an example: what the readers of single operations share.

:class:`~stompp_lite.ship.reader.Reader` is made of it, and says which operations there are.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from stompp_lite.errors import ConversionError
from stompp_lite.ship.program import Op, Program

#: What networks may compute with.
DTYPES = {torch.float32: "float32", torch.float64: "float64"}
#: What to do about something that cannot be packed.
WAY_OUT = (
    "write the model with the layers that can be packed (the tables of stompp_lite.ship.reader), "
    "or export it whole with torch.export or torch.onnx.export"
)
#: What a model may ask of a value without reading its numbers.
_SHAPES = ("shape", "size", "dim", "ndim", "device", "dtype")


def array(tensor: Tensor) -> np.ndarray:
    """A tensor's entries, copied."""
    return np.ascontiguousarray(tensor.detach().numpy()).copy()


class Nodes(fx.Interpreter):
    """Runs the example through a traced model and writes an operation for each node.

    Attributes:
        signs: names of values that are signs.
        shapes: of each value, with the batch axis.
        dtypes: of each value, as torch has it.
        fixed: values that no number of the input enters: shapes, parameters, positions.
        dtype: of the network's floats.
    """

    def __init__(self, model: nn.Module, graph: fx.Graph, example: Tensor) -> None:
        super().__init__(fx.GraphModule(model, graph))
        self.extra_traceback = False  # refusals say which part they mean
        self.example, self.ops = example, list[Op]()
        self.signs: set[str] = set()
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, torch.dtype | None] = {}
        self.alias: dict[str, str] = {}
        self.fixed: dict[str, Any] = {}
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
        self.dtypes[n.name] = result.dtype if isinstance(result, Tensor) else None
        if n.op == "placeholder":
            if self.alias:
                raise ConversionError("the model takes several inputs; pack one that takes one")
            self.alias[n.name] = "input"
            self.shapes["input"] = self.shapes[n.name]
        elif n.op == "output":
            self._output(n)
        elif self._is_fixed(n):
            self.fixed[n.name] = result
        else:
            self._write(n)
        return result

    # ---- values ---------------------------------------------------------------------------------
    def _is_fixed(self, n: fx.Node) -> bool:
        asked = n.args[1] if n.target is getattr else n.target
        shape = n.op != "call_module" and asked in _SHAPES
        return shape or all(source.name in self.fixed for source in n.all_input_nodes)

    def is_constant(self, n: Any) -> bool:
        """Whether no number of the input enters a value."""
        return not isinstance(n, fx.Node) or n.name in self.fixed

    def value(self, n: Any) -> Any:
        """A constant."""
        return self.fixed[n.name] if isinstance(n, fx.Node) else n

    def constant(self, n: Any) -> np.ndarray:
        """A constant as an array of the network's floats."""
        value = self.value(n)
        tensor = value.detach() if isinstance(value, Tensor) else torch.tensor(value)
        return array(tensor.to(getattr(torch, self.dtype)))

    def named(self, n: Any) -> str:
        """The name of a value.

        Raises:
            ConversionError: it is a constant, where none can be packed.
        """
        if self.is_constant(n):
            raise ConversionError(
                f"the constant {str(n)!r} enters where a result of the network is expected; "
                f"{WAY_OUT}"
            )
        name = str(n.name)
        while name in self.alias:
            name = self.alias[name]
        return name

    def floats(self, n: Any) -> str:
        """The name of a value as floats; signs are unpacked once."""
        name = self.named(n)
        dtype = self.dtypes[n.name]
        if dtype not in DTYPES and dtype != torch.bool:
            raise ConversionError(
                f"the model computes with {str(n)!r}, which holds {dtype}; only floats can be "
                "packed, and ids that an Embedding reads or that are compared with a number"
            )
        if name not in self.signs:
            return name
        if not any(op.output == f"{name}.floats" for op in self.ops):
            self.ops.append(Op("unpack", name, [name], f"{name}.floats"))
            self.shapes[f"{name}.floats"] = self.shapes[name]
        return f"{name}.floats"

    def axes(self, n: fx.Node) -> tuple[list[int], bool]:
        """The axes that a mean or a sum takes together, and whether they stay.

        Raises:
            ConversionError: the batch axis is among them.
        """
        given = n.args[1] if len(n.args) > 1 else n.kwargs.get("dim")
        keep = n.args[2] if len(n.args) > 2 else n.kwargs.get("keepdim", False)
        rank = len(self.shapes[self.named(n.args[0])])
        listed: Any = [0] if given is None else [given] if isinstance(given, int) else given
        axes = [int(a) % rank for a in listed]
        if 0 in axes:
            raise ConversionError(
                f"{n.name!r} takes the batch together, too; name the axes behind it"
            )
        return axes, bool(keep)

    # ---- operations -----------------------------------------------------------------------------
    def target(self, n: fx.Node) -> str:
        """What a node is called in messages."""
        return str(n.target) if n.op == "call_module" else str(n.name)

    def add_op(
        self, n: fx.Node, kind: str, inputs: list[str], settings: dict[str, Any] | None = None,
        arrays: dict[str, np.ndarray] | None = None,
    ) -> None:  # fmt: skip
        """Write an operation down, whose result is the node's."""
        op = Op(kind, self.target(n), inputs, str(n.name), settings or {}, arrays or {})
        self.ops.append(op)
        if kind in ("sign", "or_pool", "flat_signs"):
            self.signs.add(op.output)

    def same(self, n: fx.Node, _module: object = None) -> None:
        """The result is the input."""
        self.alias[n.name] = self.named(n.args[0])

    def _output(self, n: fx.Node) -> None:
        out = self.floats(n.args[0])
        if not self.ops or self.ops[-1].output != out:  # the output is the last operation's
            self.ops.append(Op("clip", "output", [out], "output", {"low": None, "high": None}))

    def _write(self, n: fx.Node) -> None:
        self.write(n)
        module = self.module.get_submodule(str(n.target)) if n.op == "call_module" else None
        if getattr(module, "inplace", False) or n.target is operator.iadd:
            self.alias[self.named(n.args[0])] = self.named(n)  # who reads it later sees the result

    def write(self, n: fx.Node) -> None:
        """Write down what a node computes.

        Raises:
            ConversionError: it cannot be packed.
        """
        raise NotImplementedError
