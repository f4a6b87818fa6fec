"""Draw the figures that README and landing page show, from the records."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

from build import ROOT
from stompp_lite.lab.record import read_all
from stompp_lite.viz import figures, style

if __name__ == "__main__":
    style.use()
    panels = {
        "learning rate 0.1, the paper's": read_all("depth-paper-rate"),
        "learning rate 0.4, chosen on held-out images": read_all("depth"),
    }
    figure = figures.depth(panels, ["float", "ste", "stompp", "stompp+ste"])
    figure.savefig(ROOT / "book" / "_static" / "depth.png", dpi=160, metadata={"Software": None})
