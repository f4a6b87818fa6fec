"""The figures that the chapters draw from records and schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from stompp_lite.errors import ConfigError
from stompp_lite.lab.report import Depths, splits
from stompp_lite.lab.stats import accuracy_interval
from stompp_lite.schedule import Schedule
from stompp_lite.viz import style

FREEZE = LinearSegmentedColormap.from_list("freeze", [style.FREE, style.FROZEN])


def depth(panels: Mapping[str, Depths], methods: Sequence[str], low: float = 0.0) -> Figure:
    """Test accuracy against the number of binary convolutions: every run a dot, means connected.

    Bars are 95 % intervals. Runs that split, and settings in which some run diverged, have dots
    only: no mean describes them.

    Args:
        panels: title to the runs of an arm, from :func:`stompp_lite.lab.report.by_arm`.
        methods: which to draw, keys of :data:`stompp_lite.viz.style.METHODS`.
        low: lower end of the axis, in percent.
    """
    size = (6.4, 3.8) if len(panels) == 1 else (3.1 * len(panels) + 1.6, 3.8)
    fig, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    ends: list[tuple[float, str, str]] = []
    for ax, (title, groups) in zip(axes[0], panels.items(), strict=True):
        ends = []
        present = [m for m in methods if m in groups]
        for k, method in enumerate(present):
            look, runs = style.look(method), groups[method]
            shift = 1.035 ** (k - (len(present) - 1) / 2)  # so that dots do not hide each other
            scores = {
                n: [x.final["test_acc"] for x in r if not x.diverged] for n, r in runs.items()
            }
            for n, found in scores.items():
                x = [4 * n * shift * 0.975] * len(found)
                ax.plot(x, found, "o", color=look.color, ms=3, alpha=0.5, mew=0)
            told = {
                n: accuracy_interval(r)
                for n, r in runs.items()
                if len(r) > 1 and not splits(r) and not any(x.diverged for x in r)
            }
            mean = [told[n].mean if n in told else np.nan for n in runs]
            half = [told[n].half if n in told else np.nan for n in runs]
            x = np.array([4 * n for n in runs]) * shift
            ax.errorbar(x, mean, half, capsize=2, **style.line(method))
            middles = [float(np.median(found)) for found in scores.values() if found]
            if middles:
                ends.append((middles[-1], look.label, look.color))
        ticks = sorted({n for method in present for n in groups[method]})
        ax.set_xscale("log")
        ax.set_xticks([4 * n for n in ticks], [str(4 * n) for n in ticks])
        ax.minorticks_off()
        ax.set(xlabel="binary convolutions", title=title, ylim=(low, 101.5))
    if len({frozenset(groups) & set(methods) for groups in panels.values()}) == 1:
        style.label_ends(axes[0][-1], ends)
    else:  # panels that show different methods
        axes[0][0].legend(loc="lower left")
    axes[0][0].set_ylabel("test accuracy, %")
    return fig


def progression(schedule: Schedule, title: str = "") -> Figure:
    """Frozen fraction of every stage over time: light is free, dark is frozen."""
    fig, ax = plt.subplots(figsize=(6.4, 2.8))
    p = np.array([schedule.fractions(t) for t in range(schedule.steps)]).T  # [stages, steps]
    image = ax.imshow(
        p, aspect="auto", origin="lower", cmap=FREEZE, vmin=0, vmax=1, interpolation="nearest"
    )
    ax.grid(False)
    ax.set(xlabel="training step", ylabel="stage (input at the bottom)", title=title)
    fig.colorbar(image, label="frozen fraction p")
    return fig


def smooth(values: Sequence[float], width: int) -> np.ndarray:
    """Running mean over ``width`` values: [len - width + 1].

    Raises:
        ConfigError: fewer values than the width.
    """
    if not 1 <= width <= len(values):
        raise ConfigError(f"cannot average {len(values)} values over a width of {width}")
    sums = np.cumsum(np.concatenate([[0.0], values]))
    mean: np.ndarray = (sums[width:] - sums[:-width]) / width
    return mean


def sawtooth(
    losses: dict[str, Sequence[float]], starts: Sequence[float] = (), width: int = 10
) -> Figure:
    """Training loss of every step, averaged over ``width`` steps, window starts marked.

    Args:
        losses: method to loss of every step.
        starts: steps at which a stage starts to freeze.
    """
    fig, ax = plt.subplots(figsize=(7.0, 3.4))
    for s in starts:
        ax.axvline(s, color=style.FAINT, linewidth=0.8, zorder=0)
    ends = []
    for method, loss in losses.items():
        look, mean = style.look(method), smooth(loss, width)
        ax.plot(
            np.arange(len(mean)) + width - 1, mean, color=look.color, linestyle=look.line, lw=1.3
        )
        ends.append((float(mean[-1]), look.label, look.color))
    ax.grid(False)
    ax.set(xlabel="training step", ylabel="training loss", ylim=(0, None), xlim=(0, None))
    style.label_ends(ax, ends)
    return fig


def reach(curves: dict[str, Sequence[float]], ylabel: str = "gradient reach") -> Figure:
    """Gradient reach against the stage; method to one number a stage."""
    fig, ax = plt.subplots(figsize=(6.4, 3.2))
    ends = []
    for method, values in curves.items():
        look = style.look(method)
        ax.plot(range(len(values)), values, **style.line(method))  # type: ignore[arg-type]
        ends.append((values[-1], look.label, look.color))
    ax.set(xlabel="stage (0 is next to the input)", ylabel=ylabel)
    style.label_ends(ax, ends)
    return fig
