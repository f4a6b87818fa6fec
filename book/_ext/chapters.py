"""Notebooks as chapters of a book: a byline, set-up out of the way, drawings with captions.

The notebook stays as it is for those who run it; what changes here is only what a page shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

from cards import MEANS, chips, words
from course import ROOT, lines, minutes, numbered, part, texts
from docutils import nodes
from drawings import drawing
from pygments.formatters import HtmlFormatter
from sphinx.errors import ExtensionError

from stompp_lite.lab.ledger import read

_SETUP = "# Installs the course package where it is missing; the notebook has the whole cell."
_TITLE = re.compile(r"^# @title (.+)\n")
#: A setting and its verdict, in the line of a claim.
_VERDICT = re.compile(rf"(?:^| · )(.+?) \S ({'|'.join(MEANS)})(?= · |$)")
#: A comment that marks the decisive line of a cell.
MARK = "# <-- "
_ledger = cache(read)  # once a build, not once a card
#: The class of a fold that holds a solution.
SOLUTION = "lbl-solution"
_FOLD = re.compile(r"\A<details>")
_ABBREVIATION = re.compile(r".*[A-Z].*[A-Z]")  # a word with two capitals
_RUNS = re.compile(r" Running time: (.+)\.\Z")


def _html(output: dict[str, Any]) -> str:
    return lines(output.get("data", {}).get("text/html", ""))


def byline(first: str, time: int, number: int | None) -> str:
    """The first cell with a line on what the page takes, in place of its last sentence.

    Args:
        first: source of the cell: a heading, the question, what is learned and needed.
        time: minutes to read the page; number: of the chapter, None for a page without one.
    """
    runs = _RUNS.search(first)
    if runs is None:
        what = first.split("\n", 1)[0] if number is None else f"chapter {number}"
        raise ValueError(f"{what}: the first cell must end with 'Running time: ...'")
    place = "Optional reading" if number is None else part(number)
    line = f"{place} · {time} minutes to read · runs in {runs[1]} on one CPU core"
    heading, rest = first[: runs.start()].split("\n", 1)
    return f"{heading}\n\n:::{{div}} lbl-byline\n{line}\n:::\n{rest}"


def footer(stamp: dict[str, Any] | None) -> str:
    """The line at the foot of a page: when its notebook was executed, on what, for how long.

    Args:
        stamp: ``executed`` in the notebook's metadata (see ``book/tools/notebooks.py``), if it has
            it; what comes from git is told as what it is.
    """
    if not stamp:
        return "When this page's code was last executed was not kept."
    if stamp.get("from") == "git":
        return (
            f"The outputs on this page last changed on {stamp['date']}. On what they were made, "
            "and how long it took, was not kept then."
        )
    return (
        f"The code of this page was last executed on {stamp['date']}, in {stamp['seconds']} "
        f"seconds, with Python {stamp['python']} and torch {stamp['torch']} on one core of "
        f"{stamp['processor']}."
    )


def _figures(cell: dict[str, Any], number: int | None, count: int) -> int:
    """Put the drawings of a cell into the page; how many there are up to here."""
    shown = cell["metadata"].get("mystnb", {})
    for output in cell["outputs"]:
        svg = output.get("data", {}).pop("image/svg+xml", None)
        if svg is None:
            continue
        count += 1
        told = shown.get("caption", "")
        own = f"{count}" if number is None else f"{number}.{count}"
        caption = f"<strong>Figure {own}.</strong> {told}" if told else ""
        alt = shown.get("image", {}).get("alt", "")
        output["data"]["text/html"] = drawing(
            lines(svg), f"f{number or ''}{chr(96 + count)}", alt, caption
        ).replace("\n", " ")
        output["data"].pop("text/plain", None)
    return count


def read_notebook(app: Any, page: str, source: list[str]) -> None:
    """Before a chapter is parsed: what its page shows in place of what the notebook holds."""
    if not page.startswith("notebooks/"):
        return
    notebook = json.loads(source[0])
    cells, number, count = notebook["cells"], numbered(Path(page).name), 0
    said = texts(notebook)
    cells[0]["source"] = byline(said[0], minutes(said), number)
    for cell in cells:
        if cell["cell_type"] != "code":
            if "solution" in cell["metadata"].get("tags", []):  # the page knows no tags of texts
                cell["source"] = _FOLD.sub(f'<details class="{SOLUTION}">', lines(cell["source"]))
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
        elif "hide-input" in (tags := cell["metadata"].get("tags", [])):
            what = "card" if "claim" in tags else "figure"
            shown["code_prompt_show"] = shown["code_prompt_hide"] = f"Code of this {what}"
        count = _figures(cell, number, count)
        for output in cell["outputs"]:
            if 'class="lbl-claim"' in _html(output):
                output["data"]["text/html"] = link_claims(_html(output))
    told = f":::{{div}} lbl-executed\n{footer(notebook['metadata'].get('executed'))}\n:::"
    cells.append({"id": "executed", "cell_type": "markdown", "metadata": {}, "source": told})
    source[0] = json.dumps(notebook)


def link_claims(card: str) -> str:
    """A claim's card as a page shows it: linked to the ledger, its verdicts in words, explained."""
    named = re.search(r'<strong data-claim="(\w+)">([^<]+)</strong>', card)
    if named:
        there = f'<a href="../book/ledger.html#{named[1].lower()}">{named[2]}</a>'
        card = card.replace(named[0], f"<strong>{there}</strong>")
    line = re.search(r" <span>([^<]*)</span></p>", card)
    told = _VERDICT.findall(unescape(line[1])) if line else []
    if not told:
        return card
    card = card.replace(line[0], f"</p>{chips(told, _ledger().get(named[1]) if named else None)}")
    before, fold, after = card.rpartition("</details>")
    more = '<a href="../book/ledger.html#how-a-verdict-is-reached">How a verdict is reached</a>.'
    return f"{before}<p>{words(said for _, said in told)} {more}</p>{fold}{after}"


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


class Lines(HtmlFormatter):
    """Where ``hang`` is set, each line of code that a phone may wrap is an element.

    So what wraps can hang. How far a line is indented, which no style sees, stands in ``--in``.
    """

    FITS = 34  # characters of a line beside one another on the narrowest phone

    def wrap(self, source: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Wrap each line, then the whole."""
        return super().wrap(map(self._hung, source) if self.options.get("hang") else source)

    def _hung(self, piece: tuple[int, str]) -> tuple[int, str]:
        is_code, line = piece
        said = unescape(re.sub(r"<[^>]*>", "", line)).rstrip("\n")
        if not is_code or len(said) <= self.FITS:
            return piece
        deep = len(said) - len(said.lstrip(" "))
        style = f' style="--in:{deep}ch"' if deep else ""
        return 1, f'<span class="lbl-hang"{style}>{line}</span>'


def hang_lines(app: Any) -> None:
    """Pages are written with :class:`Lines`."""
    if app.builder.format == "html":
        app.builder.highlighter.formatter = Lines


def mark_lines(app: Any, doctree: nodes.document) -> None:
    """The decisive line of a cell stands out, and the rest of a line that wraps hangs."""
    for block in doctree.findall(nodes.literal_block):
        marked = [k for k, line in enumerate(block.astext().splitlines(), 1) if MARK in line]
        more: dict[str, Any] = {"hl_lines": marked} if marked else {}
        if "cell_input" in block.parent.get("classes", ()):
            more["hang"] = True
        if more:
            block["highlight_args"] = {**block.get("highlight_args", {}), **more}


def evidence_first(app: Any, doctree: nodes.document, page: str) -> None:
    """In a fold that says how we know, what a cell shows stands before the code that made it."""
    for cell in doctree.findall(nodes.container):
        if "tag_know" in cell.get("classes", ()):
            for fold in cell.children:
                fold.children.sort(key=lambda part: "cell_output" not in part.get("classes", ()))


def explain_words(app: Any, doctree: nodes.document) -> None:
    """A chapter tells what a word of the glossary means: once, and an abbreviation each time."""
    if not app.env.docname.startswith("notebooks/"):
        return
    app.env.note_dependency("book/notation.md")
    words = glossary((ROOT / "book" / "notation.md").read_text(encoding="utf-8"))
    either = "|".join(map(re.escape, words)).replace("'", "['’]")  # a page curls it
    known = re.compile(rf"(?<![\w-])({either})s?(?![\w-])")
    met = set[str]()
    for text in list(doctree.findall(nodes.Text)):
        if not _prose(text):
            continue
        whole, pieces, end = text.astext(), list[nodes.Node](), 0
        for found in known.finditer(whole):
            word = found[1].replace("’", "'")
            if word in met and not _ABBREVIATION.match(word):
                continue
            first = [] if word in met else ["lbl-first"]
            met.add(word)
            told = nodes.abbreviation(found[0], found[0], explanation=words[word], classes=first)
            pieces += [nodes.Text(whole[end : found.start()]), told]
            end = found.end()
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(whole[end:])])


def _prose(text: nodes.Text) -> bool:
    """Whether a text stands in a sentence of the chapter: not in a byline, a table or an output."""
    node = text.parent
    if not isinstance(node, nodes.paragraph):
        return False
    while node is not None:
        classes = set(node.get("classes", ()))
        if isinstance(node, nodes.table) or classes & {"lbl-byline", "lbl-executed", "cell_output"}:
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
    app.connect("builder-inited", hang_lines)
    app.connect("source-read", read_notebook)
    app.connect("doctree-read", box_question)
    app.connect("doctree-read", mark_lines)
    app.connect("doctree-resolved", evidence_first)
    app.connect("doctree-read", explain_words)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
