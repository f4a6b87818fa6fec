"""The landscape as a table to sort, and how layers become binary as pictures (chapter 17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from stompp_lite.errors import ConfigError
from stompp_lite.networks.layers import binary_layers
from stompp_lite.relatives.axes import AXES, PLACES, Place
from stompp_lite.viz import figures, style
from stompp_lite.viz.components import Component

#: What the abstract of a method's paper says of full size. Of others we read no figure.
PUBLISHED = {
    "stompp": ("ResNet-50: 18.0 points over STE on CIFAR-10, 3.8 on ImageNet", "2601.22660"),
    "stompp+ste": ("ResNet-50: 27.1 points over STE on CIFAR-10, 17.7 on ImageNet", "2606.27759"),
    "bi-real": ("56.4 % and 62.2 % on ImageNet, 18 and 34 layers", "1808.00278"),
    "react-net": ("within 3.0 points of a float network on ImageNet", "2003.03488"),
}


def name(method: str) -> str:
    """What a method is called in the book."""
    known = style.METHODS.get(method)
    return known.label if known else style.WORDS.get(method, method)


def landscape_table(
    reached: Mapping[str, str] | None = None, places: Mapping[str, Place] = PLACES
) -> Component:
    """The methods of the landscape and their answers: sort by any of them, compare with any.

    Args:
        reached: method -> what it reached here, in words. places: method -> its place.

    Raises:
        ConfigError: no places.
    """
    if not places:
        raise ConfigError("a table of the landscape needs at least one place")
    rows = []
    for method, spot in places.items():
        said, paper = PUBLISHED.get(method, ("", ""))
        rows.append({
            "name": name(method), "cells": asdict(spot), "ours": (reached or {}).get(method, ""),
            "published": said, "paper": paper,
        })  # fmt: skip
    axes = [{"key": k, "label": ask, "answers": list(known)} for k, (ask, known) in AXES.items()]
    return Component("landscape", {"axes": axes, "rows": rows})


class BinaryShare:
    """A callback of ``fit`` that notes which share of each layer's weights is +1 or -1.

    Args:
        every: steps between two notes.

    Attributes:
        rows: a list [layers] of shares for each note.
    """

    def __init__(self, every: int = 4) -> None:
        self.every, self.rows = every, list[list[float]]()

    @torch.no_grad()
    def __call__(self, run: Any) -> None:
        """Note the shares, as the network computes with its weights now."""
        if run.step % self.every:
            return
        used = [layer.binarizer(layer.weight) for layer in binary_layers(run.model).values()]
        self.rows.append([float((w.abs() > 0.99).float().mean()) for w in used])


def strips(shares: Mapping[str, Sequence[Sequence[float]]], columns: int = 3) -> Figure:
    """One picture for each method: time runs to the right, layers upwards, dark is binary.

    Args:
        shares: method -> rows [time][layers] of shares in [0, 1].

    Raises:
        ConfigError: nothing to draw.
    """
    if not shares:
        raise ConfigError("there is nothing to draw: give shares of at least one method")
    lines = -(-len(shares) // columns)
    fig, axes = plt.subplots(lines, columns, figsize=(7.4, 1.35 * lines + 0.5), squeeze=False)
    for ax, (method, rows) in zip(axes.flat, shares.items(), strict=False):
        picture = torch.tensor(rows).T
        ax.imshow(picture, cmap=figures.FREEZE, vmin=0, vmax=1, aspect="auto", origin="lower")
        ax.set_title(name(method), fontsize=9)
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
    for ax in axes.flat[len(shares) :]:
        ax.axis("off")
    axes[-1, 0].set_xlabel("time →", fontsize=8)
    axes[-1, 0].set_ylabel("layer →", fontsize=8)
    return fig
