"""Run all that CI runs, and print where the time went, also when something failed.

Usage: make test. The file needs no package: it begins before the set-up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPENT = ROOT / "build" / "pool.json"  # written by tests/pool.py
#: Targets of the Makefile, one row after the other; those of a row run at once.
ROWS = (("setup",), ("style", "built", "grade"), ("unit", "types"), ("pool",), ("alone",))
SAID = {
    "setup": "set-up", "style": "format and lint", "built": "build of the book",
    "grade": "round trip through both graders", "types": "types", "unit": "unit tests",
    "pool": "notebooks and pages", "alone": "what measures time",
}  # fmt: skip


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60:3d}:{int(seconds) % 60:02d}"


def made(target: str, shown: bool) -> tuple[bool, str, float]:
    """Make a target: whether that went well, its output where it is not shown, and seconds."""
    start, pipe = time.monotonic(), None if shown else subprocess.PIPE
    done = subprocess.run(
        [os.environ.get("MAKE", "make"), "--no-print-directory", target], cwd=ROOT, text=True,
        stdout=pipe, stderr=pipe and subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode == 0, done.stdout or "", time.monotonic() - start


def run(targets: tuple[str, ...], times: dict[str, float]) -> list[str]:
    """Make these targets at once, the first one's output as it comes; those that failed."""
    failed = []
    with ThreadPoolExecutor(len(targets)) as threads:
        begun = {t: threads.submit(made, t, t == targets[0]) for t in targets}
        for target, one in begun.items():
            good, said, times[target] = one.result()
            print(said, end="", flush=True)
            failed += [] if good else [target]
    return failed


def table(times: dict[str, float], whole: float, failed: str) -> str:
    """Where the time went."""
    rows = [f"{clock(seconds)}  {SAID[target]}" for target, seconds in times.items()]
    if "pool" in times and SPENT.is_file():
        spent = json.loads(SPENT.read_text(encoding="utf-8"))
        parts = ", ".join(f"{kind} {clock(seconds).strip()}" for kind, seconds in spent.items())
        place = next(i for i, row in enumerate(rows) if SAID["pool"] in row)
        rows[place] += f" (of two workers: {parts})"
    beside = "; ".join(", ".join(SAID[t] for t in row) for row in ROWS if len(row) > 1)
    said = f"failed: {failed}" if failed else "all passed"
    return "\n".join(["", *rows, f"{clock(whole)}  whole; {said}", f"(at once: {beside})"])


def main() -> int:
    """Run row after row until one fails; the exit status.

    After the long pool of pages, what measures time is run in any case: it is short.
    """
    start, times, failed = time.monotonic(), {}, list[str]()
    SPENT.unlink(missing_ok=True)
    for targets in ROWS:
        failed += run(targets, times)
        if failed and "pool" not in targets:
            break
    said = ", ".join(SAID[target] for target in failed)
    print(table(times, time.monotonic() - start, said), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
