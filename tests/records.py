"""Made-up records whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from stompp_lite import load
from stompp_lite.lab.arms import configuration
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


def race(epochs: int = 6) -> dict[str, Record]:
    """Two made-up runs with 4 binary layers that begin to freeze at either end and keep answers.

    From the input it reads every digit right, from the output ever fewer: none, in the end.
    """
    labels = load("digits").test_y[:24].tolist()
    wrong = [(y + 1) % 10 for y in labels]
    out, judged = {}, list(range(1, epochs + 1))
    for told, order in (("from the input", "forward"), ("from the output", "reverse")):
        config = configuration({"blocks": 1, "epochs": epochs, "order": order})
        lost = [24 * k // (epochs - 1) if order == "reverse" else 0 for k in range(epochs)]
        accuracy = [100.0 - 100 * n / 24 for n in lost]
        curves = {
            "epoch": judged, "step": [23 * e for e in judged], "test_acc": accuracy,
            "test_acc_binary": accuracy, "answers": [wrong[:n] + labels[n:] for n in lost],
            "signs": [["", "f0f0", "0f0f", "ff00", f"00f{k}"] for k in range(epochs)],
        }  # fmt: skip
        record = made(f"n01-minimal-stompp-{order}", 0, accuracy[-1], config.to_dict())
        out[told] = replace(record, recipe="race", curves=curves)
    return out
