"""Data of signs: images cut at the median of each pixel, prototypes with flipped bits, sequences.

Taught in chapter 18, *Learning without gradients*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from stompp_lite.checks import count, within
from stompp_lite.errors import ConfigError
from stompp_lite.rng import make_key
from stompp_lite.training.folders import Images
from stompp_lite.training.samples import Data


def as_bits(data: Data) -> Data:
    """The same data as signs: +1 where a pixel is above its median over the training images.

    Args:
        data: images, [N, ...]. What is +1 or -1 already stays as it is.

    Returns:
        Data whose images are float32 [N, ...] of +1 and -1 (a tensor of the course's loaders; the
        network takes them as int8).

    Raises:
        ConfigError: texts, or images that are read from a folder.
    """
    if data.tokens or isinstance(data.train_x, Images):
        kind = "texts" if data.tokens else "images in a folder"
        raise ConfigError(f"{data.name!r} holds {kind}; signs are made of images in a tensor")
    if bool((data.train_x.abs() == 1).all() and (data.test_x.abs() == 1).all()):
        return data
    middle = torch.from_numpy(np.median(data.train_x.cpu().numpy(), axis=0))
    return replace(
        data,
        train_x=_signs(data.train_x.cpu(), middle),
        test_x=_signs(data.test_x.cpu(), middle),
        train_y=data.train_y.cpu(),
        test_y=data.test_y.cpu(),
    )


def thermometer(x: Tensor, cuts: Sequence[Sequence[float]]) -> Tensor:
    """Real inputs as signs: each input is cut at several places, +1 above a cut, else -1.

    Args:
        x: [N, I]. cuts: of each input its cuts; together they are M.

    Returns:
        float32 [N, M], the signs of the first input first.

    Raises:
        ConfigError: not a list of cuts for each input.
    """
    if x.dim() != 2 or x.shape[1] != len(cuts):
        raise ConfigError(f"cuts of {len(cuts)} inputs do not fit inputs of {tuple(x.shape)}")
    parts = [_signs(x[:, i : i + 1].double(), torch.tensor(c).double()) for i, c in enumerate(cuts)]
    return torch.cat(parts, dim=1).float()


def _signs(x: Tensor, middle: Tensor) -> Tensor:
    return torch.where(x > middle, 1.0, -1.0)


def prototypes(
    seed: int = 0, *, classes: int = 10, size: int = 1000, flipped: float = 0.44,
    samples: int = 12_000, test: int = 2_000,
) -> Data:  # fmt: skip
    """Random prototypes: a random pattern of signs for each class, and noisy copies of it.

    Each sample is the prototype of a random class with each sign flipped with probability
    ``flipped`` (Colombo, Pittorino, Roveri, arXiv 2412.00119).

    Returns:
        Data with images float32 [N, size] of +1 and -1.

    Raises:
        ConfigError: an impossible number, by name.
    """
    count(samples, "samples", 2), count(test, "test"), count(size, "size")
    count(classes, "classes", 2), within(flipped, "flipped", 0.0, 1.0)
    if test >= samples:
        raise ConfigError(f"test must be fewer than all {samples} samples, got {test}")
    draw = np.random.default_rng(make_key(seed, "prototypes"))
    patterns = 2 * draw.integers(0, 2, (classes, size)) - 1
    y = draw.integers(0, classes, samples)
    flips = np.where(draw.random((samples, size)) < flipped, -1, 1)
    x = torch.from_numpy((patterns[y] * flips).astype(np.float32))
    labels = torch.from_numpy(y)
    held = samples - test
    return Data("prototypes", x[:held], labels[:held], x[held:], labels[held:], classes)


def rows(data: Data, repeat: int = 8) -> Data:
    """Images [N, 1, H, W] of signs as sequences that are read row by row: [N, H, repeat * W].

    Args:
        repeat: how often each sign of a row is given, so that a row weighs as much as the state
            of the network that reads it.

    Raises:
        ConfigError: images of another shape.
    """
    count(repeat, "repeat")
    if data.train_x.dim() != 4 or data.train_x.shape[1] != 1:
        shape = tuple(data.train_x.shape)
        raise ConfigError(f"rows are taken of images [N, 1, H, W], got {shape}")
    parts = (data.train_x, data.test_x)
    train_x, test_x = (x[:, 0].repeat(1, 1, repeat) for x in parts)
    return replace(data, train_x=train_x, test_x=test_x)
