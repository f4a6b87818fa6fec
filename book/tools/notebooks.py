"""Execute notebooks and store their outputs so that a diff shows only what changed.

Usage: python book/tools/notebooks.py [notebooks/07_layer_by_layer.ipynb ...]

Without arguments: every notebook. A cell tagged ``volatile`` (it prints times) keeps its stored
output while its source stays the same.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
WIDGET = "application/vnd.jupyter.widget-view+json"
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


def execute(path: Path) -> float:
    """Run one notebook in its folder and store it; seconds taken."""
    before = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    client = NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    )
    client.execute()
    normalize(notebook, before)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return time.perf_counter() - start


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    chosen = [Path(a).resolve() for a in sys.argv[1:]] or sorted(
        (ROOT / "notebooks").glob("*.ipynb")
    )
    for notebook_path in chosen:
        print(f"{notebook_path.name}: {execute(notebook_path):.0f} s", flush=True)
