"""Draw the figures that README and landing page show, from the records."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

from build import ROOT
from stompp_lite.lab.record import read_all
from stompp_lite.lab.report import by_arm
from stompp_lite.viz import figures, style

if __name__ == "__main__":
    style.use()
    fight = by_arm(read_all("fair"))
    methods = ["float", "ste", "stompp", "stompp+ste"]
    panels = {
        "the papers' recipe, reportedly": fight["minimal"],
        "STE, binary weights scaled": {"ste": fight["scale"]["ste"]},
        "STE, Adam": {"ste": fight["adam"]["ste"]},
    }
    figure = figures.depth(panels, methods)
    figure.savefig(ROOT / "book" / "_static" / "depth.png", dpi=160, metadata={"Software": None})
