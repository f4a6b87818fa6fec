"""Random crops and flips of a whole batch, on the device where it lies.

The draws are keyed by (seed, step), so a resumed run sees the same images, and so does every rank.

Taught in chapter 13, *ResNets on CIFAR*.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from stompp_lite import rng
from stompp_lite.errors import ShapeError

PAD = 4  # pixels on each side, as is usual for CIFAR


def crop_and_flip(x: Tensor, seed: int, step: int) -> Tensor:
    """Each image moved by up to four pixels each way, and mirrored with probability 1/2.

    Args:
        x: [N, C, H, W], any dtype. What comes in from outside is 0, the mean color of normalized
            images (torchvision's ``RandomCrop`` pads before it normalizes: with black).
        seed, step: what the draws depend on.

    Returns:
        A new tensor like ``x``.

    Raises:
        ShapeError: not images.
    """
    if x.dim() != 4:
        raise ShapeError(
            f"crops and flips are for images [N, C, H, W], got {tuple(x.shape)}; use augment='none'"
        )
    images, _, height, width = x.shape
    key, entries = rng.make_key(seed, "augment"), rng.counters((images, 2), x.device)
    places, coins = rng.uniform_pair(key, step, entries)  # float32 [N, 2] each
    down, right = (places * (2 * PAD + 1)).long().unbind(1)
    rows = down[:, None] + torch.arange(height, device=x.device)  # [N, H]
    columns = right[:, None] + torch.arange(width, device=x.device)  # [N, W]
    columns = torch.where(coins[:, :1] < 0.5, columns, columns.flip(1))
    padded = F.pad(x, (PAD, PAD, PAD, PAD))
    image = torch.arange(images, device=x.device)[:, None, None, None]
    channel = torch.arange(x.shape[1], device=x.device)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


#: Name -> function of a batch, a seed and a step.
AUGMENTATIONS: dict[str, Callable[[Tensor, int, int], Tensor]] = {
    "none": lambda x, seed, step: x,
    "crop-flip": crop_and_flip,
}
