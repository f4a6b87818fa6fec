"""How many small faults the tests notice, module by module; run by ``make mutants``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print a table of killed and surviving mutants."""
    for path in sorted((ROOT / "mutants").rglob("*.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        found = Counter(
            "survived" if code in (0, 5) else "killed"
            for code in codes.values()
            if code is not None
        )
        if found:
            name = path.relative_to(ROOT / "mutants").with_suffix("")
            share = 100 * found["killed"] / found.total()
            print(f"{name!s:40} {found['killed']:4} of {found.total():4} killed, {share:5.1f} %")


if __name__ == "__main__":
    main()
