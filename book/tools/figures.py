"""Draw the figures that README and landing page show, from the records."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

from build import ROOT
from stompp_lite.lab.record import read_all
from stompp_lite.viz import figures, style

if __name__ == "__main__":
    style.use()
    figure = figures.depth(read_all("depth"), ["float", "ste", "stompp", "stompp+ste"])
    figure.savefig(ROOT / "book" / "_static" / "depth.png", dpi=160, metadata={"Software": None})
