"""What every chapter must have, read from the stored notebooks (nbval executes them)."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell

from stompp_lite import load
from stompp_lite.viz.bank import bank
from tests.conftest import CHAPTERS, ROOT

sys.path.insert(0, str(ROOT / "book" / "tools"))
from address import SETUP

ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


NUMBERED = [p for p in CHAPTERS if p.stem[:2].isdigit()]


@pytest.fixture(params=CHAPTERS, ids=lambda p: p.stem)
def chapter(request):
    return nbformat.read(request.param, as_version=4)


def text(chapter):
    return "\n".join(c.source for c in chapter.cells if c.cell_type == "markdown")


def code(chapter):
    return [c for c in chapter.cells if c.cell_type == "code"]


def test_the_chapters_are_there():
    assert [int(p.stem[:2]) for p in NUMBERED] == [*range(1, 20)]
    assert CHAPTERS[:19] == NUMBERED
    toc = (ROOT / "book" / "_toc.yml").read_text(encoding="utf-8")
    assert all(f"notebooks/{p.stem}" in toc for p in CHAPTERS)


def test_every_chapter_has_its_parts(chapter):
    prose = text(chapter)
    for part in (
        "You will learn", "## Predict first", "## What surprised us", "## Exercises",
        "**1. Understand.**", "**2. Code.**", ". Explore.**", "## Sources", "**You can now**",
        "Running time:", "In the package:",
    ):  # fmt: skip
        assert part in prose, part
    assert len(re.findall(r"<details\b", prose)) == prose.count("</details>") >= 1
    assert any(c.source.startswith("# @title Solution 2") for c in code(chapter))


def test_one_setup_cell_the_same_everywhere_with_the_address_of_the_config(chapter):
    setups = [c.source for c in code(chapter) if "stompp_lite" in c.source and "pip" in c.source]
    assert setups == [SETUP.format(address=ADDRESS)] == [chapter.cells[1].source]
    comment, *lines = [line for line in setups[0].splitlines() if line]
    assert comment.startswith("# Setup.") and len(lines) <= 16
    assert lines[-1] == "print(chapter.start())"  # one line that says what runs
    assert max(map(len, lines)) <= 100
    assert not re.search(r"--upgrade|-U\b|torch|numpy", "\n".join(lines))  # pip keeps what is there


@pytest.fixture
def first_cell(monkeypatch, capsys):
    """What runs the first cell, its pip replaced: whether it went well, what it shows, commands."""
    commands, status = [], SimpleNamespace(returncode=0)

    def run(command, **options):
        assert options["capture_output"] and options["env"]["GIT_TERMINAL_PROMPT"] == "0"
        commands.append(command[1:])
        return status

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("STOMPP_LITE_SOURCE", "/a folder/stompp_lite.whl")
    shell = InteractiveShell(user_ns={})

    def first(works=True):
        status.returncode = 0 if works else 1
        good = shell.run_cell(SETUP.format(address=ADDRESS)).success
        return good, capsys.readouterr().out, commands

    return first


def test_the_setup_cell_installs_only_where_the_package_is_missing(first_cell, monkeypatch):
    good, shown, commands = first_cell()
    assert good and not commands and re.fullmatch(r"Ready: stompp_lite .+\n", shown)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert first_cell()[0]
    assert commands == [["-m", "pip", "install", "--quiet", "/a folder/stompp_lite.whl"]]


def test_where_the_package_cannot_be_had_three_lines_say_what_to_do(first_cell, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    good, shown, commands = first_cell(works=False)
    lines = shown.strip().splitlines()
    assert not good and len(commands) == 1 and len(lines) == 3
    assert lines[0].endswith("could not be installed from /a folder/stompp_lite.whl")
    assert lines[2].startswith("%env STOMPP_LITE_SOURCE=") and "Traceback" not in shown


def test_outputs_are_stored_whole_and_clean(chapter):
    counts = [c.execution_count for c in code(chapter)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in chapter.cells:
        assert "execution" not in cell.metadata
        for output in cell.get("outputs", []):
            assert output.output_type != "error", cell.id
            assert not (output.output_type == "stream" and output.name == "stderr"), cell.id
            assert not any("widget" in mime for mime in output.get("data", {})), cell.id
    assert all(c.outputs for c in code(chapter) if "print(" in c.source or "plt.show" in c.source)
    assert set(chapter.metadata) == {"kernelspec", "language_info", "executed"}
    assert len({c.id for c in chapter.cells}) == len(chapter.cells)


def test_every_picture_is_a_drawing_with_alternative_text_and_a_caption(chapter):
    for cell in code(chapter):
        assert not any("image/png" in o.get("data", {}) for o in cell.outputs), cell.id
        drawings = [o for o in cell.outputs if "image/svg+xml" in o.get("data", {})]
        if drawings:
            shown = cell.metadata.get("mystnb", {})
            alt = shown.get("image", {}).get("alt", "")
            assert len(drawings) == 1, f"{cell.id} draws several figures, and has one caption"
            assert len(alt) > 40, f"{cell.id} needs alt text that says what the figure shows"
            assert len(shown.get("caption", "")) > 20, f"{cell.id} needs a caption"
            assert len(drawings[0].data["image/svg+xml"]) < 400_000, cell.id


def test_no_output_names_a_path_of_the_machine_it_ran_on(chapter):
    everything = nbformat.writes(chapter)
    for bad in (str(ROOT), f"{Path.home()}/", "/home/", "/Users/", "/tmp/", "site-packages"):
        assert bad not in everything, bad


def test_cells_are_short(chapter):
    for cell in code(chapter):
        lines = [ln for ln in cell.source.splitlines() if ln.strip()]
        assert len(lines) <= 42, f"{cell.id} has {len(lines)} lines"


def test_relative_links_lead_somewhere(chapter):
    for link in re.findall(r"\]\(([^)#\s]+)", text(chapter)):
        if not link.startswith("http"):
            assert (ROOT / "notebooks" / link).exists(), link


def test_the_larger_class_of_the_training_texts_is_as_chapter_15_counts_it():
    root = Path(os.environ.get("STOMPP_DATA", "data"))
    if not (root / "SST-2" / "train.tsv").exists():
        pytest.skip(f"no SST-2 in {root}; name a folder that has it in STOMPP_DATA")
    labels = load("sst2-small", root).train_y
    cells = nbformat.read(CHAPTERS[14], as_version=4).cells
    said = next(c.source for c in cells if "larger, texts = " in c.source)
    larger, texts = re.search(r"larger, texts = ([\d_]+), ([\d_]+)", said).groups()
    assert (int(larger), int(texts)) == (int(labels.sum()), len(labels))


def test_no_placeholder_is_left(chapter):
    assert not re.search(
        r"\b[A-Z]+_(TEXT|ALT)\b|TODO|FIXME|\(recording\)", nbformat.writes(chapter)
    )
    for page in (ROOT / "book").rglob("*.md"):
        assert "(recording)" not in Path(page).read_text(encoding="utf-8")


# ---- predictions ---------------------------------------------------------------------------------
MARKED = NUMBERED[4:]  # the chapters whose answers have a marked end


def outputs(chapter):
    return [o.data.get("text/html", "") for c in code(chapter) for o in c.outputs if "data" in o]


def test_no_answer_to_a_question_stands_in_a_notebook(chapter):
    assert not any("question(" in c.source for c in code(chapter))
    for stored in outputs(chapter):
        for found in re.findall(r'data-component="predict"><script[^>]*>(.*?)<', stored):
            assert set(json.loads(found)) == {"id"}
        for found in re.findall(r'data-component="predict_curve"><script[^>]*>(.*?)<', stored):
            assert set(json.loads(found)) == {"id", "x", "truth", "note"}


def test_every_question_is_in_the_bank_and_every_mark_has_its_question(chapter):
    used = {"choices": set(), "curves": set()}
    for cell in code(chapter):
        for kind, call in (("choices", "predict"), ("curves", "predict_curve")):
            used[kind].update(re.findall(rf"\b{call}\(\s*[\"']([^\"']+)", cell.source))
    assert used["choices"] | used["curves"]
    for kind, names in used.items():
        assert names <= set(bank()[kind])
    marks = re.findall(r'<a id="revealed-([^"]+)"></a>', text(chapter))
    assert set(marks) <= used["choices"] | used["curves"] and len(marks) == len(set(marks))


@pytest.mark.parametrize("path", MARKED, ids=lambda p: p.stem)
def test_the_end_of_the_answers_is_marked_below_the_question(path):
    cells = nbformat.read(path, as_version=4).cells
    asks = next(k for k, c in enumerate(cells) if re.search(r"^predict(_curve)?\(", c.source, re.M))
    name = re.search(r'^predict(?:_curve)?\("(\d+)"', cells[asks].source, re.M)[1]
    mark = f'<a id="revealed-{name}"></a>\n\n#'
    (ends,) = [k for k, c in enumerate(cells) if c.source.startswith(mark)]
    assert int(name) == int(path.stem[:2]) and ends > asks + 1
