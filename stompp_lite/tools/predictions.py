"""What a class predicted: the files of *Save my answers*, as a table with bars, and as CSV.

``python -m stompp_lite answers FOLDER``, before the lecture.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stompp_lite import checks
from stompp_lite.errors import ConfigError
from stompp_lite.training.files import write_atomically
from stompp_lite.viz.bank import bank

COURSE = "Layer by Layer"
FIELDS = (
    "page", "id", "kind", "state", "when", "question", "version", "answer", "right", "wording",
)  # fmt: skip
_BAR = 30  # characters of the longest bar


@dataclass
class Predictions:
    """What was read.

    Attributes:
        rows: one for each answer: ``file``, ``name``, ``saved`` and the fields of the file's row.
        refused: file -> why it was not read.
        older: files of a reader who saved again later; their rows are kept, and do not count.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    older: dict[str, str] = field(default_factory=dict)


def _content(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise ValueError("a folder; put the files side by side")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        told = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
        content = json.loads(told)  # half a character, which JSON can hold, becomes a "?"
    except (OSError, ValueError, RecursionError) as err:
        raise ValueError(f"not a JSON file ({err})") from err
    if not isinstance(content, dict) or content.get("course") != COURSE:
        raise ValueError("no predictions of this course")
    answers = content.get("answers")
    if not isinstance(answers, list) or not answers:
        raise ValueError("it holds no answers")
    for row in answers:
        if not isinstance(row, dict) or not all(
            isinstance(row.get(k), str) for k in ("id", "question")
        ):
            raise ValueError(f"an answer without id and question: {str(row)[:60]}")
        if not isinstance(row.get("version"), str | None):
            raise ValueError(f"a version that is no text: {str(row['version'])[:60]}")
    return content


def read(folder: Path) -> Predictions:
    """Read a flat folder of prediction files. What cannot be read is named with the reason.

    Raises:
        ConfigError: no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; put the prediction files into one")
    found, last = Predictions(), dict[str, tuple[str, str]]()
    for path in sorted(folder.iterdir()):
        try:
            content = _content(path)
        except ValueError as err:
            found.refused[path.name] = str(err)
            continue
        name, saved = (str(content.get(key) or "") for key in ("name", "saved"))
        if name and name in last:
            early, late = sorted([last[name], (saved, path.name)])
            found.older[early[1]] = f"{name} saved again later, in {late[1]}"
            last[name] = late
        elif name:
            last[name] = (saved, path.name)
        for row in content["answers"]:
            known = {key: row.get(key) for key in FIELDS}
            found.rows.append({"file": path.name, "name": name, "saved": saved} | known)
    return found


def _right(row: dict[str, Any]) -> tuple[list[str], str] | None:
    """The options of a question as it is asked now, and the right one."""
    for q in bank()["choices"].get(row["id"], []):
        if q["version"] == row["version"]:
            return q["options"], q["options"][q["right"]]
    return None


def table(found: Predictions) -> str:
    """For each question how many chose what, as bars; then what does not count, and why."""
    counted = [r for r in found.rows if r["file"] not in found.older]
    questions = dict.fromkeys((r["id"], r["question"], r["version"]) for r in counted)
    lines = []
    for name, question, version in sorted(questions, key=lambda q: (len(q[0]), q[0])):
        rows = [
            r
            for r in counted
            if (r["id"], r["question"], r["version"]) == (name, question, version)
        ]
        given = Counter(str(r["answer"]) for r in rows if r["answer"] is not None)
        skipped = sum(r["answer"] is None for r in rows)
        now = _right(rows[0])
        lines.append(f"{name}. {question}")
        if rows[0]["kind"] == "curve":
            drawn = checks.counted(sum(given.values()), "curve was", "curves were")
            lines.append(f"   {drawn} drawn; the numbers are in the CSV")
        else:
            if now is None:
                lines.append("   (another version of the question than the course asks now)")
            options = [*(now[0] if now else ()), *(a for a in given if not now or a not in now[0])]
            most = max([*given.values(), 1])
            for option in options:
                bar = "#" * round(_BAR * given[option] / most)
                mark = "  <- right" if now and option == now[1] else ""
                lines.append(f"   {given[option]:3d} {bar:{_BAR}} {option}{mark}")
        if skipped:
            lines.append(f"   {skipped:3d} looked without answering")
        lines.append("")
    readers = len({r["file"] for r in counted})
    answers = checks.counted(len(counted), "answer", "answers")
    lines.append(f"{checks.counted(readers, 'file', 'files')} with {answers}")
    for one, more, files in (
        ("file does not count", "files do not count", found.refused),
        ("file is older", "files are older", found.older),
    ):
        if files:
            lines.append(f"{checks.counted(len(files), one, more)}:")
            lines += [f"  {name}: {why}" for name, why in files.items()]
    return "\n".join(lines)


def as_csv(found: Predictions) -> str:
    """Every answer of every file that could be read, one a line."""
    out = io.StringIO()
    rows = csv.DictWriter(out, ["file", "name", "saved", *FIELDS], lineterminator="\n")
    rows.writeheader()
    rows.writerows(found.rows)
    return out.getvalue()


def keep(found: Predictions, out: Path) -> str:
    """Write the CSV, and return the table.

    Raises:
        CheckpointError: the file cannot be written.
    """
    write_atomically(out, as_csv(found).encode())
    return f"{table(found)}\n{out}: {len(found.rows)} answers"
