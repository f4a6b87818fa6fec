"""Draw the figures that README and landing page show, from the records: one stands, one moves."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from build import ROOT
from stompp_lite.lab.record import Record, read_all
from stompp_lite.viz import drawn, figures, style

STATIC = ROOT / "book" / "_static"
ROWS, WIDE, TALL, EDGE = 16, 26, 12, 10  # weights of a layer that are drawn; pixels of a cell


def moving(record: Record) -> None:
    """A network that turns into single bits: the landing page's animation as a small GIF."""
    run = drawn.columns(record)
    places = np.random.default_rng(0).random((len(run["p"][0]), ROWS))  # who is frozen when
    frames = []
    for k, epoch in enumerate(run["epoch"]):
        size = (WIDE * len(run["p"][0]) + 2 * EDGE, TALL * ROWS + 2 * EDGE + 26)
        image = Image.new("RGB", size, "white")
        draw = ImageDraw.Draw(image)
        for layer, (p, digits) in enumerate(zip(run["p"][k], run["signs"][k], strict=True)):
            for i, bit in enumerate(f"{int(digits, 16):016b}"):
                x, y = EDGE + WIDE * layer, EDGE + TALL * i
                middle, frozen = x + WIDE // 2, places[layer, i] < p
                fill, bar = (style.FROZEN, "white") if frozen else (style.FREE, style.FROZEN)
                shape = draw.rectangle if frozen else draw.ellipse
                outline = style.FROZEN if frozen else "#8291a1"
                shape((middle - 5, y + 1, middle + 5, y + 11), fill=fill, outline=outline)
                if bit == "0":  # as web/strip.js draws -1
                    draw.line((middle - 3, y + 6, middle + 3, y + 6), fill=bar, width=2)
        bits, right = sum(p == 1 for p in run["p"][k]), run["test"][k]
        told = f"epoch {epoch}: {bits} of {len(run['p'][0])} layers are single bits"
        told += f"; it reads {right:.0f} % of the test digits right"
        draw.text((EDGE, size[1] - 28), told, fill=style.INK, font=ImageFont.load_default(size=17))
        frames.append(image.quantize(16))
    frames[0].save(
        STATIC / "freezing.gif", save_all=True, append_images=frames[1:], loop=0, optimize=True,
        duration=[250] * (len(frames) - 1) + [4000],
    )  # fmt: skip


if __name__ == "__main__":
    style.use()
    figures.fight().savefig(STATIC / "depth.png", dpi=160, metadata={"Software": None})
    moving(next(run for run in read_all("film") if run.name == "n06-minimal-stompp-s0"))
