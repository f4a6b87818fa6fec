"""Write what a class is handed, and what its teacher keeps, into build/class.

Usage: python book/tools/klass.py [folder]

Everything comes from the stored notebooks; nothing is executed.

- ``students/``: the chapters without solutions, and ``students.zip`` to hand out;
- ``solutions/``: the same chapters with every solution open.

In the notebooks of a class links to pages of the book lead to the repository.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from release import ROOT, address

TARGET = ROOT / "build" / "class"
TOP = "layer-by-layer"
SHORT = 12  # characters of a line that two cells may share by chance
FIRST = """Layer by Layer, an interactive course on training binary neural networks.

The notebooks of the class. Exercises with a cell below them answer back: put your answer where ...
stands, run the cell, and it says which property of your answer holds, and hints. It needs the
course's package, which the first cell of each notebook installs where it is missing.

Code: MIT. Text and figures: CC BY 4.0. See LICENSE.
"""


def tags(cell: Any) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


def _strings(value: Any) -> Iterator[str]:
    """Every text in a notebook, wherever it stands: sources, outputs, metadata."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)


def _lines(cell: Any) -> set[str]:
    """The lines of a cell that say something, outputs included, without markup."""
    texts = [cell.source, *_strings(cell.get("outputs", []))]
    lines = {line.strip() for text in texts for line in text.splitlines()}
    return {line for line in lines if len(line) >= SHORT and not line.startswith("<")}


def secret(notebook: Any) -> set[str]:
    """Lines of the solutions that stand nowhere else in a notebook, so that they give one away."""
    solved = [c for c in notebook.cells if "solution" in tags(c)]
    others = "\n".join(s for c in notebook.cells if c not in solved for s in _strings(c))
    return {line for cell in solved for line in _lines(cell) if line not in others}


def leaks(student: Any, secrets: set[str]) -> list[str]:
    """Lines of solutions, and keys of predictions, that a student's notebook holds."""
    text = "\n".join(_strings(student))
    found = sorted(line for line in secrets if line in text)
    if re.search(r'data-component="predict_curve"', text):
        found.append("the true curve of a prediction")
    return found + [f"cell {c.id}" for c in student.cells if "solution" in tags(c)]


def _linked(text: str) -> str:
    return text.replace("](../book/", f"]({address()}/blob/main/book/")


def _plain(notebook: Any, keep: Any) -> Any:
    """A copy with the cells that ``keep`` wants, counted anew, with links that lead somewhere."""
    made, count = copy.deepcopy(notebook), 0
    made.cells = [cell for cell in made.cells if keep(cell)]
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = _linked(cell.source)
        else:
            count += 1
            cell.execution_count = count
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
    return made


def student(notebook: Any) -> Any:
    """A notebook without solutions: cells, outputs, and the true curves of predictions.

    Raises:
        ValueError: something of a solution is left, with the lines.
    """
    made = _plain(notebook, lambda cell: "solution" not in tags(cell))
    for cell in made.cells:
        if cell.cell_type == "code" and any("predict_curve" in s for s in _strings(cell.outputs)):
            cell.outputs = []  # it draws itself when it is run
    if found := leaks(made, secret(notebook)):
        raise ValueError(f"a student's notebook would hold {found[0]!r} and {len(found) - 1} more")
    return made


def solved(notebook: Any) -> Any:
    """A notebook in which every solution is open."""
    made = _plain(notebook, lambda cell: True)
    for cell in made.cells:
        if "solution" not in tags(cell):
            continue
        cell.source = re.sub(r"\A<details>", "<details open>", cell.source)
        kept = [tag for tag in cell.metadata["tags"] if not tag.startswith("hide-")]
        cell.metadata = nbformat.from_dict({"tags": kept})
    return made


def write(target: Path = TARGET) -> list[Path]:
    """Write all notebooks and the zip; the zip's path is the last.

    The usual folder is made anew; another one must be empty.

    Raises:
        ValueError: the folder that was named holds something.
    """
    if target == TARGET:
        shutil.rmtree(target, ignore_errors=True)
    elif target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} is not an empty folder; name a new one")
    made = []
    for folder, form in (("students", student), ("solutions", solved)):
        (target / folder).mkdir(parents=True)
        for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
            notebook = form(nbformat.read(path, as_version=4))
            nbformat.validate(notebook)
            made.append(target / folder / path.name)
            nbformat.write(notebook, made[-1])
    with zipfile.ZipFile(target / "students.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(f"{TOP}/README.txt", FIRST)
        out.write(ROOT / "LICENSE", f"{TOP}/LICENSE")
        for path in made:
            if path.parent.name == "students":
                out.write(path, f"{TOP}/{path.name}")
    return [*made, target / "students.zip"]


def main(arguments: list[str]) -> None:
    """Write a class, and say where."""
    try:
        made = write(Path(arguments[0]) if arguments else TARGET)
    except ValueError as err:
        sys.exit(str(err))
    cells = [c for p in made[:-1] for c in json.loads(p.read_text(encoding="utf-8"))["cells"]]
    asked = sum(c["id"].endswith("-answer") for c in cells) // 2
    print(f"{made[-1]}: hand it out; {asked} exercises answer back")
    print(f"{made[-2].parent}: keep it; every solution is open")


if __name__ == "__main__":
    main(sys.argv[1:])
