"""A packed network: a short list of operations on signs and on real numbers, as plain data.

This module and all that runs a packed network need NumPy, not torch.

Signs are +1 and -1, one bit each. In the operations on signs the letters mean: N samples, C
channels, H and W the image; a sum of K products of signs is a whole number from -K to K.

==============  ======================  =================================================
kind            from -> to              what it computes
==============  ======================  =================================================
``sign``        floats -> signs         +1 where u >= 0, else -1
``unpack``      signs -> floats         the same numbers as floats
``xnor``        signs -> signs, floats  a convolution or linear layer with weights +1, -1:
                                        whole numbers z, as floats; or, with thresholds t,
                                        the sign of what the network computes from z:
                                        +1 where (z >= t) differs from ``flip``
``or_pool``     signs -> signs          the largest sign of each window
``flat_signs``  signs -> signs          [N, C, H, W] to [N, C H W]
==============  ======================  =================================================

Thresholds have a row, or two where a sign from elsewhere is added before the sign is taken (a
residual sum): the first where that is -1, the second where it is +1. Zero padding adds
nothing to z. All other kinds take and give floats (``embed`` and ``differs`` take ids, too), and
are in :mod:`stompp_lite.ship.floats` and :mod:`stompp_lite.ship.sequences`.

See chapter 19 of the book.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: Kinds of operations that read or write signs.
SIGN_KINDS = ("sign", "unpack", "xnor", "or_pool", "flat_signs")


@dataclass
class Op:
    """One operation.

    Attributes:
        kind: what it computes.
        name: of the module that it comes from, for messages.
        inputs: names of values; the network's input is ``"input"``.
        output: name of the value it makes.
        settings: numbers and texts, such as ``stride``.
        arrays: ``signs`` are bool, True for +1; other arrays are numbers.
    """

    kind: str
    name: str
    inputs: list[str]
    output: str
    settings: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class Program:
    """A whole network.

    Attributes:
        ops: in the order of computation; the last one makes the network's output.
        input_shape: of one sample, without the batch axis.
        input_dtype: NumPy's name of the input's dtype, such as ``"float32"``.
        dtype: of all floats inside, ``"float32"`` or ``"float64"``.
    """

    ops: list[Op]
    input_shape: tuple[int, ...]
    input_dtype: str = "float32"
    dtype: str = "float32"

    def sizes(self) -> dict[str, int]:
        """Bytes of ``signs``, ``thresholds`` and ``floats``; and of the signs as float32."""
        out = {"signs": 0, "thresholds": 0, "floats": 0, "signs_as_float32": 0}
        for op in self.ops:
            for name, array in op.arrays.items():
                if name == "signs":
                    out["signs"] += (array.size + 7) // 8
                    out["signs_as_float32"] += 4 * array.size
                elif name in ("thresholds", "flip"):
                    out["thresholds"] += (
                        (array.size + 7) // 8 if array.dtype == bool else array.nbytes
                    )
                else:
                    out["floats"] += array.nbytes
        return out

    def __str__(self) -> str:
        lines = []
        for op in self.ops:
            arrays = ", ".join(f"{n} {list(a.shape)}" for n, a in op.arrays.items())
            lines.append(f"{op.output:<24} {op.kind:<10} {', '.join(op.inputs):<32} {arrays}")
        s = self.sizes()
        lines.append(
            f"signs {s['signs']:,} bytes ({s['signs_as_float32']:,} as float32), "
            f"thresholds {s['thresholds']:,}, floats {s['floats']:,}"
        )
        return "\n".join(lines)


def out_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Outputs of a window that slides along an axis of ``size``."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def shapes(program: Program) -> dict[str, tuple[int, ...]]:
    """The shape of each value, without the batch axis, channels first."""
    found = {"input": program.input_shape}
    for op in program.ops:
        shape, s = found[op.inputs[0]], op.settings
        if op.kind in ("xnor", "conv", "linear"):
            weight = op.arrays.get("signs", op.arrays.get("weight"))
            assert weight is not None
            shape = (len(weight), *_slid(shape, s)) if "kernel" in s else (*shape[:-1], len(weight))
        elif op.kind in ("or_pool", "maxpool", "avgpool"):
            shape = (shape[0], *_slid(shape, s))
        elif op.kind in ("flatten", "flat_signs"):
            shape = (int(np.prod(shape)),)
        elif op.kind in ("reshape", "embed", "transpose", "take"):
            shape = _moved(op, shape)
        elif op.kind in ("multiply", "divide"):
            others = [found[name] for name in op.inputs[1:]]
            shape = np.broadcast_shapes(shape, *others)
        elif op.kind in ("mean", "total"):
            kept = [1 if i + 1 in s["axes"] else size for i, size in enumerate(shape)]
            shape = tuple(
                size for i, size in enumerate(kept) if s["keep"] or i + 1 not in s["axes"]
            )
        found[op.output] = shape
    return found


def _moved(op: Op, shape: tuple[int, ...]) -> tuple[int, ...]:
    s = op.settings
    if op.kind == "embed":
        return (*shape, op.arrays["weight"].shape[1])
    if op.kind == "transpose":
        return tuple(shape[a - 1] for a in s["axes"][1:])
    if op.kind == "take":
        return (*shape[: s["axis"] - 1], *shape[s["axis"] :])
    return tuple(s["shape"])


def _slid(shape: tuple[int, ...], s: dict[str, Any]) -> tuple[int, ...]:
    keys = ("kernel", "stride", "padding", "dilation")
    return tuple(out_size(shape[1 + i], *(s[k][i] for k in keys)) for i in (0, 1))


def last_uses(program: Program) -> dict[str, int]:
    """For each value, the number of the operation that reads it last."""
    return {name: i for i, op in enumerate(program.ops) for name in op.inputs}
