"""Tables of recorded runs: mean and 95 % interval over seeds, paired differences to STE."""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from pathlib import Path

from stompp_lite.checks import one_of
from stompp_lite.errors import RecordError
from stompp_lite.lab.arms import FIGHTERS, TUNED, in_minimal
from stompp_lite.lab.config import Config
from stompp_lite.lab.recipes import RECIPES, run_of
from stompp_lite.lab.record import Record, default_folder, read_all
from stompp_lite.lab.stats import accuracy_interval, paired_difference

WIDE = 10.0  # half-width of an interval that tells less than the runs themselves
SPLIT = 20.0  # percentage points between runs of one setting: see the protocol of the fair fight


def group(records: list[Record]) -> dict[str, list[Record]]:
    """Records that differ in their seed only, by their setting (the name without the seed).

    Raises:
        RecordError: records of a name differ in more than the seed, or not even in that.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.name.removesuffix(f"-s{record.seed}")].append(record)
    usual = Config().to_dict()  # of settings that are younger than a record
    for name, runs in groups.items():
        known = [{k: v for k, v in r.config.items() if k != "measure_steps"} for r in runs]
        settings = [usual | config | {"seed": None} for config in known]  # a field until 0.1
        seeds = [r.seed for r in runs]
        if any(s != settings[0] for s in settings) or len(set(seeds)) < len(seeds):
            raise RecordError(
                f"runs called {name!r} are no repetitions with other seeds: seeds {seeds}, or "
                "their settings differ; give them names of their own"
            )
    return dict(groups)


#: series (a method, with its label if it has one) -> binary layers -> runs that differ in seed only
Depths = dict[str, dict[int, list[Record]]]


def by_arm(records: list[Record]) -> dict[str, Depths]:
    """Runs by what they are: ``{arm: {series: {binary layers: runs}}}``.

    Where a method's own rate in the arm ``sgd`` is that of ``minimal``, the two arms share their
    runs. ``float`` has no binary weights to scale: in the arm ``scale`` it is what it is in
    ``sgd``.
    """
    out: dict[str, Depths] = {}
    for runs in group(records).values():
        run, runs = run_of(runs[0]), sorted(runs, key=lambda r: r.seed)
        out.setdefault(run.arm, {}).setdefault(run.series, {})[run.layers] = runs
    if "sgd" in out and "minimal" in out:
        for method, n in product(FIGHTERS, TUNED):
            if in_minimal(method, n) and n in out["minimal"].get(method, {}):
                out["sgd"].setdefault(method, {})[n] = out["minimal"][method][n]
    if "scale" in out and "float" in out.get("sgd", {}):
        out["scale"]["float"] = out["sgd"]["float"]
    return {
        arm: {series: dict(sorted(depths.items())) for series, depths in found.items()}
        for arm, found in out.items()
    }


def splits(runs: list[Record]) -> bool:
    """Whether runs that differ in their seed lie too far apart for a mean to describe them."""
    scores = [r.final["test_acc"] for r in runs if not r.diverged]
    return bool(scores) and max(scores) - min(scores) > SPLIT


def common_seeds(a: list[Record], b: list[Record]) -> tuple[list[Record], list[Record]]:
    """The runs whose seed is in both lists (a sweep may still be under way), in its order."""
    a_by, b_by = {r.seed: r for r in a}, {r.seed: r for r in b}
    both = sorted(a_by.keys() & b_by.keys())
    return [a_by[seed] for seed in both], [b_by[seed] for seed in both]


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def depth_table(methods: Depths) -> str:
    """Test accuracy of an arm, one row a depth, one column a method (Markdown)."""
    depths = sorted({n for runs in methods.values() for n in runs})
    rows = [[str(n)] + [summary(m.get(n, [])) for m in methods.values()] for n in depths]
    return markdown(["binary convolutions", *map(_title, methods)], rows)


def _title(method: str) -> str:
    return method.replace("+", " + ")


def summary(runs: list[Record]) -> str:
    """Accuracy of a setting: mean and interval, or every run where a mean would mislead.

    It would where runs split, where there are only two, and where the interval is wide.
    """
    lost = sum(r.diverged for r in runs)
    if lost:
        return f"{lost} of {len(runs)} diverged"
    if splits(runs):
        return ", ".join(f"{r.final['test_acc']:.0f}" for r in runs)
    if len(runs) < 2:
        return ""
    mean = accuracy_interval(runs)
    if len(runs) == 2 or mean.half > WIDE:
        return ", ".join(f"{r.final['test_acc']:.1f}" for r in runs)
    return str(mean)


def difference_table(methods: Depths, reference: str = "ste") -> str:
    """Paired differences to ``reference`` in percentage points, one row a depth (Markdown)."""
    if reference not in methods:
        return f"(no runs of {reference} to compare with)"
    base = methods[reference]
    others = [m for m in methods if m != reference]
    rows = []
    for n in base:
        cells = [str(n)]
        for m in others:
            first, second = common_seeds(methods[m].get(n, []), base[n])
            if len(first) < 2 or any(r.diverged for r in [*first, *second]):
                cells.append("")
            elif splits(first) or splits(second):
                cells.append("split")
            elif len(first) == 2:  # too few for an interval
                apart = zip(first, second, strict=True)
                cells.append(
                    ", ".join(f"{a.final['test_acc'] - b.final['test_acc']:+.1f}" for a, b in apart)
                )
            else:
                cells.append(paired_difference(first, second).signed)
        rows.append(cells)
    titles = (f"{_title(m)} minus {_title(reference)}" for m in others)
    return markdown(["binary convolutions", *titles], rows)


def arms_table(recipe: str, folder: Path | None = None) -> str:
    """Accuracies and differences of a fair-fight recipe, arm by arm (Markdown).

    Raises:
        RecordError: no records, or a damaged one.
    """
    parts = []
    for arm, methods in by_arm(read_all(recipe, folder)).items():
        parts += [f"**{arm}**: test accuracy, %", depth_table(methods)]
        if "ste" in methods and len(methods) > 1:
            parts += ["Differences to STE, percentage points:", difference_table(methods)]
    return "\n\n".join(parts)


def table(recipe: str, folder: Path | None = None) -> str:
    """What ``python -m stompp_lite report`` prints.

    Raises:
        RecordError: no records, or a damaged one.
    """
    if not ((folder or default_folder() or Path()) / recipe).is_dir():
        one_of(recipe, RECIPES, "recipe")
    if recipe in ("fair", "fair-deep"):
        return arms_table(recipe, folder)
    records = read_all(recipe, folder)
    rows = []
    for name, runs in group(records).items():
        alone = len(runs) == 1 and not runs[0].diverged  # no interval: not a finding
        shown = f"{runs[0].final['test_acc']:.1f}, one seed" if alone else summary(runs)
        seconds = sum(r.wall_s for r in runs) / len(runs)
        rows.append([name, str(len(runs)), shown, f"{seconds:.0f}"])
    split = "validation" if records[0].config["validation"] else "test"
    return markdown(["runs", "seeds", f"{split} accuracy, %", "seconds a run"], rows)
