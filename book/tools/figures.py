"""Draw the figures that README and landing page show, from the records."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

from build import ROOT
from stompp_lite.lab.fair import FIGHTERS
from stompp_lite.lab.record import read_all
from stompp_lite.lab.report import by_arm
from stompp_lite.viz import figures, style

if __name__ == "__main__":
    style.use()
    fight = by_arm(read_all("fair"))
    panels = {
        "SGD, rate 0.1 for all": fight["minimal"],
        "weights with a scale, own rates": fight["scale"],
        "Adam, own rates": fight["adam"],
    }
    figure = figures.depth(panels, FIGHTERS)
    figure.savefig(ROOT / "book" / "_static" / "depth.png", dpi=160, metadata={"Software": None})
