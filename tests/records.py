"""Made-up records whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from stompp_lite.lab.record import Record


def made(
    name: str, seed: int, accuracy: float, config: dict[str, Any] | None = None,
    images: int = 1000, outcome: str = "finished", recipe: str = "fair",
) -> Record:  # fmt: skip
    """A record that got the first share of its images right."""
    bits = np.arange(images) < accuracy * images / 100
    values = {"test_acc": 100 * bits.mean(), "test_acc_bn": 0.0, "train_acc": 0.0, "loss": 0.0}
    n = int(name[1:3])  # blocks of a group
    settings = {"data": "digits", "validation": False, "blocks": [n, n], "test_images": images}
    return Record(
        recipe=recipe, name=f"{name}-s{seed}", config=settings | (config or {}), seed=seed,
        versions={}, machine={}, started="", wall_s=1.0, curves={}, steps={}, final=values,
        correct=np.packbits(bits).tobytes().hex(), outcome=outcome,
    )  # fmt: skip
