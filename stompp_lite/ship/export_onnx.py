"""Packed networks as ONNX, for runtimes, and as QONNX, for tools that build circuits.

Both write down a packed network's operations one by one; thresholds stay thresholds.

- **ONNX**: signs are floats of +1 and -1 while the network runs, since runtimes have no products of
  bits; in the file a weight is a bit, and standard operations unpack it. Any runtime of opset 18
  will do.
- **QONNX**: each sign is a ``BipolarQuant`` node, of weights and of activations, as flows behind
  QONNX (FINN, hls4ml) expect. Weights are floats of +1 and -1 in this file.

See chapter 19 of the book.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from stompp_lite.errors import ConfigError
from stompp_lite.ship.floats import channels_last
from stompp_lite.ship.program import Op, shapes
from stompp_lite.ship.runtime import Packed
from stompp_lite.ship.sequences import factor

_OPSET = 18
_QONNX = "qonnx.custom_op.general"


def export_onnx(packed: Packed, path: str | Path) -> int:
    """Write an ONNX file of any batch size, with binary weights as bits.

    Returns:
        Its size in bytes.

    Raises:
        ConfigError: onnx is not installed.
    """
    return _Writer(packed, qonnx=False).write(path)


def export_qonnx(packed: Packed, path: str | Path, batch: int = 1) -> int:
    """Write a QONNX file with a ``BipolarQuant`` node for every sign.

    Args:
        batch: the number of samples, which is fixed in this file.

    Returns:
        Its size in bytes.

    Raises:
        ConfigError: onnx is not installed.
    """
    return _Writer(packed, qonnx=True, batch=batch).write(path)


def _library(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigError(
            f"{name} is not installed; run pip install 'stompp-lite[{extra}]'"
        ) from None


class _Writer:
    """Nodes and initializers, operation by operation."""

    def __init__(self, packed: Packed, qonnx: bool, batch: int | str = "N") -> None:
        self.onnx = _library("onnx", "qonnx" if qonnx else "onnx")
        self.program, self.qonnx, self.batch = packed.program, qonnx, batch
        self.dtype = np.dtype(self.program.dtype)
        self.shapes = shapes(self.program)
        self.nodes: list[Any] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.count = 0

    def write(self, path: str | Path) -> int:
        """Everything to a file; returns its size."""
        from stompp_lite.training.files import write_atomically

        helper, last = self.onnx.helper, self.program.ops[-1].output
        for op in self.program.ops:
            getattr(self, f"_{op.kind}")(op)
        ends = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(dtype), [self.batch, *self.shapes[name]]
            )
            for name, dtype in (("input", np.dtype(self.program.input_dtype)), (last, self.dtype))
        ]  # fmt: skip
        graph = helper.make_graph(
            self.nodes, "packed", ends[:1], ends[1:],
            [self.onnx.numpy_helper.from_array(a, n) for n, a in self.initializers.items()],
        )  # fmt: skip
        imports = [helper.make_opsetid("", _OPSET)]
        imports += [helper.make_opsetid(_QONNX, 1)] if self.qonnx else []
        model = helper.make_model(graph, opset_imports=imports, ir_version=8)
        content = model.SerializeToString()
        write_atomically(path, content)
        return len(content)

    # ---- pieces ---------------------------------------------------------------------------------
    def _node(self, kind: str, inputs: list[str], output: str = "", **settings: Any) -> str:
        if not output:
            self.count += 1
            output = f"own.{self.count}"
        domain = {"domain": _QONNX} if kind == "BipolarQuant" else {}
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], **domain, **settings))
        return output

    def _constant(self, value: Any, dtype: Any = None) -> str:
        array = np.asarray(value, self.dtype if dtype is None else dtype)
        self.count += 1
        self.initializers[f"own.{self.count}"] = array
        return f"own.{self.count}"

    def _weight(self, op: Op) -> str:
        """A layer's weight: where it is binary, from its bits."""
        if "signs" not in op.arrays:
            return self._constant(op.arrays["weight"])
        signs = op.arrays["signs"]
        if self.qonnx:
            plain = self._constant(np.where(signs, 1, -1))
            weight = self._node("BipolarQuant", [plain, self._constant(1)])
        else:
            packed = np.packbits(signs.ravel(), bitorder="little")[:, None]
            shifts = self._constant(np.arange(8)[None], np.uint8)
            bits = self._node(
                "BitShift", [self._constant(packed, np.uint8), shifts], direction="RIGHT"
            )
            bits = self._node("BitwiseAnd", [bits, self._constant(1, np.uint8)])
            bits = self._node("Reshape", [bits, self._constant([-1], np.int64)])
            ends = [self._constant([n], np.int64) for n in (0, signs.size)]
            bits = self._node("Slice", [bits, *ends])
            bits = self._node(
                "Cast", [bits], to=self.onnx.helper.np_dtype_to_tensor_dtype(self.dtype)
            )
            twice = self._node("Mul", [bits, self._constant(2)])
            flat = self._node("Sub", [twice, self._constant(1)])
            weight = self._node("Reshape", [flat, self._constant(signs.shape, np.int64)])
        alpha = op.arrays.get("alpha")
        if op.kind == "xnor" or alpha is None:
            return weight
        shape = alpha.shape + (1,) * (signs.ndim - 1) if alpha.ndim else ()
        return self._node("Mul", [weight, self._constant(alpha.reshape(shape))])

    def _product(self, op: Op, output: str = "") -> str:
        s, weight = op.settings, self._weight(op)
        bias = op.arrays.get("bias") if op.kind != "xnor" else None
        if "kernel" in s:
            inputs = [op.inputs[0], weight, *([] if bias is None else [self._constant(bias)])]
            return self._node("Conv", inputs, output, group=s["groups"], **_window(op))
        turned = self._node("Transpose", [weight], perm=[1, 0])
        if bias is None:
            return self._node("MatMul", [op.inputs[0], turned], output)
        z = self._node("MatMul", [op.inputs[0], turned])
        return self._node("Add", [z, self._constant(bias)], output)

    def _signs(self, plus: str, output: str) -> None:
        self._node("Where", [plus, self._constant(1), self._constant(-1)], output)

    def _channels(self, op: Op, array: np.ndarray) -> np.ndarray:
        """A vector of channels, so that it broadcasts over the output of ``op``."""
        rank = len(self.shapes[op.output]) + 1
        axis = 1 if "kernel" in op.settings else rank - 1
        return array.reshape(channels_last((0,) * rank, axis))

    # ---- operations -----------------------------------------------------------------------------
    def _sign(self, op: Op) -> None:
        if self.qonnx:
            self._node("BipolarQuant", [op.inputs[0], self._constant(1)], op.output)
        else:
            plus = self._node("GreaterOrEqual", [op.inputs[0], self._constant(0)])
            self._signs(plus, op.output)

    def _xnor(self, op: Op) -> None:
        if "thresholds" not in op.arrays:
            self._product(op, op.output)
            return
        z = self._product(op)
        t = [self._channels(op, row.astype(self.dtype)) for row in op.arrays["thresholds"]]
        flip = self._channels(op, op.arrays["flip"])
        if self.qonnx:  # the sign of z - t + 1/2, which is never 0, up or down
            level = self._constant((t[0] + t[-1]) / 2 - 0.5)
            if len(t) > 1:
                half = self._node("Mul", [op.inputs[1], self._constant((t[1] - t[0]) / 2)])
                level = self._node("Add", [level, half])
            u = self._node("Sub", [z, level])
            u = self._node("Mul", [u, self._constant(np.where(flip, -1, 1))])
            self._node("BipolarQuant", [u, self._constant(1)], op.output)
            return
        level = self._constant(t[0])
        if len(t) > 1:
            upper = self._node("Greater", [op.inputs[1], self._constant(0)])
            level = self._node("Where", [upper, self._constant(t[1]), level])
        plus = self._node("GreaterOrEqual", [z, level])
        self._signs(self._node("Xor", [plus, self._constant(flip, bool)]), op.output)

    def _same(self, op: Op) -> None:
        self._node("Identity", op.inputs, op.output)

    _unpack = _same

    def _or_pool(self, op: Op) -> None:
        self._node("MaxPool", op.inputs, op.output, **_window(op))

    _maxpool = _or_pool

    def _avgpool(self, op: Op) -> None:
        window = _window(op)
        del window["dilations"]
        self._node("AveragePool", op.inputs, op.output, count_include_pad=1, **window)

    def _flatten(self, op: Op) -> None:
        self._node("Flatten", op.inputs, op.output, axis=1)

    _flat_signs = _flatten

    def _conv(self, op: Op) -> None:
        self._product(op, op.output)

    _linear = _conv

    def _norm(self, op: Op) -> None:
        arrays = [self._constant(op.arrays[k]) for k in ("weight", "bias", "mean", "var")]
        self._node(
            "BatchNormalization", [op.inputs[0], *arrays], op.output, epsilon=op.settings["eps"]
        )

    def _scale(self, op: Op) -> None:
        value = op.inputs[0]
        rank = len(self.shapes[op.output]) + 1
        shape = channels_last((0,) * rank, op.settings["axis"] % rank)
        steps = [("Mul", "alpha"), ("Add", "bias")]
        steps = [(kind, name) for kind, name in steps if name in op.arrays]
        for i, (kind, name) in enumerate(steps):
            array = op.arrays[name]
            constant = self._constant(array.reshape(shape) if array.ndim else array)
            value = self._node(kind, [value, constant], op.output if i + 1 == len(steps) else "")

    def _clip(self, op: Op) -> None:
        low, high = op.settings["low"], op.settings["high"]
        if low is None and high is None:
            self._same(op)
            return
        ends = ["" if end is None else self._constant(end) for end in (low, high)]
        self._node("Clip", [op.inputs[0], *ends], op.output)

    def _of_two(self, op: Op) -> None:
        inputs = list(op.inputs)
        if len(inputs) == 1:
            inputs.append(self._constant(op.arrays["value"]))
        self._node({"add": "Add", "multiply": "Mul", "divide": "Div"}[op.kind], inputs, op.output)

    _add = _multiply = _divide = _of_two

    def _together(self, op: Op) -> None:
        kind = {"mean": "ReduceMean", "total": "ReduceSum"}[op.kind]
        axes = self._constant(op.settings["axes"], np.int64)
        self._node(kind, [op.inputs[0], axes], op.output, keepdims=int(op.settings["keep"]))

    _mean = _total = _together

    # ---- networks of tokens ---------------------------------------------------------------------
    def _embed(self, op: Op) -> None:
        self._node("Gather", [self._constant(op.arrays["weight"]), op.inputs[0]], op.output)

    def _differs(self, op: Op) -> None:
        (source,) = op.inputs
        dtype = self.program.input_dtype if source == "input" else self.dtype
        value = self._constant(op.settings["value"], dtype)
        different = self._node("Not", [self._node("Equal", [source, value])])
        self._node("Where", [different, self._constant(1), self._constant(0)], op.output)

    def _layer_norm(self, op: Op) -> None:
        arrays = [self._constant(op.arrays[name]) for name in ("weight", "bias")]
        settings = {"axis": -op.arrays["weight"].ndim, "epsilon": op.settings["eps"]}
        self._node("LayerNormalization", [op.inputs[0], *arrays], op.output, **settings)

    def _attention(self, op: Op) -> None:
        q, k, v, *mask = op.inputs
        shape = self.shapes[q]
        turned = [*range(len(shape) - 1), len(shape), len(shape) - 1]
        scores = self._node("MatMul", [q, self._node("Transpose", [k], perm=turned)])
        scores = self._node("Mul", [scores, self._constant(factor(op, shape[-1]))])
        seen = [self._node("Greater", [m, self._constant(0)]) for m in mask]
        if op.settings["causal"]:
            seen.append(self._constant(np.tri(shape[-2], self.shapes[k][-2], dtype=bool), bool))
        for one in seen:
            scores = self._node("Where", [one, scores, self._constant(-1e30)])
        weights = self._node("Softmax", [scores], axis=-1)
        for one in seen:  # a query that sees nothing gets zeros
            weights = self._node("Where", [one, weights, self._constant(0)])
        self._node("MatMul", [weights, v], op.output)

    def _gelu(self, op: Op) -> None:
        erf = self._node("Erf", [self._node("Mul", [op.inputs[0], self._constant(0.5**0.5)])])
        half = self._node("Mul", [op.inputs[0], self._constant(0.5)])
        self._node("Mul", [half, self._node("Add", [erf, self._constant(1)])], op.output)

    def _tanh(self, op: Op) -> None:
        self._node("Tanh", op.inputs, op.output)

    def _reshape(self, op: Op) -> None:
        shape = self._constant([0, *op.settings["shape"]], np.int64)  # 0: as it was
        self._node("Reshape", [op.inputs[0], shape], op.output)

    def _transpose(self, op: Op) -> None:
        self._node("Transpose", op.inputs, op.output, perm=op.settings["axes"])

    def _take(self, op: Op) -> None:
        index = self._constant(op.settings["index"], np.int64)
        self._node("Gather", [op.inputs[0], index], op.output, axis=op.settings["axis"])


def _window(op: Op) -> dict[str, Any]:
    s = op.settings
    return {
        "kernel_shape": s["kernel"], "strides": s["stride"], "pads": [*s["padding"], *s["padding"]],
        "dilations": s["dilation"],
    }  # fmt: skip
