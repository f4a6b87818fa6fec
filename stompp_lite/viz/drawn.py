"""Figures that draw a network as a strip: recorded runs, replayed, and how far gradient gets.

Columns are layers, the input at the left; ``web/strip.js`` draws them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from stompp_lite.checks import flag, not_negative, one_of, share
from stompp_lite.errors import ConfigError, RecordError
from stompp_lite.lab.config import config_of
from stompp_lite.lab.recipes import run_of
from stompp_lite.lab.record import Record
from stompp_lite.lab.run import build
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.layers import binary_layers
from stompp_lite.networks.wiring import wiring
from stompp_lite.training.data import load
from stompp_lite.viz import style
from stompp_lite.viz.components import Component

__all__ = [
    "blockade_explorer", "columns", "commitment_explorer", "film", "freezing", "gradient_explorer",
]  # fmt: skip

_SHOWN = 12  # images of a race


def _fractions(record: Record, stages: int) -> list[list[float]]:
    """Frozen fraction of every stage (of its weights) after each evaluated epoch."""
    config = config_of(record)
    steps = record.curves["step"]
    if not any("stompp" in rule for rule in (config.weights, config.activations)):
        binary = 1.0 if config.weights != "float" else 0.0  # STE is binary from the first step
        return [[binary] * stages for _ in steps]
    total = steps[-1] * config.epochs // record.curves["epoch"][-1]
    kind = "activation" if "stompp" in config.activations else "weight"
    schedule = config.plan.schedules(stages, total)[kind]
    return [schedule.fractions(step - 1) for step in steps]


def _round(values: Any, digits: int = 3) -> Any:
    """Nested numbers with that many significant digits; what is no number becomes 0."""
    if isinstance(values, list):
        return [_round(v, digits) for v in values]
    value = float(values) if values is not None else 0.0
    return float(f"{value:.{digits}g}") if np.isfinite(value) else 0.0


def _measured(record: Record) -> list[list[float]]:
    if "gradient" not in record.curves:
        raise RecordError(f"the run {record.name!r} did not measure its gradients")
    return [[g or 0.0 for g in row] for row in record.curves["gradient"]]


def gradient_explorer(runs: Mapping[str, Record]) -> Component:
    """How far the gradient gets, epoch by epoch, in recorded runs (chapter 8).

    Args:
        runs: label to a run that measured its gradients.

    Raises:
        ConfigError: no run. RecordError: a run without gradients.
    """
    if not runs:
        raise ConfigError("no run to show; give at least one label and its record")
    choices = {}
    for label, record in runs.items():
        gradient = _measured(record)
        p = _fractions(record, len(gradient[0]))
        hard = record.curves["test_acc_binary"]
        choices[label] = [
            {
                "at": epoch,
                "p": _round(p[k]),
                "gradient": _round(gradient[k], 2),
                "note": f"Accuracy with everything hardened now: {hard[k]:.0f} %.",
            }
            for k, epoch in enumerate(record.curves["epoch"])
        ]
    return Component("reach", {"axis": "epoch", "choices": choices})


def blockade_explorer(frozen: Mapping[str, Sequence[Mapping[str, Any]]]) -> Component:
    """How far the gradient gets as a share p of all stages is frozen (chapter 6).

    Args:
        frozen: label to frames ``{"at": p, "p": [stages], "gradient": [stages]}``; a gradient of
            None is none at all.

    Raises:
        ConfigError: no frame, a fraction outside [0, 1], a gradient that is no number, or lists of
            two lengths.
    """
    choices = {label: [_frame(label, f) for f in frames] for label, frames in frozen.items()}
    if not all(choices.values()) or not choices:
        raise ConfigError("no frame to show; give each label at least one")
    return Component("reach", {"axis": "p", "choices": choices})


def _frame(label: str, frame: Mapping[str, Any]) -> dict[str, Any]:
    if missing := {"at", "p", "gradient"} - frame.keys():
        raise ConfigError(f"a frame of {label!r} lacks {', '.join(sorted(missing))}")
    p = [share(x, f"a frozen fraction of {label!r}") for x in frame["p"]]
    gradient = [not_negative(g or 0.0, f"a gradient of {label!r}") for g in frame["gradient"]]
    if len(p) != len(gradient):
        raise ConfigError(f"{label!r} has {len(p)} stages and {len(gradient)} gradients")
    at = share(frame["at"], f"p of {label!r}")
    return {"at": at, "p": _round(p), "gradient": _round(gradient, 2)}


_FILMED = {  # what can vary among the runs, and what it is called
    "method": "method", "arm": "arm", "order": "order", "depth": "binary layers", "seed": "seed",
}  # fmt: skip


def film(runs: Sequence[Record], start: Sequence[str] = ()) -> Component:
    """Scrub recorded runs and compare two in step (chapters 4, 7, 8 and 9).

    What varies among the runs of method, arm, order, depth and seed can be chosen in the figure.

    Args:
        runs: runs that measured their gradients and kept signs, such as those of recipe ``film``.
        start: names of the two that are shown at first; else the first and the last.

    Raises:
        ConfigError: no run, or none of such a name. RecordError: a run without these curves.
    """
    if not runs:
        raise ConfigError("no run to show; give at least one record")
    names = [record.name for record in runs]
    shown = [names.index(one_of(name, names, "run")) for name in start] or [0, len(runs) - 1]
    reels = [_reel(record) for record in runs]
    return Component("film", {"runs": reels, "fields": _FILMED, "start": shown})


def freezing(runs: Mapping[str, Record]) -> Component:
    """A race: two networks turn into single bits and read digits meanwhile (the landing page).

    Args:
        runs: where freezing begins, in words, to a run of recipe ``race``; two of them.

    Raises:
        ConfigError: not two runs. RecordError: a run that kept no signs or no answers, or whose
            images are no squares of gray pixels; two runs that were judged after other epochs, or
            on other images.
    """
    if len(runs) != 2:
        raise ConfigError(f"a race needs two labels with a record each, got {len(runs)}")
    records = list(runs.values())
    sets = {record.config["data"] for record in records}
    if len(sets) > 1 or records[0].curves["epoch"] != records[1].curves["epoch"]:
        raise RecordError("the two runs of a race must be judged on the same images and epochs")
    data = load(sets.pop())
    if data.test_x.ndim != 4 or data.test_x.shape[1] != 1:
        raise RecordError(f"a race shows gray images, and {data.name!r} has none")
    told = [{"name": label, **columns(record)} for label, record in runs.items()]
    kept = min(len(_answers(record)[0]) for record in records)
    labels = data.test_y[:kept].tolist()
    first = [labels.index(digit) for digit in sorted(set(labels))]  # an image of each class
    rest = [k for k in range(len(labels)) if k not in first]
    chosen = sorted([*first, *rest][:_SHOWN])
    for lane, record in zip(told, records, strict=True):
        lane["answers"] = ["".join(row[k] for k in chosen) for row in _answers(record)]
    x = data.test_x[chosen]
    low, high = x.min(), x.max()
    return Component(
        "freezing",
        {
            "runs": told,
            "images": ((x - low) / (high - low) * 16).round().int().flatten(1).tolist(),
            "labels": "".join(str(labels[k]) for k in chosen),
            "side": x.shape[-1],
        },
    )


def _answers(record: Record) -> list[str]:
    """What the network answers for the first test images, a text of digits for each epoch."""
    rows = record.curves.get("answers", [])
    digits = all(answer in range(10) for row in rows for answer in row)
    if not rows or len({len(row) for row in rows}) > 1 or not digits:
        raise RecordError(
            f"the run {record.name!r} kept no answers, a digit for each image; make it as the "
            "recipe race does"
        )
    return ["".join(map(str, row)) for row in rows]


def columns(record: Record) -> dict[str, Any]:
    """What a strip shows of a run: its accuracies, and frozen share and signs of binary layers.

    Raises:
        RecordError: it kept no signs.
    """
    signs = _signs(record)
    layers = [k for k, digits in enumerate(signs[0]) if digits]  # those with weights
    p = _round(_fractions(record, len(signs[0])))
    return {
        "epoch": record.curves["epoch"],
        "test": _round(record.curves["test_acc"]),
        "hard": _round(record.curves["test_acc_binary"]),
        "p": [[row[k] for k in layers] for row in p],
        "signs": [[row[k][:4] for k in layers] for row in signs],
    }


def _signs(record: Record) -> list[list[str]]:
    if "signs" not in record.curves:
        raise RecordError(
            f"the run {record.name!r} kept no signs; make it with sign_sample=64, as the recipe "
            "film does"
        )
    return record.curves["signs"]


def _reel(record: Record) -> dict[str, Any]:
    gradient = _measured(record)
    signs, config = _signs(record), config_of(record)
    model = build(config, load(record.config["data"]))
    layers = binary_layers(model)
    sizes = [
        sum(layers[w].weight.numel() for w in stage.weights) or 1
        for stage in conversion(model).stages
    ]
    flips = [[f / n for f, n in zip(row, sizes, strict=True)] for row in record.curves["flips"]]
    run, order = run_of(record), config.plan.order
    method, arm, depth = run.method, run.arm, run.layers
    reversed_or_global = method == "stompp" and order in ("reverse", "global")
    told = [style.look(method).label, "" if order == "forward" else f"{order} order"]
    told += ["" if arm == "minimal" else arm, f"{depth} convolutions", f"seed {config.seed}"]
    return {
        "name": ", ".join(filter(None, told)),
        "look": order if reversed_or_global else method,
        "method": style.look(method).label,
        "arm": arm,
        "order": order,
        "depth": depth,
        "seed": config.seed,
        "epoch": record.curves["epoch"],
        "test": _round(record.curves["test_acc"]),
        "hard": _round(record.curves["test_acc_binary"]),
        "p": _round(_fractions(record, len(sizes))),
        "gradient": _round(gradient, 2),
        "flips": _round(flips, 2),
        "signs": signs,
    }


# ---- who still hears -----------------------------------------------------------------------------
def commitment_explorer(networks: Mapping[str, nn.Module], *, together: bool = False) -> Component:
    """Commit stages of drawn networks, and see where gradient still arrives.

    The browser follows the graph that conversion wrote down, for any set of stages, as
    :meth:`~stompp_lite.networks.trace.Graph.reached` does here.

    Args:
        networks: label to a network from ``binarize_model``.
        together: show all networks at once, and commit the same stages in each; without it the
            reader picks one. All must have the same number of stages.

    Raises:
        ConfigError: no network, or ``together`` of networks with other numbers of stages.
        ConversionError: one that is not converted.
    """
    if not networks:
        raise ConfigError("no network to show; give at least one label and a converted network")
    drawn = {label: wiring(model) for label, model in networks.items()}
    counts = {label: len(net["stages"]) for label, net in drawn.items()}
    if flag(together, "together") and len(set(counts.values())) > 1:
        told = ", ".join(f"{label}: {count}" for label, count in counts.items())
        raise ConfigError(
            f"networks that are committed together need equal numbers of stages, got {told}; "
            "show them without together=True, or one by one"
        )
    return Component("commit", {"networks": drawn, "together": together})
