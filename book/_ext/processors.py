"""How far a processor of another kind moves a run, beside how far another seed does.

Processors of different kinds round differently, and training a deep binary network amplifies that.
So a run with the same seed on another kind is another draw of the same experiment. The recipe
``processors`` repeats seed 0 of some settings of ``fair`` elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stompp_lite.errors import NoRecordsError
from stompp_lite.lab.recipes import RECIPES, run_of
from stompp_lite.lab.record import Record, read_all
from stompp_lite.lab.report import markdown

AGAIN, RECORDED = "processors", "fair"  # the two recipes
FILMED = ("fair", "orders")  # the recipes whose runs the films repeat


@dataclass(frozen=True)
class Moves:
    """Differences of test accuracy to a recorded run with seed 0, in percentage points.

    Attributes:
        processor: of the same setting and seed, run on another kind of processor.
        seeds: of the same settings with the other seeds, run where the recorded run was.
        equal: how many of the runs elsewhere answered every test image as the recorded one did.
        there, here: the kinds of processor, as far as the records tell: recorded, and elsewhere.
    """

    processor: tuple[float, ...] = ()
    seeds: tuple[float, ...] = ()
    equal: int = 0
    there: tuple[str, ...] = ()
    here: tuple[str, ...] = ()


def kind(record: Record) -> str:
    """The processor of a run: its name, and its family and model where the record has them."""
    machine = record.machine
    known = [f"{k} {machine[k]}" for k in ("family", "model", "capability") if machine.get(k)]
    return ", ".join([str(machine["cpu"]), *known])


def moves() -> Moves:
    """What the records of the two recipes say; runs that diverged are left out.

    Raises:
        RecordError: a damaged record.
    """
    try:
        again = read_all(AGAIN)
    except NoRecordsError:
        return Moves()
    return compare(again, read_all(RECORDED))


def compare(again: Sequence[Record], recorded: Sequence[Record]) -> Moves:
    """The differences of repeated runs and of other seeds to the recorded runs of the same name."""
    by_setting: dict[str, dict[int, Record]] = {}
    for run in recorded:
        by_setting.setdefault(run_of(run).setting, {})[run.seed] = run
    processor, seeds, equal, there, here = [], [], 0, set(), set()
    for run in again:
        others = dict(by_setting.get(run_of(run).setting, {}))
        first = others.pop(run.seed, None)
        if first is None or first.diverged or run.diverged:
            continue
        processor.append(run.final["test_acc"] - first.final["test_acc"])
        seeds += [
            other.final["test_acc"] - first.final["test_acc"]
            for other in others.values()
            if not other.diverged
        ]
        equal += run.correct == first.correct
        there.add(kind(first))
        here.add(kind(run))
    return Moves(tuple(processor), tuple(seeds), equal, tuple(sorted(there)), tuple(sorted(here)))


def table() -> str:
    """The comparison as a table and a sentence (Markdown); says so where it was not run.

    Raises:
        RecordError: a damaged record.
    """
    found, planned = moves(), len(RECIPES[AGAIN].runs)
    if not found.processor:
        return "*Not run.*"
    rows = [
        _row("same seed, another kind of processor", found.processor),
        _row("another seed, same kind of processor", found.seeds),
    ]
    header = [
        "compared with the recorded run of seed 0", "n", "mean absolute difference",
        "largest difference", "standard deviation",
    ]  # fmt: skip
    missing = planned - len(found.processor)
    left = f" {missing} of the {planned} planned repetitions are missing." if missing else ""
    return (
        f"{markdown(header, rows)}\n\n*Test accuracy, percentage points. {found.equal} of "
        f"{len(found.processor)} repetitions answered every test image as the recorded run did. "
        f"Recorded on: {'; '.join(found.there)}. Repeated on: {'; '.join(found.here)}.{left}*"
    )


def films() -> str:
    """How many runs of the films repeat another recorded run, and how many came out the same.

    Raises:
        RecordError: a damaged record.
    """
    recorded = {run.name: run for recipe in FILMED for run in read_all(recipe)}
    runs = read_all("film")
    pairs = [(run, recorded[run.name]) for run in runs if run.name in recorded]
    equal = sum(run.correct == other.correct for run, other in pairs)
    return (
        f"Of the {len(runs)} runs, {len(pairs)} have a counterpart of the same name above; {equal} "
        "of these answered every test image as their counterpart did."
    )


def _row(title: str, differences: Sequence[float]) -> list[str]:
    values = np.array(differences)
    if not values.size:
        return [title, "0", "", "", ""]
    spread = f"{values.std(ddof=1):.1f}" if values.size > 1 else ""
    size = np.abs(values)
    return [title, str(values.size), f"{size.mean():.1f}", f"{size.max():.1f}", spread]
