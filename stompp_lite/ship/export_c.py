"""A packed network as one C99 file: no library, no malloc, no float in between binary layers.

The file has a function that takes one sample and gives the outputs. Weights and thresholds are
constant tables, for read-only memory; values in between lie in two static buffers that are shared
as far as their lives allow. Words have 32 bits here.

Float products add in the order of the loops, so logits can differ from torch's in the last bits.

See chapter 19 of the book.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stompp_lite.errors import ConfigError
from stompp_lite.ship.c_code import HELPERS
from stompp_lite.ship.floats import weight_of
from stompp_lite.ship.program import Op, shapes
from stompp_lite.ship.runtime import Packed

_C_TYPES = {"float32": "float", "float64": "double", "int16": "int16_t", "int32": "int32_t",
            "uint32": "uint32_t"}  # fmt: skip


def export_c(packed: Packed, path: str | Path, name: str = "net") -> dict[str, int]:
    """Write a C99 file with ``void NAME_run(const float *input, float *output)``.

    Args:
        name: of the function, a C identifier.

    Returns:
        Bytes of ``tables`` (constant) and ``buffers`` (static, overwritten by every call).

    Raises:
        ConfigError: the name is none, or the network computes something that is not written in C
            (networks of tokens, constants in sums, means over other axes than the image's).
    """
    from stompp_lite.training.files import write_atomically

    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ConfigError(f"name must be a C identifier such as 'net', got {name!r}")
    writer = _Writer(packed, name)
    write_atomically(path, writer.text().encode())
    return {"tables": writer.tables, "buffers": writer.buffers}


def to_words32(bits: np.ndarray) -> np.ndarray:
    """Bool [..., C] to uint32 [..., words], the first channel in the lowest bit."""
    words = -(-bits.shape[-1] // 32)
    padded = np.zeros((*bits.shape[:-1], 32 * words), bool)
    padded[..., : bits.shape[-1]] = bits
    return np.packbits(padded, axis=-1, bitorder="little").view("<u4").astype(np.uint32)


class _Writer:
    """Tables, calls and the helpers that they need."""

    def __init__(self, packed: Packed, name: str) -> None:
        self.program, self.name = packed.program, name
        self.dtype, self.shapes = np.dtype(self.program.dtype), shapes(self.program)
        self.declared: list[str] = []
        self.calls: list[str] = []
        self.needed: set[str] = set()
        self.tables = self.buffers = 0
        self.signs = {
            op.output for op in self.program.ops
            if op.kind in ("sign", "or_pool", "flat_signs") or "thresholds" in op.arrays
        }  # fmt: skip
        long = [op for shape, op in ((self.shapes[o.output], o) for o in self.program.ops)
                if len(shape) not in (1, 3)]  # fmt: skip
        if long or len(self.program.input_shape) not in (1, 3):
            where = long[0].name if long else "the input"
            raise ConfigError(
                f"{where!r} has a shape that is not written in C: images [C, H, W] and vectors "
                "are; export_onnx writes networks of tokens"
            )
        for op in self.program.ops:
            if not hasattr(self, f"_{op.kind}") or "value" in op.arrays:
                raise ConfigError(
                    f"{op.name!r} computes {op.kind!r}, which is not written in C; use export_onnx"
                )
        self.place = self._placed()

    def text(self) -> str:
        """The whole file."""
        for op in self.program.ops:
            getattr(self, f"_{op.kind}")(op)
        helpers = [code for key, (_, code) in HELPERS.items() if key in self._closed()]
        real = _C_TYPES[self.program.dtype]
        inputs, outputs = (
            math.prod(self.shapes[v]) for v in ("input", self.program.ops[-1].output)
        )
        head = (
            f"/* A binary network, packed by stompp_lite. One sample of {inputs} numbers in, "
            f"{outputs} out.\n   Tables: {self.tables} bytes, constant. Buffers: {self.buffers} "
            "bytes, static: one call at a time. */\n"
            "#include <stddef.h>\n#include <stdint.h>\n\n"
            f"typedef {real} real;\n"
        )
        size = {kind: max(1, total) for kind, total in self.totals.items()}
        memory = f"static uint32_t bits[{size['bits']}];\nstatic real floats[{size['floats']}];\n"
        function = (
            f"void {self.name}_run(const real *input, real *output);\n\n"
            f"void {self.name}_run(const real *input, real *output)\n{{\n"
            + "".join(f"    {call}\n" for call in ["(void)bits;", "(void)floats;", *self.calls])
            + "}\n"
        )
        return "\n".join([head, *helpers, *self.declared, memory, function])

    def _closed(self) -> set[str]:
        """The helpers that calls need, and those that these need."""
        found = set(self.needed)
        for key in reversed(HELPERS):  # a helper needs earlier ones only
            if key in found:
                found.update(HELPERS[key][0])
        return found

    # ---- memory ---------------------------------------------------------------------------------
    def _placed(self) -> dict[str, str]:
        """Where each value lies, as a C expression; values that are never alive at once share."""
        ops = self.program.ops
        final = ops[-1].output
        owner = {"input": "input"}
        for op in ops:  # a flattened image is the same memory
            owner[op.output] = owner[op.inputs[0]] if op.kind == "flatten" else op.output
        last = {owner[name]: i for i, op in enumerate(ops) for name in op.inputs}
        place, self.totals = {"input": "input"}, {"bits": 0, "floats": 0}
        alive: dict[str, list[tuple[int, int, int]]] = {"bits": [], "floats": []}
        for i, op in enumerate(ops):
            value = op.output
            if owner[value] != value:
                place[value] = place[owner[value]]
                continue
            if value == final:
                place[value] = "output"
                continue
            kind = "bits" if value in self.signs else "floats"
            size = self._words(value) if kind == "bits" else math.prod(self.shapes[value])
            busy = sorted(a for a in alive[kind] if a[2] >= i)
            start = 0
            for low, high, _ in busy:
                if start + size <= low:
                    break
                start = max(start, high)
            alive[kind] = [*busy, (start, start + size, last.get(value, i))]
            self.totals[kind] = max(self.totals[kind], start + size)
            place[value] = f"{kind} + {start}"
        self.buffers = 4 * self.totals["bits"] + self.dtype.itemsize * self.totals["floats"]
        return place

    def _words(self, value: str) -> int:
        shape = self.shapes[value]
        return -(-shape[0] // 32) * math.prod(shape[1:])

    def _table(self, op: Op, name: str, array: np.ndarray) -> str:
        label = f"{name}_{len(self.declared)}"
        flat = array.ravel()
        if array.dtype.kind == "f":
            end = "f" if array.dtype == np.float32 else ""
            entries = [float(v).hex() + end for v in flat]
        else:
            entries = [f"{v}u" if array.dtype == np.uint32 else str(v) for v in flat]
        rows = [", ".join(entries[i : i + 8]) for i in range(0, len(entries), 8)]
        body = ",\n    ".join(rows)
        self.declared.append(
            f"/* {op.name} */\nstatic const {_C_TYPES[str(array.dtype)]} {label}[{flat.size}] = "
            f"{{\n    {body}\n}};"
        )
        self.tables += array.nbytes
        return label

    def _window(self, op: Op) -> str:
        """A constant with the sizes of a window."""
        shape, out, s = self.shapes[op.inputs[0]], self.shapes[op.output], op.settings
        image, result = ([*t, 1, 1][:3] for t in (shape, out))
        pairs = [s.get(k, default) for k, default in
                 (("kernel", [1, 1]), ("stride", [1, 1]), ("padding", [0, 0]),
                  ("dilation", [1, 1]))]  # fmt: skip
        numbers = [*image, *result, *(n for pair in pairs for n in pair), s.get("groups", 1)]
        self.needed.add("window")
        label = f"window_{len(self.declared)}"
        listed = ", ".join(str(int(n)) for n in numbers)
        self.declared.append(f"static const window {label} = {{{listed}}};")
        self.tables += 4 * len(numbers)
        return f"&{label}"

    def _call(self, helper: str, op: Op, *arguments: object) -> None:
        self.needed.add(helper)
        values = [*(self.place[v] for v in op.inputs), *arguments, self.place[op.output]]
        self.calls.append(f"{helper}({', '.join(map(str, values))});")

    def _sizes(self, value: str) -> Sequence[int]:
        shape = self.shapes[value]
        return shape[0], math.prod(shape[1:])

    # ---- operations -----------------------------------------------------------------------------
    def _sign(self, op: Op) -> None:
        self._call("pack_signs", op, *self._sizes(op.output))

    def _unpack(self, op: Op) -> None:
        self._call("unpack_signs", op, *self._sizes(op.output))

    def _flat_signs(self, op: Op) -> None:
        self._call("flatten_signs", op, *self._sizes(op.inputs[0]))

    def _or_pool(self, op: Op) -> None:
        self._call("or_pool", op, self._window(op))

    def _xnor(self, op: Op) -> None:
        signs = op.arrays["signs"]
        taps = signs.reshape(len(signs), signs.shape[1], -1).transpose(0, 2, 1)
        window = self._window(op)
        weights = self._table(op, "signs", to_words32(taps))
        if "thresholds" not in op.arrays:
            self._call("xnor_sums", op, window, weights)
            return
        rows = op.arrays["thresholds"]
        thresholds = self._table(op, "thresholds", rows.astype(np.int32))
        flip = self._table(op, "flip", to_words32(op.arrays["flip"]))
        residual = [] if len(op.inputs) > 1 else ["NULL"]
        self._call("xnor_signs", op, *residual, window, weights, thresholds, flip)

    def _conv(self, op: Op) -> None:
        weight = self._table(op, "weight", weight_of(op, self.dtype).astype(self.dtype))
        bias = op.arrays.get("bias")
        label = "NULL" if bias is None else self._table(op, "bias", bias)
        self._call("convolve", op, self._window(op), weight, label)

    _linear = _conv

    def _affine(self, op: Op, slope: Any, intercept: Any) -> None:
        channels, pixels = self._sizes(op.output)
        arrays = [np.broadcast_to(np.asarray(a, self.dtype), channels).copy()
                  for a in (slope, intercept)]  # fmt: skip
        labels = [self._table(op, n, a) for n, a in zip(("slope", "intercept"), arrays)]
        self._call("affine", op, *labels, channels, pixels)

    def _norm(self, op: Op) -> None:
        a = op.arrays
        slope = a["weight"] * (1 / np.sqrt(a["var"] + self.dtype.type(op.settings["eps"])))
        self._affine(op, slope, a["bias"] - a["mean"] * slope)

    def _scale(self, op: Op) -> None:
        self._affine(op, op.arrays.get("alpha", 1), op.arrays.get("bias", 0))

    def _clip(self, op: Op) -> None:
        limits = []
        for key, low in (("low", True), ("high", False)):
            end = op.settings[key]
            edge = float(np.finfo(self.dtype).max) * (-1 if low else 1)
            limits.append(float(self.dtype.type(edge if end is None else end)).hex())
        suffix = "f" if self.dtype == np.float32 else ""
        self._call("clip", op, *(f"{x}{suffix}" for x in limits), math.prod(self.shapes[op.output]))

    def _add(self, op: Op) -> None:
        self._call("add", op, math.prod(self.shapes[op.output]))

    def _maxpool(self, op: Op) -> None:
        self._call("max_pool", op, self._window(op))

    def _avgpool(self, op: Op) -> None:
        self._call("average_pool", op, self._window(op))

    def _mean(self, op: Op) -> None:
        if sorted(op.settings["axes"]) != [2, 3]:
            raise ConfigError(f"{op.name!r} is a mean over other axes than those of the image")
        self._call("mean", op, *self._sizes(op.inputs[0]))

    def _flatten(self, op: Op) -> None:
        if op is self.program.ops[-1]:
            raise ConfigError("the network ends in a flattened image, which is not written in C")
