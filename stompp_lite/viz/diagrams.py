"""Diagrams in the visual grammar of the course: dark is one bit, light is a real number.

Forward pass in ink, from left to right; gradient in red, from right to left. Taught in chapters 2
(:func:`pretend`) and 4 (:func:`block`), and used again where the text asks to picture them.
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
    ax = _blank(7.4, 2.0, (-0.6, 12.6, -1.3, 1.8))
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
    ax.text(4.6, 1.5, "shortcut", ha="center", fontsize=8.5, color=style.INK)
    for left, right, name, done in (
        (0.6, 4.8, "a stage", first),
        (5.6, 11.2, "the next stage", second),
    ):
        ax.plot([left, left, right, right], [-0.55, -0.7, -0.7, -0.55], color=style.FROZEN, lw=1)
        told = f"{name}: {'committed, lets no gradient through' if done else 'free'}"
        ax.text((left + right) / 2, -1.05, told, ha="center", fontsize=8.5, color=style.INK)
    return ax.figure  # type: ignore[return-value]
