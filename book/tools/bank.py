"""Print the question bank as two sheets, questions and answers, into build/bank.

Usage: python book/tools/bank.py [chapter ...]

The bank, book/teaching/bank.yaml, is in no page of the book and in nothing that students get.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "book" / "teaching" / "bank.yaml"
TARGET = ROOT / "build" / "bank"
KINDS = ("recall", "reason", "read", "measure")


def bank() -> dict[int, list[dict[str, str]]]:
    """Chapter -> its questions, checked.

    Raises:
        ValueError: a question without an answer, of no known kind, or a figure that is not named.
    """
    told = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    del told["explore"]
    for chapter, listed in told.items():
        for k, one in enumerate(listed, 1):
            place = f"{SOURCE.name}, chapter {chapter}, question {k}"
            if one.get("kind") not in KINDS:
                raise ValueError(f"{place}: {one.get('kind')!r} is none of {', '.join(KINDS)}")
            if not one.get("ask") or not one.get("answer"):
                raise ValueError(f"{place} needs a question and an answer")
            if (one["kind"] == "read") != ("cell" in one):
                raise ValueError(f"{place}: a question of kind read names a cell, others do not")
    return told


def explore() -> dict[str, str]:
    """What to expect of each exercise called Explore: "7.4" -> a sentence or two."""
    return yaml.safe_load(SOURCE.read_text(encoding="utf-8"))["explore"]


def sheet(told: dict[int, list[dict[str, Any]]], answers: bool) -> str:
    """Questions in Markdown, numbered 7.1 to 7.5, with their answers or without."""
    rows = ["# Layer by Layer: " + ("questions and answers" if answers else "questions"), ""]
    for chapter, listed in told.items():
        rows += [f"## Chapter {chapter}", ""]
        for k, one in enumerate(listed, 1):
            where = f" (The figure of cell `{one['cell']}`.)" if "cell" in one else ""
            rows += [f"**{chapter}.{k}** {one['ask']}{where}", ""]
            if answers:
                rows += [f"*{one['kind'].capitalize()}.* {one['answer']}", ""]
        if answers:
            for name, said in explore().items():
                if name.partition(".")[0] == str(chapter):
                    rows += [f"**Exercise {name}, explore.** {said}", ""]
    return "\n".join(rows)


def write(target: Path, told: dict[int, list[dict[str, Any]]]) -> dict[str, Path]:
    """Write both sheets into a folder; what to do with each -> its file."""
    target.mkdir(parents=True, exist_ok=True)
    made = {}
    for name, answers in (("questions.md", False), ("answers.md", True)):
        made["keep it" if answers else "hand it out"] = target / name
        (target / name).write_text(sheet(told, answers), encoding="utf-8")
    return made


def main(arguments: list[str]) -> None:
    """Write both sheets, of the chapters that are named or of all."""
    try:
        told = bank()
        chosen = {int(a): told[int(a)] for a in arguments} or told
    except (ValueError, KeyError) as err:
        sys.exit(f"There is no such chapter in {SOURCE.name}, or it is not well formed: {err}")
    for what, path in write(TARGET, chosen).items():
        print(f"{path}: {what}")


if __name__ == "__main__":
    main(sys.argv[1:])
