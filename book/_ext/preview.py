"""The picture that a link to the book shows elsewhere: the race of the landing page, half-way.

It is drawn from the records when the book is built. Such pictures need an absolute address; while
the book has none (``html_baseurl``), the address is that of the file beside the pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

NAME = "preview.png"
SIZE = (12.0, 6.3)  # inches at 100 dots: what social networks ask for
RUNS = {
    "from the input": "n06-minimal-stompp-forward-s0",
    "from the output": "n06-minimal-stompp-reverse-s0",
}
_ROWS = 12  # weights of a layer that are drawn


def address(config: Any) -> str:
    """Where the picture is: absolute once the book has an address."""
    base = (config.html_baseurl or "").rstrip("/")
    return f"{base}/_static/{NAME}" if base else f"../_static/{NAME}"


def write(app: Any) -> None:
    """Draw the picture beside the other static files."""
    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    draw().savefig(folder / NAME, dpi=100)


def race() -> dict[str, Any]:
    """Where freezing begins, in words, and the run that shows it."""
    from stompp_lite.lab.record import read_all

    runs = {run.name: run for run in read_all("race")}
    return {told: runs[name] for told, name in RUNS.items()}


def draw() -> Any:
    """The two runs at the middle of their training, and what each of them reads at the end."""
    from matplotlib.figure import Figure

    from stompp_lite.viz import style

    fig = Figure(figsize=SIZE, facecolor="white")
    fig.text(0.05, 0.87, "Layer by Layer", size=40, weight="bold", color=style.FROZEN)
    fig.text(0.05, 0.80, "Networks made of single bits, and how to train them", size=22)
    for k, (name, record) in enumerate(race().items()):
        ax = fig.add_axes((0.05 + 0.48 * k, 0.27, 0.43, 0.43))
        middle = len(record.curves["epoch"]) // 2
        _strip(ax, record.curves["signs"][middle], k == 1)
        fig.text(0.05 + 0.48 * k, 0.72, f"freezing {name}", size=20)
        right = f"{record.final['test_acc']:.0f} %"
        fig.text(0.05 + 0.48 * k, 0.10, right, size=52, weight="bold", color=style.FROZEN)
        fig.text(0.24 + 0.48 * k, 0.12, "of unseen digits\nread right at the end", size=18)
    return fig


def _strip(ax: Any, signs: list[str], reverse: bool) -> None:
    """Columns are layers; the half that begins is frozen into squares, the rest are dots."""
    from stompp_lite.viz import style

    layers = [s for s in signs if s]
    for x, digits in enumerate(layers):
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8))[:_ROWS]
        frozen = (x >= len(layers) // 2) if reverse else (x < len(layers) // 2)
        for y, bit in enumerate(bits):
            fill = style.FROZEN if bit else "white"
            if frozen:
                look = {"marker": "s", "c": fill, "edgecolors": style.FROZEN, "s": 95}
            else:
                look = {"marker": "o", "c": style.FREE, "edgecolors": style.FREE, "s": 45}
            ax.scatter([x], [y], linewidths=1.5, **look)
    ax.set(xlim=(-0.7, len(layers) - 0.3), ylim=(-0.7, _ROWS - 0.3))
    ax.axis("off")
