"""Count what stands open in a chapter: words, bookkeeping, long cells. Prints the table of counts.

Usage: python -m tests.story. Folds, formulas, code and the list of sources are not open prose.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]
#: What is counted, with the most that a chapter in the new form may have.
LIMITS = {
    "words": 1800, "provenance": 6, "asides": 4, "±": 3, "lines of a cell": 12, "columns": 80,
}  # fmt: skip
#: Words that tell how something is known; they belong into a fold.
PROVENANCE = re.compile(
    r"\b(recorded|arms?|seeds?|intervals?|reportedly|held[- ]out|digest|protocol)\b", re.IGNORECASE
)
_FOLDS = (
    re.compile(r"<details.*?</details>", re.DOTALL),
    re.compile(r":::+\{(?:dropdown|admonition)\}.*?^:::+$", re.DOTALL | re.MULTILINE),
    re.compile(
        r"\$\$.*?\$\$|```.*?```|`[^`\n]*`|\$[^$\n]*\$|<[^>\n]*>|^%.*$", re.DOTALL | re.MULTILINE
    ),
)
_LINK = re.compile(r"\]\([^)]*\)")
_HIDDEN = {"hide-input", "hide-cell", "remove-input"}


def open_prose(text: str) -> str:
    """What a reader sees without opening anything, before the list of sources."""
    for fold in _FOLDS:
        text = fold.sub(" ", text)
    return _LINK.sub("]", text).split("\n## Sources")[0]


def prose_counts(text: str) -> dict[str, int]:
    """Words, words of provenance, asides of three words or more, and ± in open prose."""
    prose = open_prose(text)
    asides = [a for a in re.findall(r"\(([^()]*)\)", prose) if len(a.split()) >= 3]
    return {
        "words": len(re.findall(r"[^\s*#>|_\-]+[^\s]*", prose)),
        "provenance": len(PROVENANCE.findall(prose)),
        "asides": len(asides),
        "±": len(re.findall(r"±(?!1\b|α|\s?1/)", prose)),  # not the weights of ±1
    }


def counts(notebook: Any) -> dict[str, int]:
    """The counts of a chapter, as LIMITS names them."""
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    lines, columns = [0], [0]
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type != "code" or cell.id == "setup":
            continue
        if not tags & _HIDDEN:
            lines.append(sum(bool(line.strip()) for line in cell.source.splitlines()))
        if "hide-cell" not in tags:
            told = "".join(o.get("text", "") for o in cell.outputs)
            columns += [len(line) for line in told.splitlines()]
    return prose_counts(text) | {"lines of a cell": max(lines), "columns": max(columns)}


def called(path: Path) -> str:
    """A chapter's number, or the name of a page without one."""
    return path.stem[:2] if path.stem[:2].isdigit() else path.stem


def main() -> None:
    """Print the table of all chapters."""
    print("| chapter | " + " | ".join(LIMITS) + " |\n| --- |" + " --- |" * len(LIMITS))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        found = counts(nbformat.read(path, as_version=4))
        print(f"| {called(path)} | " + " | ".join(str(found[name]) for name in LIMITS) + " |")


if __name__ == "__main__":
    main()
