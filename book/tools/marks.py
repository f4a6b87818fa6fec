"""Grade what a class handed in: a flat folder of notebooks of one chapter, each named by a student.

Usage: python book/tools/marks.py FOLDER chapter

The notebooks are those that ``grade`` makes for nbgrader, filled in. Copies of them are graded in
``build/graders/marks``, with ``grades.csv``; nothing in the folder is touched. What was handed in
is run, on this machine. A file that cannot be graded is named with the reason.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from asked import HOME, chosen
from grade import Course

from stompp_lite.checks import counted

ENDING = ".ipynb"


@dataclass
class Handed:
    """What was found in a folder.

    Attributes:
        works: student -> notebook. refused: file -> why it is not graded. other: students whose
            notebook was handed out in another version; it is graded by this one.
    """

    works: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    other: list[str] = field(default_factory=list)


def _cells(notebook: Any) -> dict[str, Any]:
    """The cells that a grader knows, by their names."""
    marked = ((c.metadata.get("nbgrader", {}), c) for c in notebook.cells)
    return {m["grade_id"]: c for m, c in marked if isinstance(m, dict) and "grade_id" in m}


def _notebook(path: Path, wanted: dict[str, Any]) -> Any:
    """A notebook that can be graded; a ValueError says why one cannot."""
    if path.is_dir():
        raise ValueError("a folder; put the files side by side")
    if path.suffix != ENDING:
        raise ValueError(f"not a notebook: its name does not end in {ENDING}")
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError) as err:
        raise ValueError(f"not a notebook ({str(err).splitlines()[0][:80]})") from err
    except nbformat.ValidationError as err:
        raise ValueError(f"not a notebook ({err.message[:80]})") from err
    if missing := [name for name in wanted if name not in _cells(notebook)]:
        raise ValueError(f"not this assignment, or its cells were deleted: no {missing[0]!r}")
    return notebook


def sort_out(folder: Path, released: Any) -> Handed:
    """Look at every file of a folder; each is a student's work, or is named with the reason.

    Args:
        folder: of what was handed in. released: the notebook that was handed out.

    Raises:
        ValueError: no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; put the notebooks that were handed in into one")
    found, wanted = Handed(), _cells(released)
    for path in sorted(folder.iterdir()):
        try:
            notebook = _notebook(path, wanted)
        except ValueError as err:
            found.refused[path.name] = str(err)
            continue
        cells = _cells(notebook)
        found.works[path.stem] = notebook
        if any(cells[n].source != c.source for n, c in wanted.items() if n[-7:] != "-answer"):
            found.other.append(path.stem)
    return found


def told(found: Handed, points: dict[str, str], most: str) -> str:
    """Who has how many points, and what was not graded, in plain text."""
    lines = [f"{name:24} {points[name]} of {most}" for name in found.works if name in points]
    failed = [name for name in found.works if name not in points]
    whole = len(found.works) + len(found.refused)
    lines.append(f"{len(lines)} of {counted(whole, 'file', 'files')} graded")
    if found.other:
        told = ", ".join(found.other)
        lines.append(f"{len(found.other)} in another version, graded by this one: {told}")
    for one, more, files in (
        ("file that nbgrader could not grade", "files that nbgrader could not grade",
         dict.fromkeys(failed, "see the messages above")),
        ("file that is not graded", "files that are not graded", found.refused),
    ):  # fmt: skip
        if files:
            lines.append(f"{counted(len(files), one, more)}:")
            lines += [f"  {name}: {why}" for name, why in files.items()]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Grade a folder, and print who has how many points."""
    if len(arguments) != 2:
        sys.exit(
            "Name the folder of what was handed in, and the chapter: make marks FROM=in CHAPTER=3"
        )
    folder, ((name, chapter),) = Path(arguments[0]).absolute(), chosen(arguments[1:])
    course = Course(HOME / "marks")
    try:
        found = sort_out(folder, nbformat.read(course.release(name, chapter), as_version=4))
    except ValueError as err:
        sys.exit(str(err))
    for student, notebook in found.works.items():
        course.submit(student, name, notebook)
    rows = []
    if found.works:
        course.run("autograde", name, "--create", strict=False)
        rows = [r for r in course.grades() if r["raw_score"] and r["student_id"] in found.works]
    points = {r["student_id"]: f"{float(r['raw_score']):g}" for r in rows}
    print(told(found, points, f"{float(rows[0]['max_score']):g}" if rows else "0"))
    print(course.folder / "grades.csv")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(sys.argv[1:])
