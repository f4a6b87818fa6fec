"""Chapters' code exercises as a release for nbgrader, and a round trip through it.

Usage: python book/tools/grade.py [chapter ...]

For each chapter (2 and 5, unless others are named) an assignment is made from the stored notebook:
questions, cells to fill in, and cells that grade by ``stompp_lite.check``. Then three students hand
in: one the stored solutions, one functions that do something else, one nothing. nbgrader grades
them and exports ``build/graders/course/grades.csv``; the command fails unless the first has full
marks and the others have none. nbgrader lives in an environment of its own, ``build/graders/env``.
"""

from __future__ import annotations

import ast
import csv
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import nbformat
from klass import student, tags

from release import ROOT

HOME = ROOT / "build" / "graders"
COURSE = HOME / "course"
NBGRADER = "nbgrader==0.9.6"
CODE = nbformat.v4.new_code_cell
TEXT = nbformat.v4.new_markdown_cell
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "layer-by-layer"
c.CourseDirectory.root = {root!r}
c.ClearSolutions.code_stub = {{"python": "# Your answer\\nraise NotImplementedError()"}}
"""
REGION = "### BEGIN SOLUTION\n{}\n### END SOLUTION"
WRONG = "def {name}(*given):\n    return given[0]"


def environment() -> Path:
    """The Python with nbgrader; it sees the packages of the project's own environment."""
    python = HOME / "env" / "bin" / "python"
    if not python.is_file():
        venv.create(HOME / "env", with_pip=True)
        (site,) = (HOME / "env" / "lib").glob("python3*/site-packages")
        (site / "course.pth").write_text(
            f"{sysconfig.get_paths()['purelib']}\n{ROOT}\n", encoding="utf-8"
        )
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", NBGRADER]
        subprocess.run(pip, check=True)
    return python


def _used(node: ast.AST) -> set[str]:
    """Names that a piece of code takes from outside: read in it, and given nowhere in it."""
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    given = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    given |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return {n.id for n in names} - given


def _made(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign):
        return {
            n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)
        }
    return set()


def needed(statements: list[ast.stmt], names: set[str]) -> list[ast.stmt]:
    """The definitions that these names rest on, in their order."""
    kept: list[ast.stmt] = []
    for node in reversed(statements):
        if _made(node) & names:
            kept.append(node)
            names = names | _used(node)
    return kept[::-1]


def graded(notebook: Any) -> list[tuple[str, str, str, str]]:
    """For each exercise whose answer is written: its id, name, answer, and solution, as code.

    Written means a function or a class, or something made by one; what loops and training fill is
    left out.
    """
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or "solution" not in tags(cell):
            continue
        body = ast.parse(cell.source).body
        for node in body:
            call = getattr(node, "value", None)
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "check":
                name, answer = call.args
                kept = needed(body, _used(answer))
                if not any(isinstance(n, (ast.FunctionDef, ast.ClassDef)) for n in kept):
                    continue
                text = "\n\n\n".join(ast.unparse(n) for n in kept)
                found.append((cell.id.partition("-")[0], name.value, ast.unparse(answer), text))
    return found


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
    context: list[ast.stmt] = []
    for cell in student(notebook).cells:
        own = "exercise" in tags(cell) or cell.source.startswith("# Setup.")
        if cell.cell_type == "code" and not own:
            context += ast.parse(cell.source).body
    asked = graded(notebook)
    base = needed(context, set().union(*(_used(ast.parse(text)) for *_, text in asked)))
    cells = [
        TEXT(notebook.cells[0].source.split("\n\n")[0]),
        _cell(CODE("\n".join(map(ast.unparse, base)) or "pass"), "context"),
    ]
    for ex, name, answer, solution in asked:
        (question,) = [c for c in notebook.cells if c.id == ex]
        cells += [
            TEXT(question.source.replace("## Exercises\n\n", "")),
            _cell(CODE(REGION.format(solution)), f"{ex}-answer", None, True),
            _cell(
                CODE(f"from stompp_lite.check import passes\n\nassert passes({name!r}, {answer})"),
                f"{ex}-test", 1,
            ),
        ]  # fmt: skip
    for k, cell in enumerate(cells):
        cell["id"] = f"cell-{k}"
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def hand_in(name: str, work: str, teacher: Any) -> None:
    """A submission: the released notebook with the cells of answers filled in."""
    released = COURSE / "release" / name / f"{name}.ipynb"
    notebook = nbformat.read(released, as_version=4)
    solutions = {c.metadata.get("nbgrader", {}).get("grade_id"): c.source for c in teacher.cells}
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id.endswith("-answer") and work != "nothing":
            source = solutions[grade_id]
            if work == "wrong":
                names = set().union(*map(_made, ast.parse(source).body))
                source = "\n\n".join(WRONG.format(name=one) for one in sorted(names))
            cell.source = source
    target = COURSE / "submitted" / work / name
    target.mkdir(parents=True)
    nbformat.write(notebook, target / released.name)


def round_trip(chapters: list[int]) -> list[dict[str, str]]:
    """Release, hand in, grade; the rows of grades.csv."""
    python = environment()
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"  # it calls alembic by name

    def nbgrader(*arguments: str) -> None:
        done = subprocess.run(
            [python, "-m", "nbgrader", *arguments], cwd=COURSE, text=True, capture_output=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": path},
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"nbgrader {' '.join(arguments)} failed:\n{done.stderr[-3000:]}")

    shutil.rmtree(COURSE, ignore_errors=True)
    COURSE.mkdir(parents=True)
    config = CONFIG.format(root=str(COURSE))
    (COURSE / "nbgrader_config.py").write_text(config, encoding="utf-8")
    for number in chapters:
        paths = list((ROOT / "notebooks").glob(f"{number:02d}_*.ipynb"))
        if len(paths) != 1:
            sys.exit(f"There is no chapter {number}; name numbers from 1 to 16.")
        name = f"chapter-{number:02d}"
        teacher = assignment(nbformat.read(paths[0], as_version=4))
        (COURSE / "source" / name).mkdir(parents=True)
        nbformat.write(teacher, COURSE / "source" / name / f"{name}.ipynb")
        nbgrader("generate_assignment", name, "--create")
        for work in ("right", "wrong", "nothing"):
            hand_in(name, work, teacher)
        nbgrader("autograde", name, "--create")
    nbgrader("export", "--to", "grades.csv")
    with (COURSE / "grades.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(arguments: list[str]) -> None:
    """Make the round trip, print who got what, and fail if that is not as it should be."""
    if not all(argument.isdigit() for argument in arguments):
        sys.exit(f"Name chapters by their numbers, not {' '.join(arguments)!r}.")
    chapters = [int(argument) for argument in arguments] or [2, 5]
    rows = round_trip(chapters)
    good = len(rows) == 3 * len(chapters)
    for row in rows:
        score, most = float(row["raw_score"] or 0), float(row["max_score"])
        print(f"{row['assignment']}: {row['student_id']:8} {score:g} of {most:g}")
        good = good and most > 0 and score == (most if row["student_id"] == "right" else 0)
    print(f"{COURSE / 'grades.csv'}; released notebooks: {COURSE / 'release'}")
    if not good:
        sys.exit("The grades are not what they should be: all for right, nothing for the others.")


if __name__ == "__main__":
    main(sys.argv[1:])
