"""Chapters' exercises whose answer is code, taken apart for graders: nbgrader, and otter-grader.

Of a chapter a grader needs the question, the solution, what the solution takes from the chapter,
and the line that checks. Both graders live in an environment of their own, ``build/graders/env``.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from klass import student, tags

from release import ROOT

HOME = ROOT / "build" / "graders"
GRADERS = ("nbgrader==0.9.6", "otter-grader[grading]==7.0.0")
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
    """The Python with both graders; it sees the packages of the project's own environment."""
    python, kept = HOME / "env" / "bin" / "python", HOME / "env" / "graders.txt"
    if kept.is_file() and kept.read_text(encoding="utf-8").split() == [*GRADERS]:
        return python
    venv.create(HOME / "env", with_pip=True)
    (site,) = (HOME / "env" / "lib").glob("python3*/site-packages")
    (site / "course.pth").write_text(
        f"{sysconfig.get_paths()['purelib']}\n{ROOT}\n", encoding="utf-8"
    )
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *GRADERS]
    if subprocess.run(pip).returncode:
        sys.exit(f"{' and '.join(GRADERS)} could not be installed into {python.parents[1]}.")
    kept.write_text("\n".join(GRADERS), encoding="utf-8")
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


def judge(rows: list[tuple[str, str, float, float]], expected: int) -> bool:
    """Print who got what of a rehearsal; whether it is as it should be.

    Args:
        rows: assignment, student, points and their maximum. expected: how many there must be.
    """
    good = len(rows) == expected
    for name, work, score, most in rows:
        print(f"  {name}: {work:8} {score:g} of {most:g}")
        good = good and most > 0 and score == (most if work == "right" else 0)
    return good
