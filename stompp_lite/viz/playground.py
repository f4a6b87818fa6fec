"""The playground: train a small binary network in the browser, on data and presets from here."""

from __future__ import annotations

from typing import Any

import torch

from stompp_lite.lab.record import read_all
from stompp_lite.lab.report import group, summary
from stompp_lite.training.data import load
from stompp_lite.viz.components import Component
from stompp_lite.viz.explore import plans

MOST_BLOCKS = 12  # on offer
_DENSE = {
    "set": "digits", "method": "stompp", "order": "forward", "shape": "cubic", "rho": 0.01,
    "blocks": 8, "width": 32, "scale": False, "optimizer": "sgd", "rate": 0.1, "epochs": 60,
    "seed": 0, "layers": 2, "groups": 8, "robustness": 0.25, "reinforcement": 0.5,
}  # fmt: skip
_SPIRALS = {**_DENSE, "set": "spirals", "epochs": 100}
_LOCAL = {**_DENSE, "method": "local", "width": 128, "epochs": 40}
#: Cuts of local signals, which make signs of a coordinate of the plane, 15 from -7/8 to 7/8.
CUTS = tuple(k / 8 for k in range(-7, 8))
#: Presets of the playground, each with its settings and with recipe and name of recorded runs, if
#: there are any.
PRESETS: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("two spirals, forward", _SPIRALS, "playground", "d08-minimal-stompp-spirals"),
    ("two spirals, reverse", {**_SPIRALS, "order": "reverse"}, "playground",
     "d08-minimal-stompp-reverse-spirals"),
    ("two spirals, STE", {**_SPIRALS, "method": "ste"}, "playground", "d08-minimal-ste-spirals"),
    ("two spirals, StoMPP + STE", {**_SPIRALS, "method": "stompp+ste"}, "playground",
     "d08-minimal-stompp+ste-spirals"),
    ("digits, forward", _DENSE, "orders-dense", "d08-minimal-stompp-forward"),
    ("digits, reverse", {**_DENSE, "order": "reverse"}, "orders-dense",
     "d08-minimal-stompp-reverse"),
    ("digits, all at once", {**_DENSE, "order": "global"}, "orders-dense",
     "d08-minimal-stompp-global"),
    ("digits, STE, steps too small", {**_DENSE, "method": "ste", "rate": 0.01}, "playground",
     "d08-minimal-ste-lr0.01"),
    ("digits, STE, the same rate with a scale",
     {**_DENSE, "method": "ste", "rate": 0.01, "scale": True}, "playground",
     "d08-minimal+scale-ste-lr0.01"),
    ("digits, local signals", _LOCAL, "playground-signals", "digits-local-02x128"),
    ("two spirals, local signals", {**_LOCAL, "set": "spirals"}, "", ""),
)  # fmt: skip


def playground() -> Component:
    """Train a small binary network in the browser. Its presets tell what recorded runs gave."""
    presets = []
    for name, settings, recipe, run in PRESETS:
        note = "No runs in Python are recorded with these settings."
        if recipe:
            runs = group(read_all(recipe))[run]
            seeds = f"Recorded runs in Python with these settings, {len(runs)} seeds"
            note = f"{seeds}: {summary(runs)} %."
        presets.append({"name": name, "settings": settings, "note": note})
    digits, spirals = load("digits"), load("spirals")
    letters = {k: chr(97 + k) for k in range(17)}  # a pixel is a whole number from 0 to 16
    pixels = torch.cat([digits.train_x, digits.test_x]).flatten()
    points = torch.cat([spirals.train_x, spirals.test_x]).flatten()
    sets = {
        "spirals": {
            "label": "two spirals in the plane", "inputs": 2, "classes": 2,
            "train": len(spirals.train_y), "x": [round(v, 4) for v in points.tolist()],
            "y": torch.cat([spirals.train_y, spirals.test_y]).tolist(), "cuts": [CUTS, CUTS],
        },
        "digits": {
            "label": "digits, 8 × 8", "inputs": 64, "classes": 10, "train": len(digits.train_y),
            "x": "".join(letters[int(8 * (v + 1))] for v in pixels.tolist()),
            "y": "".join(map(str, torch.cat([digits.train_y, digits.test_y]).tolist())),
            "cuts": [[v] for v in digits.train_x.flatten(1).quantile(0.5, dim=0).tolist()],
        },
    }  # fmt: skip
    return Component("playground", {"sets": sets, "presets": presets, **plans(2 * MOST_BLOCKS + 1)})
