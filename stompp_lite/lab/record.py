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
from stompp_lite.lab.schema import NAME, SCHEMA, check
from stompp_lite.training.files import write_atomically

BUNDLE = "records.json.gz"
BUNDLE_LIMIT = 500_000_000  # bytes, unpacked


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
    """Four significant digits are enough for a curve, and NaN has no place in JSON."""
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
    """Write a record, whole or not at all, if it is one that :func:`read` accepts.

    Raises:
        RecordError: the record does not follow the schema, or the folder cannot be written to.
    """
    if not isinstance(record, Record):
        raise RecordError(f"{path}: a Record can be saved, got {record!r}")
    content = asdict(record)
    for part in ("curves", "steps"):
        content[part] = _short(content[part])
    try:
        text = json.dumps(content, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as err:
        raise RecordError(f"{path}: the record cannot be written as JSON ({err})") from err
    validate(json.loads(text), str(path))
    try:
        write_atomically(path, (text + "\n").encode())
    except (CheckpointError, ValueError) as err:  # the second: a path with a NUL character
        raise RecordError(str(err)) from err


def validate(content: Any, source: str) -> Record:
    """A record from parsed JSON.

    Raises:
        RecordError: naming ``source`` and the field that is missing, unknown or of a wrong type.
    """
    try:
        check(content, source)
    except RecursionError as err:
        raise RecordError(f"{source}: nested too deeply for a record") from err
    return Record(**content)


def read(path: str | Path) -> Record:
    """Read and check one record.

    Raises:
        RecordError: naming the file, and the field where there is one.
    """
    if not isinstance(path, str | Path):
        raise RecordError(f"a record is read from a file, got {path!r}")
    path = Path(path)
    named = str(path).replace("\0", "\\0")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise RecordError(f"{path}: no such record") from err
    except (OSError, ValueError, RecursionError) as err:  # also digits by the thousand, deep nests
        raise RecordError(f"{named}: not a JSON file ({err})") from err
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
    if not isinstance(recipe, str) or not NAME.fullmatch(recipe):
        raise RecordError(
            f"the name of a recipe is made of letters, digits and _.+=-, at most 100, got "
            f"{str(recipe)[:100]!r}"
        )
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
    try:
        contents = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise RecordError(f"{BUNDLE} is not JSON ({err}); install the package again") from err
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
    """What Linux says about the first processor; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
