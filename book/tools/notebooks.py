"""Execute notebooks and store their outputs so that a diff shows only what changed.

Usage: python book/tools/notebooks.py [--dates] [notebooks/07_layer_by_layer.ipynb ...]

Without arguments: every notebook. A cell tagged ``volatile`` (it prints times) keeps its stored
output while its source stays the same. What it ran on, when, and for how long stands in the
notebook's metadata, and at the foot of its page. ``--dates`` executes nothing: notebooks without
such metadata get the day on which their outputs last changed in git, and are marked as such.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
WIDGET = "application/vnd.jupyter.widget-view+json"
#: Where a notebook's metadata say on what it was executed; see :func:`executed`.
STAMP = "executed"
COMPONENT = re.compile(r'<div class="lbl-component".*?</div>', re.DOTALL)


def _component(output: Any) -> bool:
    """Whether an output is an interactive figure of the package."""
    return bool(COMPONENT.match(output.get("data", {}).get("text/html", "")))


def normalize(notebook: Any, before: Any = None) -> None:
    """Remove what a reader cannot see and what changes from run to run, in place."""
    stored = {c.id: c for c in before.cells} if before is not None else {}
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    count = 0
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        old = stored.get(cell.id)
        volatile = "volatile" in cell.metadata.get("tags", [])
        if volatile and old is not None and old.source == cell.source and old.outputs:
            cell.outputs = old.outputs
            continue
        kept = []
        for output in cell.outputs:
            live = output.get("data", {}).pop(WIDGET, None)
            if live and "text/html" not in output.data:
                continue  # a progress bar: dead without a kernel, and nothing stands in for it
            if _component(output):  # its data alone: pages bring the script
                output.data["text/html"] = COMPONENT.match(output.data["text/html"])[0]
            if output.output_type == "stream" and output.name == "stderr" and "it/s" in output.text:
                continue
            if "execution_count" in output:
                output.execution_count = count
            output.pop("transient", None)
            same = bool(kept) and kept[-1].get("name") == output.get("name", "")
            if same and output.output_type == "stream":  # lines with a pause between
                kept[-1].text += output.text
                continue
            kept.append(output)
        cell.outputs = kept


def executed(seconds: float) -> dict[str, Any]:
    """What a notebook's metadata say of its execution: now, here, in so many seconds."""
    from stompp_lite.lab.record import machine

    return {
        "date": f"{datetime.date.today()}", "seconds": round(seconds),
        "python": platform.python_version(), "torch": metadata.version("torch").partition("+")[0],
        "processor": machine()["cpu"],
    }  # fmt: skip


def _outputs(source: str) -> list[Any]:
    cells = json.loads(source)["cells"]
    return [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]


def from_history(path: Path) -> dict[str, Any]:
    """What git knows of the execution of a notebook: the day on which its outputs last changed."""

    def git(*words: str) -> str:
        command = ["git", *words]
        return subprocess.run(
            command, cwd=path.parent, capture_output=True, text=True, check=True
        ).stdout

    commits = [line.split() for line in git("log", "--format=%H %cs", "--", path.name).splitlines()]
    now = _outputs(path.read_text(encoding="utf-8"))
    if not commits or _outputs(git("show", f"{commits[0][0]}:./{path.name}")) != now:
        return {"date": f"{datetime.date.today()}", "from": "git"}
    for commit, before in zip(commits, [*commits[1:], None], strict=True):
        if before is None or _outputs(git("show", f"{before[0]}:./{path.name}")) != now:
            return {"date": commit[1], "from": "git"}
    raise AssertionError("the last one has none before it")


def execute(path: Path) -> float:
    """Run one notebook in its folder and store it; seconds taken."""
    before = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    client = NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    )
    client.execute()
    seconds = time.perf_counter() - start
    normalize(notebook, before)
    notebook.metadata[STAMP] = executed(seconds)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return seconds


def date(path: Path) -> None:
    """Give a notebook that does not say when it was executed what git knows of it."""
    notebook = nbformat.read(path, as_version=4)
    if STAMP not in notebook.metadata:
        notebook.metadata[STAMP] = from_history(path)
        nbformat.write(notebook, path)
        print(f"{path.name}: outputs last changed on {notebook.metadata[STAMP]['date']}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    named = [Path(a).resolve() for a in sys.argv[1:] if a != "--dates"]
    for notebook_path in named or sorted((ROOT / "notebooks").glob("*.ipynb")):
        if "--dates" in sys.argv:
            date(notebook_path)
        else:
            print(f"{notebook_path.name}: {execute(notebook_path):.0f} s", flush=True)
