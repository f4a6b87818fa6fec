"""What thirty made-up students hand in for chapter 3, with what goes wrong in a class.

Usage: python -m tests.thirty RELEASED.ipynb FOLDER

RELEASED is the notebook that ``make grade CHAPTERS=3`` makes for nbgrader. FOLDER gets
``notebooks``, ``runs`` of the lesson fair-36, and ``predictions``. Nobody ran anything: accuracies
are drawn around those of the book's runs. The page book/teaching/afternoon.md shows what a lecturer
does with them.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from stompp_lite.lab import record
from stompp_lite.tools import school
from stompp_lite.viz.bank import bank

STUDENTS = 30
LAYER = """class BinaryLinear(torch.nn.Linear):
    def forward(self, x):
        {}
        return F.linear(x, {})"""
SIGNS = "signs = torch.where(self.weight >= 0, 1.0, -1.0)"
#: Students who hand in each answer to exercise 3.2; the first one is right.
ANSWERS = {
    LAYER.format(SIGNS, "self.weight + (signs - self.weight).detach()"): 19,
    LAYER.format("signs = torch.sign(self.weight)", "signs"): 4,
    LAYER.format("self.weight.data.sign_()", "self.weight"): 3,
    LAYER.format(SIGNS, "self.weight"): 2,
    "": 2,
}


def notebooks(released: Path, folder: Path) -> None:
    """Thirty notebooks, and four files that are none of this assignment."""
    folder.mkdir(parents=True)
    answers = [text for text, count in ANSWERS.items() for _ in range(count)]
    for k, answer in enumerate(answers, 1):
        work = nbformat.read(released, as_version=4)
        for cell in work.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "ex2-answer" and answer:
                cell.source = answer
        nbformat.write(work, folder / f"student-{k:02d}.ipynb")
    other = nbformat.read(released, as_version=4)
    other.cells = other.cells[:2]  # the exercise is gone
    nbformat.write(other, folder / "half.ipynb")
    whole = released.read_text(encoding="utf-8")
    (folder / "broken.ipynb").write_text(whole[: len(whole) // 2], encoding="utf-8")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 a photo of the blackboard")
    (folder / "student-07").mkdir()


def _run(label: str, seed: int, right: int) -> record.Record:
    lesson = school.LESSONS["fair-36"]
    old = school.recorded(lesson)[label][0]
    bits = np.random.default_rng(1000 * (label == "STE") + seed).permutation(360) < right
    return replace(
        old, name=f"{label.lower()}-{seed}", seed=seed, correct=np.packbits(bits).tobytes().hex(),
        config=lesson.config(label, seed).to_dict() | {"test_images": 360},
        final=old.final | {"test_acc": 100 * right / 360},
        machine=old.machine | {"cpu": ["A laptop", "The lab's computer"][seed % 3 == 0]},
    )  # fmt: skip


def runs(folder: Path) -> None:
    """Two runs of each student; one copied, one forgot a file, one changed the settings."""
    draw, recorded = np.random.default_rng(0), school.recorded(school.LESSONS["fair-36"])
    for label, found in recorded.items():
        scores = [one.final["test_acc"] for one in found]
        for seed in range(1, STUDENTS + 1):
            score = np.clip(draw.normal(np.mean(scores), np.std(scores, ddof=1)), 0, 100)
            record.save(
                _run(label, seed, round(3.6 * score)), folder / f"{label.lower()}-{seed}.json"
            )
    shutil.copy(folder / "ste-7.json", folder / "ste-8.json")
    (folder / "stompp-30.json").unlink()
    changed = _run("STE", 12, 300)
    changed.config["lr"] = 0.5
    record.save(changed, folder / "ste-12.json")
    (folder / "how it went.txt").write_text("My laptop was asleep.", encoding="utf-8")


def predictions(folder: Path) -> None:
    """Thirty files of *Save my answers*: one is empty, one answers an older question."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(5)
    for k in range(1, STUDENTS + 1):
        rows: list[dict[str, Any]] = [
            {
                "page": "3. A first binary network", "id": "3", "kind": "choice", "right": None,
                "state": "committed", "when": None, "wording": "current", "question": q["ask"],
                "version": "older" if k == 9 else q["version"],
                "answer": str(draw.choice(q["options"])),
            }
            for q in bank()["choices"]["3"]
        ]  # fmt: skip
        saved = {"course": "Layer by Layer", "name": f"Student {k}", "saved": "2026-11-29"}
        text = "" if k == 4 else json.dumps(saved | {"answers": rows})
        (folder / f"student-{k:02d}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    made = Path(sys.argv[2])
    notebooks(Path(sys.argv[1]), made / "notebooks")
    runs(made / "runs")
    predictions(made / "predictions")
