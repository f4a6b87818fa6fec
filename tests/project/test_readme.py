"""The README's code runs, its commands exist, its links lead somewhere."""

import re
import shlex

import nbformat
import numpy as np
import pytest

from stompp_lite import accuracy
from stompp_lite.__main__ import _parser
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.slow
def test_the_example_trains_a_binary_network(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, ship, own_loop = blocks("python")
    scope: dict = {}
    exec(compile(code, "README", "exec"), scope)
    assert scope["history"].finished and scope["history"].final["test_acc"] > 60
    assert set(scope["model"][3].binary_weight().unique().tolist()) == {-1, 1}
    assert "operations" in capsys.readouterr().out
    exec(compile(ship, "README", "exec"), scope)
    data, model = scope["data"], scope["model"].eval()
    assert np.array_equal(scope["logits"].argmax(1), model(data.test_x).argmax(1).numpy())
    assert (tmp_path / "net.stompp").stat().st_size < 30_000
    exec(compile(own_loop, "README", "exec"), scope)
    assert accuracy(scope["model"], scope["data"].test_x, scope["data"].test_y) > 50


def test_every_command_parses():
    pages = [README, (ROOT / "book/how_to_read.md").read_text(encoding="utf-8")]
    pages += [(ROOT / "book/recorded_runs.md").read_text(encoding="utf-8")]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        pages += [c.source for c in nbformat.read(path, as_version=4).cells]
    lines = [ln for page in pages for b in blocks("sh", page) for ln in b.splitlines()]
    commands = [ln.partition("#")[0] for ln in lines if ln.startswith("python -m stompp_lite")]
    assert len(commands) >= 8
    for command in commands:
        _parser().parse_args(shlex.split(command)[3:])


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    workflows = [p.read_text(encoding="utf-8") for p in (ROOT / ".github/workflows").iterdir()]
    run = re.findall(r"run: make ([a-z]+)", "".join(workflows))
    assert "test" in run
    for target in {*run, *re.findall(r"`?make ([a-z]+)", README)}:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#\s]+)\)", README):
        assert link.startswith("https://") or (ROOT / link).exists(), link
