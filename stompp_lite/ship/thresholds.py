r"""Turn what lies between a sum of signs and the next sign into a comparison of whole numbers.

A sum of K products of signs is one of the whole numbers from -K to K. Batch norm, scale, bias and a
clip compute with each channel alone, so the sign behind them is a function of that number (and of a
residual sign, where one is added): it is computed for every one of them, by torch's own operations
in the network's own dtype, and written down as the number where it changes. Every operation rounds
a growing function to a growing function, so it changes once at most; this is checked. A batch norm
with a negative slope makes the sign fall; one of slope 0 makes it constant.

See chapter 19 of the book.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stompp_lite.ship.program import Op, Program
from stompp_lite.ship.torch_floats import TORCH

#: Kinds that compute with each channel alone, so that a sign behind them follows from the sum.
_OF_ONE_CHANNEL = ("norm", "scale", "clip")


def fuse(program: Program) -> Program:
    """A program with thresholds wherever they can replace floats; what nobody reads is left out."""
    makers = {op.output: op for op in program.ops}
    ops = []
    for op in program.ops:
        chain = _chain(op, makers) if op.kind == "sign" else None
        ops.append(op if chain is None else _with_thresholds(op, *chain, program.dtype))
    read = {ops[-1].output}
    kept: list[Op] = []
    for op in reversed(ops):
        if op.output in read:
            kept.append(op)
            read.update(op.inputs)
    return replace(program, ops=kept[::-1])


def _chain(sign: Op, makers: dict[str, Op]) -> tuple[Op, list[Op], str | None] | None:
    """The ``xnor`` before a sign, what lies between, and residual signs, if that is all."""
    between: list[Op] = []
    residual: str | None = None
    value = sign.inputs[0]
    while (op := makers.get(value)) is not None:
        if op.kind == "xnor":
            return op, between[::-1], residual
        between.append(op)
        if op.kind in _OF_ONE_CHANNEL:
            value = op.inputs[0]
        elif op.kind == "add" and residual is None and len(op.inputs) == 2:
            sides = [makers.get(name) for name in op.inputs]
            unpacked = [i for i, o in enumerate(sides) if o is not None and o.kind == "unpack"]
            if len(unpacked) != 1:
                return None
            (side,) = unpacked
            residual, value = sides[side].inputs[0], op.inputs[1 - side]  # type: ignore[union-attr]
        else:
            return None
    return None


def _with_thresholds(sign: Op, xnor: Op, between: list[Op], residual: str | None, dtype: str) -> Op:
    signs = xnor.arrays["signs"]
    count = int(np.prod(signs.shape[1:]))
    numbers = np.arange(-count, count + 1)
    rows = [_signs(numbers, between, len(signs), xnor, r, dtype) for r in
            ((None,) if residual is None else (-1, 1))]  # fmt: skip
    thresholds, flip = _where(np.stack(rows), count, sign.name)
    small = np.int16 if count < 2**15 - 1 else np.int32
    return Op(
        "xnor", xnor.name, xnor.inputs + ([] if residual is None else [residual]), sign.output,
        xnor.settings,
        {"signs": signs, "thresholds": thresholds.astype(small), "flip": flip},
    )  # fmt: skip


def _signs(
    numbers: np.ndarray, between: list[Op], channels: int, xnor: Op, residual: int | None,
    dtype: str,
) -> np.ndarray:  # fmt: skip
    """Whether the network's sign is +1, for every number and channel: [R, C]."""
    column = np.repeat(numbers[:, None], channels, 1).astype(dtype)
    linear = xnor.settings["layer"] == "linear"
    u = column if linear else np.ascontiguousarray(column.T[None, :, :, None])  # [1, C, R, 1]
    for op in between:
        if op.kind == "add":
            assert residual is not None
            u = TORCH["add"](op, u, np.full_like(u, residual))
        else:
            u = TORCH[op.kind](op, u)
    return (u if linear else u[0, :, :, 0].T) >= 0


def _where(plus: np.ndarray, count: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds [rows, C] and flips [C], from the signs [rows, R, C] of -count ... count."""
    changes = plus[:, 1:] != plus[:, :-1]
    if (changes.sum(1) > 1).any():  # rounding keeps the order, so this is a fault of ours
        raise AssertionError(f"the sign of {name!r} changes twice as its sum grows")
    once = changes.any(1)
    flip = (plus[:, 0] & once).any(0)  # it falls, if it changes
    if ((~plus[:, 0] & once).any(0) & flip).any():
        raise AssertionError(f"the sign of {name!r} falls or grows with its residual")
    constant = np.where(plus[:, 0] != flip, -count, count + 1)
    return np.where(once, changes.argmax(1) + 1 - count, constant), flip
