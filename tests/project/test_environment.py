"""Lock, environment, metadata and README say the same things."""

import re
import shlex
import subprocess
import sys
import tomllib

import pytest
import torch
import yaml

from stompp_lite import __version__, import_torchvision
from stompp_lite.errors import DataError
from stompp_lite.networks import vision
from tests.conftest import ROOT
from tests.project.lock import LOCK, normal, pins

sys.path.insert(0, str(ROOT / "book" / "tools"))
import environment

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements():
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [*PROJECT["project"]["dependencies"], *(r for extra in extras for r in extra)]


def test_every_requirement_is_pinned_and_the_pin_meets_it():
    from packaging.requirements import Requirement

    for text in requirements():
        r = Requirement(text)
        assert normal(r.name) in LOCK, f"{r.name} is not in requirements.lock"
        assert r.specifier.contains(LOCK[normal(r.name)]), text


def test_run_time_dependencies_have_floors_only():
    for text in PROJECT["project"]["dependencies"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", text), text


def test_environment_yml_equals_the_lock():
    content = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    listed = pins(content["dependencies"][-1]["pip"])
    assert len(listed) == len(content["dependencies"][-1]["pip"])
    assert listed == {name: LOCK[name] for name in listed}
    wanted = {normal(re.match(r"[\w-]+", r)[0]) for r in requirements()}
    assert wanted == set(listed)
    assert any(re.fullmatch(r"python=3\.1\d", d) for d in content["dependencies"][:2])


def test_the_lock_is_portable():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"file:|https?:|nvidia|\+cpu|@ ", text)


def test_uv_gets_the_settings_of_pip_the_environments_first():
    listed = """:env:.find-links='/wheels/own /more'
:env:.timeout='9'
global.find-links='/wheels'
global.extra-index-url='file:///one file:///two'
install.constraint='caps.txt'
freeze.index-url='not this'
a line of another kind"""
    assert environment.for_uv(listed) == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels/own,/more",
        "UV_INDEX": "file:///one file:///two",
        "UV_CONSTRAINT": "caps.txt",
    }


@pytest.mark.parametrize("failing", [None, "uv==", "-m uv"])
def test_pip_installs_the_lock_where_uv_cannot_be_had_or_fails(monkeypatch, failing):
    """With pip only torch is resolved: it may need packages that are in no lock."""
    said = []

    def run(*command, env=None):
        said.append(shlex.join(map(str, command)))
        return failing is None or failing not in said[-1]

    monkeypatch.setattr(environment, "_run", run)
    assert environment.with_uv() == (failing is None)
    assert len(said) == {None: 3, "uv==": 1, "-m uv": 2}[failing]
    assert environment.with_pip()
    torch_line, lock_line, ours = said[-3:]
    assert torch_line.endswith(f"torch=={LOCK['torch']} torchvision=={LOCK['torchvision']}")
    assert "--no-deps" not in torch_line
    assert "--no-deps -r" in lock_line and lock_line.endswith("requirements.lock")
    assert ours.endswith("--no-deps --no-build-isolation -e .")


def test_the_graders_lock_pins_what_the_other_one_has_not_and_is_installed_as_it_is(monkeypatch):
    """Beside, so that a reader's JupyterLab has no grader; pip follows where uv cannot."""
    lock, said = ROOT / "book" / "tools" / "graders.lock", []
    lines = [ln for ln in lock.read_text(encoding="utf-8").splitlines() if ln[0] != "#"]
    found = pins(lines)
    assert {"nbgrader", "otter-grader"} <= set(found) and len(found) == len(lines)
    assert not set(found) & set(LOCK)
    monkeypatch.setattr(
        environment, "_run", lambda *c, env=None: said.append(shlex.join(map(str, c)))
    )
    for setting in "01":
        monkeypatch.setenv("PIP_NO_INDEX", setting)
        assert not environment.beside("other/python", lock)
    assert [" -m uv pip " in s for s in said] == [True, False, True, False]
    assert ["--no-index" in s for s in said] == [False, False, True, False]  # pip reads its own
    assert all("--python other/python" in s and f"--no-deps -r {lock}" in s for s in said)


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    assert len(citation["references"]) == 2


def test_torchvision_imports_and_its_own_operators_survive():
    torchvision = import_torchvision()
    assert torchvision.models.resnet18 and import_torchvision() is torchvision
    if vision._kept:  # the compiled part did not fit: declared, not implemented
        with pytest.raises((NotImplementedError, RuntimeError)):
            torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    else:
        assert torchvision.ops.nms(torch.ones(1, 4), torch.ones(1), 0.5).tolist() == [0]


@pytest.mark.slow
def test_a_fresh_process_loads_torchvision_late_and_leaves_a_working_one_alone():
    """Digits need no torchvision, and a loadable library means no declarations of ours."""
    code = (
        "import sys; from stompp_lite import load, fit, binarize_model; load('digits')\n"
        "print('torchvision' in sys.modules)\n"
        "from stompp_lite.networks import vision; vision._library_loads = lambda p: True\n"
        "try:\n    vision.import_torchvision()\nexcept Exception: pass\n"
        "print(len(vision._kept))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "0"]


def test_a_missing_torchvision_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install torchvision"):
        import_torchvision()


def test_top_level_is_the_one_of_the_design_card():
    for name in (
        "book",
        "notebooks",
        "stompp_lite",
        "data",
        "tests",
        "_config.yml",
        "environment.yml",
    ):
        assert (ROOT / name).exists()


def test_modules_can_be_read_in_one_sitting():
    lines = {
        p: len(p.read_text(encoding="utf-8").splitlines())
        for p in (ROOT / "stompp_lite").rglob("*.py")
    }
    assert max(lines.values()) <= 400, max(lines, key=lines.get)
