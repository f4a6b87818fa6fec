"""What the course consists of, read from the notebooks: titles, questions, needs, minutes.

Chapters have a number. A page without one is a notebook, too: optional, and part of no path.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WORDS_PER_MINUTE = 120  # with formulas, code and figures to look at
PARTS = {
    "Part I, one bit": range(1, 5),
    "Part II, freeze instead of fake": range(5, 13),
    "Part III, towards full scale": range(13, 17),
    "Part IV, beyond": range(17, 20),
}
#: Ways through the course: who it is for, and the chapters.
PATHS = {
    "An evening": ("the question, the method and the answer", (1, 2, 4, 7, 12)),
    "A weekend": ("the mechanism, too", (1, 2, 3, 4, 5, 6, 7, 8, 12)),
    "A term": ("everything, a chapter a week, with exercises", tuple(range(1, 20))),
}
#: Columns of the map, so that no arrow crosses a box.
_LANES = {7: 1, 8: 1, 18: 2, 9: 2, 10: 2, 11: 2, 12: 3, 13: 3, 14: 3, 15: 3, 16: 1, 17: 2, 19: 1}
#: What does not fit into a box of the map.
_SHORT = {
    13: "To photographs", 14: "Many machines", 18: "Without gradients", 19: "Smaller, faster?",
}  # fmt: skip
_FOLD = re.compile(r"<details.*?</details>", re.DOTALL)
_NEEDS = re.compile(r"\nYou need: (.+?)(?:;|\. )")


@dataclass(frozen=True)
class Chapter:
    """A chapter: its number, the page's name, and what its first cell says."""

    number: int
    page: str
    title: str
    question: str
    needs: tuple[int, ...]
    minutes: int


def lines(source: str | list[str]) -> str:
    """A cell's source as one text: notebooks store it whole or as lines."""
    return source if isinstance(source, str) else "".join(source)


def texts(notebook: dict[str, Any]) -> list[str]:
    """The text cells of a notebook."""
    return [lines(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]


def numbered(page: str) -> int | None:
    """The number of a chapter, from its page's name; None for a page without one."""
    return int(page[:2]) if re.match(r"\d\d_", page) else None


def heading(path: Path) -> str:
    """The title of a notebook, with its number if it has one."""
    first = texts(json.loads(path.read_text(encoding="utf-8")))[0]
    return first.split("\n", 1)[0].removeprefix("# ")


def minutes(said: list[str]) -> int:
    """Time to read these texts without what is folded, in steps of five minutes."""
    words = sum(len(_FOLD.sub("", text).split()) for text in said)
    return 5 * max(1, round(words / WORDS_PER_MINUTE / 5))


def part(number: int) -> str:
    """The part that a chapter belongs to."""
    return next(name for name, numbers in PARTS.items() if number in numbers)


@cache
def chapters() -> list[Chapter]:
    """All chapters, in order."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        said = texts(json.loads(path.read_text(encoding="utf-8")))
        number = int(path.name[:2])
        needs = _NEEDS.search(said[0])
        asked = re.search(r"\*\*(.+?)\*\*", said[0], re.DOTALL)
        if needs is None or asked is None:
            raise ValueError(f"{path.name}: the first cell has no question, or not what it needs")
        found.append(
            Chapter(
                number,
                path.stem,
                heading(path).removeprefix(f"{number}. "),
                " ".join(asked[1].split()),
                tuple(int(n) for n in re.findall(r"\[(?:chapter )?(\d+)\]", needs[1])),
                minutes(said),
            )
        )
    return found


def _link(c: Chapter, text: str) -> str:
    return f"[{text}](../notebooks/{c.page}.ipynb)"


def table(part: int) -> str:
    """Chapters of a part, with their questions and minutes to read; of all parts if it is 0."""
    rows = []
    for k, (name, numbers) in enumerate(PARTS.items(), start=1):
        if part == 0:
            rows.append(f"| [**{name}**](part{k}.md) | | |")
        if part in (0, k):
            rows += [
                f"| {_link(c, f'{c.number}. {c.title}')} | {c.question} | {c.minutes} |"
                for c in chapters()
                if c.number in numbers
            ]
    return "\n".join(["| chapter | the question it answers | minutes |", "|---|---|---:|", *rows])


def paths() -> str:
    """Ways through the course, with the time that each takes to read."""
    every = {c.number: c for c in chapters()}
    rows = []
    for name, (what, numbers) in PATHS.items():
        time = sum(every[n].minutes for n in numbers)
        listed = (
            "all of them"
            if len(numbers) == len(every)
            else ", ".join(_link(every[n], str(n)) for n in numbers)
        )
        rows.append(f"| **{name}** | {what} | {listed} | {time // 60} h {time % 60:02d} |")
    return "\n".join(["| path | for | chapters | to read |", "|---|---|---|---:|", *rows])


def course_map() -> str:
    """The chapters as boxes, an arrow from each to those that need it: a drawing with links."""
    every = {c.number: c for c in chapters()}
    row: dict[int, int] = {}
    taken: set[tuple[int, int]] = set()
    before: dict[int, set[int]] = {}
    for n, c in every.items():
        before[n] = set(c.needs).union(*(before[k] for k in c.needs))
        row[n] = 1 + max((row[k] for k in c.needs), default=-1)
        while (_LANES.get(n, 0), row[n]) in taken:
            row[n] += 1
        taken.add((_LANES.get(n, 0), row[n]))
    wide, tall, gap, low = 178, 34, 16, 22
    place = {n: (_LANES.get(n, 0) * (wide + gap), row[n] * (tall + low)) for n in every}
    width = max(x for x, _ in place.values()) + wide + gap
    height = max(y for _, y in place.values()) + tall
    drawn = []
    for n, c in every.items():
        for k in c.needs:
            if any(k in before[other] for other in c.needs):
                continue  # said already by the longer way
            (x0, y0), (x1, y1) = place[k], place[n]
            start, end = (x0 + wide / 2, y0 + tall), (x1 + wide / 2, y1 - 3)
            middle = (start[1] + end[1]) / 2
            way = f"M{start[0]} {start[1]} C{start[0]} {middle} {end[0]} {middle} {end[0]} {end[1]}"
            between = {(_LANES.get(k, 0), r) for r in range(row[k] + 1, row[n])}
            if x0 == x1 and between & taken:
                out, up, down = x0 + wide, y0 + tall / 2, y1 + tall / 2  # around the box between
                way = f"M{out} {up} C{out + gap} {up} {out + gap} {down} {out + 3} {down}"
            drawn.append(f'<path d="{way}" marker-end="url(#needs)"/>')
    for n, c in every.items():
        x, y = place[n]
        title = html.escape(_SHORT.get(n, c.title))
        own = 1 + list(PARTS).index(part(n))
        drawn.append(
            f'<a href="../notebooks/{c.page}.html"><rect class="part{own}" x="{x}" '
            f'y="{y}" width="{wide}" height="{tall}" rx="4"/><text class="n" x="{x + 9}" '
            f'y="{y + 22}">{n}</text><text x="{x + 32}" y="{y + 22}">{title}</text>'
            "</a>"
        )
    marker = (
        '<defs><marker id="needs" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" '
        'markerHeight="6" orient="auto"><path d="M0 0L6 3L0 6z"/></marker></defs>'
    )
    listed = "; ".join(
        f"{n} needs {' and '.join(map(str, c.needs))}" if c.needs else f"{n} needs nothing"
        for n, c in every.items()
    )
    return (
        f'<div class="lbl-map" tabindex="0" role="group" aria-label="Map of the course">'
        f'<svg viewBox="-2 -2 {width + 4} {height + 4}" role="group" '
        f'aria-label="Chapters and what they need: {listed}.">{marker}{"".join(drawn)}</svg></div>'
    )
