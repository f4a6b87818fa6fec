"""Write a deck of slides for each chapter that book/teaching/slides.yaml names, into build/slides.

Usage: python book/tools/slides.py [chapter ...]

A deck is one HTML file: nbconvert's slides with reveal.js, which are in the file, as are styles,
fonts and figures. It opens from a disk, without a network, and its figures move. Figures, code and
printed numbers are those that the chapter's notebook stores; nothing is executed.
"""

from __future__ import annotations

import base64
import html
import json
import re
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbconvert.exporters import SlidesExporter

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
from chapters import MARK  # noqa: E402
from drawings import drawing  # noqa: E402

from stompp_lite.viz import components, style  # noqa: E402

TARGET = ROOT / "build" / "slides"
SOURCE = ROOT / "book" / "teaching" / "slides.yaml"
DECK = Path(__file__).parent / "deck"
KEYS = {"title", "says", "show", "code", "ask", "found", "notes"}
LONGEST = 16  # lines of code that can be read from the last row
FEW, NARROW = 6, 72  # lines and columns of what is printed large
TALL = 1.2  # a drawing that is higher, for its width, is cut into two columns
_FONTS = re.compile(r"^@font-face \{ font-family: \"Source (?:Sans 3|Code Pro)\".*$", re.MULTILINE)
_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
_WORDS = re.compile(r'<text [^>]*\by="([\d.]+)"')
_COMPONENT = re.compile(r'data-component="(\w+)"')
FOOT = "S: notes · F: full screen · D: dark · Esc: leave a figure"


def slides() -> dict[int, list[dict[str, str]]]:
    """What the file says: chapter -> its slides, checked.

    Raises:
        ValueError: a slide without title or notes, or with a key that means nothing.
    """
    told = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    for chapter, listed in told.items():
        for k, slide in enumerate(listed, 1):
            place = f"{SOURCE.name}, chapter {chapter}, slide {k}"
            if unknown := set(slide) - KEYS:
                raise ValueError(f"{place}: {min(unknown)!r} is none of {', '.join(sorted(KEYS))}")
            if not slide.get("title") or not slide.get("notes"):
                raise ValueError(f"{place} needs a title and notes")
    return told


@cache
def notebook(chapter: int) -> Any:
    """The stored notebook of a chapter, and its cells by id."""
    paths = list((ROOT / "notebooks").glob(f"{chapter:02}_*.ipynb"))
    if not paths:
        raise ValueError(f"there is no chapter {chapter}")
    found = nbformat.read(paths[0], as_version=4)
    return found, {cell.id: cell for cell in found.cells}


def _cell(chapter: int, name: str) -> Any:
    cells = notebook(chapter)[1]
    if name not in cells:
        raise ValueError(f"chapter {chapter} has no cell {name!r}")
    return cells[name]


# ---- what stands on a slide ----------------------------------------------------------------------
def figure(chapter: int, name: str) -> tuple[list[str], str]:
    """What a cell shows, as HTML, and the caption of its drawing.

    Raises:
        ValueError: there is no such cell, or it stores nothing that a slide can show.
    """
    cell, parts = _cell(chapter, name), []
    told = cell.metadata.get("mystnb", {})
    for k, output in enumerate(cell.get("outputs", [])):
        data = output.get("data", {})
        if "image/svg+xml" in data:
            alt = told.get("image", {}).get("alt", "")
            parts.append(beside(drawing(data["image/svg+xml"], f"s{name}{k}", alt, "")))
        elif _COMPONENT.search(data.get("text/html", "")):
            parts.append(data["text/html"])
        elif output.get("text", "").strip():
            text = output["text"].strip("\n")
            short = len(text.splitlines()) <= FEW and max(map(len, text.splitlines())) <= NARROW
            look = "deck-printed deck-short" if short else "deck-printed"
            parts.append(f'<pre class="{look}">{html.escape(text)}</pre>')
    drawn = [part for part in parts if not part.startswith("<pre")]
    if not parts:
        raise ValueError(f"chapter {chapter}, cell {name!r} stores nothing that a slide can show")
    return drawn or parts, told.get("caption", "")


def beside(figure: str) -> str:
    """A drawing; one with many rows as two columns, each above the axis, which stands below."""
    box = _BOX.search(figure)
    assert box is not None
    wide, high = map(float, box.groups())
    if high < TALL * wide:
        return figure
    words = sorted({float(y) for y in _WORDS.findall(figure)})
    axis = words[-2] - 14  # the numbers of the axis and its name are the last two lines of words
    rows = [y for y in words if y < axis]
    gaps = [(low + up) / 2 for low, up in pairwise(rows)]
    cut = min(gaps, key=lambda y: abs(y - (axis + rows[0]) / 2)) - 3
    start = figure.index(">", figure.index("<svg")) + 1
    end = figure.rindex("</svg>")
    opened, inner, closed = figure[: start - 1], figure[start:end], figure[end:]

    def part(x: float, y: float, begin: float, end: float) -> str:
        size = f'width="{wide}" height="{end - begin}" viewBox="0 {begin} {wide} {end - begin}"'
        return f'<svg x="{x}" y="{y}" {size}>{inner}</svg>'

    parts = [part(0, 0, 0, cut), part(0, cut, axis, high), part(wide, 0, cut, high)]
    tall = max(cut + high - axis, high - cut)
    opened = re.sub(r' (?:width|height)="[^"]*"', "", opened)
    opened = _BOX.sub(f'viewBox="0 0 {2 * wide} {tall}"', opened)
    return opened + ">" + "".join(parts) + closed


def code(chapter: int, name: str) -> str:
    """The source of a cell as HTML; the decisive lines are marked.

    Raises:
        ValueError: there is no such cell, or nobody could read it from the last row.
    """
    lines = _cell(chapter, name).source.splitlines()
    if len(lines) > LONGEST:
        raise ValueError(f"chapter {chapter}, cell {name!r} has {len(lines)} lines, too many")
    shown = "\n".join(
        f"<mark>{html.escape(line)}</mark>" if MARK in line else html.escape(line) for line in lines
    )
    return f'<pre class="deck-code"><code>{shown}</code></pre>'


def _cells(chapter: int, slide: dict[str, str]) -> list[Any]:
    """A slide as cells of a notebook: what is seen, then the notes."""
    cells, notes = [], [slide["notes"]]
    kind = "ask" if slide.get("ask") else "found" if slide.get("found") else "plain"
    said = f"## {slide['title']}\n\n{slide.get('says', '')}"
    if slide.get("found"):
        said += f"\n\n> {slide['found']}"
    cells.append(nbformat.v4.new_markdown_cell(said))
    cells[0].metadata["slideshow"] = {"slide_type": "slide", "data": {"state": f"deck-{kind}"}}
    shown = []
    if slide.get("code"):
        shown.append(code(chapter, slide["code"]))
    if slide.get("show"):
        drawn, caption = figure(chapter, slide["show"])
        shown += drawn
        if caption:
            notes.append(f"*The figure:* {caption}")
    if shown:
        body = "\n".join(f'<div class="deck-part">{part}</div>' for part in shown)
        output = nbformat.v4.new_output("display_data", data={"text/html": body})
        cells.append(nbformat.v4.new_code_cell(outputs=[output]))
    cells.append(nbformat.v4.new_markdown_cell("\n\n".join(notes)))
    cells[-1].metadata["slideshow"] = {"slide_type": "notes"}
    for number, cell in enumerate(cells):
        cell.id = f"c{number}"
    return cells


# ---- a deck --------------------------------------------------------------------------------------
@cache
def _styles() -> str:
    """Fonts, colors and layout of a deck, without an address of a file."""
    static = ROOT / "book" / "_static"
    page = (static / "layer.css").read_text(encoding="utf-8")
    fonts = "\n".join(_FONTS.findall(page))
    for name in set(re.findall(r"url\((fonts/[\w.-]+)\)", fonts)):
        data = base64.b64encode((static / name).read_bytes()).decode()
        fonts = fonts.replace(f"url({name})", f"url(data:font/woff2;base64,{data})")
    colors = "".join(re.findall(r'^html\[data-theme="\w+"\] \{\n.*?^\}\n', page, re.M | re.S))
    files = (DECK / "reveal" / "reveal.css", DECK / "deck.css")
    parts = [fonts, colors, style.css(), components.css()]
    return "\n".join(parts + [path.read_text(encoding="utf-8") for path in files])


def _scripts(names: list[str]) -> list[str]:
    """reveal.js, its notes, the figures of the deck, and what starts it."""
    parts = [
        (DECK / path).read_text(encoding="utf-8")
        for path in ("reveal/reveal.js", "reveal/notes.js", "deck.js")
    ]
    parts.insert(2, components.page_script(names))
    return [part.replace("</script", "<\\/script") for part in parts]


def deck(chapter: int) -> str:
    """The deck of a chapter as one HTML page.

    Raises:
        ValueError: the chapter has no slides, or one of them cannot be made.
    """
    told = slides()
    if chapter not in told:
        raise ValueError(f"{SOURCE.name} has no slides for chapter {chapter}: {sorted(told)} have")
    heading = notebook(chapter)[0].cells[0].source.split("\n", 1)[0].removeprefix("# ")
    made = nbformat.v4.new_notebook()
    for k, slide in enumerate(told[chapter]):
        for cell in _cells(chapter, slide):
            cell.id = f"s{k}-{cell.id}"
            made.cells.append(cell)
    names = set(_COMPONENT.findall(json.dumps(made).replace("\\", "")))
    used = [name for name in components.NAMES if name in names]
    exporter = SlidesExporter(template_name="deck", extra_template_basedirs=[str(DECK.parent)])
    exporter.exclude_input = exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    page, _ = exporter.from_notebook_node(
        made,
        resources={
            "deck": {
                "title": f"{heading} — Layer by Layer",
                "css": _styles(),
                "foot": f"{heading} · {FOOT}",
                "scripts": _scripts(used),
            }
        },
    )
    return page


def write(chapters: list[int], target: Path = TARGET) -> list[Path]:
    """Write the decks of these chapters; of all that have slides, if none is named."""
    target.mkdir(parents=True, exist_ok=True)
    made = []
    for chapter in chapters or sorted(slides()):
        made.append(target / f"chapter-{chapter:02}.html")
        made[-1].write_text(deck(chapter), encoding="utf-8")
    return made


def main(arguments: list[str]) -> None:
    """Write decks, and say where."""
    try:
        made = write([int(a) for a in arguments])
    except ValueError as err:
        sys.exit(str(err))
    for path in made:
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
