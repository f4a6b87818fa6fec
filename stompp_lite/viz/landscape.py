"""The landscape as a table to sort, and how layers become binary as pictures (chapter 17)."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError
from stompp_lite.lab.claims import runs_of
from stompp_lite.lab.recipes_landscape import FROM_FLOAT
from stompp_lite.lab.record import Record
from stompp_lite.lab.report import splits, summary
from stompp_lite.networks.layers import binary_layers
from stompp_lite.relatives.axes import AXES, PLACES, Place
from stompp_lite.relatives.guided import GUIDES
from stompp_lite.viz import figures, style
from stompp_lite.viz.components import Component

#: What the abstract of a method's paper says of full size. Of others we read no figure.
PUBLISHED = {
    "stompp": ("ResNet-50: 18.0 points over STE on CIFAR-10, 3.8 on ImageNet", "2601.22660"),
    "stompp+ste": ("ResNet-50: 27.1 points over STE on CIFAR-10, 17.7 on ImageNet", "2606.27759"),
    "bi-real": ("56.4 % and 62.2 % on ImageNet, 18 and 34 layers", "1808.00278"),
    "react-net": ("within 3.0 points of a float network on ImageNet", "2003.03488"),
}
#: Arm -> the recipes of methods from random weights and from a float network, and of guides.
RECORDED = {
    "minimal": ("landscape", "landscape-guided"),
    "adam": ("landscape-best", "landscape-guided-best"),
}
#: Control of what starts from a float network; costs are told beside it.
CONTROL = "ste-float-start"
_SHAPES = dict(zip(AXES["grain"][1], "osD^v", strict=True))
_TONES = dict(zip(AXES["passes"][1], ("#6b7280", "#b8860b", "#1f77b4", "#8e44ad"), strict=True))


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


def reached(arm: str = "minimal") -> dict[str, list[Record]]:
    """Method -> its runs, of the methods whose planned seeds are all recorded.

    Args:
        arm: ``"minimal"`` or ``"adam"``.

    Returns:
        Methods of :data:`~stompp_lite.relatives.axes.PLACES`, and :data:`CONTROL`.

    Raises:
        ConfigError: another arm. RecordError: a damaged record.
    """
    recipe, guided = RECORDED[one_of(arm, RECORDED, "arm")]
    settings = {CONTROL: f"{recipe}/n06-{arm}-{CONTROL}"}
    for method in PLACES:
        if method in ("ste", "stompp", "stompp+ste"):
            settings[method] = f"fair/n06-{arm}-{method}"
        elif method not in GUIDES:
            start = "-float-start" if method in FROM_FLOAT else ""
            settings[method] = f"{recipe}/n06-{arm}-{method}{start}"
        else:
            settings[method] = f"{guided}/n06-{arm}-ste-{method}"
    both = {method: runs_of(setting) for method, setting in settings.items()}
    return {
        m: [runs[k] for k in sorted(runs)] for m, (runs, all_) in both.items() if {*runs} == all_
    }


def in_words(arm: str = "minimal") -> dict[str, str]:
    """Method -> its accuracy over seeds in percent, or ``not run``, for :func:`landscape_table`."""
    found = reached(arm)
    return {m: summary(found[m]) if m in found else "not run" for m in PLACES}


def chart(arms: Mapping[str, Mapping[str, Sequence[Record]]]) -> Figure:
    """The map: answers, accuracy and cost of the methods that have run; what lacks is named.

    Cost is the median time of a run beside that of :data:`CONTROL`. Methods that ran on
    another kind of processor than that are lines without a cost; runs that split or diverged have
    no mean, and are named.

    Args:
        arms: title -> runs by method, as :func:`reached` gives them.

    Raises:
        ConfigError: nothing to draw.
    """
    if not arms:
        raise ConfigError("there is nothing to draw: give at least one arm")
    size = (7.4, 3.7 * len(arms) + 0.8)
    fig, panels = plt.subplots(len(arms), 1, figsize=size, squeeze=False, layout="constrained")
    for ax, (title, found) in zip(panels.flat, arms.items(), strict=True):
        lacks = [name(m) for m in PLACES if m not in found]
        control = found.get(CONTROL)
        spots: list[tuple[float, float | None, str, str]] = []  # accuracy, cost, label, color
        for method, runs in found.items():
            label = "STE, float start" if method == CONTROL else name(method)
            spot = PLACES["ste" if method == CONTROL else method]
            tone = _TONES[spot.passes]
            level = float(np.mean([r.final["test_acc"] for r in runs]))
            if splits(list(runs)) or any(run.diverged for run in runs):
                lacks.append(f"{label} (runs split or diverged)")
            elif control is None:
                lacks.append(f"{label} (no cost yet)")
            elif runs[0].machine != control[0].machine:
                look = style.METHODS.get(method)
                color, line = (look.color, look.line) if look else (tone, ":")
                ax.axhline(level, color=color, ls=line, lw=1)
                spots.append((level, None, label, color))
            else:
                cost = _seconds(runs) / _seconds(control)
                ax.scatter(cost, level, marker=_SHAPES[spot.grain], color=tone)
                spots.append((level, cost, label, tone))
        _labels(ax, spots)
        words = [f"Not here yet: {', '.join(lacks)}."] if lacks else []
        words = textwrap.wrap(" ".join(words), 84, break_on_hyphens=False)
        ax.set(title=title, ylabel="test accuracy, %", ylim=(0, 104))
        ax.set_xlabel("\n".join(["time of a run ÷ STE's, float start", *words]), fontsize=9)
    marks = [Line2D([], [], ls="", marker=m, color="gray", label=a) for a, m in _SHAPES.items()]
    marks += [
        Line2D([], [], ls="", marker="s", color=c, label=f"passes: {a}") for a, c in _TONES.items()
    ]
    fig.legend(handles=marks, loc="outside lower center", ncols=3, fontsize=8)
    return fig


def _labels(ax: Any, spots: Sequence[tuple[float, float | None, str, str]], gap: float = 6) -> None:
    """Names beside a panel, each at its accuracy or as near as the others let it stand."""
    spots = sorted(spots, key=lambda spot: spot[0])
    heights: list[float] = []
    for level, *_ in spots:
        heights.append(max(level, heights[-1] + gap) if heights else level)
    over = 101.0
    for i in range(len(heights) - 1, -1, -1):
        heights[i] = over = min(heights[i], over)
        over -= gap
    beside = ax.get_yaxis_transform()
    for (level, cost, label, tone), height in zip(spots, heights, strict=True):
        at, coordinates = ((1.0, level), beside) if cost is None else ((cost, level), "data")
        ax.annotate(
            label, at, (1.03, height), coordinates, beside, fontsize=8, va="center",
            annotation_clip=False, arrowprops={
                "arrowstyle": "-", "lw": 0.5, "color": tone, "relpos": (0, 0.5), "shrinkA": 1,
            },
        )  # fmt: skip


def _seconds(runs: Sequence[Record]) -> float:
    return statistics.median(record.wall_s for record in runs)


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
