"""What the book makes of a notebook's drawing: other names and colors, never other words."""

import datetime
import io
import json
import os
import platform
import re
import subprocess
import sys

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from sphinx.errors import ExtensionError

from stompp_lite.viz import style
from tests.conftest import CHAPTERS, ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
sys.path.insert(0, str(ROOT / "book" / "tools"))
import course
import lessons
from chapters import byline, footer, glossary
from drawings import drawing

import notebooks


@pytest.fixture(scope="module")
def svg():
    with plt.rc_context():
        style.use()
        fig, ax = plt.subplots()
        ax.plot([0, 1.23456], [0.5, 0.98765], color=style.look("stompp").color)
        ax.imshow(np.eye(3), extent=(0, 1000, 0, 1), aspect="auto")
        ax.set_title("15.74% of 1.0000, <b> & −0.25")
        out = io.StringIO()
        fig.savefig(out, format="svg")
        plt.close(fig)
    return out.getvalue()


def words(text):
    return re.findall(r"<text[^>]*>([^<]*)</text>", text)


def test_numbers_in_a_drawing_stay_as_they_are(svg):
    shown = drawing(svg, "f1a", "what it shows", "A caption.")
    assert words(shown) == words(svg) and any("15.74%" in w for w in words(shown))
    assert re.findall(r'transform="[^"]*"', shown) == re.findall(r'transform="[^"]*"', svg)
    assert len(shown) < 0.8 * len(svg)


def test_names_and_colors_of_a_drawing_are_the_pages_own(svg):
    shown = drawing(svg, "f1a", 'a "quoted" alt', "")
    assert style.look("stompp").color not in shown and "var(--fig-stompp)" in shown
    assert 'aria-label="a &quot;quoted&quot; alt"' in shown and "figcaption" not in shown
    ids = re.findall(r'\bid="([^"]+)"', shown)
    assert ids and all(name.startswith("f1a") for name in ids) and len(ids) == len(set(ids))
    for used in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', shown):
        assert {name for name in used if name} <= set(ids)
    assert shown.count("<g") == shown.count("</g>")


def test_a_narrow_drawing_is_not_made_wider_on_a_phone(svg):
    assert "lbl-narrow" not in drawing(svg, "f1a", "what it shows", "")
    with plt.rc_context():
        style.use()
        fig, _ = plt.subplots(figsize=(style.NARROW, 2))
        out = io.StringIO()
        fig.savefig(out, format="svg", bbox_inches="tight")  # as a notebook does
        plt.close(fig)
    assert '<svg class="lbl-narrow" role="img"' in drawing(
        out.getvalue(), "f1a", "what it shows", ""
    )
    rules = (ROOT / "book" / "_static" / "layer.css").read_text(encoding="utf-8")
    assert "svg:has(text):not(.lbl-narrow)" in rules


def test_a_word_is_readable_on_whatever_it_stands_on():
    """White on a dark patch, ink on a light one, white on a map, and letters that are too faint."""
    with plt.rc_context():
        style.use()
        fig, ax = plt.subplots()
        ax.axvspan(0, 1, color=style.FROZEN)
        ax.axvspan(1, 2, color=style.FREE)
        ax.imshow([[0.0]], extent=(2, 3, 0, 1), cmap="gray", vmin=0, vmax=1, aspect="auto")
        ax.set(xlim=(0, 5), ylim=(0, 1))
        for x, (said, color) in enumerate(
            (("frozen", "white"), ("free", style.INK), ("map", style.INK), ("pale", "#eeee88"))
        ):
            ax.text(x + 0.5, 0.5, said, color=color, ha="center")
        ax.text(4.5, 0.5, "plain", color=style.INK, ha="center")
        out = io.StringIO()
        fig.savefig(out, format="svg")
        plt.close(fig)
    shown = drawing(out.getvalue(), "f1a", "what it shows", "")
    rules = dict(re.findall(r"(?<!\] )\.(f1as\d+)\{(.*?)\}", shown))
    dark = dict(re.findall(r'\[data-theme="dark"\] \.(f1as\d+)\{fill:(#\w+);\}', shown))
    behind = {
        "frozen": style.COLORS["frozen"], "free": style.COLORS["free"],
        "map": ("#000000", "#000000"), "pale": ("#ffffff", "#11171d"),
    }  # fmt: skip
    for said, grounds in behind.items():
        name = re.search(rf'class="(\w+)"[^>]*>{said}<', shown)[1]
        light = re.search(r"fill: (#\w+)", rules[name])[1]
        for color, ground in zip((light, dark[name]), grounds, strict=True):
            assert style.contrast(color, ground) >= 4.5, (said, color, ground)
    plain = re.search(r'class="(\w+)"[^>]*>plain<', shown)[1]
    assert "fill" not in rules[plain] and plain not in dark  # as the page writes


def test_a_meaning_with_markup_is_refused_and_only_the_first_section_is_read():
    page = "# N\n\n## Words\n\nThese:\n\na\n: One\n  thing.\n\n## Other\n\nb\n: $x$.\n"
    assert glossary(page) == {"a": "One thing."}
    with pytest.raises(ExtensionError, match=r"meaning of 'a' holds '\$'.*without markup"):
        glossary(page.replace("thing", "$x$"))
    with pytest.raises(ExtensionError, match="no section 'Words'"):
        glossary(page.replace("## Words", "## Terms"))


def test_every_chapter_has_a_question_what_it_needs_and_minutes():
    found = course.chapters()
    assert [c.number for c in found] == list(range(1, 20))
    for c in found:
        assert c.minutes >= 5 and c.question.endswith("?") and all(n < c.number for n in c.needs)
    assert found[7].needs == (6, 7)


def test_a_chapter_that_does_not_say_its_time_is_named():
    with pytest.raises(ValueError, match="chapter 7: the first cell must end with 'Running time"):
        byline("# 7. A title\n\n**Why?**", 1000, 7)


def test_a_page_without_a_number_is_optional_reading_and_no_chapter():
    said = byline("# A title\n\n**Why?** Running time: a minute.", 10, None)
    assert "Optional reading · 10 minutes to read · runs in a minute" in said
    with pytest.raises(ValueError, match="# A title: the first cell must end"):
        byline("# A title\n\n**Why?**", 10, None)
    pages = {path.stem: course.numbered(path.stem) for path in CHAPTERS}
    assert pages["08_order_matters"] == 8 and pages["can_a_plan_foresee_it"] is None
    assert not {name for name, n in pages.items() if n is None} & {
        c.page for c in course.chapters()
    }


def test_plans_of_teaching_name_what_is_there():
    every = {c.number: c for c in course.chapters()}
    assert set(lessons.LIVE) == set(every)
    for number, (cell, _) in lessons.LIVE.items():
        notebook = nbformat.read(ROOT / "notebooks" / f"{every[number].page}.ipynb", as_version=4)
        (shown,) = [c for c in notebook.cells if c.id == cell]
        assert shown.outputs or "fit(" in shown.source or "kill()" in shown.source, cell
    for name, sessions in lessons.PLANS.items():
        table = lessons.plan(name)
        assert table.count("\n") == len(sessions) + 1
        for numbers in sessions.values():
            assert all(f"[{n}. {every[n].title}](../../notebooks/" in table for n in numbers)
    assert "| 1.1, 1.2 |" in lessons.plan("six") and "7.2" in lessons.plan("term")
    page = (ROOT / "book" / "teaching" / "plans.md").read_text(encoding="utf-8")
    assert set(re.findall(r"% table lessons (\w+)", page)) == set(lessons.PLANS)
    minutes = [int(m) for m in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    assert minutes == sorted(set(minutes)) and minutes[0] == 0 and minutes[-1] < 90
    links = re.findall(r"\]\((?!https:)([^)#]+)\)", page)
    assert links and all((ROOT / "book" / "teaching" / x).exists() for x in links)


def test_a_page_says_when_its_code_was_executed_and_what_is_not_known():
    stamp = notebooks.executed(30.6)
    said = footer(stamp)
    assert (
        f"on {datetime.date.today()}, in 31 seconds, with Python {platform.python_version()}"
        in said
    )
    assert stamp["processor"] in said and "+" not in stamp["torch"] and stamp["torch"] in said
    assert footer({"date": "2026-11-20", "from": "git"}).startswith(
        "The outputs on this page last changed on 2026-11-20. On what they were made"
    )
    assert footer(None).endswith("was not kept.")


def test_git_knows_the_day_on_which_outputs_changed_last_and_nothing_more(tmp_path):
    def commit(day, source, text):
        cell = {"cell_type": "code", "source": source, "outputs": [text]}
        path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
        env = os.environ | {
            f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "a"), ("EMAIL", "a@b"), ("DATE", f"2026-11-{day}T12:00Z"))
        }  # fmt: skip
        for words in (["add", "."], ["commit", "-qm", "a"]):
            subprocess.run(["git", *words], cwd=tmp_path, env=env, check=True)

    path = tmp_path / "a chapter.ipynb"
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    commit("01", "one", "out"), commit("02", "one", "changed"), commit("03", "two", "changed")
    assert notebooks.from_history(path) == {"date": "2026-11-02", "from": "git"}
    path.write_text(path.read_text().replace("changed", "new"), encoding="utf-8")
    today = {"date": f"{datetime.date.today()}", "from": "git"}
    assert notebooks.from_history(path) == today  # it was executed, and is not committed yet
    commit("04", "two", "new")
    assert notebooks.from_history(path)["date"] == "2026-11-04"
