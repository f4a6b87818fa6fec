"""An exercise and its solution stand apart, and no solution reaches a student's notebook."""

import html
import json
import re
import sys
import zipfile

import nbformat
import pytest

from stompp_lite.check import EXERCISES
from stompp_lite.errors import ConfigError
from tests import thirty
from tests.browser import HTML
from tests.conftest import CHAPTERS, ROOT

sys.path.insert(0, str(ROOT / "book" / "tools"))
import asked
import grade
import klass
import marks
import otters
import without

ASKED = re.compile(r'^check\("([^"]+)", ', re.MULTILINE)
SOLVED = re.compile(r"<summary>(Solution|What to expect)|^# @title Solution", re.MULTILINE)
ID = re.compile(r"ex(\d)(-answer|-solution2?)?")


@pytest.fixture(params=CHAPTERS, ids=lambda p: p.stem)
def path(request):
    return request.param


@pytest.fixture
def chapter(path):
    return nbformat.read(path, as_version=4)


def tags(cell):
    return set(cell.metadata.get("tags", []))


def exercises(notebook):
    """The cells of exercises, with number and part."""
    found = [(c, ID.fullmatch(c.id)) for c in notebook.cells]
    return [(c, int(m[1]), m[2] or "") for c, m in found if m]


def test_question_answer_and_solution_are_cells_of_their_own(chapter):
    cells = exercises(chapter)
    places = [
        (number, ["", "-answer", "-solution", "-solution2"].index(p)) for _, number, p in cells
    ]
    assert places == sorted(set(places)) and {n for n, _ in places} >= {1, 2, 3}
    for cell, number, part in cells:
        if part.startswith("-solution"):
            assert "solution" in tags(cell) and SOLVED.search(cell.source), cell.id
        else:
            assert "exercise" in tags(cell) and not SOLVED.search(cell.source), cell.id
        if not part:
            assert f"**{number}. " in cell.source
    others = [c for c in chapter.cells if not ID.fullmatch(c.id)]
    assert not [
        c.id for c in others if SOLVED.search(c.source) or tags(c) & {"exercise", "solution"}
    ]


def test_a_solution_is_folded_in_jupyter_in_colab_and_on_the_page(chapter):
    for cell, _, part in exercises(chapter):
        if not part.startswith("-solution"):
            continue
        if cell.cell_type == "markdown":
            assert cell.source.startswith("<details>") and cell.source.endswith("</details>")
            continue
        assert "hide-cell" in tags(cell) and cell.metadata["cellView"] == "form"
        assert cell.metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}


def printed(cell):
    return "".join(o.get("text", "") for o in cell.outputs)


def test_stubs_run_and_stored_solutions_pass(path, chapter):
    number = path.stem[:2].lstrip("0") if path.stem[:2].isdigit() else "plan"
    asked, passed = set(), set()
    for cell, ex, part in exercises(chapter):
        for name in ASKED.findall(cell.source) if cell.cell_type == "code" else ():
            assert name == f"{number}.{ex}"
            if part == "-answer":
                asked.add(name)
                assert printed(cell) == (
                    f"Exercise {name}: nothing to check yet. Put your answer where ... stands.\n"
                )
                assert "from stompp_lite.check import check" in cell.source or len(asked) > 1
            else:
                passed.add(name)
                assert f"Exercise {name}\n" in printed(cell)
                assert re.search(r"  (All \d properties hold|That is all)\.", printed(cell)), (
                    cell.id
                )
    assert asked == {name for name in EXERCISES if name.partition(".")[0] == number}
    code = {name for name in asked if EXERCISES[name].kind == "code"}
    assert passed >= code


# ---- what a class is handed ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "new"
    klass.write(folder)
    return folder


def texts(value):
    if isinstance(value, dict):
        return [t for k, v in value.items() for t in (k, *texts(v))]
    if isinstance(value, list):
        return [t for v in value for t in texts(v)]
    return [value] if isinstance(value, str) else []


def test_no_solution_is_anywhere_in_what_students_get(made, path, chapter):
    """Looked for in the zip's bytes as they are, by the lines of the stored solutions."""
    with zipfile.ZipFile(made / "students.zip") as zipped:
        raw = zipped.read(f"{klass.TOP}/notebooks/{path.name}").decode()
    student = "\n".join(texts(json.loads(raw)))
    solutions = [c for c in chapter.cells if "solution" in tags(c)]
    elsewhere = "\n".join("\n".join(texts(c)) for c in chapter.cells if c not in solutions)
    tried = 0
    for cell in solutions:
        stored = "\n".join([cell.source, *(t for o in cell.outputs for t in texts(o))]
                           if cell.cell_type == "code" else [cell.source])  # fmt: skip
        for line in map(str.strip, stored.splitlines()):
            if len(line) > 12 and not line.startswith("<") and line not in elsewhere:
                tried += 1
                assert line not in student, (cell.id, line)
    assert tried > 3
    assert not SOLVED.search(student) and "predict_curve" not in "".join(
        re.findall(r'data-component="(\w+)"', student)
    )
    assert (made / "students" / "notebooks" / path.name).read_text(encoding="utf-8") == raw


def test_students_keep_every_question_and_the_story(made, path, chapter):
    student = nbformat.read(made / "students" / "notebooks" / path.name, as_version=4)
    nbformat.validate(student)
    kept = [c.id for c in chapter.cells if "solution" not in tags(c)]
    assert [c.id for c in student.cells] == kept
    counts = [c.execution_count for c in student.cells if c.cell_type == "code"]
    assert counts == [*range(1, len(counts) + 1)]
    text = "\n".join(c.source for c in student.cells)
    assert not re.search(r"\]\(\.\./(?!book/book/[\w/]+\.html)", text)


def test_a_teacher_gets_every_solution_open(made, path, chapter):
    solved = nbformat.read(made / "solutions" / path.name, as_version=4)
    assert [c.id for c in solved.cells] == [c.id for c in chapter.cells]
    for cell in solved.cells:
        if "solution" in tags(cell):
            assert "jupyter" not in cell.metadata and not any("hide" in t for t in tags(cell))
            assert cell.cell_type == "code" or cell.source.startswith("<details open>")


# ---- the book of a class -------------------------------------------------------------------------
def told(text):
    """Letters and digits of a text, so that markup and spaces make no difference."""
    text = re.sub(r"\]\([^)]*\)", "", re.sub(r"<[^>]*>", "", text))
    return re.sub(r"[\W_]+", "", html.unescape(text))


@pytest.fixture(scope="module")
def handed(tmp_path_factory):
    """The folder of students with the book, made of the built one."""
    folder = tmp_path_factory.mktemp("class") / "new"
    klass.write(folder, HTML)
    return folder / "students"


@pytest.mark.slow
def test_no_solution_is_in_a_page_of_the_students_book_in_its_source_or_in_its_search(handed):
    """Looked for by the letters of every line that stands in a solution alone."""
    script = (handed / "book" / "_static" / "sections.js").read_text(encoding="utf-8")
    sections = json.loads(script.removeprefix("const SECTIONS = ").rstrip("; \n"))
    for path in CHAPTERS:
        notebook = nbformat.read(path, as_version=4)
        elsewhere = told(
            "\n".join(klass._strings([c for c in notebook.cells if "solution" not in tags(c)]))
        )
        lines = {told(line) for line in klass.secret(notebook)}
        lines = {line for line in lines if len(line) >= 16 and line not in elsewhere}
        page = f"notebooks/{path.stem}.html"
        whole, shorter = (
            told((top / page).read_text(encoding="utf-8")) for top in (HTML, handed / "book")
        )
        seen = [line for line in lines if line in whole]
        assert len(seen) > 0.8 * len(lines) > 2, page  # so that a solution would be noticed
        found = told(" ".join(" ".join(row[3:]) for row in sections if row[0] == page))
        assert len(found) > 1000
        source = told((handed / "book" / "_sources" / "notebooks" / path.name).read_text("utf-8"))
        for place, text in (("page", shorter), ("search", found), ("source", source)):
            assert not [line for line in lines if line in text], (page, place)


@pytest.mark.slow
def test_the_students_book_is_whole_and_every_link_of_their_notebooks_leads_to_it(handed):
    book, names = (
        handed / "book",
        {str(p.relative_to(HTML)) for p in HTML.rglob("*") if p.is_file()},
    )
    assert {str(p.relative_to(book)) for p in book.rglob("*") if p.is_file()} == names
    for path in CHAPTERS:
        page = (book / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert not SOLVED.search(page) and 'id="exercises"' in page and "lbl-executed" in page
        depth = [
            len(re.findall(rf"<{end}(?:div|details|section|article)\\b", page)) for end in ("", "/")
        ]
        assert depth[0] == depth[1], path.stem
        for cell in nbformat.read(handed / "notebooks" / path.name, as_version=4).cells:
            links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", cell.source)
            wrong = [to for to in links if not (handed / "notebooks" / to).is_file()]
            assert cell.cell_type == "code" or not wrong, (path.stem, wrong)
    with zipfile.ZipFile(handed.parent / "students.zip") as zipped:
        files = {i.filename: i.external_attr >> 16 & 0o777 for i in zipped.infolist()}
    assert f"{klass.TOP}/book/index.html" in files and f"{klass.TOP}/LICENSE" in files
    assert all(mode & 0o444 == 0o444 for mode in files.values())


def test_a_solution_is_cut_out_with_all_that_is_in_it_and_nothing_else():
    fold = (
        '<details class="lbl-solution">\n<summary>Solution</summary><details>x</details></details>'
    )
    cell = '<div class="cell tag_hide-cell tag_solution docutils"><div>a<div></div></div></div>'
    other = '<div class="cell tag_exercise">b</div><details><summary>Hint</summary></details>'
    assert without.cut(f"{other}{fold}1{cell}{cell}2{other}") == f"{other}12{other}"
    assert without.cut(other) == other
    with pytest.raises(ValueError, match="does not end"):
        without.cut(cell[:-6])


def graded():
    """Chapter and number of each exercise in code that a grader gets."""
    for path in CHAPTERS:
        names = [one.name for one in asked.graded(nbformat.read(path, as_version=4))]
        yield from ((path, name) for name in names if EXERCISES[name].kind == "code")


@pytest.mark.parametrize(("path", "name"), list(graded()), ids=lambda v: getattr(v, "stem", v))
def test_a_stored_solution_passes_and_the_released_cell_does_not(path, name, capsys):
    """Run as a grader runs it: what the chapter defines, the answer, the cell that asks."""
    cells = grade.assignment(nbformat.read(path, as_version=4)).cells
    place = next(k for k, c in enumerate(cells) if f"assert passes('{name}'" in c.source)
    asks, scope = cells[place].source, {}
    exec(cells[1].source, scope)
    exec(cells[place - 1].source, scope)
    exec(asks, scope)
    region = cells[place - 1].source.splitlines()
    assert region[0].endswith("BEGIN SOLUTION") and region[-1].endswith("END SOLUTION")
    for made in re.findall(r"^(?:def|class) (\w+)", cells[place - 1].source, re.MULTILINE):
        scope[made] = lambda *given: given[0]
    with pytest.raises((AssertionError, ConfigError)):
        exec(asks, scope)


@pytest.mark.parametrize("number", [2, 5, 16])
def test_both_graders_have_the_same_exercises_and_students_no_solution(number):
    ((name, chapter),) = asked.chosen([str(number)])
    one, other = grade.assignment(chapter), otters.master(name, chapter)
    exercises = asked.graded(chapter)
    open_, hidden, inside = [], [], ""
    for cell in other.cells:
        if cell.cell_type == "raw":
            begins = re.match(r"# (BEGIN|END) (SOLUTION|TESTS)$", cell.source)
            inside = begins[2] if begins and begins[1] == "BEGIN" else ""
        else:
            (hidden if inside else open_).append((inside, cell.source))
    assert hidden == [
        pair for e in exercises for pair in (
            ("SOLUTION", f"# BEGIN SOLUTION\n{e.solution}\n# END SOLUTION"),
            ("TESTS", f"passes({e.name!r}, {e.answer})"),
        )
    ]  # fmt: skip
    texts = [c.source for c in one.cells if c.cell_type == "markdown"]
    assert [source for _, source in open_ if source != open_[1][1]] == texts
    assert open_[1][1].startswith(asked.context(chapter))
    assert not klass.leaks(nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(source) for _, source in open_]
    ), klass.secret(chapter))  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["two"], "Name chapters by their numbers, not 'two'"),
        (["99"], "There is no chapter 99"),
    ],
)
def test_a_chapter_that_cannot_be_graded_is_named(arguments, said):
    with pytest.raises(SystemExit, match=said):
        asked.chosen(arguments)


def test_a_rehearsal_is_judged_by_its_table_of_grades(tmp_path, capsys):
    chapters, path = asked.chosen(["2", "5"]), tmp_path / "grades.csv"
    assert asked.judge(path, chapters) == [f"there is no {path}"]
    most = {name: len(asked.graded(notebook)) for name, notebook in chapters}
    good = {(n, w): most[n] if w == "right" else 0.0 for n in most for w in asked.WORKS}

    def judged(points):
        rows = [f"{name},{work},{score},{most[name]}" for (name, work), score in points.items()]
        path.write_text("\n".join(["assignment,student_id,score,max_score", *rows]), "utf-8")
        return asked.judge(path, chapters)

    assert judged(good) == [] and "chapter-05: nothing  0 of" in capsys.readouterr().out
    (said,) = judged(good | {("chapter-05", "wrong"): 1.0})
    assert said.startswith("chapter-05, wrong: 1 of ") and " and not 0 of " in said
    (said,) = judged(good | {("chapter-02", "right"): 0.0})
    assert said == f"chapter-02, right: 0 of 2 in {path}, and not 2 of 2"
    (said,) = judged({who: score for who, score in good.items() if who[1] != "nothing"} | {
        ("chapter-02", "nothing"): 0.0})  # fmt: skip
    assert said.startswith(f"chapter-05, nothing: no row in {path}, and not 0 of ")


def test_every_file_of_a_class_is_graded_or_named_with_the_reason(tmp_path):
    ((_, chapter),) = asked.chosen(["3"])
    released = grade.assignment(chapter)
    nbformat.write(released, tmp_path / "released.ipynb")
    folder = tmp_path / "in"
    thirty.notebooks(tmp_path / "released.ipynb", folder)
    older = nbformat.read(folder / "student-05.ipynb", as_version=4)
    older.cells[1].source += "\nolder = True"
    nbformat.write(older, folder / "student-05.ipynb")
    (folder / "list.ipynb").write_text("[1, 2]", encoding="utf-8")
    (folder / "empty.ipynb").write_bytes(b"")
    (folder / "bytes.ipynb").write_bytes(b"\xff\x00\xfe")
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    found = marks.sort_out(folder, released)
    assert list(found.works) == [f"student-{k:02d}" for k in range(1, 31)]
    assert found.other == ["student-05"]
    reasons = {name: why.split("(")[0].split(":")[0] for name, why in found.refused.items()}
    assert reasons == {
        "broken.ipynb": "not a notebook ", "bytes.ipynb": "not a notebook ",
        "empty.ipynb": "not a notebook ", "list.ipynb": "not a notebook ",
        "half.ipynb": "not this assignment, or its cells were deleted",
        "photo.jpg": "not a notebook", "student-07": "a folder; put the files side by side",
    }  # fmt: skip
    points = {f"student-{k:02d}": "1" for k in range(1, 30)}  # nbgrader failed on the last one
    told = marks.told(found, points, "1")
    assert (
        "29 of 37 files graded" in told
        and "1 file that nbgrader could not grade:\n  student-30" in told
    )
    assert "7 files that are not graded:" in told and "graded by this one: student-05" in told
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before
    with pytest.raises(ValueError, match="none is no folder"):
        marks.sort_out(tmp_path / "none", released)


def test_twelve_exercises_or_more_are_graded_by_a_machine():
    assert len(list(graded())) >= 12


def test_a_solution_that_leaks_is_named():
    cell, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    hidden = cell("x = 1\nanswer = [1, 2, 3, 4]", metadata={"tags": ["solution"]})
    told = nbformat.v4.new_output("stream", text="It is forty-two, of course.\n")
    hidden.outputs = [told]
    question = text("**1.** Which?", metadata={"tags": ["exercise"]})
    notebook = nbformat.v4.new_notebook(cells=[question, hidden])
    assert klass.secret(notebook) == {"answer = [1, 2, 3, 4]", "It is forty-two, of course."}
    assert [c.source for c in klass.student(notebook).cells] == ["**1.** Which?"]
    for place in ("metadata", "source", "outputs"):
        leaky = nbformat.v4.new_notebook(cells=[question, cell("pass")])
        if place == "outputs":
            leaky.cells[1].outputs = [told]
        elif place == "source":
            leaky.cells[1].source = "answer = [1, 2, 3, 4]  # mine"
        else:
            leaky.metadata["note"] = "answer = [1, 2, 3, 4]"
        assert klass.leaks(leaky, klass.secret(notebook)), place
    assert klass.leaks(notebook, set()) == [f"cell {hidden.id}"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="is not an empty folder; name a new one"):
        klass.write(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
