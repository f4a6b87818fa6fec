"""A packed network in a file: safetensors with a header, read without running any code.

The file has the format of `safetensors <https://huggingface.co/docs/safetensors>`_, so any reader
of that can open it. Its metadata has one entry, ``stompp_lite``, a JSON object:

=================  =================================================================================
``format``         ``"stompp_lite packed network"``
``version``        1; a reader refuses a version that it does not know
``input_shape``    of one sample; ``input_dtype``, and ``dtype`` of the floats inside
``ops``            the operations in order: ``kind``, ``name``, ``inputs``, ``output``,
                   ``settings``, and ``arrays``: name -> [tensor, shape, whether it is bits]
``digest``         SHA-256 of the header without this entry, and of all tensors in order of name
=================  =================================================================================

Bits are a uint8 tensor with the first entry of the array in the lowest bit of the first byte; rows
are not padded. Numbers are little-endian, as safetensors says.

See chapter 19 of the book.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from stompp_lite.errors import CheckpointError
from stompp_lite.ship.floats import FLOATS
from stompp_lite.ship.program import SIGN_KINDS, Op, Program
from stompp_lite.ship.runtime import Packed

FORMAT, VERSION = "stompp_lite packed network", 1
_DTYPES = ("uint8", "int16", "int32", "int64", "float32", "float64")


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise CheckpointError(
            "safetensors is not installed; run pip install 'stompp-lite[bits]'"
        ) from None
    return safetensors


def _digest(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    entries = {k: v for k, v in header.items() if k != "digest"}
    total = hashlib.sha256(json.dumps(entries, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        total.update(f"{name} {array.dtype} {array.shape} ".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def packed_bytes(packed: Packed) -> bytes:
    """A packed network as the bytes of its file."""
    library, program = _library(), packed.program
    tensors: dict[str, np.ndarray] = {}
    known: dict[int, str] = {}  # an array that several operations share is stored once
    ops = []
    for op in program.ops:
        arrays = {}
        for name, array in op.arrays.items():
            bits = array.dtype == bool
            if id(array) not in known:
                known[id(array)] = f"{op.output}.{name}"
                stored = np.packbits(array.ravel(), bitorder="little") if bits else array
                tensors[known[id(array)]] = np.ascontiguousarray(stored)
            arrays[name] = [known[id(array)], list(array.shape), bits]
        ops.append(
            {"kind": op.kind, "name": op.name, "inputs": op.inputs, "output": op.output,
             "settings": op.settings, "arrays": arrays}
        )  # fmt: skip
    header = {
        "format": FORMAT, "version": VERSION, "input_shape": list(program.input_shape),
        "input_dtype": program.input_dtype, "dtype": program.dtype, "ops": ops,
    }  # fmt: skip
    header["digest"] = _digest(header, tensors)
    text = json.dumps(header, separators=(",", ":"))
    content: bytes = library.numpy.save(tensors, metadata={"stompp_lite": text})
    return content


def save_packed(packed: Packed, path: str | Path) -> None:
    """Store a packed network, whole or not at all.

    Args:
        packed: from :func:`~stompp_lite.ship.pack.pack`.
        path: the file; the custom is ``.stompp``.

    Raises:
        CheckpointError: the file cannot be written, or safetensors is not installed.
    """
    from stompp_lite.training.files import write_atomically

    write_atomically(path, packed_bytes(packed))


def load_packed(path: str | Path) -> Packed:
    """Read what :func:`save_packed` wrote; needs NumPy and safetensors, not torch.

    Raises:
        CheckpointError: no such file; one that is truncated or damaged, of another kind, or of a
            later version of the format; or safetensors is not installed.
    """
    library, path = _library(), Path(path)
    try:
        with library.safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("stompp_lite")
            if text is None:
                raise CheckpointError(
                    f"{path} holds tensors, but no packed network of this package; name a file "
                    "that save_packed wrote"
                )
            header = json.loads(text)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header.get("format") != FORMAT:
            raise ValueError(f"its format is {header.get('format')!r}")
        if header.get("version") != VERSION:
            raise CheckpointError(
                f"{path} has version {header.get('version')!r} of the format, this package reads "
                f"version {VERSION}; update stompp-lite"
            )
        if header.get("digest") != _digest(header, tensors):
            raise ValueError("its digest is not that of its content")
        return Packed(_program(header, tensors))
    except CheckpointError:
        raise
    except FileNotFoundError as err:
        raise CheckpointError(f"there is no packed network {path}") from err
    except Exception as err:  # safetensors raises its own, and damage has many forms
        raise CheckpointError(
            f"{path} is not a whole packed network ({type(err).__name__}: {err}); pack the network "
            "again, or name another file"
        ) from err


def _program(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> Program:
    ops, made = [], {"input"}
    for entry in header["ops"]:
        kind, inputs = entry["kind"], list(entry["inputs"])
        if kind not in SIGN_KINDS and kind not in FLOATS:
            raise ValueError(f"no operation {kind!r} is known")
        if not made.issuperset(inputs):
            raise ValueError(f"{entry['output']!r} reads a value that nothing has made")
        made.add(entry["output"])
        arrays = {
            name: _array(tensors[tensor], tuple(shape), bits)
            for name, (tensor, shape, bits) in entry["arrays"].items()
        }
        ops.append(Op(kind, entry["name"], inputs, entry["output"], entry["settings"], arrays))
    if not ops:
        raise ValueError("it has no operations")
    return Program(ops, tuple(header["input_shape"]), header["input_dtype"], header["dtype"])


def _array(stored: np.ndarray, shape: tuple[int, ...], bits: bool) -> np.ndarray:
    if str(stored.dtype) not in _DTYPES:
        raise ValueError(f"a tensor has dtype {stored.dtype}")
    if bits:
        stored = np.unpackbits(stored, count=math.prod(shape), bitorder="little").astype(bool)
    return stored.reshape(shape)
