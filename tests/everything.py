"""Run all that CI runs, and print where the time went, also when something failed.

Usage: make test. The file needs no package: it begins before the set-up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPENT = ROOT / "build" / "pool.json"  # written by tests/pool.py
#: Targets of the Makefile, one row after the other; those of a row run at once.
ROWS = (("setup",), ("style", "built"), ("unit", "types"), ("pool",), ("alone",))
SAID = {
    "setup": "set-up", "style": "format and lint", "built": "build of the book", "types": "types",
    "unit": "unit tests", "pool": "notebooks and pages", "alone": "what measures time",
}  # fmt: skip


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60:3d}:{int(seconds) % 60:02d}"


def run(targets: tuple[str, ...], times: dict[str, float]) -> bool:
    """Make these targets at once, the first one's output as it comes; whether all went well."""
    make, start = os.environ.get("MAKE", "make"), time.monotonic()
    others = {
        target: subprocess.Popen(
            [make, "--no-print-directory", target], cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for target in targets[1:]
    }  # fmt: skip
    first = subprocess.run([make, "--no-print-directory", targets[0]], cwd=ROOT)
    times[targets[0]] = time.monotonic() - start
    good = first.returncode == 0
    for target, process in others.items():
        print(process.communicate()[0], end="")
        times[target] = time.monotonic() - start
        good = good and process.returncode == 0
    return good


def table(times: dict[str, float], whole: float, failed: str) -> str:
    """Where the time went."""
    rows = [f"{clock(seconds)}  {SAID[target]}" for target, seconds in times.items()]
    if "pool" in times and SPENT.is_file():
        spent = json.loads(SPENT.read_text(encoding="utf-8"))
        parts = ", ".join(f"{kind} {clock(seconds).strip()}" for kind, seconds in spent.items())
        place = next(i for i, row in enumerate(rows) if SAID["pool"] in row)
        rows[place] += f" (of two workers: {parts})"
    beside = "; ".join(" and ".join(SAID[t] for t in row) for row in ROWS if len(row) > 1)
    said = f"failed: {failed}" if failed else "all passed"
    return "\n".join(["", *rows, f"{clock(whole)}  whole; {said}", f"(at once: {beside})"])


def main() -> int:
    """Run row after row until one fails; the exit status."""
    start, times, failed = time.monotonic(), {}, ""
    SPENT.unlink(missing_ok=True)
    for targets in ROWS:
        if not run(targets, times):
            failed = " or ".join(SAID[target] for target in targets)
            break
    print(table(times, time.monotonic() - start, failed), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
