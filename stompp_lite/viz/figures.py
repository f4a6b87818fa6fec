"""The figures that the chapters draw from records and schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from stompp_lite.errors import ConfigError
from stompp_lite.lab.arms import FIGHTERS
from stompp_lite.lab.record import Record, read_all
from stompp_lite.lab.report import Depths, by_arm, splits
from stompp_lite.lab.stats import Interval, accuracy_interval
from stompp_lite.schedule import Schedule
from stompp_lite.viz import style

FREEZE = LinearSegmentedColormap.from_list("freeze", [style.FREE, style.FROZEN])


def _mean(runs: list[Record]) -> Interval | None:
    """Mean and interval, None where no mean describes the runs."""
    if len(runs) < 2 or splits(runs) or any(r.diverged for r in runs):
        return None
    return accuracy_interval(runs)


def _row(ax: Axes, y: int, scores: list[float], mean: Interval | None, color: str) -> None:
    """A setting's runs as dots, and above them the mean with its interval, if there is one."""
    ax.plot(scores, [y + 0.16] * len(scores), "o", color=color, ms=4, alpha=0.5, mew=0)
    if mean:
        ax.errorbar(mean.mean, y - 0.16, xerr=mean.half, fmt="|", color=color, capsize=2, ms=9)


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
            for n, each in scores.items():
                x = [n * shift * 0.975] * len(each)
                ax.plot(x, each, "o", color=look.color, ms=3, alpha=0.5, mew=0)
            found = [_mean(r) for r in runs.values()]
            mean = [d.mean if d else np.nan for d in found]
            half = [d.half if d else np.nan for d in found]
            x = np.array(list(runs)) * shift
            ax.errorbar(x, mean, half, capsize=2, **style.line(method))
            middles = [float(np.median(each)) for each in scores.values() if each]
            if middles:
                ends.append((middles[-1], look.label, look.color))
        ticks = sorted({n for method in present for n in groups[method]})
        ax.set_xscale("log")
        ax.set_xticks(ticks, list(map(str, ticks)))
        ax.minorticks_off()
        ax.set(xlabel="binary convolutions", title=title, ylim=(low, 101.5))
    if len({frozenset(groups) & set(methods) for groups in panels.values()}) == 1:
        style.label_ends(axes[0][-1], ends)
    else:  # panels that show different methods
        axes[0][0].legend(loc="lower left")
    axes[0][0].set_ylabel("test accuracy, %")
    return fig


def fight() -> Figure:
    """All fighters against depth in three arms: what README and landing page show."""
    arms = by_arm(read_all("fair"))
    panels = {
        "SGD, rate 0.1 for all": arms["minimal"],
        "weights with a scale, own rates": arms["scale"],
        "Adam, own rates": arms["adam"],
    }
    return depth(panels, FIGHTERS)


def dots(
    panels: Mapping[str, Mapping[str, Sequence[Record]]],
    colors: Mapping[str, str] | None = None,
    low: float = 0.0,
    high: float = 100.0,
) -> Figure:
    """Test accuracy of settings, one a row: every run a dot, mean and 95 % interval above them.

    Runs that split have dots only: no mean describes them.

    Args:
        panels: title to the settings of a panel, each a label and its runs.
        colors: of the labels; ink where there is none.
        low, high: ends of the axis, in percent.

    Raises:
        ConfigError: no settings to draw.
    """
    labels = list(dict.fromkeys(label for rows in panels.values() for label in rows))
    if not labels:
        raise ConfigError("no settings to draw; give at least one panel with a label and its runs")
    columns = len(panels) if len(panels) < 4 else 2
    lines = -(-len(panels) // columns)
    # no wider than the page, else it shrinks the figure and its letters
    size = (min(2.0 + 2.8 * columns, 7.8), (0.9 + 0.32 * len(labels)) * lines)
    fig, axes = plt.subplots(lines, columns, figsize=size, sharey=True, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax, (title, rows) in zip(axes.flat, panels.items(), strict=False):
        for label, records in rows.items():
            runs, y = list(records), labels.index(label)
            scores = [r.final["test_acc"] for r in runs if not r.diverged]
            _row(ax, y, scores, _mean(runs), (colors or {}).get(label, style.INK))
        ax.set(title=title, xlabel="test accuracy, %", xlim=(low, high + 1.5))
        ax.set_ylim(len(labels) - 0.4, -0.6)
        ax.grid(axis="y", visible=False)
        first = low if high < 100 else np.ceil(low / 20) * 20
        ax.set_xticks(np.linspace(first, high, 3 if columns > 2 else 6).round())
        ends = ax.get_xticklabels()
        ends[0].set_ha("left")  # so that the ends of neighboring axes stay apart
        ends[-1].set_ha("right")
    axes[0][0].set_yticks(range(len(labels)), labels)
    return fig


def forest(
    rows: Sequence[tuple[str, str, Interval | None]],
    xlabel: str = "difference in test accuracy, points", band: float = 3.0,
) -> Figure:  # fmt: skip
    """Differences with their intervals, one a row, under the names of their groups.

    A dot is filled where the interval excludes zero, and hollow and pale where it does not. The
    figure is so narrow that a phone shows it whole.

    Args:
        rows: group, name and difference; the difference is None where no mean describes the runs.
        band: half the width of the shaded band around zero, in the unit of the differences.

    Raises:
        ConfigError: no rows, or a row that is not made of these three.
    """
    if not rows:
        raise ConfigError("no differences to draw; give at least one (group, name, interval)")
    (fig, ax), names, y = plt.subplots(), dict[float, str](), -1.0
    left = blended_transform_factory(fig.transFigure, ax.transData)
    ax.axvspan(-band, band, color=style.FAINT, alpha=0.4, lw=0)
    ax.axvline(0, color=style.INK, lw=0.8)
    for k, row in enumerate(rows):
        if len(row) != 3 or not isinstance(row[2], Interval | None):
            raise ConfigError(f"a row is (group, name, Interval or None), got {row!r}")
        group, name, d = row
        if group and (k == 0 or rows[k - 1][0] != group):
            y += 1.4 if names else 1.0
            ax.text(0.01, y, group, transform=left, va="center", weight="bold", in_layout=False)
        y += 1
        names[y] = name
        if d is None:
            ax.text(band, y, " runs split", va="center", fontsize=9)
            continue
        color = style.INK if d.side else style.look("float").color
        ax.errorbar(d.mean, y, xerr=d.half, fmt="o", color=color, ms=4.5, lw=1.4)
        if not d.side:  # a hole in the color of the page, whose edge alone has that on dark pages
            ax.plot(d.mean, y, "o", color="white", ms=1, mew=1.8, zorder=3)
    fig.set_size_inches(style.NARROW, 0.6 + 0.19 * (y + 1))
    ax.set(xlabel=xlabel, ylim=(y + 0.7, -0.7))
    ax.grid(axis="y", visible=False)
    ax.set_yticks(list(names), list(names.values()))
    return fig


def progression(schedule: Schedule, title: str = "") -> Figure:
    """Frozen fraction of every stage over time: light is free, dark is frozen."""
    fig, ax = plt.subplots(figsize=(6.4, 2.8))
    p = np.array([schedule.fractions(t) for t in range(schedule.steps)]).T  # [stages, steps]
    image = ax.imshow(
        p, aspect="auto", origin="lower", cmap=FREEZE, vmin=0, vmax=1, interpolation="none"
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
