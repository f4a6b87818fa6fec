"""Recorded runs as matrices for the pages of the book."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import mode
from typing import cast

from stompp_lite.lab.record import read_all
from stompp_lite.lab.report import group, markdown, table, told
from stompp_lite.lab.run import METHODS
from stompp_lite.viz import style

_WHOLE = ("flipped-quadratic", "per-sample", "forward-5", "forward-2")  # words with a hyphen
_NAME = re.compile(r"[nd](\d\d)(x3)?-([a-z]+(?:\+scale)?)-(.+)")


def matrix(recipe: str, folder: Path | None = None) -> str:
    """The runs of a recipe as a matrix: a row a setting, a column a depth and arm (Markdown).

    Recipes whose names do not tell depth and arm come as :func:`stompp_lite.lab.report.table`
    gives them.

    Raises:
        RecordError: no records, or a damaged one.
    """
    found = group(read_all(recipe, folder))
    parsed = {name: _NAME.fullmatch(name) for name in found}
    if recipe in ("fair", "fair-deep") or not all(parsed.values()):
        return table(recipe, folder)
    cells: dict[str, dict[tuple[int, str], str]] = {}
    usual = mode(len(runs) for runs in found.values())
    for name, runs in found.items():
        part = cast(re.Match[str], parsed[name])
        depth = (3 if part[2] else 2) * 2 * int(part[1]) if name[0] == "n" else 2 * int(part[1])
        shown = told(runs) or f"{runs[0].final['test_acc']:.1f}"
        more = f" ({len(runs)})" if len(runs) != usual else ""
        cells.setdefault(_setting(part[4]), {})[depth, part[3]] = shown + more
    columns = sorted({key for row in cells.values() for key in row})
    rows = [[setting, *(row.get(key, "") for key in columns)] for setting, row in cells.items()]
    validation = next(iter(found.values()))[0].config["validation"]
    said = "Validation" if validation else "Test"
    seeds = f"{usual} seeds" if usual > 1 else "One seed"
    header = ["", *(f"{depth}, `{arm}`" for depth, arm in columns)]
    return (
        f"{markdown(header, rows)}\n\n*{said} accuracy, %, by the number of binary layers and the "
        f"arm. {seeds}, where no number in parentheses says otherwise.*"
    )


def _setting(rest: str) -> str:
    """``stompp-global-redraw`` in words: the method's name, and what else was set."""
    method = max((m for m in METHODS if rest == m or rest.startswith(f"{m}-")), key=len, default="")
    more = rest.removeprefix(method).replace("lead-", "lead −").replace("lead+", "lead +")
    for word in _WHOLE:
        more = more.replace(word, word.replace("-", " "))
    words = re.sub(r"(?<=[a-z])(?=\d)", " ", more).split("-")
    name = style.METHODS[method].label if method in style.METHODS else method
    return ", ".join(filter(None, [name, *words]))
