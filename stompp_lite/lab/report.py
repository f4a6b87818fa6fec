"""Tables of recorded runs: mean and 95 % interval over seeds, paired differences to STE."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from stompp_lite.checks import one_of
from stompp_lite.errors import RecordError
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.record import Record, default_folder, read_all
from stompp_lite.lab.stats import accuracy_interval, paired_difference


def group(records: list[Record]) -> dict[str, list[Record]]:
    """Records that differ in their seed only, by name without ``-s`` and the seed.

    Raises:
        RecordError: records of a name differ in more than the seed, or not even in that.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found = re.fullmatch(r"(.*)-s(\d+)", record.name)
        groups[found[1] if found else record.name].append(record)
    for name, runs in groups.items():
        settings = [{k: v for k, v in r.config.items() if k != "seed"} for r in runs]
        seeds = [r.seed for r in runs]
        if any(s != settings[0] for s in settings) or len(set(seeds)) < len(seeds):
            raise RecordError(
                f"runs called {name!r} are no repetitions with other seeds: seeds {seeds}, or "
                "their settings differ; give them names of their own"
            )
    return dict(groups)


def by_depth(records: list[Record]) -> dict[str, dict[int, list[Record]]]:
    """``{method: {n: runs}}`` of the depth recipe, n being the blocks of a group."""
    out: dict[str, dict[int, list[Record]]] = defaultdict(dict)
    for name, runs in group(records).items():
        method = name.partition("-")[2]
        out[method][runs[0].config["blocks"][0]] = runs
    return {method: dict(sorted(depths.items())) for method, depths in out.items()}


def common_seeds(a: list[Record], b: list[Record]) -> tuple[list[Record], list[Record]]:
    """The runs of both lists whose seed is in both (a sweep may still be under way)."""
    both = {r.seed for r in a} & {r.seed for r in b}
    both -= {r.seed for r in [*a, *b] if r.diverged}
    return [r for r in a if r.seed in both], [r for r in b if r.seed in both]


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def depth_table(records: list[Record]) -> str:
    """Test accuracy, one row a depth, one column a method (Markdown)."""
    methods = by_depth(records)
    depths = sorted({n for runs in methods.values() for n in runs})
    rows = [[f"{4 * n}"] + [_cell(m.get(n, [])) for m in methods.values()] for n in depths]
    return markdown(["binary convolutions", *methods], rows)


def _cell(runs: list[Record]) -> str:
    lost = sum(r.diverged for r in runs)
    if lost:
        return f"{lost} of {len(runs)} diverged"
    return str(accuracy_interval(runs)) if len(runs) > 1 else ""


def difference_table(records: list[Record], reference: str = "ste") -> str:
    """Paired differences to ``reference`` in percentage points, one row a depth (Markdown)."""
    methods = by_depth(records)
    if reference not in methods:
        return f"(no runs of {reference} to compare with)"
    base = methods[reference]
    others = [m for m in methods if m != reference]
    rows = []
    for n in base:
        row = [f"{4 * n}"]
        for m in others:
            first, second = common_seeds(methods[m].get(n, []), base[n])
            if len(first) < 2 or any(r.diverged for r in methods[m][n]):
                row.append("")
                continue
            d = paired_difference(first, second)
            row.append(f"{d.mean:+.1f} ± {d.half:.1f}")
        rows.append(row)
    return markdown(["binary convolutions", *(f"{m} minus {reference}" for m in others)], rows)


def table(recipe: str, folder: Path | None = None) -> str:
    """What ``python -m stompp_lite report`` prints.

    Raises:
        RecordError: no records, or a damaged one.
    """
    if not ((folder or default_folder() or Path()) / recipe).is_dir():
        one_of(recipe, RECIPES, "recipe")
    records = read_all(recipe, folder)
    if recipe.startswith("depth"):
        return f"Test accuracy, %\n\n{depth_table(records)}\n\n{difference_table(records)}"
    rows = []
    for name, runs in group(records).items():
        alone = len(runs) == 1 and not runs[0].diverged  # no interval: not a finding
        shown = f"{runs[0].final['test_acc']:.1f}, one seed" if alone else _cell(runs)
        rows.append([name, str(len(runs)), shown, f"{sum(r.wall_s for r in runs) / len(runs):.0f}"])
    split = "validation" if records[0].config["validation"] else "test"
    return markdown(["runs", "seeds", f"{split} accuracy, %", "seconds a run"], rows)
