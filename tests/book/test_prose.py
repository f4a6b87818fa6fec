"""Result numbers in the prose of a chapter come from its own cells, or stand beside a source.

A number with %, "points" or ± in a paragraph must be in the code or the stored output of a cell
of the same chapter, rounded as the prose rounds it (or as a share: 0.91 for 91 %); "12.1 ± 4.2"
must be there as such. Free of this are paragraphs that link to a source, a page or another
chapter, and the solutions of exercises. So prose fails when its run is repeated with another
outcome.
"""

import re

import nbformat
import pytest

from tests.conftest import CHAPTERS

NUMBER = re.compile(r"\d+(?:\.\d+)?")
RESULT = re.compile(
    r"(?<![\w.·^–-])(\d[\d,]*(?:\.\d+)?)\s?(?:%(?! interval)|\\%|±|points?\b|percent)"
)
INTERVAL = re.compile(r"(\d+(?:\.\d+)?)\s?±\s?(\d+(?:\.\d+)?)")
SOURCE = re.compile(r"arxiv\.org|\]\((?:\d\d_|\.\./book/|https?:)")


def shown(notebook):
    """Code and stored outputs, as one text."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.id != "setup":
            parts.append(cell.source)
            for output in cell.outputs:
                data = output.get("data", {})
                parts += [output.get("text", ""), data.get("text/markdown", "")]
                if "lbl-claim" in data.get("text/html", ""):
                    parts.append(data["text/plain"])
    return "\n".join(parts)


def unsupported(notebook):
    """Result numbers of the prose that no cell shows, with the words around them."""
    text = shown(notebook)
    values = [float(n) for n in NUMBER.findall(text)]
    pairs = set(INTERVAL.findall(text))
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        prose = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
        for paragraph in re.split(r"\n\s*\n", prose):
            if SOURCE.search(paragraph):
                continue
            wrong = [f"{a} ± {b}" for a, b in set(INTERVAL.findall(paragraph)) - pairs]
            for number in (m.replace(",", "") for m in RESULT.findall(paragraph)):
                near = 0.5 * 10.0 ** -len(number.partition(".")[2]) + 1e-9
                wanted = float(number)
                if not any(
                    abs(v - wanted) <= near or abs(100 * v - wanted) <= near for v in values
                ):
                    wrong.append(number)
            found += [f"{cell.id}: {w} in {paragraph[:60]!r}" for w in wrong]
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_result_numbers_in_prose_come_from_the_chapter_or_a_source(path):
    assert not unsupported(nbformat.read(path, as_version=4))


@pytest.mark.parametrize(
    ("prose", "wrong"),
    [
        ("It reaches 91 %, a gain of 12.1 ± 4.2 points.", False), ("It reaches 90 %.", True),
        ("A gain of 12.1 ± 4.3 points.", True), ("A gain of 13.1 ± 4.2 points.", True),
        ("Half: 25 % of all.", False), ("About 1,380 points.", False),
        ("They report 77 % ([arXiv 1](https://arxiv.org/abs/1)).", False),
        ("They report 77 %.\n\nSee [it](https://arxiv.org/abs/1).", True),
        ("<details>\n77 %\n</details>", False),
    ],
)  # fmt: skip
def test_a_number_that_no_cell_shows_is_found(prose, wrong):
    notebook = nbformat.v4.new_notebook()
    code = nbformat.v4.new_code_cell("share = 0.25")
    code.outputs = [nbformat.v4.new_output("stream", text="90.6, gain 12.1 ± 4.2, 1380 steps")]
    notebook.cells = [nbformat.v4.new_markdown_cell(prose), code]
    assert bool(unsupported(notebook)) == wrong
