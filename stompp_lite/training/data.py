"""Data sets by name.

``digits`` ships with scikit-learn and needs no network; it is the lab's data set. The others are
read with torchvision's own loaders, from a folder where they already lie or downloaded on request.

Taught in chapter 3, *A first binary network*.
"""

from __future__ import annotations

import importlib
import math
import os
import pickle
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from stompp_lite import rng
from stompp_lite.checks import flag, one_of
from stompp_lite.errors import ConfigError, DataError
from stompp_lite.networks.vision import import_torchvision
from stompp_lite.training import folders, texts
from stompp_lite.training.folders import FOLDERS, Images
from stompp_lite.training.samples import Data as Data
from stompp_lite.training.samples import batches as batches

# name -> (torchvision class, mean, standard deviation)
VISION = {
    "mnist": ("MNIST", (0.1307,), (0.3081,)),
    "fashion-mnist": ("FashionMNIST", (0.2860,), (0.3530,)),
    "cifar10": ("CIFAR10", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ("CIFAR100", (0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
}
IDX = ("mnist", "fashion-mnist")
CLASSES = {"mnist": 10, "fashion-mnist": 10, "cifar10": 10, "cifar100": 100}
#: Reduced data set -> the whole one, the side of the squares of pixels that are averaged, and the
#: number of training images of each class, the first ones, that are kept.
REDUCED = {"fashion-small": ("fashion-mnist", 4, 600), "cifar10-small": ("cifar10", 2, 1024)}
#: Data sets that can be loaded.
NAMES = ("digits", "spirals", *VISION, *REDUCED, "sst2", "sst2-small", "topics", *FOLDERS)


def load(
    name: str = "digits",
    root: str | Path = "data",
    *,
    validation: bool = False,
    download: bool = False,
    workers: int | None = None,
    tokenizer: str | None = None,
) -> Data:
    """Load a data set.

    Args:
        name: one of :data:`NAMES`.
        root: folder of the downloaded sets (``digits`` and ``spirals`` need none).
        validation: hold out a fifth of the training images, and use them in place of the test
            images. For choosing settings.
        download: fetch a missing set with torchvision.
        workers: processes that read ahead, for images in folders; None: one a core, at most eight.
        tokenizer: folder or name on the hub of BERT weights that sentences are for.

    Raises:
        ConfigError: unknown name, or a tokenizer for what has no sentences.
        DataError: the set is missing, damaged, or its folder cannot be written to.
    """
    one_of(name, NAMES, "data set")
    flag(validation, "validation")
    flag(download, "download")
    if tokenizer is not None and not name.startswith("sst2"):
        raise ConfigError(f"a tokenizer is for sentences (sst2), not for {name!r}")
    if name in REDUCED:
        data = _reduced(name, Path(root), download)
    elif name.startswith("sst2"):
        found = texts.sst2(Path(root), name == "sst2-small", tokenizer)
        data = Data(name, *found[:4], classes=2, tokens=found[4])
    elif name in FOLDERS:
        train_x, train_y, test_x, test_y, classes = folders.read(name, Path(root), workers)
        data = Data(name, train_x, train_y, test_x, test_y, classes)
    elif name == "topics":
        found = texts.topics()
        data = Data(name, *found[:4], classes=found[4], tokens=found[4])
    else:
        made = {"digits": _digits, "spirals": _spirals}.get(name)
        data = made() if made else _vision(name, Path(root), download)
    return _hold_out(data) if validation else data


def _split(labels: np.ndarray, held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import train_test_split

    classes = labels if labels.ndim == 1 else None  # texts have many labels each
    rest, held = train_test_split(
        np.arange(len(labels)), test_size=held_out, stratify=classes, random_state=seed
    )
    return rest, held


@lru_cache  # it is a text of numbers, and takes longer to read than a network to build
def _pixels_and_labels() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)  # 1797 x 64, values 0 ... 16
    return pixels, labels


def _digits() -> Data:
    pixels, labels = _pixels_and_labels()
    x = torch.from_numpy(pixels.reshape(-1, 1, 8, 8) / 8.0 - 1.0).float()
    y = torch.from_numpy(labels).long()
    train, test = _split(labels, held_out=360, seed=0)
    return Data("digits", x[train], y[train], x[test], y[test], classes=10)


def _spirals(points: int = 600, noise: float = 0.05) -> Data:
    """Two interleaved spirals in the plane, one turn each: [400, 2] to train, [200, 2] to test."""
    n = torch.arange(points)
    y, t = n % 2, ((n // 2) + 0.5) / (points // 2)
    angle, radius = 2 * math.pi * t.sqrt() + math.pi * y, t.sqrt()
    x = radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    shifts = rng.uniform_pair(rng.make_key(0, "spirals"), 0, rng.counters((points,)))
    x = x + noise * (2 * torch.stack(shifts, 1) - 1)
    mixed = torch.tensor(rng.permutation(points, 0))
    x, y, held = x[mixed], y[mixed], points // 3
    return Data("spirals", x[held:], y[held:], x[:held], y[:held], classes=2)


def _hold_out(data: Data) -> Data:
    x, y = data.train_x, data.train_y
    train, held = _split(y.numpy(), held_out=len(y) // 5, seed=1)
    if isinstance(x, Images):
        held_out = (x.take(train.tolist()), y[train], x.take(held.tolist()), y[held])
        return Data(data.name, *held_out, data.classes, "validation")
    parts = (x[train], y[train], x[held], y[held])
    return Data(data.name, *parts, data.classes, "validation", data.tokens)


def _reduced(name: str, root: Path, download: bool) -> Data:
    whole, pixels, images = REDUCED[name]
    data = _vision(whole, root, download)
    first = [(data.train_y == c).nonzero().flatten()[:images] for c in range(data.classes)]
    kept = torch.cat(first).sort().values
    return Data(
        name,
        F.avg_pool2d(data.train_x[kept], pixels),
        data.train_y[kept],
        F.avg_pool2d(data.test_x, pixels),
        data.test_y,
        data.classes,
    )


def _vision(name: str, root: Path, download: bool) -> Data:
    datasets = importlib.import_module(f"{import_torchvision().__name__}.datasets")
    class_name, mean, std = VISION[name]
    loader = getattr(datasets, class_name)
    if download:
        _need_writable(root, name)
    read = _read_idx if name in IDX else _read_cifar
    try:
        parts = [read(datasets, loader, root, train, download) for train in (True, False)]
    except (RuntimeError, FileNotFoundError) as err:  # not found or corrupted
        raise DataError(
            f"{name} is not in {root} or is damaged ({err}). Delete what is there and call "
            f"load({name!r}, {str(root)!r}, download=True)"
        ) from err
    except OSError as err:
        raise DataError(
            f"{name} could not be fetched or read in {root}: {err}. Without a network, put the "
            "files there by hand, or use 'digits', which needs none"
        ) from err
    except (EOFError, ValueError, AssertionError, pickle.UnpicklingError) as err:
        raise DataError(  # a cut file, a wrong header
            f"{name} in {root} is damaged: {err}. Delete it and download again"
        ) from err

    tensors = []
    for images, labels in parts:  # uint8 [N, H, W] or [N, H, W, 3]
        raw = torch.as_tensor(images)
        x = raw.permute(0, 3, 1, 2) if raw.dim() == 4 else raw[:, None]
        x = x.float().div_(255).sub_(torch.tensor(mean)[:, None, None])
        x = x.div_(torch.tensor(std)[:, None, None]).contiguous()
        tensors += [x, torch.as_tensor(labels).long()]
    train_x, train_y, test_x, test_y = tensors
    return Data(name, train_x, train_y, test_x, test_y, CLASSES[name])


def _read_cifar(
    _datasets: Any, loader: Any, root: Path, train: bool, download: bool
) -> tuple[np.ndarray, Any]:
    """Pickles, which torchvision checks against their md5 sums before it reads them."""
    part = loader(str(root), train=train, download=download)
    return part.data, part.targets


def _read_idx(
    datasets: Any, loader: Any, root: Path, train: bool, download: bool
) -> tuple[np.ndarray, Any]:
    """The raw files of MNIST and its relatives.

    Read here, because old versions of torchvision rather execute a ``processed/training.pt`` that
    lies beside them.
    """
    raw = root / loader.__name__ / "raw"
    if download:
        for file, md5 in loader.resources:
            if not (raw / file.removesuffix(".gz")).exists():
                _fetch(datasets, loader, raw, file, md5)
    part = "train" if train else "t10k"
    images = idx(raw / f"{part}-images-idx3-ubyte", axes=3)
    labels = idx(raw / f"{part}-labels-idx1-ubyte", axes=1)
    return images, labels


def _fetch(datasets: Any, loader: Any, raw: Path, file: str, md5: str) -> None:
    problem: Exception | None = None
    for mirror in loader.mirrors if hasattr(loader, "mirrors") else [""]:
        try:
            datasets.utils.download_and_extract_archive(
                f"{mirror}{file}", download_root=str(raw), filename=file, md5=md5
            )
        except (OSError, RuntimeError) as err:
            problem = err
        else:
            return
    raise OSError(str(problem))


def idx(path: Path, axes: int) -> np.ndarray:
    """An array of bytes in the idx format: magic number, sizes, then the entries.

    Raises:
        FileNotFoundError: no such file. ValueError: another format, or a cut file.
    """
    content = path.read_bytes()
    magic = int.from_bytes(content[:4], "big")
    if magic != 0x800 + axes:
        raise ValueError(f"{path.name} starts with {magic:#x}, not with {0x800 + axes:#x}")
    sizes = np.frombuffer(content, ">u4", axes, 4).astype(int)
    entries = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if entries.size != sizes.prod():
        raise ValueError(f"{path.name} holds {entries.size} bytes, {sizes.prod()} are announced")
    return entries.reshape(sizes).copy()


def _need_writable(root: Path, name: str) -> None:
    folder = root
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise DataError(
            f"cannot store {name} in {root}: {folder} is read-only; choose another root"
        )
