"""What was measured about packed networks, held against goals that were set before.

``python -m stompp_lite bench --packed --out data/speed_packed.json`` writes the measurement. A goal
is *shown* if every repeat meets it, a *hint* if the median does, and else *shown against*.

See chapter 19 of the book.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import ge, le
from pathlib import Path
from typing import Any

from stompp_lite.errors import RecordError

#: Where the repository keeps the measurement.
FILE = "speed_packed.json"


@dataclass(frozen=True)
class Goal:
    """A sentence that a measurement can contradict.

    Attributes:
        says: the sentence.
        limit: the number that must be reached, from the measurement.
        found: lowest, median and highest of what was measured, from the measurement.
        unit: put behind the numbers.
        most: the number must not be exceeded, instead of reached.
    """

    says: str
    limit: Callable[[Mapping[str, Any]], float]
    found: Callable[[Mapping[str, Any]], tuple[float, float, float]]
    unit: str = " times"
    most: bool = False

    def judge(self, result: Mapping[str, Any]) -> tuple[str, str]:
        """The verdict, and the numbers in words."""
        low, middle, high = self.found(result)
        limit, meets = self.limit(result), le if self.most else ge
        worst = high if self.most else low
        verdict = (
            "shown" if meets(worst, limit) else "hint" if meets(middle, limit) else "shown against"
        )
        if low == high:
            return verdict, f"{middle:,.4g}{self.unit}"
        return verdict, f"{middle:,.3g}{self.unit} ({low:,.3g} to {high:,.3g})"


def _network(result: Mapping[str, Any], name: str, batch: int) -> Mapping[str, Any]:
    rows = [n for n in result["networks"] if n["network"].startswith(name) and n["batch"] == batch]
    if not rows:
        raise RecordError(f"the measurement has no row for {name!r} with a batch of {batch}")
    found: Mapping[str, Any] = rows[0]
    return found


def _exactly(value: float) -> tuple[float, float, float]:
    return value, value, value


def _spread(ratio: Mapping[str, float]) -> tuple[float, float, float]:
    return ratio["min"], ratio["median"], ratio["max"]


def _long(result: Mapping[str, Any]) -> tuple[float, float, float]:
    """The slowest of the products with at least 1,024 terms."""
    rows = [p["over_float32"] for p in result["products"] if p["length"] >= 1024]
    return _spread(min(rows, key=lambda r: float(r["median"])))


def _smaller(result: Mapping[str, Any]) -> float:
    net = _network(result, "ResNet-18", 1)
    return float(4 * net["binary_weights"] / net["binary_bytes"])


#: Name -> goal. They were set before the kernels were written.
GOALS = {
    "P1": Goal(
        "The file of a ResNet-18 for ten classes has at most 2.2 MB.", lambda _: 2.2,
        lambda r: _exactly(_network(r, "ResNet-18", 1)["file_bytes"] / 1e6), " MB", most=True,
    ),
    "P2": Goal(
        "Its binary layers are at least 25 times smaller.", lambda _: 25,
        lambda r: _exactly(_smaller(r)),
    ),
    "P3": Goal(
        "The logits of all 130 samples of the measurement equal those of the network, bit for bit.",
        lambda r: float(sum(n["batch"] for n in r["networks"])),
        lambda r: _exactly(sum(n["equal"] for n in r["networks"])),
        " samples",
    ),
    "P4": Goal(
        "A product of 1,024 signs or more is 8 times as fast as in float32 where the processor "
        "counts bits in vectors, and 2.5 times where it does not.",
        lambda r: 8 if r["vector_popcount"] else 2.5, _long,
    ),
    "P5": Goal(
        "ResNet-18 reads one picture at least 3 times as fast as in float32.", lambda _: 3,
        lambda r: _spread(_network(r, "ResNet-18", 1)["over_float32"]),
    ),
}  # fmt: skip


def read(path: str | Path) -> dict[str, Any]:
    """A measurement that ``bench --packed --out`` wrote.

    Raises:
        RecordError: no such file, or another one.
    """
    try:
        result: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        for name in ("products", "networks", "machine", "vector_popcount", "repeats"):
            result[name]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise RecordError(
            f"{path} is no measurement of packed networks ({type(err).__name__}: {err}); write one "
            f"with python -m stompp_lite bench --packed --out {path}"
        ) from err
    return result


def table(result: Mapping[str, Any]) -> str:
    """The goals and what was measured, in Markdown."""
    rows = ["| | claim | verdict | measured |", "|---|---|---|---|"]
    for name, goal in GOALS.items():
        verdict, numbers = goal.judge(result)
        rows.append(f"| {name} | {goal.says} | {verdict} | {numbers} |")
    machine = result["machine"]
    rows += ["", f"Measured on one core of: {machine['cpu']}, {machine['capability']}; "
             f"{result['repeats']} repeats; torch {result['versions']['torch']}."]  # fmt: skip
    return "\n".join(rows)
