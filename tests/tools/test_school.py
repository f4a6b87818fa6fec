"""A class of thirty as a lab: what counts, what does not and why, and what comes out."""

import csv
import io
import json
import re
import shlex
from dataclasses import asdict, replace

import numpy as np
import pytest

from stompp_lite.__main__ import _parser, main
from stompp_lite.errors import ConfigError
from stompp_lite.lab import record
from stompp_lite.lab.config import Config
from stompp_lite.lab.recipes import configure
from stompp_lite.tools import predictions, school
from stompp_lite.viz.bank import bank
from tests import thirty
from tests.conftest import ROOT

LESSON = school.LESSONS["fair-36"]


def handed_in(label, seed, right, cpu="A processor", **changes):
    """A run of a student, as a record, with so many of 360 images right."""
    bits = np.random.default_rng(seed).permutation(np.arange(360) < right)
    old = record.read(ROOT / "data" / "runs" / "fair" / "n09-minimal-ste-s0.json")
    return replace(
        old, recipe="fair", name=f"{label.lower()}-{seed}", seed=seed,
        config=LESSON.config(label, seed).to_dict() | {"test_images": 360} | changes,
        machine=old.machine | {"cpu": cpu}, correct=np.packbits(bits).tobytes().hex(),
        final=old.final | {"test_acc": 100 * right / 360}, outcome="finished",
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Thirty students; some of what they hand in cannot count."""
    folder = tmp_path_factory.mktemp("handed in")
    draw = np.random.default_rng(0)
    for seed in range(1, 31):
        cpu = "An older one" if seed % 3 == 0 else "A processor"
        for label, center in (("StoMPP", 300), ("STE", 40)):
            if (label, seed) != ("STE", 30):  # one forgot a file
                one = handed_in(label, seed, center + int(draw.integers(-12, 12)), cpu)
                record.save(one, folder / f"{label.lower()}-{seed}.json")
    (folder / "stompp-7-copy.json").write_text(
        (folder / "stompp-7.json").read_text(encoding="utf-8"), encoding="utf-8"
    )
    record.save(handed_in("STE", 8, 41), folder / "tom-ste-8.json")
    record.save(handed_in("STE", 31, 41, epochs=20, lr=0.5), folder / "short.json")
    mine = handed_in("STE", 40, 41)  # the run of seed 5, whose seed was changed by hand
    other = record.read(folder / "ste-5.json")
    record.save(
        replace(mine, correct=other.correct, curves=other.curves, final=other.final),
        folder / "tim.json",
    )
    (folder / "bytes.json").write_bytes(b"\xff\x00")
    (folder / "nothing.json").write_bytes(b"")
    (folder / "notes.txt").write_text("I liked it", encoding="utf-8")
    (folder / "empty.json").write_text("{}", encoding="utf-8")
    (folder / "sub").mkdir()
    return folder


def test_every_file_counts_or_is_named_with_the_reason(folder):
    found = school.collect(folder)
    assert {label: len(runs) for label, runs in found.runs.items()} == {"StoMPP": 30, "STE": 29}
    assert found.alone() == [30]
    said = {name: why.split("(")[0].strip() for name, why in found.refused.items()}
    assert said.pop("empty.json").startswith("field ") or "missing" in found.refused["empty.json"]
    assert said == {
        "stompp-7.json": "seed 7 of StoMPP is there, the same run in stompp-7-copy.json",
        "tom-ste-8.json": "seed 8 of STE is there, another run in ste-8.json",
        "short.json": "other settings than STE of this lesson: epochs is 20 and not 60; "
        "lr is 0.5 and not 0.1",
        "tim.json": "the run in ste-5.json, under another seed",
        "bytes.json": "not a JSON file",
        "nothing.json": "not a JSON file",
        "notes.txt": "not a JSON file",
        "sub": "a folder; put the files side by side",
    }
    count = len(list(folder.iterdir()))
    assert sum(map(len, found.runs.values())) + len(found.refused) == count
    assert found.processors == {"A processor": 40, "An older one": 19}


def test_the_class_has_a_verdict_beside_the_books(folder, tmp_path, capsys):
    out = tmp_path / "class"
    assert main(["class", "collect", str(folder), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "your class: +7" in told and "29 seeds with both runs: hint" in told
    assert "the book: +" in told and "40 on A processor, 19 on An older one" in told
    assert "9 files do not count:" in told and "not in the difference: [30]" in told
    assert (out / "class.txt").read_text(encoding="utf-8") in told
    drawn = (out / "class.svg").read_text(encoding="utf-8")
    assert "your class" in drawn and "recorded runs" in drawn and "StoMPP" in drawn
    rows = list(csv.DictReader(io.StringIO((out / "class.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 59 and {r["side"] for r in rows} == {"StoMPP", "STE"}


def test_a_worksheets_commands_make_runs_that_count(tmp_path, capsys):
    assert main(["class", "new", "fair-36", "--students", "12", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "fair-36.md").read_text(encoding="utf-8")
    assert "from 1 to 12" in text and str(tmp_path) in capsys.readouterr().out
    commands = [ln for ln in text.splitlines() if ln.startswith("python -m stompp_lite")]
    made = {}
    for command in commands:
        words = shlex.split(command.replace("$SEED", "7"))[3:]
        args = _parser().parse_args(words)
        config = configure(args.recipe, args.name, args.method, args.changes)
        made[args.out.name] = config
    assert made == {
        "stompp-7.json": LESSON.config("StoMPP", 7), "ste-7.json": LESSON.config("STE", 7),
    }  # fmt: skip
    with pytest.raises(ConfigError, match="is there already; name another folder"):
        school.new("fair-36", tmp_path)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda p: school.worksheet("fair-35"), "unknown lesson 'fair-35'; did you mean 'fair-36'"),
        (lambda p: school.worksheet("fair-36", 1), "students must be an integer of at least 2"),
        (lambda p: school.collect(p / "none"), "none is no folder; put the files"),
        (lambda p: predictions.read(p / "none"), "none is no folder; put the prediction files"),
    ],
)
def test_what_cannot_be_done_is_said(call, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        call(tmp_path)


def test_nothing_is_written_among_what_was_handed_in(tmp_path, capsys):
    for command in (["class", "collect", str(tmp_path)], ["answers", str(tmp_path)]):
        out = tmp_path / "answers.csv" if command[0] == "answers" else tmp_path
        assert main([*command, "--out", str(out)]) == 1
        assert "would write among the files" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_class_of_nobody_has_no_verdict_and_no_error(tmp_path):
    told = school.told(school.collect(tmp_path, "fair-16"))
    assert "your class: 0 seeds with both runs, and a difference needs two" in told
    assert "STE: 0 runs" in told and "processors, all of which count: none" in told
    assert Config() != LESSON.config("STE") and asdict(LESSON)["recipe"] == "fair"


# ---- predictions ---------------------------------------------------------------------------------
QUESTION = bank()["choices"]["1"][0]


def row(answer, **changes):
    return {
        "page": "1. Why one bit", "id": "1", "kind": "choice", "state": "committed", "when": None,
        "question": QUESTION["ask"], "version": QUESTION["version"], "answer": answer,
        "right": None, "wording": "current",
    } | changes  # fmt: skip


def save(path, name, *rows, saved="2026-01-01", course="Layer by Layer"):
    content = {"course": course, "name": name, "saved": saved, "answers": list(rows)}
    path.write_text(json.dumps(content), encoding="utf-8")


def test_predictions_become_bars_and_a_table(tmp_path, capsys):
    folder = tmp_path / "predictions"
    folder.mkdir()
    right = QUESTION["options"][QUESTION["right"]]
    wrong = QUESTION["options"][QUESTION["right"] - 1]
    for k in range(6):
        save(folder / f"{k}.json", f"Student {k}", row(right if k < 4 else wrong))
    save(
        folder / "6.json", "", row(None, state="skipped"), row("4: 90, 8: 80", id="4", kind="curve")
    )
    save(folder / "7.json", "Ada", row(wrong), saved="2026-01-02")
    save(folder / "8.json", "Ada", row(right), saved="2026-01-03")
    save(folder / "old.json", "Bob", row("about 12 times", version="an old one"))
    save(folder / "other.json", "Eve", row(right), course="Another course")
    save(folder / "nothing.json", "Eve")
    save(folder / "odd.json", "Eve", {"answer": 3})
    save(folder / "list.json", "Eve", row(right, version=["a"]))
    save(folder / "half.json", "Eve \ud800", row("half a \ud83d", id="2", kind=["\udc00"]))
    (folder / "empty.json").write_bytes(b"")
    (folder / "text.md").write_text("hello", encoding="utf-8")
    out = tmp_path / "answers.csv"
    assert main(["answers", str(folder), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    bars = {ln[38:]: ln for ln in told.splitlines() if ln.startswith("   ") and "#" in ln}
    assert bars[f"{right}  <- right"].split()[:2] == ["5", "#" * 30]
    assert bars[wrong].split()[:2] == ["2", "#" * 12]
    assert "another version of the question" in told and "  1 looked without answering" in told
    assert "1 curve was drawn" in told
    assert "7.json: Ada saved again later, in 8.json" in told
    for said in ("other.json: no predictions of this course", "nothing.json: it holds no answers",
                 "odd.json: an answer without id", "text.md: not a JSON file",
                 "empty.json: not a JSON file", "list.json: a version that is no text: ['a']",
                 "6 files do not count:", "10 files with 11 answers"):  # fmt: skip
        assert said in told, said
    (alone := tmp_path / "alone").mkdir()
    save(alone / "1.json", "Ada", row(right))
    (alone / "2.json").write_bytes(b"")
    assert main(["answers", str(alone), "--out", str(tmp_path / "alone.csv")]) == 0
    told = capsys.readouterr().out
    assert "1 file with 1 answer\n1 file does not count:\n  2.json" in told
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert len(rows) == 12 and rows[0]["answer"] == right  # nothing is lost
    assert [r["answer"] for r in rows if r["file"] == "half.json"] == ["half a ?"]
    assert {r["file"] for r in rows} >= {"7.json", "8.json", "old.json"}


def test_the_page_of_an_afternoon_shows_what_the_commands_print(tmp_path):
    thirty.runs(tmp_path / "runs"), thirty.predictions(tmp_path / "predictions")
    page = (ROOT / "book" / "teaching" / "afternoon.md").read_text(encoding="utf-8")
    shown = re.findall(
        r"```sh\n[^`]*(answers|collect) [^`]*```\n\n```text\n(.+?)```", page, re.DOTALL
    )
    made = {
        "answers": predictions.table(predictions.read(tmp_path / "predictions")),
        "collect": school.told(school.collect(tmp_path / "runs")),
    }
    assert [name for name, _ in shown] == list(made)
    for name, text in shown:
        lines = [ln for ln in text.splitlines() if ln != "..."][:-1]  # the last one names files
        told = " ".join(made[name].split())
        wrong = [ln for ln in lines if " ".join(ln.split()) not in told]
        assert len(lines) > 10 and not wrong, wrong
