"""The moving figures of chapter 19: a packed network that runs in the page, its file, a roofline.

The page gets the very bytes that :func:`~stompp_lite.ship.file.save_packed` writes, and reads them
itself (``viz/web/packed.js``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from stompp_lite.checks import count, flag, number, one_of, text, whole, within
from stompp_lite.errors import CheckpointError, ConfigError
from stompp_lite.ship.file import load_packed, packed_bytes
from stompp_lite.ship.runtime import Packed
from stompp_lite.tools.roof import BYTES, bounds, checked_roof
from stompp_lite.viz.components import Component

__all__ = ["digit_machine", "file_view", "roofline"]

#: Kinds of operations that the page computes; those of stompp_lite.ship.program and floats.
KINDS = (
    "xnor", "sign", "unpack", "norm", "scale", "maxpool", "conv", "linear", "flatten", "flat_signs",
    "or_pool", "avgpool", "add", "clip", "mean",
)  # fmt: skip
LARGEST = 256 * 1024  # bytes of a file that a page may carry to run it
WHOLE = 64 * 1024  # bytes of a file that is embedded whole to look at it
_HEAD, _PART = 4096, 2048  # of a larger one: its first bytes, and the first of chosen tensors
#: The roofline's sliders.
LENGTHS = (16, 32, 64, 128, 256, 576, 1024, 2304, 4096, 8192)
ROWS = (1, 4, 16, 64, 256, 1024, 4096)
OUTPUTS = (1, 4, 16, 64, 256, 1024, 4096)


# ---- a network that runs in the page -------------------------------------------------------------
def digit_machine(
    packed: Packed, images: Any, labels: Sequence[int], name: str = "digits.stompp"
) -> Component:
    """Draw a digit; a packed network reads it in the page, from the bytes of its file.

    The reader sees the 8 x 8 gray values, the signs that a binary layer reads and writes, how the
    bits of one output vote against its threshold, and the score of each class. A link stores the
    same bytes as a file.

    Args:
        packed: a network for the digits, [N, 1, 8, 8] or [N, 64] float32, with a binary layer that
            reads signs; its file at most 256 KiB.
        images: 1 to 12 digits to begin with, as the data set has them: -1 (paper), -0.875, ..., 1.
        labels: their right answers.
        name: of the file that the reader can store.

    Raises:
        ConfigError: a network that reads something else, computes what the page does not, or has no
            binary layer that reads signs; images that are no digits; labels that are no classes.
        CheckpointError: safetensors is not installed.
    """
    if not isinstance(packed, Packed):
        raise ConfigError(
            f"packed is a {type(packed).__name__}; give what pack(model, example) returns"
        )
    program = packed.program
    if int(np.prod(program.input_shape)) != 64 or program.input_dtype not in ("float32", "float64"):
        raise ConfigError(
            f"this network reads {program.input_dtype} of shape {program.input_shape}; the pad "
            "gives 8 x 8 floats: pack a network that was trained on load('digits')"
        )
    for op in program.ops:
        odd = op.kind == "mean" and sorted(op.settings["axes"]) != [2, 3]
        if op.kind not in KINDS or odd or "value" in op.arrays:
            raise ConfigError(
                f"the page does not compute {op.kind!r} of {op.name!r}; it computes "
                f"{', '.join(KINDS)}, means over whole images, and no constants"
            )
    if not any(op.kind == "xnor" for op in program.ops):
        raise ConfigError(
            "no binary layer of this network reads signs; show one with binary weights and "
            "activations"
        )
    content = packed_bytes(packed)
    if len(content) > LARGEST:
        raise ConfigError(
            f"the file has {len(content):,} bytes, and a page carries at most {LARGEST:,}: show a "
            "smaller network"
        )
    grays = _grays(images)
    classes = int(packed(_samples(packed, grays[:1]), kernels="numpy", floats="numpy").shape[-1])
    answers = [whole(label, "a label") for label in np.asarray(labels).tolist()]
    if len(answers) != len(grays) or not all(0 <= label < classes for label in answers):
        raise ConfigError(
            f"labels must be {len(grays)} numbers from 0 to {classes - 1}, one for each image, got "
            f"{answers}"
        )
    return Component(
        "digit_machine",
        {
            "file": base64.b64encode(content).decode(), "name": text(name, "the file's name"),
            "images": grays.tolist(), "labels": answers,
        },
    )  # fmt: skip


def _grays(images: Any) -> np.ndarray:
    """Whole gray values [K, 64] from 0 to 16."""
    pixels = np.asarray(images, np.float64)
    if pixels.ndim < 2 or not 1 <= len(pixels) <= 12 or pixels.size != 64 * len(pixels):
        raise ConfigError(
            f"images must be 1 to 12 digits of 8 x 8 pixels, got an array of shape {pixels.shape}"
        )
    grays = (pixels.reshape(-1, 64) + 1) * 8
    wrong = (grays != grays.round()) | (grays < 0) | (grays > 16)
    if wrong.any():
        raise ConfigError(
            f"a pixel must be one of -1, -0.875, ..., 1, got {pixels.reshape(-1, 64)[wrong][0]:g}; "
            "give images of load('digits')"
        )
    return grays.astype(int)


def _samples(packed: Packed, grays: np.ndarray) -> np.ndarray:
    program = packed.program
    return (grays / 8 - 1).reshape(-1, *program.input_shape).astype(program.input_dtype)


# ---- its file ------------------------------------------------------------------------------------
def file_view(source: Packed | str | Path | bytes, tensors: Sequence[str] = ()) -> Component:
    """The file of a packed network, byte by byte: what each byte is, and the signs of bits.

    Args:
        source: a packed network, the path of its file, or the bytes of one.
        tensors: of a file of more than 64 KiB, whose first bytes to show beside the file's own
            first 4 KiB: names in the file, such as ``"_6.signs"``. The first tensor of bits always
            is.

    Raises:
        CheckpointError: no such file, or one that is not a whole packed network.
        ConfigError: no tensor of this name; something else than a network, a path or bytes.
    """
    content, name = _content(source)
    regions, names = _regions(content)
    signs = next((r for r in regions if r["kind"] == "signs"), None)
    chosen = [names[one_of(tensor, names, "tensor")] for tensor in tensors]
    if len(content) <= WHOLE:
        pieces = [(0, len(content))]
    else:
        parts = [*([signs] if signs else []), *chosen]
        pieces = [(0, _HEAD), *((r["from"], min(r["to"], r["from"] + _PART)) for r in parts)]
    return Component(
        "file_view",
        {
            "name": name, "size": len(content), "regions": regions,
            "start": regions.index(signs) if signs else 0,
            "pieces": [[a, base64.b64encode(content[a:b]).decode()] for a, b in pieces],
        },
    )  # fmt: skip


def _content(source: Any) -> tuple[bytes, str]:
    if isinstance(source, Packed):
        return packed_bytes(source), "the file"
    if isinstance(source, bytes):
        return source, "the file"
    if isinstance(source, str | Path):
        load_packed(source)  # says what is wrong with it
        return Path(source).read_bytes(), Path(source).name
    raise ConfigError(
        f"source is a {type(source).__name__}; give a packed network, the path of its file, or "
        "its bytes"
    )


def _regions(content: bytes) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """What stands where: the header's length, the header, the tensors in order; these by name."""
    try:
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        ops = json.loads(header["__metadata__"]["stompp_lite"])["ops"]
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as err:
        raise CheckpointError(
            f"these bytes are no packed network ({type(err).__name__}: {err}); give the bytes of "
            "a file that save_packed wrote"
        ) from err
    users: dict[str, tuple[str, str, bool, list[int]]] = {}
    for op in ops:
        for name, (tensor, shape, bits) in op["arrays"].items():
            layer = op["name"] if not op["name"][:1].isdigit() else f"layer {op['name']}"
            users.setdefault(tensor, (f"{name} of {layer}", name, bits, shape))
    regions: list[dict[str, Any]] = [
        {"label": "length of the header", "kind": "length", "from": 0, "to": 8},
        {"label": "header, JSON text", "kind": "header", "from": 8, "to": start},
    ]
    tensors = {n: t for n, t in header.items() if n != "__metadata__"}
    found = {}
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1]["data_offsets"]):
        label, array, bits, shape = users.get(name, (name, name, False, tensor["shape"]))
        kind = {"signs": "signs", "thresholds": "thresholds", "flip": "thresholds"}.get(array)
        begin, end = tensor["data_offsets"]
        found[name] = {
            "label": label, "kind": kind or "floats", "from": start + begin, "to": start + end,
            "dtype": "bits" if bits else tensor["dtype"], "shape": shape,
        }  # fmt: skip
    regions += found.values()
    gaps = [b["from"] - a["to"] for a, b in pairwise(regions)]
    if any(gaps) or regions[-1]["to"] != len(content):
        raise CheckpointError(
            f"the tensors end at byte {regions[-1]['to']:,} and the bytes at {len(content):,}; "
            "give the whole file, as save_packed wrote it"
        )
    return regions, found


# ---- how fast it can be --------------------------------------------------------------------------
def roofline(
    roof: Mapping[str, float], rows: int = 1, length: int = 1024, outputs: int = 256,
    packed: bool = True, measured: Sequence[tuple[str, int, int, int, float]] = (),
) -> Component:  # fmt: skip
    """How fast a product of signs can be, and why: a roof that the reader moves under.

    The arithmetic is that of :func:`~stompp_lite.tools.roof.bounds`.

    Args:
        roof: peaks and bandwidth, from :func:`~stompp_lite.tools.roof.measure_roof`.
        rows: of the product at first: 1, 4, 16, ..., 4096. length: of its sums, one of
            ``LENGTHS``. outputs: as rows.
        packed: whether activations arrive as they are multiplied.
        measured: products that were timed, each (``"float32"``, ``"int8"`` or ``"bits"``, rows,
            length, outputs, billions of operations a second); drawn as rings, with packed
            activations.

    Raises:
        ConfigError: a roof or a size that is none, or that the sliders do not have.
    """
    peaks = {name: float(f"{x:.4g}") for name, x in checked_roof(roof).items()}
    start = {"rows": rows, "length": length, "outputs": outputs}
    sizes = {"rows": ROWS, "length": LENGTHS, "outputs": OUTPUTS}
    for what, value in start.items():
        if count(value, what) not in sizes[what]:
            raise ConfigError(
                f"{what} must be one of {', '.join(map(str, sizes[what]))}, got {value!r}"
            )
    rings = []
    for one in measured:
        if len(one) != 5:
            raise ConfigError(f"give (kind, rows, length, outputs, speed), got {one!r}")
        kind, n, k, outs, speed = one
        one_of(kind, BYTES, "kind of a measured product")
        known = bounds(peaks, n, k, outs)[kind]
        top = within(number(speed, "a measured speed"), "a measured speed", 1e-6, 1e9)
        rings.append({"kind": kind, "at": known["operations"] / known["bytes"], "speed": top})
    return Component(
        "roofline",
        {
            "roof": peaks, "sizes": {k: list(v) for k, v in sizes.items()},
            "start": {**start, "packed": flag(packed, "packed")}, "measured": rings,
        },
    )  # fmt: skip
