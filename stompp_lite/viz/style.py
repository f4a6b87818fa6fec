"""One color, line style and marker for each method, in every figure of the course.

Each color has a second value for dark pages. The marker says the same thing again, for those who
tell fewer colors apart. Frozen is dark and free is light, on light pages and on dark ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from stompp_lite.checks import one_of
from stompp_lite.lab.arms import NAMES


@dataclass(frozen=True)
class Look:
    """How a method is drawn."""

    label: str
    color: str
    dark: str  # the color on a dark page
    line: Any  # matplotlib's name of a line style, or its dashes
    marker: str


#: The look of each method.
METHODS = {
    "float": Look("float", "#6b7280", "#a3a8ae", "-", "o"),
    "ste": Look("STE", "#c2630a", "#ef9a4d", "--", "s"),
    "ste-identity": Look("STE, identity everywhere", "#8a7300", "#d9cf6a", ":", "v"),
    "stompp": Look("StoMPP", "#1f6fb5", "#5fa8e8", "-", "^"),
    "stompp+ste": Look("StoMPP + STE", "#1b8a5a", "#4fc08d", "-.", "D"),
    "hybrid": Look("hybrid", "#a3477f", "#e58ac4", (0, (4, 1, 1, 1, 1, 1)), "p"),
    "random": Look("weights never trained", "#3f4650", "#e4e8ee", (0, (1, 3)), "X"),
    "reverse": Look("reverse order", "#b3263a", "#f5736f", "--", "x"),
    "global": Look("global", "#7a4fa3", "#a48cf0", ":", "P"),
}
FROZEN, FREE = "#16324f", "#dbe7f3"
INK, FAINT, GRID = "#1f2933", "#c8ced6", "#e6e9ed"
NARROW = 4.4  # inches: a drawing of this width is read on a phone without scrolling
#: What each name of a color stands for on a light page and on a dark one. The edge of what is
#: frozen is a color of its own, because a dark patch needs a lighter edge on a dark page.
COLORS = {
    "ink": (INK, "#d6dee6"),
    "faint": (FAINT, "#4a5663"),
    "grid": (GRID, "#2a343e"),
    "frozen": (FROZEN, "#2a547e"),
    "frozen-line": (FROZEN, "#7fa3c7"),
    "free": (FREE, "#c4d5e6"),
    **{name.replace("+", "-"): (look.color, look.dark) for name, look in METHODS.items()},
}


def css() -> str:
    """The colors as properties of a page: ``--fig-ink`` and so on, for both themes."""
    return "".join(
        f'html[data-theme="{theme}"] {{ '
        + " ".join(f"--fig-{name}: {pair[k]};" for name, pair in COLORS.items())
        + " }\n"
        for k, theme in enumerate(("light", "dark"))
    )


def contrast(a: str, b: str) -> float:
    """How well two colors stand out from each other, from 1 to 21 (WCAG 2.1)."""

    def light(color: str) -> float:
        levels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels)
        return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((light(a), light(b)))
    return (high + 0.05) / (low + 0.05)


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
            "grid.color": GRID,
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
    **NAMES,
    "weights-only": "StoMPP weights, float activations",
    "ste-weights-only": "STE weights, float activations",
    "stompp+ste-weights-only": "StoMPP + STE weights, float activations",
    "activations-only": "StoMPP activations, float weights",
    "hybrid-free": "STE weights, StoMPP activations",
    "reverse-hybrid": "StoMPP + STE weights, STE activations",
    "reverse-hybrid-free": "StoMPP weights, STE activations",
    "weight-surrogate": "StoMPP + STE weights, StoMPP activations",
    "activation-surrogate": "StoMPP weights, StoMPP + STE activations",
    "intervention": "StoMPP, activations end with STE",
    "xnor-net": "XNOR-Net",
    "bi-real": "Bi-Real's surrogate",
    "react-net": "ReActNet's shifts",
    "ir-net": "IR-Net",
    "bop": "Bop",
    "self-binarizing": "self-binarizing tanh",
    "binary-relax": "BinaryRelax",
    "prox-quant": "ProxQuant",
    "inq": "INQ",
    "rpr": "random partition relaxation",
    "stochastic": "stochastic quantization",
    "iterative": "iterative training",
    "features": "distillation-guided",
    "attention": "real-to-binary",
    "local": "local signals",
    "bep": "BEP",
    "forward-2": "forward, in two groups",
    "forward-5": "forward, in five groups",
}
