"""The built book without solutions, for a class: its pages, their sources, and what search finds.

Used by ``klass``. The pages are those of the book; what is cut out of them is marked there: cells
with the tag ``solution``, and folds of the class ``lbl-solution`` (see ``book/_ext/chapters.py``).
What search finds has no solutions in the book either (``book/_ext/sections.py``).
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat

_BEGINS = re.compile(
    r'<(div|details) class="(?:[^"]* )?(?:tag_solution|lbl-solution)(?: [^"]*)?"[^>]*>'
)


def cut(page: str) -> str:
    """A page without the elements that hold a solution; all else stays as it is.

    Raises:
        ValueError: an element does not end.
    """
    kept, place = [], 0
    while found := _BEGINS.search(page, place):
        kept.append(page[place : found.start()])
        depth, place = 0, -1
        for tag in re.finditer(rf"<(/?){found[1]}\b[^>]*>", page[found.start() :]):
            depth += -1 if tag[1] else 1
            if depth == 0:
                place = found.start() + tag.end()
                break
        if place < 0:
            raise ValueError(f"a solution does not end: {found[0]}")
    return "".join([*kept, page[place:]])


def strip(html: Path, target: Path, notebooks: dict[str, Any]) -> int:
    """Write a built book without solutions into a new folder.

    Args:
        html: the built book. target: the folder, which must not be there yet.
        notebooks: file name -> the notebook without solutions; pages link to them as their source.

    Returns:
        How many solutions were cut out.
    """
    shutil.copytree(html, target)
    count = 0
    for path in sorted((target / "notebooks").glob("*.html")):
        page = path.read_text(encoding="utf-8")
        if shorter := len(_BEGINS.findall(page)):
            path.write_text(cut(page), encoding="utf-8")
            count += shorter
    sources = target / "_sources" / "notebooks"
    shutil.rmtree(sources)
    sources.mkdir()
    for name, notebook in notebooks.items():
        nbformat.write(notebook, sources / name)
    return count
