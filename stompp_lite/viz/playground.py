"""The playground: train a small binary network in the browser, on data and presets from here."""

from __future__ import annotations

from typing import Any

import torch

from stompp_lite.lab.record import Record, read_all
from stompp_lite.lab.report import WIDE, group, splits
from stompp_lite.lab.stats import accuracy_interval, paired_difference
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
#: Settings of other recorded runs that a reader of the playground can reach, likewise.
RECORDED: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("", {**_SPIRALS, "order": "global"}, "playground", "d08-minimal-stompp-global-spirals"),
    ("", {**_DENSE, "method": "ste"}, "playground", "d08-minimal-ste"),
    ("", {**_DENSE, "method": "stompp+ste"}, "playground", "d08-minimal-stompp+ste"),
    ("", {**_DENSE, "order": "random"}, "orders-dense", "d08-minimal-stompp-random"),
    *(("", {**_DENSE, "blocks": 12, "order": order}, "orders-dense", f"d12-minimal-stompp-{order}")
      for order in ("forward", "reverse", "global", "random")),
    ("", {**_DENSE, "blocks": 12, "method": "stompp+ste", "order": "global", "optimizer": "adam",
          "rate": 0.01, "epochs": 100}, "playground", "d12-adam-stompp+ste-lr0.01-global"),
    ("", {**_DENSE, "blocks": 12, "method": "ste", "optimizer": "adam", "rate": 0.01,
          "epochs": 100}, "playground", "d12-adam-ste-lr0.01"),
)  # fmt: skip


def _records() -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """Settings with recorded runs, and differences between two settings on the same data.

    A mean stands only where it describes the runs, five at least; and a difference only between
    two such means.
    """
    said, found, pairs = [], [], []
    for _, settings, recipe, name in (*PRESETS, *RECORDED):
        if not recipe:
            continue
        runs = sorted(group(read_all(recipe))[name], key=lambda run: run.seed)
        said.append({"settings": settings, **_said(runs)})
        found.append((settings["set"], runs))
    for i, (data, runs) in enumerate(found):
        for j, (beside, others) in enumerate(found[:i]):
            if data == beside and said[i]["mean"] is not None and said[j]["mean"] is not None:
                apart = paired_difference(runs, others)
                pairs.append([i, j, round(apart.mean, 1), round(apart.half, 1)])
    return said, pairs


def _said(runs: list[Record]) -> dict[str, Any]:
    mean = None if splits(runs) or len(runs) < 5 else accuracy_interval(runs)
    tells = mean is not None and mean.half <= WIDE
    return {
        "runs": [round(run.final["test_acc"], 1) for run in runs],
        "mean": round(mean.mean, 1) if mean and tells else None,
        "half": round(mean.half, 1) if mean and tells else None,
    }


def playground(address: bool = False) -> Component:
    """Train a small binary network in the browser, beside what recorded runs gave.

    Args:
        address: whether it keeps its settings in the address of the page: in the book it does, in
            a notebook it would overwrite the notebook's own.
    """
    presets = [{"name": name, "settings": settings} for name, settings, *_ in PRESETS]
    records, pairs = _records()
    digits, spirals = load("digits"), load("spirals")
    letters = {k: chr(97 + k) for k in range(17)}  # a pixel is a whole number from 0 to 16
    pixels = torch.cat([digits.train_x, digits.test_x]).flatten()
    points = torch.cat([spirals.train_x, spirals.test_x]).flatten()
    sets = {
        "spirals": {
            "label": "two spirals", "inputs": 2, "classes": 2,
            "train": len(spirals.train_y), "x": [round(v, 4) for v in points.tolist()],
            "y": torch.cat([spirals.train_y, spirals.test_y]).tolist(), "cuts": [CUTS, CUTS],
        },
        "digits": {
            "label": "digits", "inputs": 64, "classes": 10, "train": len(digits.train_y),
            "x": "".join(letters[int(8 * (v + 1))] for v in pixels.tolist()),
            "y": "".join(map(str, torch.cat([digits.train_y, digits.test_y]).tolist())),
            "cuts": [[v] for v in digits.train_x.flatten(1).quantile(0.5, dim=0).tolist()],
        },
    }  # fmt: skip
    data = {"sets": sets, "presets": presets, "records": records, "pairs": pairs}
    return Component("playground", {**data, **plans(2 * MOST_BLOCKS + 1), "address": address})
