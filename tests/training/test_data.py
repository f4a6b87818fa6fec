"""Data sets: what loads is right, what is wrong is named."""

import gzip
import os
import pickle
import struct
import subprocess
import sys

import pytest
import torch

from stompp_lite import Data, load
from stompp_lite.errors import ConfigError, DataError, DtypeError, NonFiniteError, ShapeError
from stompp_lite.training import data
from tests.conftest import ROOT


def test_digits():
    d = load("digits")
    assert d.train_x.shape == (1437, 1, 8, 8) and d.test_x.shape == (360, 1, 8, 8)
    assert float(d.train_x.min()) == -1 and float(d.train_x.max()) == 1
    assert torch.bincount(d.test_y).min() >= 34  # stratified
    assert torch.equal(load("digits").test_x, d.test_x)


def test_validation_images_come_from_the_training_images_only():
    d, v = load("digits"), load("digits", validation=True)
    assert len(v.train_x) + len(v.test_x) == len(d.train_x) and v.split == "validation"
    train = {x.numpy().tobytes() for x in d.train_x}
    held = {x.numpy().tobytes() for x in v.test_x}
    assert held <= train
    assert not held & {x.numpy().tobytes() for x in v.train_x}


def write_idx(path, array):
    path.write_bytes(
        struct.pack(">HBB", 0, 8, array.dim())
        + struct.pack(f">{array.dim()}I", *array.shape)
        + array.numpy().tobytes()
    )


def write_set(folder, train, test):
    """So many random images, labeled 0 to 9 in turn, in the files that torchvision reads."""
    folder.mkdir(parents=True)
    g = torch.Generator().manual_seed(0)
    for part, count in (("train", train), ("t10k", test)):
        images = torch.randint(0, 256, (count, 28, 28), generator=g, dtype=torch.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        labels = (torch.arange(count) % 10).to(torch.uint8)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)


@pytest.fixture
def small_mnist(tmp_path):
    """Ten MNIST-like images."""
    write_set(tmp_path / "MNIST" / "raw", 6, 4)
    return tmp_path


def test_real_loading_code_on_small_files(small_mnist):
    d = load("mnist", small_mnist)
    assert d.train_x.shape == (6, 1, 28, 28) and d.test_y.tolist() == [0, 1, 2, 3]
    raw = (small_mnist / "MNIST/raw/train-images-idx3-ubyte").read_bytes()[16]
    want = (raw / 255 - 0.1307) / 0.3081
    assert d.train_x[0, 0, 0, 0].item() == pytest.approx(want, abs=1e-5)


def test_a_cut_file_is_named(small_mnist):
    path = small_mnist / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"mnist .* is damaged"):
        load("mnist", small_mnist)


def test_missing_corrupted_and_offline(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"cifar10 is not in .*download=True"):
        load("cifar10", tmp_path)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(gzip.compress(b"not a batch"))
    with pytest.raises(DataError, match="is damaged"):
        load("cifar10", tmp_path)

    def refused(*_args, **_kwargs):
        raise OSError("Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", refused)
    empty = tmp_path / "empty"
    with pytest.raises(DataError, match="Without a network"):
        load("cifar100", empty, download=True)
    assert not [p for p in empty.rglob("*") if p.is_file()]


def test_read_only_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(DataError, match="is read-only; choose another root"):
        load("mnist", tmp_path / "data", download=True)


SHARED = ROOT.parent / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="no packed Fashion-MNIST beside the repository")
def test_whole_fashion_mnist(tmp_path):
    command = [sys.executable, SHARED / "unpack.py", "--root", tmp_path, "fashion-mnist"]
    subprocess.run(command, check=True, capture_output=True)
    d = load("fashion-mnist", tmp_path)
    assert d.train_x.shape == (60_000, 1, 28, 28) and len(d.test_y) == 10_000
    assert abs(float(d.train_x.mean())) < 0.01 and abs(float(d.train_x.std()) - 1) < 0.01


X, Y = torch.zeros(4, 1, 2, 2), torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("error", "change", "says"),
    [
        (DtypeError, {"train_x": X.to(torch.uint8)}, "train images must be floating point, got"),
        (DtypeError, {"test_y": Y.float()}, r"test labels must be int64, got torch.float32"),
        (ShapeError, {"train_y": Y[:3]}, r"\(4, 1, 2, 2\) and labels \(3,\)"),
        (ShapeError, {"test_x": X[:0], "test_y": Y[:0]}, "at least one image"),
        (NonFiniteError, {"train_x": torch.full_like(X, float("nan"))}, "train image 0 holds NaN"),
        (NonFiniteError, {"test_x": X.index_fill(0, torch.tensor(2), torch.inf)}, "test image 2"),
        (ConfigError, {"classes": 1}, "labels run from 0 to 1, outside 0 ... 0"),
    ],
)
def test_bad_tensors(error, change, says):
    good = {"train_x": X, "train_y": Y, "test_x": X, "test_y": Y, "classes": 2}
    Data("x", **good)
    with pytest.raises(error, match=says):
        Data("x", **good | change)


def test_unknown_name():
    with pytest.raises(ConfigError, match="did you mean 'cifar10'"):
        load("cifar-10")


def test_what_old_versions_of_torchvision_would_execute_is_never_opened(small_mnist):
    """torchvision 0.17 reads processed/training.pt, if there is one, with torch.load."""
    trap = small_mnist / "MNIST" / "processed"
    trap.mkdir()
    for name in ("training.pt", "test.pt"):
        (trap / name).write_bytes(pickle.dumps(Trap()))
    assert load("mnist", small_mnist).train_x.shape == (6, 1, 28, 28)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_idx_files_are_checked(small_mnist):
    path = small_mnist / "MNIST/raw/t10k-labels-idx1-ubyte"
    good = path.read_bytes()
    for bad, says in [
        (b"\x00\x00\x08\x03" + good[4:], "starts with 0x803"),
        (good[:-1], "holds 3 bytes, 4 are announced"),
        (good + b"\x00", "holds 5 bytes"),
        (good[:6], "is damaged"),
    ]:
        path.write_bytes(bad)
        with pytest.raises(DataError, match=says):
            load("mnist", small_mnist)


@pytest.mark.parametrize("change", [{"validation": "no"}, {"download": 1}])
def test_switches_are_true_or_false(change):
    with pytest.raises(ConfigError, match="must be of type bool"):
        load("digits", **change)


def test_reduced_images_are_averages_of_the_first_of_each_class(tmp_path, monkeypatch):
    write_set(tmp_path / "FashionMNIST" / "raw", 80, 20)
    monkeypatch.setitem(data.REDUCED, "fashion-small", ("fashion-mnist", 4, 5))
    whole, d = load("fashion-mnist", tmp_path), load("fashion-small", tmp_path)
    assert d.name == "fashion-small" and d.test_x.shape == (20, 1, 7, 7)
    assert d.train_y.tolist() == list(range(10)) * 5  # five of each, in the old order
    expected = whole.train_x[29, 0, 4:8, 24:28].mean()
    assert torch.allclose(d.train_x[29, 0, 1, 6], expected, atol=1e-6)
    assert torch.equal(d.test_y, whole.test_y)
    assert len(load("fashion-small", tmp_path, validation=True).test_y) == 10
