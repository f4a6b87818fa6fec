"""Write what a class is handed, and what its teacher keeps, into build/class.

Usage: python book/tools/klass.py [folder]

Everything comes from the stored notebooks; nothing is executed.

- ``students/``: the chapters and the built book without solutions, and ``students.zip`` of both;
- ``solutions/``: the same chapters with every solution open;
- ``bank/``: the question bank for the teacher, a sheet with answers and one without.

In the notebooks of a class links to pages of the book lead to the book beside them.
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

import bank
import nbformat
from without import strip

from build import HTML
from release import ROOT

TARGET = ROOT / "build" / "class"
TOP = "layer-by-layer"
SHORT = 12  # characters of a line that two cells may share by chance
FIRST = """Layer by Layer, an interactive course on training binary neural networks.

READ        open book/index.html in a browser. Nothing is loaded from a network.
RUN         the notebooks, with Jupyter or in Colab. They need the course's package, which the first
            cell of each installs where it is missing, or says how.
SOLVE       exercises with a cell below them answer back: put your answer where ... stands, run the
            cell, and it says which property of your answer holds, and hints.

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


def linked(text: str) -> str:
    """A text of a notebook whose links to sources of the book's pages lead to the built pages.

    The built book is the folder ``book`` beside the one of the notebook.
    """
    return re.sub(r"\]\(\.\./book/([\w/]+)\.md(#[^)]*)?\)", r"](../book/book/\1.html\2)", text)


def _plain(notebook: Any, keep: Any) -> Any:
    """A copy with the cells that ``keep`` wants, counted anew, with links that lead somewhere."""
    made, count = copy.deepcopy(notebook), 0
    made.cells = [cell for cell in made.cells if keep(cell)]
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source)
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


def write(target: Path = TARGET, html: Path | None = None) -> Path:
    """Write all that a class and its teacher get, and return the path of the zip to hand out.

    The usual folder is made anew; another one must be empty.

    Args:
        target: the folder. html: the built book; without one, notebooks alone are written.

    Raises:
        ValueError: the folder that was named holds something.
    """
    if target == TARGET:
        shutil.rmtree(target, ignore_errors=True)
    elif target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} is not an empty folder; name a new one")
    handed = target / "students"
    made: dict[Path, dict[str, Any]] = {handed / "notebooks": {}, target / "solutions": {}}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for (folder, kept), form in zip(made.items(), (student, solved), strict=True):
            kept[path.name] = form(notebook)
            nbformat.validate(kept[path.name])
            folder.mkdir(parents=True, exist_ok=True)
            nbformat.write(kept[path.name], folder / path.name)
    if html is not None:
        strip(html, handed / "book", made[handed / "notebooks"])
    bank.write(target / "bank", bank.bank())
    (handed / "README.txt").write_text(FIRST, encoding="utf-8")
    shutil.copy(ROOT / "LICENSE", handed)
    with zipfile.ZipFile(target / "students.zip", "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(p for p in handed.rglob("*") if p.is_file()):
            out.write(path, f"{TOP}/{path.relative_to(handed).as_posix()}")
    return target / "students.zip"


def main(arguments: list[str]) -> None:
    """Write a class, and say where."""
    try:
        made = write(Path(arguments[0]) if arguments else TARGET, HTML)
    except ValueError as err:
        sys.exit(str(err))
    texts = (p.read_text(encoding="utf-8") for p in made.parent.glob("solutions/*.ipynb"))
    asked = sum(c["id"].endswith("-answer") for text in texts for c in json.loads(text)["cells"])
    print(f"{made}: hand it out, {made.stat().st_size / 1e6:.0f} MB; {asked} exercises answer back")
    print(f"{made.parent / 'solutions'}: keep it; every solution is open")
    print(f"{made.parent / 'bank'}: five questions a chapter; keep the sheet of answers")


if __name__ == "__main__":
    if not (HTML / "index.html").is_file():
        sys.exit(f"There is no built book at {HTML}; run `make class`, which builds it.")
    main(sys.argv[1:])
