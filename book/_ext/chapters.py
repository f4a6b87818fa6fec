"""Notebooks as chapters of a book: a byline, set-up out of the way, drawings with captions.

The notebook stays as it is for those who run it; what changes here is only what a page shows.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from course import ROOT, lines, minutes, part, texts
from docutils import nodes

from stompp_lite.viz import style

_SETUP = "# Installs the course package where it is missing; the notebook has the whole cell."
_TITLE = re.compile(r"^# @title (.+)\n")
_RUNS = re.compile(r" Running time: (.+)\.\Z")
#: Colors of the drawings -> names of the style sheet, which has two values for each.
_COLORS = {
    "#ffffff": "ground", "#000000": "ink", style.INK: "ink", style.FAINT: "faint",
    "#e6e9ed": "grid", style.FROZEN: "frozen", style.FREE: "free",
    **{look.color: name.replace("+", "-") for name, look in style.METHODS.items()},
}  # fmt: skip
#: What matplotlib calls a part -> what panels.js calls it.
_PARTS = (
    (r"axes_\d+", 'data-axes=""'),
    (r"matplotlib\.axis_\d+", 'data-axis=""'),
    (r"legend_\d+", 'data-legend=""'),
)
_HEX = re.compile("|".join(sorted(set(_COLORS), key=len)), re.IGNORECASE)


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


def _shorter(places: str) -> str:
    """Coordinates to a tenth of a point, which is less than a pixel."""
    places = re.sub(r"(\d+\.\d)\d+", r"\1", places)
    return re.sub(r"\.0(?!\d)", "", re.sub(r"(?<!^) {2,}", " ", places))


def drawing(svg: str, name: str, alt: str, caption: str) -> str:
    """A figure of a notebook as part of the page: in its colors, with names of its own.

    Args:
        svg: what matplotlib wrote. name: unique on the page, before every id.
        alt: what the figure shows, for those who do not see it. caption: below it; may be empty.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r">\s+<", "><", svg)
    for old, new in _PARTS:
        svg = re.sub(rf' id="{old}"', f" {new}", svg)
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
    named = {name for pair in used for name in pair if name}
    short = {old: f"{name}{k}" for k, old in enumerate(sorted(named))}
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", svg)
    svg = _without_bare_groups(svg)
    svg = re.sub(r'xlink:href="#([^"]+)"', lambda m: f'href="#{short[m[1]]}"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{short[m[1]]})", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]+"', lambda places: _shorter(places[0]), svg)
    svg = _HEX.sub(lambda m: f"var(--fig-{_COLORS[m[0].lower()]})", svg)
    looks: dict[str, str] = {}  # each style once: a drawing repeats few of them often
    svg = re.sub(
        r' style="([^"]+)"',
        lambda m: f' class="{looks.setdefault(m[1], f"{name}s{len(looks)}")}"',
        svg,
    )
    rules = "".join(f".{said}{{{look}}}" for look, said in looks.items())
    svg = re.sub(r"(<svg[^>]*>)", rf"\1<style>{rules}</style>", svg, count=1)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure class="lbl-still">{svg}{below}</figure>'


def _without_bare_groups(svg: str) -> str:
    """The drawing without groups that only held a name that nothing refers to."""
    kept, stays = [], []
    for token in re.findall(r"<[^>]+>|[^<]+", svg):
        if token == "<g>" or (token.startswith("<g ") and not token.endswith("/>")):
            stays.append(token != "<g>")
            if not stays[-1]:
                continue
        elif token == "</g>" and not stays.pop():
            continue
        kept.append(token)
    return "".join(kept)


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
        elif any('data-component="predict"' in _html(output) for output in cell["outputs"]):
            cell["metadata"]["tags"] = ["remove-input"]
        elif "hide-input" in cell["metadata"].get("tags", []):
            shown["code_prompt_show"] = shown["code_prompt_hide"] = "Code of this figure"
        count = _figures(cell, number, count)
    source[0] = json.dumps(notebook)


def box_question(app: Any, doctree: nodes.document) -> None:
    """What a section asks, up to the answers to choose from, becomes a block of its own."""
    for raw in list(doctree.findall(nodes.raw)):
        if 'data-component="predict"' not in raw.astext():
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
    """The first time a chapter uses a word of the glossary, the page tells its meaning."""
    if not app.env.docname.startswith("notebooks/"):
        return
    app.env.note_dependency("book/notation.md")
    words = glossary()
    for text in list(doctree.findall(nodes.Text)):
        parent = text.parent
        if not isinstance(parent, nodes.paragraph) or not words:
            continue
        found = re.search(rf"\b({'|'.join(map(re.escape, words))})s?\b", text.astext())
        if found is None:
            continue
        start, end = found.span()
        told = nodes.abbreviation(found[0], found[0], explanation=words.pop(found[1]))
        whole = text.astext()
        pieces = [nodes.Text(whole[:start]), told, nodes.Text(whole[end:])]
        parent.replace(text, pieces)


def glossary() -> dict[str, str]:
    """Words of the notation page with their meaning, as plain text."""
    page = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
    entries = re.findall(r"^(\w[^\n|]*)\n: ((?:.+\n)+)", page, re.MULTILINE)
    plain = re.compile(r"\$|\\operatorname|[{}`]|\\")
    return {
        word: " ".join(plain.sub("", meaning).split())
        for words, meaning in entries
        for word in words.split(", ")
    }


def setup(app: Any) -> dict[str, Any]:
    """Connect the pieces."""
    app.connect("source-read", read_notebook)
    app.connect("doctree-read", box_question)
    app.connect("doctree-read", explain_words)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
