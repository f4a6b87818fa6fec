"""Checkpoints: whole or not at all, and no code in them."""

import io
import pickle
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from stompp_lite.errors import CheckpointError
from stompp_lite.training import checkpoint

TREE = {
    "step": 3, "name": "run", "none": None, "flag": True,
    "nested": {0: {"momentum": None}, "a": [1.5, 2]},
    "tensors": {"f": torch.randn(3, 4), "i": torch.arange(5), "b": torch.tensor([True, False]),
                "empty": torch.empty(0), "scalar": torch.tensor(7)},
}  # fmt: skip


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b) and a.dtype == b.dtype
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    return a == b


def test_round_trip(tmp_path):
    path = tmp_path / "new folder" / "run.npz"
    checkpoint.save(path, TREE)
    assert equal(checkpoint.load(path), TREE)
    assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def test_every_truncation_is_noticed(tmp_path):
    path = tmp_path / "run.npz"
    checkpoint.save(path, TREE)
    whole = path.read_bytes()
    for length in [0, 1, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"run\.npz is not a whole checkpoint"):
            checkpoint.load(path)


def test_flipped_bytes_in_the_arrays_are_noticed(tmp_path):
    path = tmp_path / "run.npz"
    checkpoint.save(path, {"t": torch.arange(1000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        checkpoint.load(path)


def test_foreign_files_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was executed",))

    plain = tmp_path / "pickle.npz"
    plain.write_bytes(pickle.dumps(Evil()))
    inside = tmp_path / "objects.npz"
    head = np.frombuffer(
        b'{"format": "stompp_lite checkpoint 2", "tree": {"tensor": "t0"}}', np.uint8
    )
    buffer = io.BytesIO()
    np.savez(buffer, json=head, t0=np.array([Evil()], dtype=object))
    inside.write_bytes(buffer.getvalue())
    other = tmp_path / "other.npz"
    np.savez(other, weights=np.zeros(3))
    text = tmp_path / "text.npz"
    text.write_text("hello")
    with zipfile.ZipFile(tmp_path / "version.npz", "w") as archive:
        stream = io.BytesIO()
        np.save(stream, np.frombuffer(b'{"format": "other 9", "tree": {"dict": []}}', np.uint8))
        archive.writestr("json.npy", stream.getvalue())
    for name in ("pickle", "objects", "other", "text"):
        with pytest.raises(CheckpointError, match=f"{name}.npz is not a whole checkpoint"):
            checkpoint.load(tmp_path / f"{name}.npz")
    with pytest.raises(CheckpointError, match="format 'other 9'"):
        checkpoint.load(tmp_path / "version.npz")
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        checkpoint.load(tmp_path / "missing.npz")


DIES_WHILE_WRITING = """
import os, signal, sys, torch
from stompp_lite.training import checkpoint
def die(_descriptor):
    os.kill(os.getpid(), signal.SIGKILL)   # the bytes are written, the name is not yet moved
checkpoint.save(sys.argv[1], {"generation": 1, "t": torch.zeros(1000)})
os.fsync = die
checkpoint.save(sys.argv[1], {"generation": 2, "t": torch.ones(1000)})
"""


def test_a_process_killed_while_it_writes_leaves_the_previous_checkpoint(tmp_path):
    path = tmp_path / "run.npz"
    done = subprocess.run([sys.executable, "-c", DIES_WHILE_WRITING, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert checkpoint.load(path)["generation"] == 1
    checkpoint.save(path, {"generation": 3})
    assert checkpoint.load(path)["generation"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]  # nothing half-written is left


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    checkpoint.save(path, {"generation": 1})

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        checkpoint.save(path, {"generation": 2})
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]
    assert checkpoint.load(path)["generation"] == 1


def test_unwritable_places_and_things(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(CheckpointError, match="choose a folder you may write to"):
        checkpoint.save(blocker / "run.npz", {})
    with pytest.raises(CheckpointError, match="cannot store a set"):
        checkpoint.save(tmp_path / "run.npz", {"a": {1, 2}})


def test_a_small_file_cannot_unfold_to_fill_the_memory(tmp_path):
    path = tmp_path / "bomb.npz"
    head = b'{"format": "stompp_lite checkpoint 2", "tree": {"tensor": "t0"}}'
    np.savez_compressed(path, json=np.frombuffer(head, np.uint8), t0=np.zeros(50_000_000, np.uint8))
    assert path.stat().st_size < 100_000
    with pytest.raises(CheckpointError, match="its arrays are compressed"):
        checkpoint.load(path)
