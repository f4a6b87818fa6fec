"""Run records: one JSON file a run, one schema, checked whenever it is read.

A record holds what is needed to judge a number and to make it again: the full configuration, the
seed, versions, machine, wall time, curves, final metrics, and which test images were answered
correctly (so that two methods can be compared image by image).
"""

from __future__ import annotations

import gzip
import json
import math
import platform
import re
from dataclasses import asdict, dataclass, field
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stompp_lite.errors import CheckpointError, NoRecordsError, RecordError
from stompp_lite.training.files import write_atomically

SCHEMA = 1
BUNDLE = "records.json.gz"
BUNDLE_LIMIT = 500_000_000  # bytes, unpacked
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]{0,99}")
_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "schema": int, "recipe": str, "name": str, "config": dict, "seed": int, "versions": dict,
    "machine": dict, "started": str, "wall_s": (int, float), "curves": dict, "steps": dict,
    "final": dict, "correct": str,
}  # fmt: skip
_OPTIONAL = {"outcome": str}
_REQUIRED_IN = {
    "versions": ("stompp_lite", "python", "torch"),
    "machine": ("cpu", "gpu", "threads"),
    "final": ("test_acc", "test_acc_bn", "train_acc", "loss"),
    "curves": ("epoch", "loss", "test_acc"),
}


@dataclass
class Record:
    """One finished run. Fields as in the module's description; accuracies in percent."""

    recipe: str
    name: str
    config: dict[str, Any]
    seed: int
    versions: dict[str, str]
    machine: dict[str, Any]
    started: str
    wall_s: float
    curves: dict[str, list[Any]]
    steps: dict[str, list[float]]
    final: dict[str, float]
    correct: str  # hex, one bit a test image, first image first
    outcome: str = "finished"  # or "diverged: ...", and then without final metrics
    schema: int = field(default=SCHEMA)

    @property
    def diverged(self) -> bool:
        """Whether the run ended in NaN or infinity."""
        return self.outcome != "finished"

    def correct_bits(self) -> np.ndarray:
        """Which test images were classified correctly: bool [N]."""
        count = self.config["test_images"]
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(self.correct), np.uint8))
        return bits[:count].astype(bool)


def pack_correct(correct: torch.Tensor) -> str:
    """Hex text of a bool tensor [N]."""
    return np.packbits(correct.cpu().numpy()).tobytes().hex()


def _short(value: Any) -> Any:
    """Four significant digits are plenty for a curve; NaN has no place in JSON."""
    if isinstance(value, float):
        return None if not math.isfinite(value) else float(f"{value:.4g}")
    if isinstance(value, list):
        return [_short(v) for v in value]
    if isinstance(value, dict):
        return {k: _short(v) for k, v in value.items()}
    return value


def name_for(path: str | Path) -> str:
    """A valid record name made of a file's."""
    found = re.sub(r"[^A-Za-z0-9_.+=-]", "_", Path(path).stem).lstrip("_.+=-")
    return found[:100] or "run"


def save(record: Record, path: str | Path) -> None:
    """Write a record, whole or not at all.

    Raises:
        RecordError: the folder cannot be written to.
    """
    content = asdict(record)
    for part in ("curves", "steps"):
        content[part] = _short(content[part])
    try:
        write_atomically(path, (json.dumps(content, separators=(",", ":")) + "\n").encode())
    except CheckpointError as err:
        raise RecordError(str(err)) from err


def validate(content: Any, source: str) -> Record:
    """A record from parsed JSON.

    Raises:
        RecordError: naming ``source`` and the field that is missing, unknown or of a wrong type.
    """
    if not isinstance(content, dict):
        raise RecordError(f"{source}: a record is a JSON object, got {type(content).__name__}")
    for name, kind in _REQUIRED.items():
        if name not in content:
            raise RecordError(f"{source}: field {name!r} is missing")
        if not isinstance(content[name], kind) or isinstance(content[name], bool):
            raise RecordError(f"{source}: field {name!r} is a {type(content[name]).__name__}")
    if content["schema"] != SCHEMA:
        raise RecordError(
            f"{source}: field 'schema' is {content['schema']}, this version reads {SCHEMA}"
        )
    unknown = set(content) - set(_REQUIRED) - set(_OPTIONAL)
    if unknown:
        raise RecordError(f"{source}: unknown field {sorted(unknown)[0]!r}")
    _check_text(content, source, "")
    for name in ("recipe", "name"):
        if not _NAME.fullmatch(content[name]):
            raise RecordError(
                f"{source}: field {name!r} is {content[name]!r}; letters, digits and _.+=- are "
                "allowed, at most 100"
            )
    outcome = content.get("outcome", "finished")
    diverged = str(outcome).startswith("diverged: ")
    if outcome != "finished" and not diverged:
        raise RecordError(
            f"{source}: field 'outcome' is {outcome!r}, not finished or diverged: ..."
        )
    for part, names in _REQUIRED_IN.items():
        for name in () if diverged else names:
            if name not in content[part]:
                raise RecordError(f"{source}: field '{part}.{name}' is missing")
    for name in () if diverged else _REQUIRED_IN["final"]:
        _check_number(content["final"][name], f"final.{name}", source)
    if content["seed"] < 0 or content["seed"] != content["config"].get("seed", content["seed"]):
        raise RecordError(
            f"{source}: field 'seed' is {content['seed']}, 'config.seed' is "
            f"{content['config'].get('seed')!r}"
        )
    _check_number(content["wall_s"], "wall_s", source)
    if not all(isinstance(curve, list) for curve in content["curves"].values()):
        raise RecordError(f"{source}: fields 'curves.*' must be lists")
    lengths = {name: len(curve) for name, curve in content["curves"].items()}
    if len(set(lengths.values())) > 1:
        raise RecordError(f"{source}: fields 'curves.*' differ in length: {lengths}")
    for name, curve in content["curves"].items():
        for value in curve if "acc" in name else ():
            if value is not None:
                _check_number(value, f"curves.{name}", source)
    _check_correct(content, source, None if diverged else content["final"]["test_acc"])
    return Record(**content)


def _check_text(value: Any, source: str, where: str) -> None:
    """Names and notes reach tables and terminals: one printable line without markup."""
    if isinstance(value, str) and (not value.isprintable() or set(value) & set("<>|`")):
        raise RecordError(
            f"{source}: field {where!r} is {value!r}; line breaks, control characters and <>|` are "
            "not allowed"
        )
    parts = value.items() if isinstance(value, dict) else ()
    for key, part in parts:
        _check_text(key, source, where)
        _check_text(part, source, f"{where}.{key}".lstrip("."))


def _check_number(value: Any, what: str, source: str) -> None:
    """Finite, at least 0, and an accuracy at most 100."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise RecordError(f"{source}: field {what!r} is {value!r}, not a finite number")
    if value < 0 or ("acc" in what and value > 100):
        raise RecordError(f"{source}: field {what!r} is {value!r}, which it cannot be")


def _check_correct(content: dict[str, Any], source: str, accuracy: float | None) -> None:
    """The bits of the test images must be as many as there are images, and give the accuracy."""
    count = content["config"].get("test_images")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise RecordError(f"{source}: field 'config.test_images' is {count!r}, not a count")
    try:
        found = len(bytes.fromhex(content["correct"]))
    except ValueError as err:
        raise RecordError(f"{source}: field 'correct' is not hexadecimal ({err})") from err
    if found != -(-count // 8):
        raise RecordError(
            f"{source}: field 'correct' has {found} bytes; {count} test images "
            f"need {-(-count // 8)}"
        )
    right = 100 * int(content["correct"], 16).bit_count() / count
    if accuracy is not None and abs(right - accuracy) > 0.01:
        raise RecordError(
            f"{source}: field 'final.test_acc' is {accuracy!r}, field 'correct' says {right:.2f}"
        )


def read(path: str | Path) -> Record:
    """Read and check one record.

    Raises:
        RecordError: naming the file, and the field where there is one.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise RecordError(f"{path}: no such record") from err
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as err:
        raise RecordError(f"{path}: not a JSON file ({err})") from err
    return validate(content, str(path))


def default_folder() -> Path | None:
    """``data/runs`` of the repository this package is used from, or None (an installed wheel)."""
    folder = Path(__file__).resolve().parents[2] / "data" / "runs"
    return folder if folder.is_dir() else None


def read_all(recipe: str, folder: str | Path | None = None) -> list[Record]:
    """Every record of a recipe, sorted by name.

    Without ``folder``: from the repository's ``data/runs``, or, where there is none, from the
    bundle that the wheel carries.

    Raises:
        NoRecordsError: there is none. RecordError: one of them is damaged.
    """
    root = Path(folder) if folder is not None else default_folder()
    if root is not None:
        found = [read(p) for p in sorted((root / recipe).glob("*.json"))]
    else:
        found = [r for r in read_bundle() if r.recipe == recipe]
    if not found:
        raise NoRecordsError(
            f"no records of recipe {recipe!r} in {root or 'the bundle'}; "
            f"make them with: python -m stompp_lite sweep {recipe}"
        )
    return sorted(found, key=lambda r: r.name)


def read_bundle() -> list[Record]:
    """The records that the installed package carries (an empty list if it carries none)."""
    file = resources.files("stompp_lite") / BUNDLE
    if not file.is_file():
        return []
    with file.open("rb") as packed, gzip.open(packed) as stream:
        text = stream.read(BUNDLE_LIMIT + 1)
    if len(text) > BUNDLE_LIMIT:
        raise RecordError(f"{BUNDLE} unpacks to more than {BUNDLE_LIMIT:,} bytes: it is not ours")
    contents = json.loads(text)
    return [validate(c, f"{BUNDLE}[{i}]") for i, c in enumerate(contents)]


def versions() -> dict[str, str]:
    """Versions of everything that can change a number."""
    from stompp_lite import __version__

    out = {"stompp_lite": __version__, "python": platform.python_version()}
    for name in ("torch", "torchvision", "numpy", "scikit-learn"):
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def machine(device: str = "cpu") -> dict[str, Any]:
    """Processor, accelerator and thread count of this process.

    ``family`` and ``model`` tell processors of one name apart (Linux only, else None), and
    ``capability`` is the instruction set that torch computes with: kinds that differ in either
    round differently, so a run comes out the same to the bit on one kind only.
    """
    found = _cpuinfo()
    gpu = torch.cuda.get_device_name() if device.startswith("cuda") else None
    return {
        "cpu": found.get("model name") or platform.processor() or platform.machine(),
        "family": found.get("cpu family"),
        "model": found.get("model"),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": gpu,
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first processor; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
