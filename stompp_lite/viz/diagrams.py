"""Diagrams in the visual grammar of the course: dark is one bit, light is a real number.

Forward pass in ink, from left to right; gradient in red, from right to left. Taught in chapters 2
(:func:`pretend`), 4 (:func:`network`, :func:`block`) and 6 (:func:`paths`), and used again where
the text asks to picture them.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from stompp_lite.errors import ConfigError
from stompp_lite.viz import style

BACK = style.METHODS["reverse"].color


def _box(ax: Axes, x: float, y: float, text: str, *, bit: bool = False, wide: float = 1.0) -> None:
    shape = FancyBboxPatch(
        (x - wide / 2, y - 0.3), wide, 0.6, boxstyle="round,pad=0,rounding_size=0.08",
        facecolor=style.FROZEN if bit else style.FREE, edgecolor=style.FROZEN, lw=1,
    )  # fmt: skip
    ax.add_patch(shape)
    color = "white" if bit else style.INK
    ax.text(x, y, text, ha="center", va="center", fontsize=9, color=color)


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], *, back: bool = False,
    bend: float = 0.0, dashed: bool = False,
) -> None:  # fmt: skip
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=11, shrinkA=0, shrinkB=0,
            connectionstyle=f"arc3,rad={bend}", color=BACK if back else style.INK,
            lw=1.4, linestyle=(0, (4, 3)) if dashed else "-",
        )
    )  # fmt: skip


def _blank(width: float, height: float, limits: tuple[float, float, float, float]) -> Axes:
    _, ax = plt.subplots(figsize=(width, height))
    ax.set(xlim=limits[:2], ylim=limits[2:])
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def pretend() -> Figure:
    """From a latent weight to the loss and back: where the sign stops the gradient, and the trick.

    Source: the straight-through estimator (Bengio, Léonard, Courville 2013).
    """
    ax = _blank(7.2, 1.8, (-0.8, 9.3, -0.9, 1.4))
    _box(ax, 0, 0, "latent w", wide=1.4)
    _box(ax, 2.9, 0, "sign", wide=1.0)
    _box(ax, 5.4, 0, "+1 or −1", bit=True, wide=1.5)
    _box(ax, 8.3, 0, "loss", wide=1.2)
    for a, b in ((0.7, 2.4), (3.4, 4.65), (6.15, 7.7)):
        _arrow(ax, (a, 0.12), (b, 0.12))
    _arrow(ax, (7.7, -0.14), (6.15, -0.14), back=True)
    _arrow(ax, (4.65, -0.14), (3.4, -0.14), back=True)
    ax.text(1.55, -0.18, "×", color=BACK, ha="center", va="center", fontsize=15)
    ax.text(1.55, -0.62, "slope of the sign: 0", color=BACK, ha="center", fontsize=8.5)
    _arrow(ax, (4.65, 0.32), (0.35, 0.34), back=True, bend=0.32, dashed=True)
    ax.text(2.5, 1.08, "pretend: a surrogate's slope", color=BACK, ha="center", fontsize=8.5)
    ax.text(6.95, -0.62, "a real gradient", color=BACK, ha="center", fontsize=8.5)
    return ax.figure  # type: ignore[return-value]


def block(committed: int = 0) -> Figure:
    """The lab network's residual block, with its two stages, and where the gradient stops.

    Args:
        committed: how many of the two stages, the first first, are one bit already.

    Raises:
        ConfigError: another number than 0, 1 or 2.
    """
    if committed not in (0, 1, 2):
        raise ConfigError(f"a block has two stages, so 0, 1 or 2 are committed, not {committed!r}")
    ax = _blank(7.4, 2.1, (-0.6, 12.6, -1.3, 2.1))
    first, second = committed >= 1, committed >= 2
    parts = [
        (1.2, "conv", first), (2.7, "batch\nnorm", False), (4.2, "act", first),
        (6.2, "conv", second), (7.7, "batch\nnorm", False), (10.6, "act", second),
    ]  # fmt: skip
    for x, text, bit in parts:
        _box(ax, x, 0, text, bit=bit, wide=1.1)
    ax.text(9.15, 0, "+", ha="center", va="center", fontsize=14, color=style.INK)
    stops = [-0.2, 0.65, 1.75, 2.15, 3.25, 3.65, 4.75, 5.65, 6.75, 7.15, 8.25, 8.95, 9.35, 10.05]
    for a, b in zip(stops[0::2], stops[1::2], strict=True):
        _arrow(ax, (a, 0), (b, 0))
    _arrow(ax, (11.15, 0), (12.1, 0))
    _arrow(ax, (0.2, 0.05), (9.05, 0.22), bend=-0.3)
    ax.text(4.6, 1.65, "shortcut", ha="center", fontsize=8.5, color=style.INK)
    for left, right, name, done in (
        (0.6, 4.8, "a stage", first),
        (5.6, 11.2, "the next stage", second),
    ):
        ax.plot([left, left, right, right], [-0.55, -0.7, -0.7, -0.55], color=style.FROZEN, lw=1)
        told = f"{name}: {'committed, lets no gradient through' if done else 'free'}"
        ax.text((left + right) / 2, -1.05, told, ha="center", fontsize=8.5, color=style.INK)
    return ax.figure  # type: ignore[return-value]


def network() -> Figure:
    """The lab network from the image to the logits: what becomes one bit, and what stays float."""
    ax = _blank(7.4, 2.2, (-1.8, 16.0, -2.2, 2.4))
    _box(ax, -0.2, 0, "conv", wide=1.2)
    _box(ax, 12.6, 0, "mean", wide=1.3)
    _box(ax, 14.4, 0, "linear", wide=1.4)
    for first in (2.2, 7.6):
        for x, text in ((first, "block 1"), (first + 3.3, "block n")):
            _box(ax, x, 0, text, bit=True, wide=1.5)
            _arrow(ax, (x - 1.1, 0.1), (x + 1.05, 0.1), bend=-0.7)
            _arrow(ax, (x - 1.25, 0), (x - 0.8, 0))
            _arrow(ax, (x + 0.8, 0), (x + 1.25, 0))
        ax.text(first + 1.65, 0, "...", ha="center", va="center", color=style.INK)
    _box(ax, 7.6, 1.0, "1 × 1", wide=1.2)
    for a, b in ((-1.6, -0.85), (0.45, 0.9), (13.3, 13.65), (15.15, 15.8)):
        _arrow(ax, (a, 0), (b, 0))
    for left, right, told in (
        (-0.9, 0.5, "float"),
        (1.2, 6.5, "16 channels, 8 × 8"),
        (6.7, 11.9, "32 channels, 4 × 4"),
        (12.0, 15.1, "float"),
    ):
        ax.plot([left, left, right, right], [-0.6, -0.75, -0.75, -0.6], color=style.FROZEN, lw=1)
        ax.text((left + right) / 2, -1.2, told, ha="center", fontsize=8.5, color=style.INK)
    for y, told in (
        (1.85, "shortcuts (the one with 1 × 1: float)"),
        (
            -2.0,
            "one bit at the end: in every block two convolutions and two activations, "
            "and the stem's activation",
        ),
    ):
        ax.text(6.5, y, told, ha="center", fontsize=8.5, color=style.INK)
    return ax.figure  # type: ignore[return-value]


def paths() -> Figure:
    """The gradient's ways through three residual blocks, for three states of the middle one.

    A sum passes gradient on to both of its terms, so an inner activation that is committed
    (without a surrogate) shuts one way of two; the activation behind the sum shuts both.
    """
    states = (
        ("nothing is committed", ()),
        ("first stage of a block committed: its branch is shut, its shortcut is not", ("inner",)),
        ("both stages committed: everything before the block is shut off", ("inner", "outer")),
    )
    _, axes = plt.subplots(3, 1, figsize=(7.4, 3.9))
    for ax, (told, committed) in zip(axes, states, strict=True):
        ax.set(xlim=(-0.9, 16.6), ylim=(-1.2, 1.5))
        ax.set_aspect("equal")
        ax.axis("off")
        ax.text(-0.8, 1.2, told, fontsize=8.5, color=style.INK)
        _box(ax, 15.6, 0, "loss", wide=1.3)
        _arrow(ax, (14.9, 0), (14.55, 0), back=True)
        for k, start in enumerate((0.0, 5.0, 10.0)):
            here = committed if k == 1 else ()
            _box(ax, start + 1.1, -0.6, "conv, act", bit="inner" in here, wide=1.6)
            _box(ax, start + 2.6, -0.6, "conv", bit="outer" in here, wide=0.9)
            ax.text(start + 3.4, 0, "+", ha="center", va="center", fontsize=12, color=style.INK)
            _box(ax, start + 4.1, 0, "act", bit="outer" in here, wide=0.8)
            if k < 2 and "outer" in committed:
                continue  # no gradient arrives here
            _arrow(ax, (start + 3.7, 0), (start + 3.5, 0), back=True)
            _arrow(ax, (start + 3.25, 0.12), (start - 0.35, 0.12), back=True, bend=0.18)
            _arrow(ax, (start + 3.3, -0.12), (start + 3.07, -0.5), back=True)
            _arrow(ax, (start + 2.15, -0.6), (start + 1.9, -0.6), back=True)
            if "inner" not in here:
                _arrow(ax, (start + 0.3, -0.6), (start - 0.35, -0.12), back=True)
    return axes[0].figure  # type: ignore[no-any-return]
