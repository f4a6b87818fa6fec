"""Notebooks and pages in one pool: a pytest plugin for ``make pool``.

A notebook is one piece of work, because its cells share a kernel, and the longest begin first.
Tests of pages are small and fill up what is left of the time. Load with ``-p tests.pool``, together
with ``--dist loadscope --no-loadscope-reorder``.
"""

from __future__ import annotations

import json
import re
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
    """A notebook is one piece, the tests that share the wheel are one, and every other is one."""

    def _split_scope(self, nodeid: str) -> str:
        notebook, found, _ = nodeid.partition(_CELL)
        if found:
            return notebook
        return "wheel" if any(name in nodeid for name in WITH_WHEEL) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Pieces:
    """Give out work in these pieces."""
    return Pieces(config, log)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Cells are slow, like the other tests of the pool."""
    if item.path.suffix == ".ipynb":
        item.add_marker("slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long pieces first, then those with the wheel, then single tests."""
    notebooks = {item.path for item in items if item.path.suffix == ".ipynb"}
    long = {path: stated(path) for path in notebooks}

    def before(item: pytest.Item) -> tuple[int, str]:
        shares = any(name in item.nodeid for name in WITH_WHEEL)
        return -long.get(item.path, int(shares)), item.path.stem if item.path in long else ""

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
