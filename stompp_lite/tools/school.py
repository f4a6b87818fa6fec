"""A class as a lab: everybody runs one seed, and the runs of all make a figure and a verdict.

``python -m stompp_lite class new fair-36`` writes a worksheet; ``class collect FOLDER`` takes what
was handed in. Behind the book's protocol, chapter 12, *A fair fight*.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from stompp_lite.checks import count, counted, one_of
from stompp_lite.errors import ConfigError, RecordError
from stompp_lite.lab import record
from stompp_lite.lab.config import Config
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.record import Record
from stompp_lite.lab.report import common_seeds, group, summary
from stompp_lite.lab.stats import paired_difference
from stompp_lite.lab.verdict import strength
from stompp_lite.training.files import write_atomically


@dataclass(frozen=True)
class Lesson:
    """What a class runs: one run of each of these settings of a recipe, everybody another seed."""

    question: str
    recipe: str
    sides: dict[str, str]  # label -> name of the runs, without the seed; the first minus the second
    minutes: int  # of a student's runs, on one core

    def config(self, label: str, seed: int = 0) -> Config:
        """The configuration of a student's run."""
        runs = RECIPES[self.recipe].runs
        return replace(runs[f"{self.sides[label]}-s0"].config, seed=seed)


_ASKS = (
    "With small steps, the papers' settings: which one reads more digits right with {} binary "
    "convolutions, StoMPP or STE, and by how many points?"
)


def _fair(layers: int, minutes: int) -> Lesson:
    runs = {"StoMPP": "minimal-stompp", "STE": "minimal-ste"}
    sides = {label: f"n{layers // 4:02d}-{run}" for label, run in runs.items()}
    return Lesson(_ASKS.format(layers), "fair", sides, minutes)


LESSONS = {"fair-36": _fair(36, 3), "fair-24": _fair(24, 2), "fair-16": _fair(16, 2)}
_SHEET = """# {name}: a class as a lab

{question}

Write down your guess before you run anything: ______ points.

**Your seed is your number**, from 1 to {students}. No two of you may have the same. Run
(about {minutes} minutes on one core of a recent processor):

```sh
SEED=7     # your number
{commands}
```

Hand in both files as they are. A run that went wrong, or that you do not like, is handed in too: a
class that leaves out runs has no result. What counts is what all of you find together. The numbers
of one seed differ between kinds of processors, and that is allowed.
"""


def worksheet(name: str, students: int = 30) -> str:
    """A worksheet to hand out (Markdown), with the commands of each student's runs.

    Raises:
        ConfigError: no such lesson, or fewer than two students.
    """
    lesson = LESSONS[one_of(name, LESSONS, "lesson")]
    commands = "\n".join(
        f"python -m stompp_lite run {lesson.recipe} --name {run}-s0 --set seed=$SEED "
        f"--out {label.lower()}-$SEED.json"
        for label, run in lesson.sides.items()
    )
    return _SHEET.format(
        name=name, question=lesson.question, minutes=lesson.minutes, commands=commands,
        students=count(students, "the number of students", 2),
    )  # fmt: skip


def new(name: str, out: Path, students: int = 30) -> Path:
    """Write the worksheet as ``NAME.md`` into a folder, and return its path.

    Raises:
        ConfigError: no such lesson; or the worksheet is there already.
    """
    text, path = worksheet(name, students), out / f"{name}.md"
    if path.exists():
        raise ConfigError(f"{path} is there already; name another folder with --out")
    write_atomically(path, text.encode())
    return path


@dataclass
class Collected:
    """What a class handed in.

    Attributes:
        runs: label -> the records that count, by seed.
        refused: file -> why it does not count.
        processors: name of a processor -> runs that were made on it.
    """

    lesson: Lesson
    runs: dict[str, list[Record]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    processors: Counter[str] = field(default_factory=Counter)

    def alone(self) -> list[int]:
        """Seeds with a run on one side only."""
        seeds = [{r.seed for r in self.runs[label]} for label in self.lesson.sides]
        return sorted(seeds[0] ^ seeds[1])


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    known = Config().to_dict() | {k: v for k, v in config.items() if k != "measure_steps"}
    plan = {f"plan.{k}": v for k, v in known.pop("plan").items()}
    return {k: v for k, v in (known | plan).items() if k != "seed"}


def _side(found: Record, lesson: Lesson) -> str:
    """The side a record belongs to; a ConfigError says how it differs from the nearest one."""
    mine, differing = _settings(found.config), {}
    for label in lesson.sides:
        wanted = _settings(lesson.config(label).to_dict())
        apart = [k for k in wanted if mine.get(k) != wanted[k]]
        if not apart:
            return label
        differing[label] = [f"{k} is {mine.get(k)!r} and not {wanted[k]!r}" for k in apart]
    label = min(differing, key=lambda one: len(differing[one]))
    raise ConfigError(f"other settings than {label} of this lesson: {'; '.join(differing[label])}")


def collect(folder: Path, name: str = "fair-36") -> Collected:
    """Read a flat folder of records. What cannot count is named with the reason; nothing is lost.

    Raises:
        ConfigError: no such lesson, or no such folder.
    """
    lesson = LESSONS[one_of(name, LESSONS, "lesson")]
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; put the files that were handed in into one")
    found = Collected(lesson, {label: [] for label in lesson.sides})
    owner: dict[tuple[str, int], tuple[str, Record]] = {}
    runs: dict[tuple[str, str, str], str] = {}
    for path in sorted(folder.iterdir()):
        try:
            if path.is_dir():
                raise RecordError("a folder; put the files side by side")
            one = record.read(path)
            label = _side(one, lesson)
            if (label, one.seed) in owner:
                other, before = owner[label, one.seed]
                copied = "the same run" if before.correct == one.correct else "another run"
                raise RecordError(f"seed {one.seed} of {label} is there, {copied} in {other}")
            run = (label, one.correct, str(one.curves))
            if run in runs:
                raise RecordError(f"the run in {runs[run]}, under another seed")
        except (RecordError, ConfigError) as err:
            found.refused[path.name] = str(err).removeprefix(f"{path}: ")
            continue
        owner[label, one.seed], runs[run] = (path.name, one), path.name
        found.runs[label].append(one)
        found.processors[str(one.machine.get("cpu"))] += 1
    for side in found.runs.values():
        side.sort(key=lambda r: r.seed)
    return found


@cache
def _recipe(name: str) -> dict[str, list[Record]]:
    return group(record.read_all(name))


def recorded(lesson: Lesson) -> dict[str, list[Record]]:
    """The book's own runs of the same settings."""
    runs = _recipe(lesson.recipe)
    return {label: runs[name] for label, name in lesson.sides.items()}


def _difference(who: str, sides: Sequence[list[Record]]) -> str:
    a, b = common_seeds(*sides)
    if len(a) < 2:
        return f"{who}: {len(a)} seeds with both runs, and a difference needs two"
    d = paired_difference(a, b)
    return f"{who}: {d.signed} points, {len(a)} seeds with both runs: {strength(d)}"


def told(found: Collected) -> str:
    """What a class found, in plain text, beside what the book has."""
    first, second = found.lesson.sides
    lines = [found.lesson.question, ""]
    for label, runs in found.runs.items():
        told = f", {summary(runs)}" if runs else ""
        lines.append(f"{label}: {counted(len(runs), 'run', 'runs')}{told}")
    lines += ["", f"{first} minus {second}, paired by seed, with 95 % intervals"]
    lines.append(_difference("  your class", list(found.runs.values())))
    lines.append(_difference("  the book", list(recorded(found.lesson).values())))
    if alone := found.alone():
        lines.append(f"seeds with one run only, not in the difference: {alone}")
    kinds = ", ".join(f"{n} on {cpu}" for cpu, n in found.processors.most_common())
    lines.append(f"processors, all of which count: {kinds or 'none'}")
    if found.refused:
        said = counted(len(found.refused), "file does not count", "files do not count")
        lines.append(f"{said}:")
        lines += [f"  {name}: {why}" for name, why in found.refused.items()]
    return "\n".join(lines)


def table(found: Collected) -> str:
    """Every file's run as CSV: side, seed, test accuracy in percent, outcome, processor."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["side", "seed", "test_acc", "outcome", "processor"])
    for label, runs in found.runs.items():
        for r in runs:
            rows.writerow(
                [label, r.seed, r.final.get("test_acc", ""), r.outcome, r.machine.get("cpu")]
            )
    return out.getvalue()


def draw(found: Collected, path: Path) -> None:
    """The class's own strip plot beside the book's, as an SVG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from stompp_lite.viz import figures, style

    style.use()
    panels = {"your class": found.runs, "the book's recorded runs": recorded(found.lesson)}
    colors = {"StoMPP": style.look("stompp").color, "STE": style.look("ste").color}
    figure = figures.dots(panels, colors)
    out = io.BytesIO()
    figure.savefig(out, format="svg", bbox_inches="tight")
    plt.close(figure)
    write_atomically(path, out.getvalue())


def keep(found: Collected, out: Path) -> str:
    """Write ``class.svg``, ``class.csv`` and ``class.txt`` into a folder; what was found, in words.

    Raises:
        CheckpointError: the folder cannot be written to.
    """
    text = told(found)
    write_atomically(out / "class.txt", f"{text}\n".encode())
    write_atomically(out / "class.csv", table(found).encode())
    draw(found, out / "class.svg")
    return f"{text}\n{out}: class.svg, class.csv, class.txt"
