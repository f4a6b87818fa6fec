"""Chapters' exercises whose answer is code, taken apart for graders: nbgrader, and otter-grader.

Of a chapter a grader needs the question, the solution, what the solution takes from the chapter,
and the line that checks. Both graders live in an environment of their own, ``build/graders/env``,
with the versions of ``graders.lock``, and see the packages of the project's own.
"""

from __future__ import annotations

import ast
import csv
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from environment import HELP, beside
from klass import student, tags

from release import ROOT

HOME = ROOT / "build" / "graders"
LOCK = Path(__file__).with_name("graders.lock")
DEFAULT = (2, 5)
#: Students of a rehearsal, by what they hand in.
WORKS = ("right", "wrong", "nothing")
_WRONG = "def {name}(*given):\n    return given[0]"


class Asked(NamedTuple):
    """An exercise whose answer is written: its cell's id, its name, and two pieces of code."""

    ex: str
    name: str
    answer: str
    solution: str


def environment() -> Path:
    """The Python with both graders, made where it is not there yet."""
    home, project = HOME / "env", sysconfig.get_paths()["purelib"]
    python, kept = home / "bin" / "python", home / "made.txt"
    made = "\n".join([sys.version, project, LOCK.read_text(encoding="utf-8")])
    if kept.is_file() and kept.read_text(encoding="utf-8") == made:
        return python
    venv.create(home, clear=True, symlinks=True)
    (site,) = (home / "lib").glob("python3*/site-packages")
    (site / "course.pth").write_text(f"{project}\n{ROOT}\n", encoding="utf-8")
    if not beside(python, LOCK):
        sys.exit(f"The packages of {LOCK.name} could not be installed into {home}. {HELP}")
    if subprocess.run([python, "-m", "pip", "check"]).returncode:
        sys.exit(f"{LOCK.name} does not fit requirements.lock: see above, and make it anew.")
    kept.write_text(made, encoding="utf-8")
    return python


def chosen(arguments: list[str]) -> list[tuple[str, Any]]:
    """The assignments that these numbers of chapters name, with the chapter's notebook."""
    if not all(argument.isdigit() for argument in arguments):
        sys.exit(f"Name chapters by their numbers, not {' '.join(arguments)!r}.")
    found = []
    for number in [int(argument) for argument in arguments] or DEFAULT:
        paths = list((ROOT / "notebooks").glob(f"{number:02d}_*.ipynb"))
        if len(paths) != 1:
            sys.exit(f"There is no chapter {number}.")
        notebook = nbformat.read(paths[0], as_version=4)
        if not graded(notebook):
            sys.exit(f"Chapter {number} has no exercise whose answer is a function or a class.")
        found.append((f"chapter-{number:02d}", notebook))
    return found


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


def graded(notebook: Any) -> list[Asked]:
    """The exercises of a chapter whose answer is written.

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
                ex = cell.id.partition("-")[0]
                found.append(Asked(ex, name.value, ast.unparse(answer), text))
    return found


def context(notebook: Any) -> str:
    """What the solutions take from the chapter, and no more of it, as code."""
    statements: list[ast.stmt] = []
    for cell in student(notebook).cells:
        own = "exercise" in tags(cell) or cell.source.startswith("# Setup.")
        if cell.cell_type == "code" and not own:
            statements += ast.parse(cell.source).body
    names = set().union(*(_used(ast.parse(one.solution)) for one in graded(notebook)))
    return "\n".join(map(ast.unparse, needed(statements, names)))


def title(notebook: Any) -> str:
    """The heading of a chapter."""
    return str(notebook.cells[0].source.split("\n\n")[0])


def question(notebook: Any, ex: str) -> str:
    """What an exercise asks."""
    (cell,) = [cell for cell in notebook.cells if cell.id == ex]
    return str(cell.source.replace("## Exercises\n\n", ""))


def otherwise(solution: str) -> str:
    """Functions of the same names that do something else: what a wrong submission holds."""
    names = set().union(*map(_made, ast.parse(solution).body))
    return "\n\n".join(_WRONG.format(name=name) for name in sorted(names))


def judge(path: Path, chapters: list[tuple[str, Any]]) -> list[str]:
    """Print who got what in a rehearsal; what is wrong with it.

    Args:
        path: of ``grades.csv``. chapters: what was rehearsed, as :func:`chosen` gives it.
    """
    if not path.is_file():
        return [f"there is no {path}"]
    with path.open(encoding="utf-8", newline="") as file:
        rows = {
            (
                r["assignment"],
                r["student_id"],
            ): f"{float(r['score']):g} of {float(r['max_score']):g}"
            for r in csv.DictReader(file)
        }
    for (name, work), points in rows.items():
        print(f"  {name}: {work:8} {points}")
    due = {
        (name, work): f"{most if work == 'right' else 0} of {most}"
        for name, most in ((name, len(graded(notebook))) for name, notebook in chapters)
        for work in WORKS
    }
    return [
        f"{name}, {work}: {rows.get((name, work), 'no row')} in {path}, and not {points}"
        for (name, work), points in due.items()
        if rows.get((name, work)) != points
    ]
