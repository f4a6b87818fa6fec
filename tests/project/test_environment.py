"""Lock, environment, metadata and README say the same things."""

import re
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


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines):
    found = [re.match(r"\s*-?\s*([\w.-]+)==([\w.+]+)\s*$", line) for line in lines]
    return {normal(m[1]): m[2] for m in found if m}


LOCK = pins((ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines())
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


def test_torchvision_is_left_alone_where_it_works():
    """In a fresh process, a loadable library means no declarations of ours."""
    code = (
        "from stompp_lite.networks import vision; vision._library_loads = lambda p: True\n"
        "try:\n    vision.import_torchvision()\nexcept Exception: pass\n"
        "print(len(vision._kept))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_digits_need_no_torchvision():
    code = (
        "import sys; from stompp_lite import load, fit, binarize_model; load('digits');"
        "print('torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


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
