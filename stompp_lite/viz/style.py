"""One color, line style and marker for each method, in every figure of the course.

The colors keep apart for the common kinds of color blindness, in gray, and on a dark page; the
line style and the marker say the same thing a second time. Frozen is dark and solid, free is light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from stompp_lite.checks import one_of


@dataclass(frozen=True)
class Look:
    """How a method is drawn."""

    label: str
    color: str
    line: Any  # matplotlib's name of a line style, or its dashes
    marker: str


#: The look of each method.
METHODS = {
    "float": Look("float", "#6b7280", "-", "o"),
    "ste": Look("STE", "#c2630a", "--", "s"),
    "ste-identity": Look("STE, identity everywhere", "#e3a45c", ":", "v"),
    "stompp": Look("StoMPP", "#1f6fb5", "-", "^"),
    "stompp+ste": Look("StoMPP + STE", "#1b8a5a", "-.", "D"),
    "hybrid": Look("hybrid", "#a3477f", (0, (4, 1, 1, 1, 1, 1)), "p"),
    "random": Look("weights never trained", "#8a8f98", (0, (1, 3)), "X"),
    "reverse": Look("reverse order", "#b3263a", "--", "x"),
    "global": Look("global", "#7a4fa3", ":", "P"),
}
FROZEN, FREE = "#16324f", "#dbe7f3"
INK, FAINT = "#1f2933", "#c8ced6"


def look(method: str) -> Look:
    """The look of a method.

    Raises:
        ConfigError: unknown method.
    """
    return METHODS[one_of(method, METHODS, "method")]


def line(method: str) -> dict[str, Any]:
    """Keyword arguments for ``Axes.plot`` and ``Axes.errorbar``."""
    m = look(method)
    return {"color": m.color, "linestyle": m.line, "marker": m.marker, "label": m.label}


def use() -> None:
    """Set matplotlib's defaults for the course: quiet axes, readable sizes, white background.

    In a notebook figures become drawings (SVG), sharp at every size.
    """
    mpl.rcParams.update(
        {
            "figure.figsize": (6.4, 3.6),
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e6e9ed",
            "font.size": 10,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "svg.hashsalt": "layer-by-layer",
            "svg.fonttype": "none",  # text stays text
            "image.interpolation": "none",  # a pixel an entry, drawn by who shows the picture
        }
    )
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return  # no notebook
    if get_ipython() is not None:
        set_matplotlib_formats("svg")  # type: ignore[no-untyped-call]


def label_ends(ax: Axes, ends: list[tuple[float, str, str]], gap: float = 0.07) -> None:
    """Write labels to the right of the axes, at the height of each line's last point.

    Args:
        ends: (y, text, color) of each line.
        gap: smallest vertical distance, as a share of the axis; labels that are closer move up.
    """
    low, high = ax.get_ylim()
    previous = -float("inf")
    for y, text, color in sorted(ends):
        previous = max(y, previous + gap * (high - low))
        place = ax.get_yaxis_transform()
        ax.text(1.02, previous, text, transform=place, va="center", color=color, fontsize=9)


#: What settings are called where their own name is no word.
WORDS = {
    "weights-only": "StoMPP weights, float activations",
    "ste-weights-only": "STE weights, float activations",
    "hybrid-free": "STE weights, StoMPP activations",
    "reverse-hybrid": "StoMPP + STE weights, STE activations",
    "reverse-hybrid-free": "StoMPP weights, STE activations",
    "weight-surrogate": "StoMPP + STE weights, StoMPP activations",
    "activation-surrogate": "StoMPP weights, StoMPP + STE activations",
    "intervention": "StoMPP, activations end with STE",
    "minimal": "small steps (the papers' settings)",
    "minimal+scale": "small steps, with a scale",
    "sgd": "fitted steps, no scale",
    "scale": "fitted steps (scale)",
    "adam": "Adam",
    "forward-2": "forward, in two groups",
    "forward-5": "forward, in five groups",
}
