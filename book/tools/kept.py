"""What a built book was made of, kept beside it as digests: they tell what has changed since.

Sphinx notices a changed source page, notebook, docstring or setting. It knows nothing of the
recorded runs, the ledger, the code that makes tables and figures of them, or the style of drawings.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

#: What shows on every page.
WAY = ("book/_ext", "book/tools/build.py", "requirements.lock", "stompp_lite/viz/style.py")
#: What recorded tables and figures are computed from.
TABLES = (
    "stompp_lite",
    "data/runs",
    "data/claims.yaml",
    "data/bench.json",
    "data/zoo.json",
    "data/speed_packed.json",
    "data/speed_packed_2.json",
)
#: Kinds of tables that are made of something else, or of chapters too.
MADE_OF = {
    "course": {"chapters"}, "paths": {"chapters"}, "map": {"chapters"},
    "ledger": {"tables", "chapters"},
}  # fmt: skip
_TABLE = re.compile(r"^% table (\w+)", re.MULTILINE)
_MADE = {"__pycache__", ".ipynb_checkpoints"}


def _digest(root: Path, names: Iterable[str]) -> str:
    """One number for the Python in use and the names and contents of these files and folders."""
    found: set[Path] = set()
    for name in names:
        found.update((root / name).rglob("*") if (root / name).is_dir() else [root / name])
    whole = hashlib.sha256(sys.version.encode())
    for path in sorted(found):
        if path.is_file() and not _MADE & set(path.parts):
            content = path.read_bytes()
            whole.update(f"{path.relative_to(root).as_posix()}\n{len(content)}\n".encode())
            whole.update(content)
    return whole.hexdigest()


def ingredients(root: Path) -> dict[str, str]:
    """Digests of what the book is made of, each by what its change reaches; "all" is everything."""
    return {
        "way": _digest(root, WAY),
        "tables": _digest(root, TABLES),
        "chapters": _digest(root, ["notebooks"]),
        "all": _digest(root, {*WAY, *TABLES, "notebooks", "book", "_config.yml"}),
    }


class Kept:
    """The digests that a finished build left in a folder, beside Sphinx's own memory.

    Args:
        root: the repository. folder: where Sphinx keeps ``.doctrees`` and ``html``.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.html, self.trees = root, folder / "html", folder / ".doctrees"
        self._file = self.trees / "made_of.json"
        self.now = ingredients(root)
        self.before: dict[str, str] = {}
        if self._file.is_file():
            self.before = json.loads(self._file.read_text(encoding="utf-8"))

    def is_current(self, pages: Iterable[str]) -> bool:
        """Whether a build would change nothing: same ingredients, and every page is there."""
        there = all((self.html / f"{page}.html").is_file() for page in pages)
        return there and self.before.get("all") == self.now["all"]

    def begin(self, pages: Iterable[str]) -> None:
        """Before a build: forget the pages that a change reaches without Sphinx noticing it."""
        if self.before.get("way") != self.now["way"]:
            self.fail()
        self._file.unlink(missing_ok=True)
        changed = {name for name, found in self.now.items() if self.before.get(name) != found}
        for page in pages:
            source = self.root / f"{page}.md"
            kinds = _TABLE.findall(source.read_text(encoding="utf-8")) if source.is_file() else []
            if changed & set[str]().union(*(MADE_OF.get(kind, {"tables"}) for kind in kinds)):
                (self.trees / f"{page}.doctree").unlink(missing_ok=True)
                (self.html / f"{page}.html").unlink(missing_ok=True)

    def fail(self) -> None:
        """After a failed build: Sphinx warns of a page only once, so it must read all of them."""
        shutil.rmtree(self.trees, ignore_errors=True)

    def finish(self) -> None:
        """After a build that went well: keep what it was made of."""
        half = self._file.with_suffix(".part")
        half.write_text(json.dumps(self.now, indent=1) + "\n", encoding="utf-8")
        half.replace(self._file)
