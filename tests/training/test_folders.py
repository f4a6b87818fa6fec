"""Images read from folders: what they show, what a restart sees, and what is wrong with them."""

import gzip
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from stompp_lite import binarize_model, fit, load
from stompp_lite.errors import ConfigError, DataError
from stompp_lite.networks.families import resnet
from stompp_lite.training import samples
from stompp_lite.training.folders import FOLDERS, MEAN, STD, Images
from tests.conftest import lab_net

COLORS = {"n01": (255, 0, 0), "n02": (0, 0, 255)}


@pytest.fixture
def root(tmp_path):
    """Two classes of 6 + 2 plain images, 80 x 70 pixels, in the layout of ImageNet."""
    base = tmp_path / "imagenette64"
    for part, images in (("train", 6), ("val", 2)):
        for name, color in COLORS.items():
            (base / part / name).mkdir(parents=True)
            for k in range(images):
                picture = Image.new("RGB", (80, 70), color)
                picture.paste((0, 0, 0), (0, 0, 10 * k, 70))
                picture.save(base / part / name / f"{k}.JPEG", quality=95)
    return tmp_path


def read(root):
    return load("imagenette64", root, workers=0)


def test_an_image_becomes_a_normalized_square(root):
    data = read(root)
    assert (data.classes, len(data.train_x), len(data.test_x)) == (2, 12, 4)
    assert data.train_y.tolist() == [0] * 6 + [1] * 6 and data.train_x.shape == (12, 3, 64, 64)
    red = data.train_x[:1][0, :, 32, 32]
    wanted = (torch.tensor([1.0, 0.0, 0.0]) - torch.tensor(MEAN)) / torch.tensor(STD)
    assert torch.allclose(red, wanted, atol=0.05)
    assert torch.equal(data.train_x[torch.tensor([7, 2])][1], data.train_x[2:3][0])


def test_parts_of_all_images_are_all_images(root):
    x = read(root).train_x
    whole = x[:]
    assert torch.equal(torch.cat(list(x.split(5))), whole)
    assert torch.equal(torch.cat(list(x.tensor_split(3))), whole)
    assert [len(part) for part in x.split(5)] == [5, 5, 2]


def test_crops_depend_on_seed_epoch_and_image_alone(root):
    x, batches = read(root).train_x, [torch.tensor([3, 8]), torch.tensor([0])]
    before = torch.get_rng_state()
    first = list(x.stream(batches, (0, 1)))
    assert torch.equal(before, torch.get_rng_state())
    workers = Images(x.files, x.size, x.scaled, workers=2)
    assert all(map(torch.equal, first, workers.stream(batches, (0, 1))))
    alone = next(x.stream([torch.tensor([8])], (0, 1)))
    assert torch.equal(alone[0], first[0][1])
    assert not torch.equal(first[0], next(x.stream(batches, (0, 2))))
    assert not torch.equal(first[0], x[batches[0]])


def net(example):
    torch.manual_seed(0)
    narrow = nn.Sequential(nn.AvgPool2d(8), *lab_float(example).children())
    return binarize_model(narrow, example)


def lab_float(example):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip


def test_a_run_on_a_folder_learns_and_resumes_to_the_bit(root, tmp_path):
    data = read(root)
    options = {"epochs": 8, "batch_size": 4, "lr": 0.05, "augment": "resized-crop",
               "progress": False, "diagnose": False}  # fmt: skip
    whole, halves = net(data.train_x[:1]), net(data.train_x[:1])
    history = fit(whole, data, **options)
    assert history.final["train_acc"] > 80 and history.finished
    stored = tmp_path / "run.npz"
    fit(halves, data, **options, checkpoint=stored, stop_at=10)
    fit(halves, data, **options, checkpoint=stored)
    for a, b in zip(whole.parameters(), halves.parameters(), strict=True):
        assert torch.equal(a, b)


def test_training_accuracy_is_measured_on_a_sample_of_many_images(root, monkeypatch):
    monkeypatch.setattr(samples, "SAMPLE", 5)
    x, y = read(root).train_sample
    assert len(x) == len(y) == 5
    assert all(
        file.parent.name == f"n0{k + 1}" for file, k in zip(x.files, y.tolist(), strict=True)
    )
    held = load("imagenette64", root, workers=0, validation=True)
    assert len(held.train_x) == 10 and len(held.test_x) == 2
    assert not set(held.train_x.files) & set(held.test_x.files)


def pack(root):
    """Every class of the training part as an archive in place of a folder."""
    for folder in sorted((root / "imagenette64" / "train").iterdir()):
        with tarfile.open(folder.with_suffix(".tar"), "w") as archive:
            archive.add(folder, arcname=".")
        shutil.rmtree(folder)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_archive_of_a_class_reads_as_its_folder(root, workers):
    before = read(root)
    whole, digest = before.train_x[:], before.train_x.digest()
    crops = next(before.train_x.stream([torch.tensor([3, 8])], (0, 1)))
    pack(root)
    data = load("imagenette64", root, workers=workers)
    assert torch.equal(torch.cat(list(data.train_x.split(5))), whole)
    assert data.train_x.digest() == digest and torch.equal(data.train_y, before.train_y)
    assert torch.equal(next(data.train_x.stream([torch.tensor([3, 8])], (0, 1))), crops)


def test_an_archive_that_is_cut_compressed_or_holds_a_bad_image_is_named(root):
    pack(root)
    first = root / "imagenette64" / "train" / "n01.tar"
    whole = first.read_bytes()
    data = read(root)
    member = data.train_x.files[2]
    torn = bytearray(whole)
    torn[member.start : member.start + 20] = bytes(20)
    first.write_bytes(torn)
    with pytest.raises(DataError, match=f"2.JPEG in {first} cannot be read"):
        data.train_x[2:3]
    second = data.train_x.files[1]
    flipped = bytearray(whole)
    flipped[second.start - 512 + 3] ^= 1  # in the head of the second image
    fourth = data.train_x.files[4].start
    for damaged in (whole[: fourth + 9], whole[: fourth - 512], whole[: fourth - 90], flipped):
        first.write_bytes(damaged)
        with pytest.raises(DataError, match=r"n01.tar (is cut|is not a whole tar archive)"):
            read(root)
    first.write_bytes(gzip.compress(whole))
    with pytest.raises(
        DataError, match=r"n01.tar is not a whole tar archive .*without compression"
    ):
        read(root)


def test_what_is_no_image_of_a_class_is_passed_over_or_named(root):
    train = root / "imagenette64" / "train"
    for name in ("._0.JPEG", "notes.txt"):
        (train / "n01" / name).write_bytes(b"no image")
    (train / "n01" / "old.jpeg").mkdir()
    (train / ".ipynb_checkpoints").mkdir()
    pack(root)
    (train / "._n01.tar").write_bytes(b"no archive")
    assert len(read(root).train_x) == 12
    (train / "n02").mkdir()
    with pytest.raises(DataError, match=r"class n02 is there as n02 and as n02\.tar"):
        read(root)
    (train / "n02").rmdir()
    (train / "n01.tar").rename(train / "n01.tar.gz")
    with pytest.raises(DataError, match=r"n01.tar.gz is compressed; unpack it"):
        read(root)
    (train / "n01.tar.gz").unlink()
    with tarfile.open(train / "n01.tar", "w") as archive:
        link = tarfile.TarInfo("0.JPEG")
        link.type, link.linkname = tarfile.SYMTYPE, "../0.JPEG"
        archive.addfile(link)
    with pytest.raises(DataError, match=r"0.JPEG in .*n01.tar is a link"):
        read(root)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_is_cut_is_named(root, workers):
    data = load("imagenette64", root, workers=workers)
    bad = data.train_x.files[3]
    bad.write_bytes(bad.read_bytes()[:100])
    with pytest.raises(DataError, match=f"^{bad} cannot be read") as caught:
        list(data.train_x.split(4))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda base: shutil.rmtree(base), "there is no folder"),
        (lambda base: shutil.rmtree(base / "val" / "n02"), "class n02 is missing in .*val"),
        (lambda base: shutil.rmtree(base / "train" / "n01"), "class n01 is missing in .*train"),
        (lambda base: [p.unlink() for p in (base / "train" / "n01").iterdir()],
         "class n01 has no images"),
        (lambda base: [shutil.rmtree(base / part / name) for part in ("train", "val")
                       for name in COLORS], "there are no classes"),
    ],
)  # fmt: skip
def test_a_folder_that_is_not_whole_is_refused_by_name(root, damage, said):
    damage(root / "imagenette64")
    with pytest.raises(DataError, match=said):
        read(root)


def test_imagenet_says_how_to_get_it_and_when_it_is_not_whole(root):
    with pytest.raises(DataError, match=r"ILSVRC2012_img_train\.tar.* from https://image-net\.org"):
        load("imagenet", root)
    (root / "imagenette64").rename(root / "imagenet")
    with pytest.raises(DataError, match=r"has 2 classes, 12 \+ 4 images; ImageNet has 1,000"):
        load("imagenet", root)
    assert FOLDERS["imagenet"][1:] == (224, 256)


def test_a_worker_that_dies_leaves_a_clear_word(root, monkeypatch):
    data = load("imagenette64", root, workers=1)

    def killed(*_):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr(torch.utils.data.DataLoader, "__iter__", killed)
    with pytest.raises(DataError, match="use fewer workers than 1"):
        data.train_x[:2]


def test_resized_crops_are_for_folders(tiny):
    with pytest.raises(ConfigError, match="use 'crop-flip'"):
        fit(lab_net(), tiny, epochs=4, batch_size=16, augment="resized-crop")


def test_the_real_sample_where_there_is_one():
    root = Path(os.environ.get("STOMPP_DATA", "data"))
    if not (root / "imagenette64").is_dir():
        pytest.skip(f"no imagenette64 in {root}; name a folder that has it in STOMPP_DATA")
    data = load("imagenette64", root, workers=0)
    assert (data.classes, len(data.train_x), len(data.test_x)) == (10, 6000, 1000)
    model = binarize_model(resnet("resnet18", 10, "imagenet"), data.train_x[:1])
    history = fit(model, data, epochs=1, batch_size=8, stop_at=2, augment="resized-crop",
                  history="step", diagnose=False)  # fmt: skip
    assert len(history.steps["loss"]) == 2
