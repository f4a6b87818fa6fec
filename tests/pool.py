"""Notebooks and pages in one pool: a pytest plugin for ``make pool``.

A notebook is one piece of work, because its cells share a kernel, and so is a file of tests, which
share a Chromium and what was already seen. Long pieces begin first. Load with ``-p tests.pool``,
together with ``--dist loadscope --no-loadscope-reorder``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

_CELL = ".ipynb::"  # in the names of cells
#: Tests that need the wheel: on one worker it is built once.
WITH_WHEEL = (
    "test_a_chapter_runs_alone_in_an_empty_folder",
    "test_the_zip_to_hand_out_opens_from_a_disk_with_everything_alive",
)
SPENT = Path(__file__).resolve().parents[1] / "build" / "pool.json"
_RUNS = re.compile(r"Running time: (?:about|under)? ?(.+?)[.;]")
_SECONDS = {
    "ten seconds": 10, "half a minute": 30, "a minute": 60, "a minute and a half": 90,
    "two minutes": 120,
}  # fmt: skip


def stated(notebook: Path) -> int:
    """Seconds that a chapter says it runs for; a minute where it does not say it in these words."""
    first = json.loads(notebook.read_text(encoding="utf-8"))["cells"][0]["source"]
    said = _RUNS.search("".join(first))
    return _SECONDS.get(said[1], 60) if said else 60


class Pieces(LoadScopeScheduling):
    """A notebook is one piece, a file of tests is one, and the tests that share the wheel are."""

    def _split_scope(self, nodeid: str) -> str:
        if any(name in nodeid for name in WITH_WHEEL):
            return "wheel"
        return nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Pieces:
    """Give out work in these pieces."""
    return Pieces(config, log)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Cells are slow, like the other tests of the pool."""
    if item.path.suffix == ".ipynb":
        item.add_marker("slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long notebooks first, then what needs the wheel, then the files with the most tests."""
    tests = Counter(item.path for item in items)
    long = {path: stated(path) for path in tests if path.suffix == ".ipynb"}

    def before(item: pytest.Item) -> tuple[int, int, str]:
        if item.path in long:
            return -long[item.path], 0, item.path.stem
        shares = any(name in item.nodeid for name in WITH_WHEEL)
        return (-1, 0, "") if shares else (0, -tests[item.path], item.path.as_posix())

    items.sort(key=before)  # stable: cells of a notebook stay in order


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell where the time went, to the reader and, for the table of ``make test``, in a file."""
    spent = {"notebooks": 0.0, "pages": 0.0}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                kind = "notebooks" if _CELL in report.nodeid else "pages"
                spent[kind] += report.duration
    SPENT.parent.mkdir(exist_ok=True)
    SPENT.write_text(json.dumps(spent), encoding="utf-8")
    told = ", ".join(f"{kind} {seconds / 60:.1f} min" for kind, seconds in spent.items())
    terminalreporter.write_line(f"Of the workers' time: {told}")
