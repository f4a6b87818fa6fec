"""Chapters' code exercises as assignments for nbgrader and otter-grader, and a rehearsal of each.

Usage: python book/tools/grade.py [chapter ...]

For each chapter (2 and 5, unless others are named) an assignment is made from the stored notebook,
in the form of each grader (this module, and ``otters``). Then three students hand in: one the
stored solutions, one functions that do something else, one nothing. Each grader grades them and a
``grades.csv`` is written; the command, which ``make test`` runs, fails unless the first has full
marks and the others none.
What a class hands in is graded by ``marks``.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import otters
from asked import HOME, WORKS, chosen, context, environment, graded, judge, otherwise, question
from asked import title as heading

from release import ROOT

COURSE = HOME / "nbgrader"
CODE = nbformat.v4.new_code_cell
TEXT = nbformat.v4.new_markdown_cell
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "layer-by-layer"
c.CourseDirectory.root = {root!r}
c.ClearSolutions.code_stub = {{"python": "# Your answer\\nraise NotImplementedError()"}}
"""
REGION = "### BEGIN SOLUTION\n{}\n### END SOLUTION"


def _cell(cell: Any, grade_id: str, points: int | None = None, solution: bool = False) -> Any:
    cell.metadata["nbgrader"] = {
        "grade_id": grade_id, "grade": points is not None, "solution": solution, "task": False,
        "locked": not solution, "schema_version": 3, "cell_type": cell.cell_type,
    }  # fmt: skip
    if points is not None:
        cell.metadata["nbgrader"]["points"] = points
    return cell


def assignment(notebook: Any) -> Any:
    """The teacher's notebook in nbgrader's form: questions, solutions, and what grades them.

    What the solutions take from the chapter, and no more of it, is there too, in a locked cell.
    """
    cells = [TEXT(heading(notebook)), _cell(CODE(context(notebook) or "pass"), "context")]
    for ex, name, answer, solution in graded(notebook):
        cells += [
            TEXT(question(notebook, ex)),
            _cell(CODE(REGION.format(solution)), f"{ex}-answer", None, True),
            _cell(
                CODE(f"from stompp_lite.check import passes\n\nassert passes({name!r}, {answer})"),
                f"{ex}-test", 1,
            ),
        ]  # fmt: skip
    for k, cell in enumerate(cells):
        cell["id"] = f"cell-{k}"
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


class Course:
    """A folder in which nbgrader works, made anew.

    Attributes:
        folder: with source, release, submitted, and what nbgrader makes of them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._python = folder, environment()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        config = CONFIG.format(root=str(folder))
        (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")

    def run(self, *arguments: str, strict: bool = True) -> bool:
        """A command of nbgrader; whether it went well. Where it must, it ends the program."""
        path = f"{self._python.parent}{os.pathsep}{os.environ['PATH']}"  # it calls alembic by name
        done = subprocess.run(
            [self._python, "-m", "nbgrader", *arguments], cwd=self.folder, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": path}, capture_output=True,
        )  # fmt: skip
        if done.returncode and strict:
            sys.exit(f"nbgrader {' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
        return done.returncode == 0

    def release(self, name: str, notebook: Any) -> Path:
        """Make the assignment of a chapter; the notebook to hand out."""
        (self.folder / "source" / name).mkdir(parents=True)
        nbformat.write(assignment(notebook), self.folder / "source" / name / f"{name}.ipynb")
        self.run("generate_assignment", name, "--create")
        return self.folder / "release" / name / f"{name}.ipynb"

    def submit(self, student: str, name: str, notebook: Any) -> None:
        """Put a notebook where nbgrader looks for a student's work."""
        target = self.folder / "submitted" / student / name
        target.mkdir(parents=True)
        nbformat.write(notebook, target / f"{name}.ipynb")

    def grades(self) -> list[dict[str, str]]:
        """The rows of ``grades.csv``, which nbgrader writes."""
        self.run("export", "--to", "grades.csv")
        with (self.folder / "grades.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def filled(released: Path, chapter: Any, work: str) -> Any:
    """What a student of a rehearsal hands in: the released notebook with its answers filled in."""
    notebook = nbformat.read(released, as_version=4)
    solutions = {f"{one.ex}-answer": one.solution for one in graded(chapter)}
    for cell in notebook.cells:
        solution = solutions.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
        if solution and work != "nothing":
            cell.source = solution if work == "right" else otherwise(solution)
    return notebook


def rehearse(chapters: list[tuple[str, Any]]) -> None:
    """Release, hand in, grade, and write ``grades.csv``."""
    course = Course(COURSE)
    for name, chapter in chapters:
        released = course.release(name, chapter)
        for work in WORKS:
            course.submit(work, name, filled(released, chapter, work))
        course.run("autograde", name, "--create")
    course.run("export", "--to", "grades.csv")


def main(arguments: list[str]) -> None:
    """Rehearse with both graders at once; fail if a grade is not as it should be."""
    chapters, wrong = chosen(arguments), []
    environment()  # made before both need it
    graders = {"nbgrader": (COURSE, rehearse), "otter-grader": (otters.COURSE, otters.rehearse)}
    with ThreadPoolExecutor(len(graders)) as threads:
        begun = {label: threads.submit(run, chapters) for label, (_, run) in graders.items()}
        for label, (folder, _) in graders.items():
            begun[label].result()
            print(f"{label}: to hand out, {folder / 'release'}; {folder / 'grades.csv'}")
            wrong += [f"{label}: {said}" for said in judge(folder / "grades.csv", chapters)]
    if wrong:
        sys.exit(
            "\n".join(["The grades are not what they should be:", *wrong])
            + f"\nWhat the graders saw is in {COURSE / 'autograded'} and {otters.COURSE}."
        )


if __name__ == "__main__":
    main(sys.argv[1:])
