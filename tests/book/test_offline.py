"""The zip to hand out: its page of instructions, and a wheelhouse that needs no network."""

import os
import re
import shlex
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import ROOT
from tests.project.lock import LOCK

sys.path.insert(0, str(ROOT / "book" / "tools"))
import offline


def tiny(folder, name, version, *needs):
    """A wheel with one module that tells its version."""
    stem = f"{name.replace('-', '_')}-{version}"
    folder.mkdir(exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    info = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {need}\n" for need in needs),
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(f"{name.replace('-', '_')}.py", f"version = {version!r}\n")
        for part, text in info.items():
            out.writestr(f"{stem}.dist-info/{part}", text)
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index of small wheels in place of the real one; of one package a version too new."""
    folder = tmp_path / "index"
    tiny(folder, "jupyterlab-small", "1.0", "filelock")
    for version in (LOCK["filelock"], "999.0"):
        tiny(folder, "filelock", version)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.mark.slow
def test_a_wheelhouse_holds_locked_versions_and_installs_without_a_network(index, tmp_path):
    ours = tiny(tmp_path / "ours", "stompp-lite", "0.1.0", "filelock>=1")
    wheels = offline.wheelhouse(tmp_path / "top" / "wheels", ours, ("jupyterlab-small",))
    assert [path.name.split("-")[0] for path in wheels] == [
        "filelock", "jupyterlab_small", "stompp_lite",
    ]  # fmt: skip
    assert wheels[0].name.startswith(f"filelock-{LOCK['filelock']}-")
    text = offline.readme(ours, True, ("jupyterlab-small",))
    commands = re.findall(r"^ {16}(\S.*)$", text, re.MULTILINE)
    assert len(commands) == 3 and commands[0] == "python -m venv env"
    assert commands[2] == "env/bin/jupyter lab notebooks"
    words = shlex.split(commands[1])
    assert words[0] == "env/bin/python" and "--no-index" in words
    env = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    done = subprocess.run(  # as a reader would, but into a folder in place of an environment
        [sys.executable, *words[1:], "--quiet", "--target", tmp_path / "env"],
        cwd=tmp_path / "top", env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {p.stem for p in (tmp_path / "env").glob("*.py")} == {
        "filelock", "jupyterlab_small", "stompp_lite",
    }  # fmt: skip


def test_wheels_that_cannot_be_had_end_it_with_the_way_out(index, tmp_path):
    ours = tiny(tmp_path / "ours", "stompp-lite", "0.1.0", "nowhere-to-be-found")
    with pytest.raises(SystemExit, match="Without WHEELS=1 the zip needs none"):
        offline.wheelhouse(tmp_path / "wheels", ours, ())


def test_the_page_of_instructions_says_where_packages_come_from_and_whose_the_digits_are(tmp_path):
    ours = tmp_path / "stompp_lite-0.1.0-py3-none-any.whl"
    text = offline.readme(ours, False)
    assert f"pip install ./{ours.name} jupyterlab ipywidgets anywidget" in text
    for said in ("Alpaydin", "CITATION.cff", "CC BY 4.0", "your\n            package index"):
        assert said in text
    assert "env/bin" not in text and max(map(len, text.splitlines())) <= 100
