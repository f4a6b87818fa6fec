"""Samples and labels as tensors that live on the training device: no workers, no queues.

Images that do not fit there are read as they are needed, by
:class:`~stompp_lite.training.folders.Images`, which stands where the tensor would.

Taught in chapter 3, *A first binary network*.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stompp_lite import rng
from stompp_lite.checks import count as counted
from stompp_lite.errors import ConfigError, DtypeError, NonFiniteError, ShapeError
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.trace import preserved
from stompp_lite.training.augment import RESIZED_CROP
from stompp_lite.training.folders import Images
from stompp_lite.training.settings import Settings

#: Training images that a training accuracy is measured on, where images are read from a folder.
SAMPLE = 10_000


@dataclass(frozen=True)
class Data:
    """Images and labels, normalized; or texts.

    NumPy arrays become tensors: numbers with a fraction float32, whole numbers int64.

    Attributes:
        name: where they come from.
        train_x, test_x: float32 [N, C, H, W], or :class:`~stompp_lite.training.folders.Images`; of
            texts int64 [N, T], token ids.
        train_y, test_y: int64 [N], labels 0 ... classes - 1; or [N, T], one for each token.
        classes: number of classes.
        split: ``"test"``, or ``"validation"`` when the test images are held-out training images.
        tokens: size of the vocabulary of texts; 0: these are no texts.
    """

    name: str
    train_x: Any
    train_y: Tensor
    test_x: Any
    test_y: Tensor
    classes: int
    split: str = "test"
    tokens: int = 0

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            for name in (f"{part}_x", f"{part}_y"):
                object.__setattr__(self, name, _as_tensor(getattr(self, name), name))
            x, y = getattr(self, f"{part}_x"), getattr(self, f"{part}_y")
            if self.tokens and (x.dtype != torch.int64 or x.dim() != 2):
                raise DtypeError(
                    f"{part} texts must be token ids, int64 [N, T], got {x.dtype} {tuple(x.shape)}"
                )
            read = isinstance(x, Images)  # looked at one by one, when they are read
            if not self.tokens and not read and not x.is_floating_point():
                raise DtypeError(
                    f"{part} images must be floating point, got {x.dtype} (for token ids say how "
                    "many there are: Data(..., tokens=...))"
                )
            if y.dtype != torch.int64:
                raise DtypeError(f"{part} labels must be int64, got {y.dtype}; use y.long()")
            per_token = self.tokens > 0 and y.shape == x.shape
            if (y.dim() != 1 and not per_token) or len(x) != len(y) or len(x) == 0:
                raise ShapeError(
                    f"{part} images {tuple(x.shape)} and labels {tuple(y.shape)} do not match: "
                    "one label for each image is needed (or each token), and at least one image"
                )
            if self.tokens and not 0 <= int(x.min()) <= int(x.max()) < self.tokens:
                raise ConfigError(
                    f"{part} token ids run from {int(x.min())} to {int(x.max())}, outside "
                    f"0 ... {self.tokens - 1}"
                )
            if not self.tokens and not read and not bool(torch.isfinite(x).all()):
                bad = int((~torch.isfinite(x)).flatten(1).any(1).nonzero()[0])
                raise NonFiniteError(
                    f"{part} image {bad} holds NaN or infinity; remove or repair it"
                )
            low, high = int(y.min()), int(y.max())
            if low < 0 or high >= self.classes:
                raise ConfigError(
                    f"{part} labels run from {low} to {high}, outside 0 ... {self.classes - 1}"
                )

    @cached_property
    def train_sample(self) -> tuple[Any, Tensor]:
        """The training images that training accuracy is measured on, and their labels."""
        if not isinstance(self.train_x, Images) or len(self.train_x) <= SAMPLE:
            return self.train_x, self.train_y
        chosen = rng.permutation(len(self.train_x), 0)[:SAMPLE]
        return self.train_x.take(chosen), self.train_y[chosen]

    def to(self, device: torch.device | str) -> Data:
        """The same data on ``device``."""
        names = ("train_x", "train_y", "test_x", "test_y")
        return replace(self, **{n: getattr(self, n).to(device) for n in names})


def _as_tensor(value: Any, name: str) -> Any:
    """A tensor with numbers in it (or images in folders).

    Raises:
        DtypeError: anything else.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        kind = torch.float32 if value.dtype.kind == "f" else torch.int64
        return torch.from_numpy(value.astype(str(kind).removeprefix("torch.")))
    if isinstance(value, Images):
        return value
    if not isinstance(value, Tensor):
        loop = "torch.stack([x for x, _ in dataset])"
        if name.endswith("y"):
            loop = "torch.tensor([int(y) for _, y in dataset])"
        way = f"{loop} makes one of a Dataset, torch.tensor(...) of a list"
    elif value.layout != torch.strided:
        way = "call .to_dense() on a sparse one"
    elif value.is_meta:
        way = "a tensor on the device 'meta' holds no numbers"
    else:
        return value
    got = value.layout if isinstance(value, Tensor) else type(value).__name__
    raise DtypeError(f"{name} must be a dense tensor or a NumPy array, got {got}; {way}")


def batches(count: int, size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Shuffled index batches of an epoch: int64 [size] each, the last one shorter.

    The order depends on (seed, epoch) alone, so a resumed run sees the same batches.

    Raises:
        ConfigError: a batch larger than the data.
    """
    check_batch_size(count, size)
    generator = torch.Generator().manual_seed(rng.make_key(seed, "batches", epoch) >> 1)
    yield from torch.randperm(count, generator=generator).split(size)


def check_batch_size(count: int, size: int) -> None:
    """Raise ConfigError unless a batch of ``size`` fits into ``count`` samples."""
    if counted(size, "the batch size") > count:
        raise ConfigError(f"a batch of {size} is larger than the data ({count} samples)")


def check_data(model: nn.Module, data: Data, settings: Settings, world: int = 1) -> None:
    """Raise ConfigError if data and settings cannot go together on ``world`` processes."""
    if not isinstance(data, Data):
        raise ConfigError(f"data must be a Data, from load() or made of tensors, got {data!r}")
    check_batch_size(len(data.train_x), settings.batch_size)
    if settings.augment == RESIZED_CROP and not isinstance(data.train_x, Images):
        raise ConfigError(
            f"augment={RESIZED_CROP!r} is for images that are read from a folder; use 'crop-flip'"
        )
    parts, plan = settings.accumulate, settings.plan
    last = len(data.train_x) % settings.batch_size or settings.batch_size
    norms = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    least = (2 if norms else 1) * world * parts
    if last < least:
        counts = ((world, "processes"), (parts, "parts"))
        shared = " with ".join(f"{n} {what}" for n, what in counts if n > 1)
        raise ConfigError(
            f"a batch size of {settings.batch_size} leaves a last batch of "
            + (
                f"{last} ({len(data.train_x)} in all) for {shared}, which need {least}"
                if shared
                else f"one sample ({len(data.train_x)} in all), which batch norm cannot take"
            )
            + "; choose another"
        )
    if world > 1 and "per-sample" in (plan.rule("weight"), plan.rule("activation")):
        raise ConfigError(
            "masks for each sample are drawn for the batch of one process; choose another mask "
            "rule, or use one process"
        )


@torch.no_grad()
def check_fit(model: nn.Module, data: Data) -> None:
    """Run one sample through the model before anything is changed.

    Raises:
        ShapeError: model and data do not fit. ConfigError: the model does not run, or cannot learn.
    """
    shape = conversion(model).input_shape
    if any(p.is_inference() for p in model.parameters()):
        raise ConfigError(
            "the model was made under torch.inference_mode(), so it cannot learn; build and "
            "convert it outside"
        )
    for part, x in (("training", data.train_x), ("test", data.test_x)):
        if tuple(x.shape[1:]) != shape:
            raise ShapeError(
                f"{part} images have shape {tuple(x.shape[1:])}, the model was converted for "
                f"{shape}; convert it with an example of these images"
            )
        with preserved(model):
            model.eval()
            try:
                logits = model(x[:1])
            except Exception as err:
                raise ConfigError(
                    f"the model does not run on {part} images ({x.dtype}, {x.device}): {err}"
                ) from err
        want = f"[N, {'T, ' * (data.train_y.dim() - 1)}{data.classes}]"
        fits = isinstance(logits, Tensor) and logits.dim() == data.train_y.dim() + 1
        if not fits or logits.shape[-1] < data.classes:
            shown = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ShapeError(f"the model must return logits {want} or wider, it returns {shown}")
