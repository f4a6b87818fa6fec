"""What is built again after a change, and that nothing is when nothing has changed."""

import sys
from types import SimpleNamespace

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "tools"))
from kept import Kept, ingredients

import build

TOC = """root: book/index
parts:
  - caption: a
    chapters: [{file: book/part1}, {file: book/ledger}, {file: notebooks/01_one}]
"""
FILES = {
    "_config.yml": "title: t", "requirements.lock": "a==1", "book/_toc.yml": TOC,
    "book/index.md": "% table depth -\n% table course 1\n", "book/part1.md": "% table course 1\n",
    "book/ledger.md": "% table ledger all\n", "book/_ext/ext.py": "1", "book/tools/build.py": "1",
    "book/_static/layer.css": "a {}", "notebooks/01_one.ipynb": "{}", "stompp_lite/a.py": "1",
    "stompp_lite/viz/style.py": "1", "stompp_lite/viz/web/film.js": "1",
    "data/runs/fair/a.json": "{}", "data/claims.yaml": "[]", "data/bench.json": "{}",
    "data/zoo.json": "[]", "data/speed_packed.json": "{}", "data/speed_packed_2.json": "{}",
}  # fmt: skip
EVERY = {"book/index", "book/part1", "book/ledger", "notebooks/01_one"}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small repository, and a Sphinx that writes empty pages and counts its calls."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    html = tmp_path / "build" / "html"
    calls = []

    def sphinx(command, **_):
        made = set()
        for page in EVERY:
            kept = html.parent / ".doctrees" / f"{page}.doctree"
            if not kept.is_file():
                made.add(page)
            for target in (kept, html / f"{page}.html"):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()
        calls.append(made)
        return SimpleNamespace(returncode=sphinx.status)

    sphinx.status = 0
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "HTML", html)
    monkeypatch.setattr(build, "subprocess", SimpleNamespace(run=sphinx))
    return SimpleNamespace(root=tmp_path, html=html, calls=calls, sphinx=sphinx)


def test_nothing_is_built_where_nothing_has_changed_and_one_line_says_so(tree, capsys):
    assert build.build() == 0 and tree.calls == [EVERY]
    capsys.readouterr()
    assert build.build() == 0 and len(tree.calls) == 1
    said = capsys.readouterr().out
    assert said.startswith("Nothing has changed") and said.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "anew"),
    [
        ("data/runs/fair/a.json", {"book/index", "book/ledger"}),
        ("data/runs/fair/new.json", {"book/index", "book/ledger"}),
        ("data/claims.yaml", {"book/index", "book/ledger"}),
        ("stompp_lite/a.py", {"book/index", "book/ledger"}),
        ("stompp_lite/viz/web/film.js", {"book/index", "book/ledger"}),
        ("notebooks/01_one.ipynb", {"book/index", "book/part1", "book/ledger"}),
        ("stompp_lite/viz/style.py", EVERY),
        ("book/_ext/ext.py", EVERY),
        ("requirements.lock", EVERY),
        ("book/part1.md", set()),  # Sphinx notices these itself
        ("book/_static/layer.css", set()),
        ("_config.yml", set()),
    ],
)
def test_a_change_reaches_the_pages_that_show_it(tree, file, anew):
    build.build()
    (tree.root / file).write_text("changed", encoding="utf-8")
    assert build.build() == 0 and tree.calls[1:] == [anew]


def test_a_record_that_is_gone_and_a_page_that_is_gone_are_changes(tree):
    build.build()
    (tree.root / "data/runs/fair/a.json").unlink()
    build.build()
    (tree.html / "book/ledger.html").unlink()
    build.build()
    assert tree.calls[1:] == [{"book/index", "book/ledger"}, set()]


def test_after_a_failure_all_pages_are_read_again(tree, capsys):
    """Sphinx warns of a page when it reads it: a second try must not pass in silence."""
    build.build()
    (tree.root / "book/part1.md").write_text("a broken [link](nowhere.md)", encoding="utf-8")
    tree.sphinx.status = 1
    assert build.build() == 1 and "did not build" in capsys.readouterr().err
    tree.sphinx.status = 0
    assert build.build() == 0 and tree.calls[1:] == [set(), EVERY]


def test_what_python_and_jupyter_leave_behind_is_no_change(tree):
    before = ingredients(tree.root)
    for name in ("stompp_lite/__pycache__/a.pyc", "notebooks/.ipynb_checkpoints/01_one.ipynb"):
        (tree.root / name).parent.mkdir()
        (tree.root / name).write_bytes(b"1")
    assert ingredients(tree.root) == before


def test_every_ingredient_is_there():
    """A name that no file has would never change."""
    import kept

    for name in (*kept.WAY, *kept.TABLES, "notebooks", "book", "_config.yml"):
        assert (ROOT / name).exists(), name


def test_what_was_kept_is_read_back(tree):
    build.build()
    again = Kept(tree.root, tree.html.parent)
    assert again.before == again.now and again.is_current(sorted(EVERY))
