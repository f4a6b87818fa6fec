"""Random crops and flips of a whole batch, on the device where it lies.

The draws are keyed by (seed, step), so a resumed run sees the same images, and so does every rank.

Taught in chapter 13, *From digits to photographs*.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from stompp_lite import rng
from stompp_lite.errors import ShapeError

PAD = 4  # pixels on each side, as is usual for CIFAR


def crop_and_flip(x: Tensor, seed: int, step: int, rows: Tensor | None = None) -> Tensor:
    """Each image moved by up to four pixels each way, and mirrored with probability 1/2.

    Args:
        x: [N, C, H, W], any dtype. What comes in from outside is 0, the mean color of normalized
            images (torchvision's ``RandomCrop`` pads before it normalizes: with black).
        seed, step: what the draws depend on.
        rows: int64 [N], places of these images in the batch; None: they are all of it.

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
    key, batch = rng.make_key(seed, "augment"), images if rows is None else int(rows.max()) + 1
    entries = rng.counters((batch, 2), x.device)
    entries = entries if rows is None else entries[rows.to(x.device)]
    places, coins = rng.uniform_pair(key, step, entries)  # float32 [N, 2] each
    down, right = (places * (2 * PAD + 1)).long().unbind(1)
    rows = down[:, None] + torch.arange(height, device=x.device)  # [N, H]
    columns = right[:, None] + torch.arange(width, device=x.device)  # [N, W]
    columns = torch.where(coins[:, :1] < 0.5, columns, columns.flip(1))
    padded = F.pad(x, (PAD, PAD, PAD, PAD))
    image = torch.arange(images, device=x.device)[:, None, None, None]
    channel = torch.arange(x.shape[1], device=x.device)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


#: Done while images are read from a folder, by torchvision; nothing is left to do afterwards.
RESIZED_CROP = "resized-crop"
#: Name -> function of images, a seed, a step, and the images' places in the batch.
AUGMENTATIONS: dict[str, Callable[[Tensor, int, int, Tensor | None], Tensor]] = {
    "none": lambda x, seed, step, rows: x,
    "crop-flip": crop_and_flip,
    RESIZED_CROP: lambda x, seed, step, rows: x,
}
