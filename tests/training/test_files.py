"""Files: whole or not at all, one writer, nothing of the user's is touched, a clean end."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from stompp_lite.__main__ import main
from stompp_lite.errors import CheckpointError
from stompp_lite.training.files import check_writable, only_writer, write_atomically
from tests.conftest import ROOT


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_the_users_own_files_are_left_alone(tmp_path):
    for name in ("run.npz.partial", "run.npz.probe", ".run.npz.lock.mine", ".run.npz.stompp-note"):
        (tmp_path / name).write_text("precious")
    before = names(tmp_path)
    path = tmp_path / "run.npz"
    check_writable(path)
    write_atomically(path, b"content")
    with only_writer(path):
        pass
    assert names(tmp_path) == sorted([*before, "run.npz"])
    assert all((tmp_path / n).read_text(encoding="utf-8") == "precious" for n in before)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "run.npz", tmp_path / "run.npz"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["far", "run.npz"] and names(tmp_path / "far") == ["run.npz"]


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


WRITER = """
import sys
from stompp_lite.training.files import write_atomically
for i in range(100):
    write_atomically(sys.argv[1], bytes([int(sys.argv[2])]) * 200_000)
"""


@pytest.mark.slow
def test_readers_never_see_a_torn_file(tmp_path):
    """Two writers at once, without a lock: every look finds one of the two, whole."""
    path = tmp_path / "file"
    write_atomically(path, b"\x01" * 200_000)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), n], env=env) for n in "12"
    ]
    looks = 0
    while any(w.poll() is None for w in writers):
        content = path.read_bytes()
        assert len(content) == 200_000 and len(set(content)) == 1
        looks += 1
    assert [w.returncode for w in writers] == [0, 0] and looks > 20
    assert names(tmp_path) == ["file"]


HOLDER = """
import sys, time
from stompp_lite.training.files import only_writer
with only_writer(sys.argv[1]):
    print("holds", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_honest_and_dies_with_its_process(tmp_path):
    path = tmp_path / "run.npz"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True, env=env
    )
    assert holder.stdout.readline() == "holds\n"
    with (
        pytest.raises(CheckpointError, match=r"another run is using .*run\.npz as its checkpoint"),
        only_writer(path),
    ):
        pytest.fail("two writers")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with only_writer(path):
        pass
    assert names(tmp_path) == []


def test_out_and_checkpoint_must_be_two_files(tmp_path, capsys):
    path, link = tmp_path / "a.json", tmp_path / "b.json"
    link.symlink_to(path)
    for other in (path, link):
        args = ["run", "--out", str(path), "--checkpoint", str(other), "--set", "epochs=1"]
        assert main(args) == 1
        assert "are the same file" in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.slow
def test_sigterm_takes_the_workers_of_a_sweep_along(tmp_path):
    command = [sys.executable, "-m", "stompp_lite", "sweep", "fair", "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path), "--only", "n09"], cwd=ROOT, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    deadline, workers = time.time() + 60, []
    while len(workers) < 2 and time.time() < deadline:
        time.sleep(0.2)
        workers = psutil.Process(process.pid).children(recursive=True)
    time.sleep(3)  # in the middle of their work
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143 and "are kept" in err, err
    _, left = psutil.wait_procs(workers, timeout=20)
    assert not left
