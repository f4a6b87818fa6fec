"""What stands open in a chapter is a story: counts, with limits that may only fall."""

import re

import nbformat
import pytest

from tests.conftest import CHAPTERS, ROOT
from tests.story import LIMITS, called, counts, prose_counts

#: Chapters in the new form; the others have the limits of the table in CONTRIBUTING.md.
TOLD = {f"{number:02d}" for number in range(1, 20)} | {"can_a_plan_foresee_it"}
SLACK = 0.9  # a limit of an old chapter that is further from its count must be lowered


def table():
    """Chapter -> what is counted -> the limit, from CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = {}
    for row in re.findall(r"^\| (\d\d) \| (.+) \|$", text, re.MULTILINE):
        found[row[0]] = dict(zip(LIMITS, map(int, row[1].split(" | ")), strict=True))
    return found


def test_the_table_has_every_chapter_of_the_old_form():
    assert set(table()) == {called(p) for p in CHAPTERS} - TOLD


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_keeps_what_is_open_within_its_limits(path):
    found = counts(nbformat.read(path, as_version=4))
    limits = LIMITS if called(path) in TOLD else table()[called(path)]
    over = {name: (found[name], limits[name]) for name in LIMITS if found[name] > limits[name]}
    assert not over, over
    if called(path) not in TOLD:
        low = {
            name: (found[name], limits[name])
            for name in LIMITS
            if limits[name] > LIMITS[name] and found[name] < SLACK * limits[name]
        }
        assert not low, f"lower the limits in CONTRIBUTING.md: {low}"


def test_the_landing_page_is_a_story_too():
    found = prose_counts((ROOT / "book" / "index.md").read_text(encoding="utf-8"))
    assert all(found[name] <= LIMITS[name] for name in found), found
    assert found["words"] < 500, found


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [
        ("One two (three four five) six.", "asides", 1),
        ("One two (three four) six.", "asides", 0),
        ("One\n\n<details>\n\ntwo recorded seeds\n\n</details>\n\nthree.", "words", 2),
        ("Recorded runs, five seeds.", "provenance", 2),
        ("<details>\n\nrecorded\n\n</details>", "provenance", 0),
        ("A gain of 3 ± 1, weights of ±1 and ±α.", "±", 1),
        ("A [long link](../book/recorded_runs.md) here.", "words", 4),
        ("$$\na (b c d e)\n$$ after", "words", 1),
        ("Words.\n## Sources\n\nrecorded seeds", "provenance", 0),
    ],
)
def test_what_is_counted(text, name, count):
    assert prose_counts(text)[name] == count


def test_cells_and_outputs_are_counted_where_they_stand_open():
    cell = nbformat.v4.new_code_cell
    told = nbformat.v4.new_output("stream", text="x" * 90 + "\n")
    open_, hidden = cell("a\n\nb\nc", outputs=[told]), cell("\n".join("abcdefghijklmn"))
    hidden.metadata["tags"] = ["hide-input"]
    folded = cell("a", outputs=[nbformat.v4.new_output("stream", text="y" * 99)])
    folded.metadata["tags"] = ["hide-cell"]
    notebook = nbformat.v4.new_notebook(cells=[open_, hidden, folded])
    found = counts(notebook)
    assert (found["lines of a cell"], found["columns"]) == (3, 90)
