"""Recorded runs as matrices for the pages of the book."""

from __future__ import annotations

from pathlib import Path
from statistics import mode

from stompp_lite.lab.recipes import run_of
from stompp_lite.lab.record import read_all
from stompp_lite.lab.report import group, markdown, summary, table
from stompp_lite.viz import style


def matrix(recipe: str, folder: Path | None = None) -> str:
    """The runs of a recipe as a matrix: a row a setting, a column a depth and arm (Markdown).

    The fair fight comes as :func:`stompp_lite.lab.report.table` gives it, and so does a recipe in
    which depth, arm and setting do not tell all runs apart.

    Raises:
        RecordError: no records, or a damaged one.
    """
    found = group(read_all(recipe, folder))
    runs = {name: run_of(same[0]) for name, same in found.items()}
    place = {n: ((r.layers, r.arm), _setting(r.method, r.words)) for n, r in runs.items()}
    if recipe in ("fair", "fair-deep") or len(set(place.values())) < len(place):
        return table(recipe, folder)
    cells: dict[str, dict[tuple[int, str], str]] = {}
    usual = mode(len(same) for same in found.values())
    for name, same in found.items():
        column, setting = place[name]
        shown = summary(same) or f"{same[0].final['test_acc']:.1f}"
        more = f" ({len(same)})" if len(same) != usual else ""
        cells.setdefault(setting, {})[column] = shown + more
    columns = sorted({key for row in cells.values() for key in row})
    rows = [[setting, *(row.get(key, "") for key in columns)] for setting, row in cells.items()]
    validation = next(iter(found.values()))[0].config["validation"]
    said = "Validation" if validation else "Test"
    seeds = f"{usual} seeds" if usual > 1 else "One seed"
    header = ["", *(f"{layers}, `{arm}`" for layers, arm in columns)]
    return (
        f"{markdown(header, rows)}\n\n*{said} accuracy, %, by the number of binary layers and the "
        f"arm. {seeds}, where no number in parentheses says otherwise.*"
    )


def _setting(method: str, more: str) -> str:
    """A setting in words: the method's name, and what else was set."""
    name = style.METHODS[method].label if method in style.METHODS else method
    return ", ".join(filter(None, (name, more)))
