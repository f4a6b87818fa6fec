"""What ``make test`` runs, in which order, and what it tells of its time."""

import json
import re
import sys
from types import SimpleNamespace

import pytest

from tests import everything, pool
from tests.conftest import CHAPTERS, ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def notebook(folder, name, runs):
    path = folder / f"{name}.ipynb"
    cell = {"cell_type": "markdown", "source": ["# 1. A title\n", f"You need: time. {runs}"]}
    path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    return path


class Item:
    """What the hook uses of a collected test."""

    def __init__(self, path, name):
        self.path, self.name, self.marks = path, name, {}
        self.nodeid = f"{path}::{name}"

    def add_marker(self, mark):
        self.marks[getattr(mark, "name", mark)] = mark


def test_a_chapter_tells_how_long_it_runs():
    found = {path.stem: pool.stated(path) for path in CHAPTERS}
    assert all(10 <= seconds <= 120 for seconds in found.values())
    assert len(set(found.values())) >= 2


def test_long_notebooks_begin_first_whole_and_pages_come_last_the_most_first(tmp_path):
    short = notebook(tmp_path, "a", "Running time: about half a minute.")
    long = notebook(tmp_path, "b", "Running time: about two minutes; it starts two processes.")
    silent = notebook(tmp_path, "c", "")
    page, many = tmp_path / "test_page.py", tmp_path / "test_pages.py"
    items = [Item(page, "one"), Item(page, pool.WITH_WHEEL[0]), Item(page, "two")]
    items += [Item(many, k) for k in range(4)]
    items += [Item(path, k) for path in (short, long, silent) for k in range(2)]
    for item in items:
        pool.pytest_itemcollected(item)
    pool.pytest_collection_modifyitems(items)
    assert [(item.path.stem, item.name) for item in items] == [
        ("b", 0), ("b", 1), ("c", 0), ("c", 1), ("a", 0), ("a", 1),
        ("test_page", pool.WITH_WHEEL[0]), *(("test_pages", k) for k in range(4)),
        ("test_page", "one"), ("test_page", "two"),
    ]  # fmt: skip
    assert all(("slow" in item.marks) == (item.path.suffix == ".ipynb") for item in items)


def test_the_tests_that_share_the_wheel_are_named_right():
    source = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests/book").glob("*.py"))
    users = re.findall(r"def (test_\w+)\([^)]*(?:the_wheel|stranger)", source)
    assert sorted(users) == sorted(pool.WITH_WHEEL)


def test_a_notebook_a_file_and_the_tests_with_the_wheel_stay_together(pytestconfig, monkeypatch):
    monkeypatch.setattr(pytestconfig.option, "tx", ["2*popen"])
    pieces = pool.pytest_xdist_make_scheduler(pytestconfig, None)
    names = (
        "notebooks/01_one.ipynb::Cell 0", "notebooks/01_one.ipynb::Cell 1",
        "notebooks/02_two.ipynb::Cell 0", f"tests/a.py::{pool.WITH_WHEEL[0]}[01]",
        f"tests/b.py::{pool.WITH_WHEEL[1]}", "tests/a.py::test_page[a.html]",
        "tests/a.py::test_page[b.html]", "tests/b.py::test_page",
    )  # fmt: skip
    found = [pieces._split_scope(name) for name in names]
    assert [found.index(piece) for piece in found] == [0, 0, 2, 3, 3, 5, 5, 7]


def test_everything_that_make_test_names_is_a_target():
    targets = {target for row in everything.ROWS for target in row}
    assert targets == set(everything.SAID)
    for target in targets:
        assert re.search(rf"^{target}:.*## ", MAKEFILE, flags=re.MULTILINE), target
    marks = re.findall(r'-m "?([\w ]+)"?', MAKEFILE)
    assert {"not slow", "slow and not alone", "alone"} <= {mark.strip() for mark in marks}


def test_a_failure_ends_the_run_and_the_table_is_printed(monkeypatch, tmp_path, capfd):
    """With a make that fails at one target, alone or beside another. The last row is short."""
    make = tmp_path / "make"
    make.write_text(
        f"#!{sys.executable}\nimport sys\nprint('made', sys.argv[-1])\n"
        "sys.exit(sys.argv[-1] == sys.argv[0].rpartition('-')[2])\n"
    )
    for failing, made in (
        ("none", ["setup", "style", "built", "grade", "unit", "types", "pool", "alone"]),
        ("built", ["setup", "style", "built", "grade"]),
        ("grade", ["setup", "style", "built", "grade"]),
        ("types", ["setup", "style", "built", "grade", "unit", "types"]),
        ("pool", ["setup", "style", "built", "grade", "unit", "types", "pool", "alone"]),
    ):
        command = tmp_path / f"make-{failing}"
        command.write_text(make.read_text())
        command.chmod(0o755)
        monkeypatch.setenv("MAKE", str(command))
        monkeypatch.setattr(everything, "SPENT", tmp_path / "pool.json")
        assert everything.main() == (failing != "none")
        said = capfd.readouterr().out
        assert sorted(re.findall(r"^made (\w+)$", said, re.MULTILINE)) == sorted(made)
        rows = [line for line in said.splitlines() if re.match(r" *\d+:\d\d  ", line)]
        assert len(rows) == len(made) + 1
        assert ("all passed" in rows[-1]) == (failing == "none")
        assert failing == "none" or rows[-1].endswith(f"failed: {everything.SAID[failing]}")


def test_each_target_of_a_row_has_its_own_time(monkeypatch, tmp_path):
    """Also where the one that is told later ended sooner."""
    make, times = tmp_path / "make", {}
    make.write_text(
        f"#!{sys.executable}\nimport sys, time\ntime.sleep(1.5 * (sys.argv[-1] == 'slow'))\n"
    )
    make.chmod(0o755)
    monkeypatch.setenv("MAKE", str(make))
    assert everything.run(("first", "slow", "quick"), times) == []
    assert list(times) == ["first", "slow", "quick"]
    assert times["slow"] > 1.5 and times["quick"] < times["slow"] - 0.5


def test_the_table_tells_how_the_pool_was_shared(monkeypatch, tmp_path):
    monkeypatch.setattr(everything, "SPENT", tmp_path / "pool.json")
    everything.SPENT.write_text('{"notebooks": 610.2, "pages": 59.9}')
    said = everything.table({"unit": 61.0, "pool": 340.0}, 401.0, "")
    assert "  5:40  notebooks and pages (of two workers: notebooks 10:10, pages 0:59)" in said
    assert "  6:41  whole; all passed" in said


def test_the_workers_time_is_added_up_by_kind(monkeypatch, tmp_path):
    monkeypatch.setattr(pool, "SPENT", tmp_path / "build" / "pool.json")

    def report(nodeid, duration):
        return pytest.TestReport(nodeid, ("", 0, ""), {}, "passed", None, "call", duration=duration)

    reports = [report("notebooks/01.ipynb::Cell 0", 60.0), report("tests/a.py::test", 30.0)]
    said = []
    terminal = SimpleNamespace(
        stats={"passed": reports, "warnings": ["no report"]}, write_line=said.append
    )
    pool.pytest_terminal_summary(terminal)
    assert json.loads(pool.SPENT.read_text()) == {"notebooks": 60.0, "pages": 30.0}
    assert said == ["Of the workers' time: notebooks 1.0 min, pages 0.5 min"]
