"""Images in a folder for each class, read when they are needed: ImageNet does not fit a device.

The layout is torchvision's ``ImageFolder`` (``train/n01440764/*.JPEG``, ``val/n01440764/*.JPEG``),
the transforms are torchvision's v2, and torch's ``DataLoader`` reads ahead with workers. What a
random crop draws is keyed by (seed, epoch, image), so neither the number of workers nor a restart
changes what a network sees. A class may also be a tar archive, as in the file that ImageNet comes
in (``train/n01440764.tar``): a thousand files in place of a million, read in place.

Taught in chapter 14, *One run on many machines*.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stompp_lite import rng
from stompp_lite.checks import count
from stompp_lite.errors import DataError
from stompp_lite.networks.vision import import_torchvision

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Name -> folder, side of the images that the network sees, side that they are scaled to first.
FOLDERS = {
    "imagenet": ("imagenet", 224, 256),
    "imagenette64": ("imagenette64", 64, 64),
    "images64": ("images64", 64, 64),  # the reader's own
}
#: Classes and images of ImageNet's two parts (ILSVRC 2012).
IMAGENET = (1000, 1_281_167, 50_000)
_HOW = (
    "ImageNet is free for research after registration: fetch ILSVRC2012_img_train.tar, "
    "ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz from https://image-net.org. Unpack "
    "the first into {root}/train: it holds a tar of each class, which can stay. Put the other two "
    "into {root}, and let torchvision.datasets.ImageNet('{root}', split='val') sort the validation "
    "images into {root}/val (which must not exist before)"
)
SUFFIXES = (".jpeg", ".jpg", ".png")


class Member(NamedTuple):
    """An image in an archive that is not compressed: so many bytes from there on."""

    archive: Path
    name: str
    start: int
    size: int

    def __str__(self) -> str:
        return f"{self.name} in {self.archive}"


class Images:
    """Images that are read when they are asked for: as far as ``fit`` cares, float32 [N, 3, S, S].

    Args:
        files: the images, in order.
        size, scaled: sides of the square that is kept and of the image before that.
        workers: processes that read ahead; None: one a core, at most eight.

    Attributes:
        device: where batches go.
    """

    dtype = torch.float32

    def __init__(
        self, files: Sequence[Path | Member], size: int, scaled: int, workers: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        self.files, self.size, self.scaled = list(files), size, scaled
        self.workers = (
            min(8, os.cpu_count() or 1) if workers is None else count(workers, "workers", 0)
        )
        self.device = torch.device(device)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def shape(self) -> torch.Size:
        """[N, 3, S, S]."""
        return torch.Size((len(self), 3, self.size, self.size))

    def to(self, device: torch.device | str) -> Images:
        """The same images; batches go to ``device``."""
        return Images(self.files, self.size, self.scaled, self.workers, device)

    def take(self, numbers: Sequence[int]) -> Images:
        """Some of the images."""
        files = [self.files[k] for k in numbers]
        return Images(files, self.size, self.scaled, self.workers, self.device)

    def __getitem__(self, index: slice | Tensor) -> Tensor:
        """The middle of some images: [n, 3, S, S]."""
        chosen = torch.arange(len(self))[index.cpu() if isinstance(index, Tensor) else index]
        return next(self.stream([chosen], read_ahead=False))

    def split(self, size: int) -> Iterator[Tensor]:
        """All images, ``size`` at a time."""
        return self.stream(list(torch.arange(len(self)).split(size)))

    def tensor_split(self, parts: int) -> Iterator[Tensor]:
        """All images in even parts."""
        return self.stream(list(torch.arange(len(self)).tensor_split(parts)))

    def stream(
        self, batches: Sequence[Tensor], crops: tuple[int, int] | None = None,
        read_ahead: bool = True,
    ) -> Iterator[Tensor]:  # fmt: skip
        """Batches of images by their numbers.

        Args:
            batches: int64 [n] each.
            crops: (seed, epoch) of random crops and flips; None: the middle of each image.
            read_ahead: use the workers.

        Raises:
            DataError: an image cannot be read, by name, or a worker died.
        """
        loader = torch.utils.data.DataLoader(
            _Reader(self.files, self.size, self.scaled, crops),
            batch_sampler=[batch.tolist() for batch in batches],
            num_workers=self.workers if read_ahead else 0,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # else it draws from the caller's
        )
        try:
            for images in loader:
                yield images.to(self.device, non_blocking=True)
        except DataError as err:  # a worker's, with the whole way that it took
            raise DataError(str(err).strip().splitlines()[-1].rpartition("DataError: ")[2]) from err
        except RuntimeError as err:
            if "DataLoader worker" not in str(err):
                raise
            raise DataError(
                f"a process that reads images died ({str(err).splitlines()[0]}). Often memory is "
                f"short: use fewer workers than {self.workers} (--workers 2), and go on from the "
                "checkpoint, which is as it was"
            ) from err

    def digest(self) -> str:
        """Of the files' names and sizes (their contents would take an epoch to read)."""
        told = "\n".join(map(_told, self.files))
        return hashlib.sha256(f"{self.size} {self.scaled}\n{told}".encode()).hexdigest()[:16]


def _told(file: Path | Member) -> str:
    if isinstance(file, Member):
        return f"{file.archive.stem}/{file.name} {file.size}"
    return f"{file.parent.name}/{file.name} {file.stat().st_size}"


class _Reader(torch.utils.data.Dataset[Tensor]):
    """One image by its number, as a normalized tensor."""

    def __init__(
        self, files: list[Path | Member], size: int, scaled: int, crops: tuple[int, int] | None
    ) -> None:
        v2 = importlib.import_module(f"{import_torchvision().__name__}.transforms.v2")
        self.files, self.crops = files, crops
        if crops is None:
            cut = [v2.Resize(scaled), v2.CenterCrop(size)]
        else:
            cut = [v2.RandomResizedCrop(size), v2.RandomHorizontalFlip()]
        last = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        self.change: Any = v2.Compose([*cut, v2.ToImage(), *last])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> Tensor:
        from PIL import Image

        file = self.files[number]
        try:
            with Image.open(_content(file)) as opened:
                picture = opened.convert("RGB")
        except OSError:
            raise DataError(f"{file} cannot be read as an image; fetch it again") from None
        with torch.random.fork_rng(devices=[], enabled=self.crops is not None):
            if self.crops is not None:
                seed, epoch = self.crops
                torch.manual_seed(rng.make_key(seed, "crop", epoch, number) >> 1)
            out: Tensor = self.change(picture)
        return out


def _content(file: Path | Member) -> Path | io.BytesIO:
    if isinstance(file, Path):
        return file
    with file.archive.open("rb") as archive:
        archive.seek(file.start)
        return io.BytesIO(archive.read(file.size))


def _images(path: Path) -> list[Path | Member]:
    """The images of a class: those in a folder, or in an archive.

    Raises:
        DataError: the archive is compressed, cut or damaged, or holds links.
    """
    if path.is_dir():
        return sorted(p for p in path.iterdir() if _is_image(p.name) and p.is_file())
    again = "fetch it again, or pack it without compression (tar -cf)"
    try:
        with tarfile.open(path, "r:") as archive:
            inside = [m for m in archive if _is_image(m.name) and not m.isdir()]
            end = archive.offset
        with path.open("rb") as file:
            file.seek(end)
            closed = file.read(1024) == bytes(1024)  # tarfile stops at a damaged head, in silence
    except (OSError, tarfile.TarError) as err:
        raise DataError(f"{path} is not a whole tar archive ({err}); {again}") from err
    if not closed:
        last = inside[-1].name if inside else "its beginning"
        raise DataError(f"{path} is cut or damaged behind {last}; {again}")
    links = [m.name for m in inside if not m.isreg()]
    if links:
        raise DataError(
            f"{links[0]} in {path} is a link; pack the images themselves (tar -ch "
            "--hard-dereference)"
        )
    return sorted(Member(path, Path(m.name).name, m.offset_data, m.size) for m in inside)


def _is_image(name: str) -> bool:
    file = Path(name)
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def _classes(part: Path) -> dict[str, Path]:
    """Class -> its folder or archive.

    Raises:
        DataError: a class that is there twice, or in an archive that cannot be read in place.
    """
    found: dict[str, Path] = {}
    for path in sorted(part.iterdir()):
        if path.name.startswith("."):
            continue
        name = path.name if path.is_dir() else path.stem
        if path.is_dir() or path.suffix.lower() == ".tar":
            if name in found:
                raise DataError(
                    f"class {name} is there as {found[name].name} and as {path.name} in {part}; "
                    "remove the one that is not whole"
                )
            found[name] = path
        elif path.suffix.lower() in (".gz", ".tgz", ".xz", ".bz2", ".zip"):
            raise DataError(f"{path} is compressed; unpack it, or pack it anew with tar -cf")
    return found


def read(
    name: str, root: Path, workers: int | None = None
) -> tuple[Images, Tensor, Images, Tensor, int]:
    """Training images and labels, validation images and labels, number of classes.

    Args:
        name: one of :data:`FOLDERS`.

    Raises:
        DataError: a part or a class is missing or empty, by name, or ImageNet is not whole.
    """
    folder, size, scaled = FOLDERS[name]
    base = root / folder
    how = (
        _HOW.format(root=base)
        if name == "imagenet"
        else (
            f"it needs {base}/train and {base}/val, each with a folder of images (or a tar) a class"
        )
    )
    found, classes = {}, {}
    for part in ("train", "val"):
        if not (base / part).is_dir():
            raise DataError(f"there is no folder {base / part}. {how}")
        places = _classes(base / part)
        classes[part] = sorted(places)
        found[part] = [_images(places[c]) for c in classes[part]]
        for c, files in zip(classes[part], found[part], strict=True):
            if not files:
                raise DataError(f"class {c} has no images in {places[c]}. {how}")
    for c in sorted(set(classes["train"]) ^ set(classes["val"])):
        part = "val" if c in classes["train"] else "train"
        raise DataError(f"class {c} is missing in {base / part}. {how}")
    if not classes["train"]:
        raise DataError(f"there are no classes in {base / 'train'}. {how}")
    counts = tuple(sum(map(len, found[part])) for part in ("train", "val"))
    if name == "imagenet" and (len(classes["train"]), *counts) != IMAGENET:
        raise DataError(
            f"{base} has {len(classes['train'])} classes, {counts[0]:,} + {counts[1]:,} images; "
            f"ImageNet has {IMAGENET[0]:,} classes, {IMAGENET[1]:,} + {IMAGENET[2]:,}. {how}"
        )
    parts = []
    for part in ("train", "val"):
        files = [file for members in found[part] for file in members]
        labels = [k for k, members in enumerate(found[part]) for _ in members]
        parts.append((Images(files, size, scaled, workers), torch.tensor(labels)))
    (train_x, train_y), (test_x, test_y) = parts
    return train_x, train_y, test_x, test_y, len(classes["train"])
