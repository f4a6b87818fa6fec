"""Notebooks as chapters of a book: a byline, set-up out of the way, drawings with captions.

The notebook stays as it is for those who run it; what changes here is only what a page shows.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from course import ROOT, lines, minutes, part, texts
from docutils import nodes
from drawings import drawing
from sphinx.errors import ExtensionError

_SETUP = "# Installs the course package where it is missing; the notebook has the whole cell."
_TITLE = re.compile(r"^# @title (.+)\n")
_RUNS = re.compile(r" Running time: (.+)\.\Z")


def _html(output: dict[str, Any]) -> str:
    return lines(output.get("data", {}).get("text/html", ""))


def byline(first: str, time: int, number: int) -> str:
    """The first cell with a line on what the chapter takes, in place of its last sentence.

    Args:
        first: source of the cell: a heading, the question, what is learned and needed.
        time: minutes to read the chapter; number: of the chapter.
    """
    runs = _RUNS.search(first)
    if runs is None:
        raise ValueError(f"chapter {number}: the first cell must end with 'Running time: ...'")
    line = f"{part(number)} · {time} minutes to read · runs in {runs[1]} on one CPU core"
    heading, rest = first[: runs.start()].split("\n", 1)
    return f"{heading}\n\n:::{{div}} lbl-byline\n{line}\n:::\n{rest}"


def _figures(cell: dict[str, Any], number: int, count: int) -> int:
    """Put the drawings of a cell into the page; how many there are up to here."""
    shown = cell["metadata"].get("mystnb", {})
    for output in cell["outputs"]:
        svg = output.get("data", {}).pop("image/svg+xml", None)
        if svg is None:
            continue
        count += 1
        told = shown.get("caption", "")
        caption = f"<strong>Figure {number}.{count}.</strong> {told}" if told else ""
        alt = shown.get("image", {}).get("alt", "")
        output["data"]["text/html"] = drawing(
            lines(svg), f"f{number}{chr(96 + count)}", alt, caption
        ).replace("\n", " ")
        output["data"].pop("text/plain", None)
    return count


def read_notebook(app: Any, page: str, source: list[str]) -> None:
    """Before a chapter is parsed: what its page shows in place of what the notebook holds."""
    if not page.startswith("notebooks/"):
        return
    notebook = json.loads(source[0])
    cells, number, count = notebook["cells"], int(Path(page).name[:2]), 0
    said = texts(notebook)
    cells[0]["source"] = byline(said[0], minutes(said), number)
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        text, shown = lines(cell["source"]), cell["metadata"].setdefault("mystnb", {})
        title = _TITLE.match(text)
        if text.startswith("# Setup."):
            cell["source"] = _SETUP + text[text.index("\n\nfrom stompp_lite import chapter") :]
            cell["metadata"]["tags"] = ["hide-cell"]
            shown["code_prompt_show"] = shown["code_prompt_hide"] = "Set-up"
        elif title:
            cell["source"] = text[title.end() :]
            shown["code_prompt_show"] = shown["code_prompt_hide"] = title[1]
        elif any('data-component="predict' in _html(output) for output in cell["outputs"]):
            cell["metadata"]["tags"] = ["remove-input"]
        elif "hide-input" in cell["metadata"].get("tags", []):
            shown["code_prompt_show"] = shown["code_prompt_hide"] = "Code of this figure"
        count = _figures(cell, number, count)
    source[0] = json.dumps(notebook)


def box_question(app: Any, doctree: nodes.document) -> None:
    """What a section asks, up to the answers to choose from, becomes a block of its own."""
    for raw in list(doctree.findall(nodes.raw)):
        if 'data-component="predict' not in raw.astext():
            continue
        part: nodes.Node = raw
        while not isinstance(part.parent, nodes.section):
            part = part.parent
        section = part.parent
        title = section.first_child_matching_class(nodes.title)
        first, last = (0 if title is None else title + 1), section.index(part) + 1
        asked = section.children[first:last]
        section.children[first:last] = []
        section.insert(first, nodes.container("", *asked, classes=["lbl-ask"]))


def explain_words(app: Any, doctree: nodes.document) -> None:
    """The first time a chapter's prose uses a word of the glossary, the page tells its meaning."""
    if not app.env.docname.startswith("notebooks/"):
        return
    app.env.note_dependency("book/notation.md")
    words = glossary((ROOT / "book" / "notation.md").read_text(encoding="utf-8"))
    for text in list(doctree.findall(nodes.Text)):
        if not words:
            return
        known = "|".join(map(re.escape, words))
        found = re.search(rf"(?<![\w-])({known})s?(?![\w-])", text.astext())
        if found is None or not _prose(text):
            continue
        start, end = found.span()
        told = nodes.abbreviation(found[0], found[0], explanation=words.pop(found[1]))
        whole = text.astext()
        pieces = [nodes.Text(whole[:start]), told, nodes.Text(whole[end:])]
        text.parent.replace(text, pieces)


def _prose(text: nodes.Text) -> bool:
    """Whether a text stands in a sentence of the chapter: not in a byline, a table or an output."""
    node = text.parent
    if not isinstance(node, nodes.paragraph):
        return False
    while node is not None:
        classes = set(node.get("classes", ()))
        if isinstance(node, nodes.table) or classes & {"lbl-byline", "cell_output"}:
            return False
        node = node.parent
    return True


def glossary(page: str) -> dict[str, str]:
    """Words that the notation page explains in its section "Words", with their meaning.

    A meaning is shown as it stands, in a box that knows no markup, so it must have none.
    """
    section = re.search(r"^## Words\n(.+?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    if section is None:
        raise ExtensionError("book/notation.md has no section 'Words'")
    entries = re.findall(r"^(\w[^\n|]*)\n: ((?:.+\n)+)", section[1], re.MULTILINE)
    for word, meaning in entries:
        if found := re.search(r"[$*_`{}\[\]<>\\]", meaning):
            raise ExtensionError(
                f"book/notation.md: the meaning of {word!r} holds {found[0]!r}, but a box shows "
                "plain prose; write it without markup, or move the word to the section below"
            )
    return {word: " ".join(meaning.split()) for word, meaning in entries}


def setup(app: Any) -> dict[str, Any]:
    """Connect the pieces."""
    app.connect("source-read", read_notebook)
    app.connect("doctree-read", box_question)
    app.connect("doctree-read", explain_words)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
