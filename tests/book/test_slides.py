"""Decks are made from stored figures, work offline and move; what the teacher gets is complete."""

import html
import re
import shlex
import sys
import zipfile

import nbformat
import pytest
import yaml

from stompp_lite.__main__ import _parser
from tests.browser import Watched
from tests.conftest import CHAPTERS, ROOT

sys.path.insert(0, str(ROOT / "book" / "tools"))
import bank
import klass
import slides

TEACHING = ROOT / "book" / "teaching"
DECKS = slides.slides()
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
#: A number that says where to look, or counts what everybody can count on the slide.
PLACE = re.compile(
    r"(?:[Cc]hapters?|[Ee]xercises?|[Cc]laims?) [CLRS]?\d+(?:(?:,| and| to) [CLRS]?\d+)*"
)


def texts(value):
    """Every text in a notebook, whatever holds it."""
    if isinstance(value, dict):
        return [t for inner in value.values() for t in texts(inner)]
    if isinstance(value, (list, tuple)):
        return [t for inner in value for t in texts(inner)]
    return [value] if isinstance(value, str) else []


def numbers(text):
    return {n.rstrip(",") for n in NUMBER.findall(PLACE.sub("", text))}


def said(slide):
    return " ".join(slide.get(key, "") for key in ("title", "says", "found", "notes"))


@pytest.mark.parametrize("chapter", DECKS)
def test_every_number_on_a_slide_stands_in_its_chapter(chapter):
    cells = slides.notebook(chapter)[0].cells
    parts = [c.source for c in cells]
    parts += [t for c in cells for o in c.get("outputs", []) for t in texts(o) if "<svg" not in t]
    there = numbers(" ".join(parts))
    for slide in DECKS[chapter]:
        assert not numbers(said(slide)) - there, slide["title"]


@pytest.mark.parametrize("chapter", DECKS)
def test_a_deck_asks_before_it_tells_and_ends_with_what_was_found(chapter):
    listed = DECKS[chapter]
    asks = [k for k, slide in enumerate(listed) if slide.get("ask")]
    assert asks and asks[-1] < len(listed) - 1 and listed[-1]["found"]
    cells = slides.notebook(chapter)[1]
    told = "\n".join(c.source for c in cells.values())
    found = re.search(r"^> \*\*(?:What we found\.\*\* (.+)|(.+)\*\*)$", told, re.MULTILINE)
    assert listed[-1]["found"] == (found[1] or found[2])
    drawn = {k: slides.figure(chapter, s["show"])[0] for k, s in enumerate(listed) if "show" in s}
    boxes = [k for k, parts in drawn.items() if 'data-component="predict' in "".join(parts)]
    assert boxes and all(listed[k].get("ask") for k in boxes)
    for slide in listed:
        words = re.findall(r"\w+", slide.get("says", ""))
        assert len(words) <= 70 and len(slide["notes"].split()) >= 8


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    """All decks, made once for this module."""
    folder = tmp_path_factory.mktemp("slides")
    return dict(zip(sorted(DECKS), slides.write([], folder), strict=True))


@pytest.mark.parametrize("chapter", DECKS)
def test_a_deck_is_one_file_with_every_figure_and_all_notes(decks, chapter):
    page = decks[chapter].read_text(encoding="utf-8")
    body = page[page.index("<body>") :]
    marked = re.sub(r"(<script[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    assert not re.search(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=", marked)
    assert not re.search(r"https?:(?!//www\.w3\.org/)", marked.partition("<body>")[2])
    assert not re.search(r"url\((?!data:|#)|@import|cdn|unpkg", page.partition("<body>")[0])
    listed = DECKS[chapter]
    assert body.count('<aside class="notes">') == len(listed)
    drawn = [slides.figure(chapter, s["show"])[0] for s in listed if "show" in s]
    shapes = "".join(part for parts in drawn for part in parts)
    for mark in ('<figure class="lbl-still"', 'data-component="'):
        assert body.count(mark) == shapes.count(mark)
    for name in set(re.findall(r'data-component="(\w+)"', shapes)):
        assert f"const ${name} = " in page
    spoken = [" ".join(re.findall(r"\w+", slide["notes"])[:6]) for slide in listed]
    heard = " ".join(re.findall(r"\w+", html.unescape(re.sub(r"<[^>]*>", "", body))))
    assert not [words for words in spoken if words not in heard]


def test_what_cannot_be_a_slide_is_named(monkeypatch, tmp_path):
    for call, words in (
        (lambda: slides.deck(99), "no slides for chapter 99"),
        (lambda: slides.notebook(99), "no chapter 99"),
        (lambda: slides.figure(1, "nobody"), "no cell 'nobody'"),
        (lambda: slides.figure(1, "byhand"), "stores nothing that a slide can show"),
        (lambda: slides.code(1, "twin"), "lines, too many"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    wrong = tmp_path / "slides.yaml"
    monkeypatch.setattr(slides, "SOURCE", wrong)
    for text, words in (
        ("1: [{title: a, note: b}]", "chapter 1, slide 1: 'note' is none of"),
        ("1: [{title: a, notes: b}, {title: a}]", "slide 2 needs a title and notes"),
    ):
        wrong.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=words):
            slides.slides()


@pytest.mark.slow
def test_a_deck_opens_from_a_disk_turns_and_moves(decks, context):
    watched = Watched(context)
    page = watched.page
    page.goto(decks[1].as_uri())
    page.wait_for_function("Reveal.isReady()")
    total = page.evaluate("Reveal.getTotalSlides()")
    assert total == len(DECKS[1])
    page.keyboard.press("ArrowRight")
    here = "Reveal.getCurrentSlide()"
    assert page.evaluate(f"{here}.querySelector('h2').textContent").startswith(DECKS[1][1]["title"])
    assert page.evaluate(f"{here}.querySelector('aside.notes').textContent").strip()
    page.evaluate("Reveal.slide(2)")
    bit = page.locator("section.present .lbl-bit").first
    before = page.locator("section.present .lbl-says").text_content()
    bit.click()
    assert page.locator("section.present .lbl-says").text_content() != before
    page.keyboard.press("ArrowRight")  # the figure has the keys
    assert page.evaluate("Reveal.getIndices().h") == 2
    page.keyboard.press("PageDown")  # a clicker turns all the same
    assert page.evaluate("Reveal.getIndices().h") == 3
    page.evaluate("Reveal.slide(2)")
    bit.click()
    page.keyboard.press("Escape")  # out of the figure
    for k in range(3, total):
        page.keyboard.press("ArrowRight")
        assert page.evaluate("Reveal.getIndices().h") == k
    ground = "getComputedStyle(document.body).backgroundColor"
    grounds = [page.evaluate(ground), page.keyboard.press("d"), page.evaluate(ground)]
    assert sorted(grounds[::2]) == ["rgb(17, 23, 29)", "rgb(255, 255, 255)"]
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    first = DECKS[1][-1]["notes"].split(".")[0]
    opened.value.get_by_text(first).wait_for()
    assert not watched.wrong


@pytest.mark.slow
def test_no_figure_scrolls_inside_its_slide(decks, browser):
    """At the size of a small projector; on a larger one letters grow with the slide."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 720})
    page, wrong = context.new_page(), []
    for chapter, path in decks.items():
        page.goto(path.as_uri())
        page.wait_for_function("Reveal.isReady()")
        page.wait_for_timeout(500)  # figures are made smaller until they fit
        for k in range(page.evaluate("Reveal.getTotalSlides()")):
            page.evaluate("k => Reveal.slide(k)", k)
            wrong += page.evaluate(
                """where => [...document.querySelectorAll('.present, .present .deck-part > *')]
                .filter((el) => el.scrollHeight > el.clientHeight + 2 && el.clientHeight)
                .map((el) => `${where}: ${el.className} is ${el.scrollHeight} px high`)""",
                f"{chapter}, slide {k + 1}",
            )
    context.close()
    assert not wrong, wrong


# ---- what the teacher gets -----------------------------------------------------------------------
def sections(page, level="## "):
    parts = re.split(
        rf"^{level}", (TEACHING / page).read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return {part.partition("\n")[0]: part for part in parts[1:]}


def verdicts():
    """Claim -> its verdicts by setting."""
    told = yaml.safe_load((ROOT / "data" / "claims.yaml").read_text(encoding="utf-8"))
    return {claim["id"]: claim.get("verdict", {}) for claim in told}


def test_notes_of_a_chapter_have_all_parts_and_name_claims_that_exist():
    notes = {int(title.partition(".")[0]): text for title, text in sections("notes.md").items()}
    assert set(range(1, 20)) <= set(notes)
    for chapter, text in notes.items():
        heading = text.partition("\n")[0]
        assert heading == slides.notebook(chapter)[0].cells[0].source.split("\n")[0][2:]
        for part in (
            "The point", "Claim and evidence", "Stumbling blocks", "Ask aloud", "Skip", "Have ready"
        ):  # fmt: skip
            assert len(re.findall(rf"^\*\*{part}\.\*\* ?", text, re.MULTILINE)) == 1, (
                chapter,
                part,
            )
        blocks = text.partition("**Stumbling blocks.**")[2].partition("**Ask aloud.**")[0]
        asked = text.partition("**Ask aloud.**")[2].partition("**Skip.**")[0]
        assert len(re.findall(r"^\d\. ", blocks, re.MULTILINE)) == 2
        assert len(re.findall(r"^- .*(?:\n  .*)*\?", asked, re.MULTILINE)) == 3
        named = re.findall(r"\[[Cc]laim (\w+)\]\(\.\./ledger\.md\)", text)
        assert set(named) <= set(verdicts()) and "../ledger.md" in text


def test_projects_ask_what_the_ledger_has_not_decided():
    briefs = {t: x for t, x in sections("projects.md", "### ").items() if re.match(r"\d\. ", t)}
    assert len(briefs) == 6
    for title, text in briefs.items():
        for part in ("Question", "Why it is open", "Begin with"):
            assert f"**{part}.**" in text, (title, part)
        named = re.findall(r"\[claim (\w+)\]", text, re.IGNORECASE)
        arms = [v for name in named for v in verdicts()[name].values()]
        assert named and ("undecided" in arms or not arms), title
    page = (TEACHING / "projects.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z].*?) \|", page, re.MULTILINE)
    checklist = slides.notebook(12)[1]["checklist-text"].source
    assert len(rows) == len(re.findall(r"^\d\. ", checklist, re.MULTILINE)) == 9


def test_the_commands_of_the_projects_parse():
    page = (TEACHING / "projects.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python -m stompp_lite (.+)$", page, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        _parser().parse_args(shlex.split(command))


def test_the_bank_has_five_questions_a_chapter_of_every_kind():
    told = bank.bank()
    assert set(range(1, 20)) <= set(told)
    for chapter, listed in told.items():
        assert len(listed) == 5 and {one["kind"] for one in listed} == set(bank.KINDS), chapter
        for one in listed:
            if "cell" in one:
                assert slides.figure(chapter, one["cell"])[0]
    plain, solved = bank.sheet(told, False), bank.sheet(told, True)
    for one in (one for listed in told.values() for one in listed):
        assert one["ask"] in plain and one["answer"] in solved and one["answer"] not in plain


def test_every_exercise_to_explore_has_a_note_for_the_teacher():
    named = set()
    for path in CHAPTERS:
        if path.name[:2].isdigit() and int(path.name[:2]) <= 19:
            for cell in nbformat.read(path, as_version=4).cells:
                for number in re.findall(r"\*\*(\d)\. Explore\.\*\*", cell.source):
                    named.add(f"{int(path.name[:2])}.{number}")
    assert named and set(bank.explore()) == named


def test_no_answer_of_the_bank_is_in_what_students_get_or_in_a_page(tmp_path):
    klass.write(tmp_path / "class")
    with zipfile.ZipFile(tmp_path / "class" / "students.zip") as zipped:
        given = [zipped.read(name).decode() for name in zipped.namelist()]
    given += [p.read_text(encoding="utf-8") for p in (ROOT / "book").rglob("*.md")]
    told = bank.bank()
    kept = [one["answer"] for listed in told.values() for one in listed] + list(
        bank.explore().values()
    )
    everything = " ".join(" ".join(given).split())
    assert not [answer for answer in kept if answer in everything]
    teacher = (tmp_path / "class" / "bank" / "answers.md").read_text(encoding="utf-8")
    asked = (tmp_path / "class" / "bank" / "questions.md").read_text(encoding="utf-8")
    assert all(answer in teacher for answer in kept) and kept[0] not in asked
    toc = (ROOT / "book" / "_toc.yml").read_text(encoding="utf-8")
    assert "book/teaching/notes" in toc and "bank" not in toc


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1: [{kind: guess, ask: a, answer: b}]", "'guess' is none of recall"),
        ("1: [{kind: reason, ask: a}]", "question 1 needs a question and an answer"),
        ("1: [{kind: read, ask: a, answer: b}]", "of kind read names a cell"),
    ],
)
def test_a_question_that_is_not_complete_is_named(text, words, monkeypatch, tmp_path):
    wrong = tmp_path / "bank.yaml"
    wrong.write_text(f"{text}\nexplore: {{}}\n", encoding="utf-8")
    monkeypatch.setattr(bank, "SOURCE", wrong)
    with pytest.raises(ValueError, match=words):
        bank.bank()
