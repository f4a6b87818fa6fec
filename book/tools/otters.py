"""Chapters' code exercises as assignments for otter-grader, and a rehearsal.

Used by ``grade``. ``otter assign`` makes of each master notebook a folder for students, and a zip
for its grader (which Gradescope takes, too). The rehearsal grades with ``otter run``, because
``otter grade`` needs Docker.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from asked import HOME, WORKS, context, environment, graded, otherwise, question, title

from release import ROOT, address

COURSE = HOME / "otter"
CODE = nbformat.v4.new_code_cell
RAW = nbformat.v4.new_raw_cell
TEXT = nbformat.v4.new_markdown_cell
CONFIG = """# ASSIGNMENT CONFIG
name: {name}
export_cell: false
check_all_cell: false
solutions_pdf: false
template_pdf: false
requirements: ["git+{address}"]
"""
STUB = "..."


def master(name: str, notebook: Any) -> Any:
    """The teacher's notebook in the form that ``otter assign`` reads."""
    cells = [
        RAW(CONFIG.format(name=name, address=address())),
        TEXT(title(notebook)),
        CODE("\n".join([context(notebook), "from stompp_lite.check import passes"]).strip()),
    ]
    for one in graded(notebook):
        cells += [
            RAW(f"# BEGIN QUESTION\nname: {one.ex}\npoints: 1"),
            TEXT(question(notebook, one.ex)),
            RAW("# BEGIN SOLUTION"),
            CODE(f"# BEGIN SOLUTION\n{one.solution}\n# END SOLUTION"),
            RAW("# END SOLUTION"),
            RAW("# BEGIN TESTS"),
            _expects_true(CODE(f"passes({one.name!r}, {one.answer})")),
            RAW("# END TESTS"),
            RAW("# END QUESTION"),
        ]
    for k, cell in enumerate(cells):
        cell["id"] = f"cell-{k}"
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def _expects_true(cell: Any) -> Any:
    """What a cell must print is its test: otter compares it."""
    cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "True"})]
    cell.outputs[0].execution_count = cell.execution_count = 1
    return cell


def filled(released: Path, chapter: Any, work: str) -> Any:
    """What a student of a rehearsal hands in: the released notebook with its stubs filled in."""
    notebook = nbformat.read(released, as_version=4)
    stubs = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip() == STUB]
    for cell, one in zip(stubs, graded(chapter), strict=True):
        if work != "nothing":
            cell.source = one.solution if work == "right" else otherwise(one.solution)
    return notebook


def _otter(*arguments: str | Path, folder: Path) -> None:
    python = environment()
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [python, "-m", "otter", *arguments], cwd=folder, text=True, capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": path},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"otter {arguments[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def rehearse(chapters: list[tuple[str, Any]]) -> None:
    """Assign, hand in, grade, and write ``grades.csv`` with names of nbgrader's columns."""
    shutil.rmtree(COURSE, ignore_errors=True)
    rows = []
    for name, chapter in chapters:
        home = COURSE / name
        home.mkdir(parents=True)
        nbformat.write(master(name, chapter), home / f"{name}.ipynb")
        # its own run of the solutions is what the first student's notebook is graded for
        _otter("assign", "--no-pdfs", "--no-run-tests", f"{name}.ipynb", "dist", folder=home)
        release = shutil.copytree(home / "dist" / "student", COURSE / "release" / name)
        (zipped,) = (home / "dist" / "autograder").glob("*.zip")
        for work in WORKS:
            target = home / work
            target.mkdir()
            nbformat.write(
                filled(release / f"{name}.ipynb", chapter, work), target / f"{name}.ipynb"
            )
            _otter("run", "--no-logo", "-a", zipped, "-o", target, target / f"{name}.ipynb",
                   folder=target)  # fmt: skip
            tests = json.loads((target / "results.json").read_text(encoding="utf-8"))["tests"]
            asked = [test for test in tests if test.get("max_score")]
            points = (sum(test[key] for test in asked) for key in ("score", "max_score"))
            rows.append((name, work, *points))
    with (COURSE / "grades.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("assignment", "student_id", "score", "max_score"), *rows])
