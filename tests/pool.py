"""Notebooks and pages in one pool: a pytest plugin for ``make pool``.

A notebook is one piece of work, because its cells share a kernel, and the longest are begun first;
tests of pages are small and fill up what is left of the time. Load with ``-p tests.pool``, together
with ``--dist loadgroup --no-loadscope-reorder``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long pieces first. A notebook's cells are slow, like the other tests of the pool."""
    long: dict[str, int] = {}
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker("slow")
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
            if item.path.stem not in long:
                long[item.path.stem] = stated(item.path)

    def before(item: pytest.Item) -> tuple[int, str]:
        group = item.get_closest_marker("xdist_group")
        name = group.args[0] if group else ""
        return -long.get(name, 1 if name else 0), name

    items.sort(key=before)  # stable: cells of a notebook stay in order


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell where the time went, to the reader and, for the table of ``make test``, in a file."""
    spent = {"notebooks": 0.0, "pages": 0.0}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                kind = "notebooks" if ".ipynb" in report.nodeid else "pages"
                spent[kind] += report.duration
    SPENT.parent.mkdir(exist_ok=True)
    SPENT.write_text(json.dumps(spent), encoding="utf-8")
    told = ", ".join(f"{kind} {seconds / 60:.1f} min" for kind, seconds in spent.items())
    terminalreporter.write_line(f"Of the workers' time: {told}")
