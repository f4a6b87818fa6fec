"""The interactive figures of the chapters, each from what it is about: records, plans, questions.

They compute and draw in the browser (:mod:`stompp_lite.viz.components`); what these functions do is
to collect compact data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stompp_lite import rng
from stompp_lite.checks import count, not_negative, number, one_of, share, whole
from stompp_lite.errors import ConfigError, RecordError
from stompp_lite.lab.config import config_of
from stompp_lite.lab.recipes import run_of
from stompp_lite.lab.record import Record
from stompp_lite.lab.run import build
from stompp_lite.method import MASK_RULES, ORDERS, SHAPES
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.layers import binary_layers
from stompp_lite.training.data import load
from stompp_lite.viz import style
from stompp_lite.viz.components import Component
from stompp_lite.viz.questions import predict, predict_curve
from stompp_lite.viz.results import results

__all__ = [
    "bit_calculator", "blockade_explorer", "film", "freezing", "gradient_explorer", "plans",
    "predict", "predict_curve", "results", "schedule_explorer", "smoothing_explorer",
    "step_explorer",
]  # fmt: skip

MOST_STAGES = 37  # of the schedule explorer: the lab's network with 36 binary convolutions
REFRESH = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # the slider's values of rho
RATES = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # the step explorer's
_POINTS = 200  # of a shape's table


def bit_calculator(x: Sequence[int], w: Sequence[int], shown: int = 12) -> Component:
    """Click signs; see XNOR, popcount and the dot product (chapter 1).

    Args:
        x: input, sixteen of +1 and -1.
        w: weights, as many.
        shown: how many of them are shown at first: 4, 8, 12 or 16.

    Raises:
        ConfigError: other signs, or another number of them.
    """
    for name, row in {"x": x, "w": w}.items():
        if len(row) != 16 or any(sign not in (1, -1) for sign in row):
            raise ConfigError(f"{name} must be sixteen of +1 and -1, got {list(row)}")
    if shown not in (4, 8, 12, 16):
        raise ConfigError(f"shown must be 4, 8, 12 or 16, got {shown!r}")
    return Component("bits", {"x": list(map(int, x)), "w": list(map(int, w)), "n": int(shown)})


def smoothing_explorer(scale: float = 0.8, loss: str = "curved") -> Component:
    """One or two weights, their loss, the loss blurred by noise, and what STE says (chapter 2).

    Args:
        scale: the input x that the weight is multiplied by, between 0.1 and 1.6.
        loss: at first ``curved``, (x · sign(w) - 1)², or ``straight``, 1 - x · sign(w).

    Raises:
        ConfigError: another scale or loss.
    """
    data = {"scale": _within(scale, "the scale", 0.1, 1.6)}
    return Component("smoothing", {**data, "loss": one_of(loss, ("curved", "straight"), "loss")})


def step_explorer(rate: float = 0.1) -> Component:
    """Latent weights that drift and flip: a toy with random gradients (chapter 4).

    Args:
        rate: the learning rate at first, between 0.001 and 10.

    Raises:
        ConfigError: another rate.
    """
    rate = _within(rate, "the learning rate", 0.001, 10.0)
    return Component("step", {"rate": rate, "rates": sorted({*RATES, rate})})


def schedule_explorer(
    order: str = "forward", shape: str = "cubic", rule: str = "threshold", rho: float = 0.01,
    stages: int = 9, window: int = 50, t: int = 0,
) -> Component:  # fmt: skip
    """Curves p_l(t) of a plan, and masks that breathe (chapters 7, 8 and 11).

    It offers all that :data:`~stompp_lite.method.ORDERS` and :data:`~stompp_lite.method.SHAPES`
    hold when it is made: an order or a shape of your own, too. It draws that from a table.

    Args:
        order: a key of ``ORDERS``; shape: of ``SHAPES``; rule: of ``MASK_RULES``.
        rho: soft refresh, in [0, 1].
        stages: 1 to 37; window: steps for each stage, 10 to 200; t: the step that is shown.

    Raises:
        ConfigError: a value that it cannot show; a shape of your own that does not grow from 0
            to 1, or an order that gives a stage no window.
    """
    start: dict[str, Any] = {
        "order": one_of(order, ORDERS, "order"),
        "shape": one_of(shape, SHAPES, "shape"),
        "rule": one_of(rule, MASK_RULES, "mask rule"),
        "rho": share(rho, "rho"),
        "stages": int(_within(count(stages, "the number of stages"), "stages", 1, MOST_STAGES)),
        "window": int(_within(count(window, "the window"), "the window", 10, 200)),
    }
    start["t"] = int(_within(count(t, "t", 0), "t", 0, start["stages"] * start["window"]))
    keys = [rng.make_key(0, f"stage {k}", "weight") for k in range(MOST_STAGES)]
    return Component(
        "schedule",
        {
            "start": start,
            "keys": [[key >> 32, key & 0xFFFFFFFF] for key in keys],
            **plans(MOST_STAGES),
            "rules": list(MASK_RULES),
            "refresh": sorted({*REFRESH, start["rho"]}),
        },
    )


def plans(most: int) -> dict[str, Any]:
    """Orders and shapes as tables for the browser.

    An order's table holds the windows of the stages for 1 to ``most`` stages; a shape's holds its
    values at equal distances.

    Raises:
        ConfigError: an order or a shape of the reader's own that is none.
    """
    orders = {name: [turns(n, 0) for n in range(1, most + 1)] for name, turns in ORDERS.items()}
    for name, table in orders.items():
        for n, row in enumerate(table, 1):
            if len(row) != n or any(whole(turn, f"a window of order {name!r}") < 0 for turn in row):
                raise ConfigError(f"order {name!r} must give {n} stages a window each, got {row}")
    shapes = {
        name: [float(f"{grow(k / _POINTS):.4g}") for k in range(_POINTS + 1)]
        for name, grow in SHAPES.items()
    }
    for name, values in shapes.items():
        if (values[0], values[-1]) != (0, 1) or values != sorted(values):
            raise ConfigError(
                f"the shape {name!r} must grow from 0 at 0 to 1 at 1, without a step back; it goes "
                f"from {values[0]:g} to {values[-1]:g}"
            )
    return {"orders": orders, "shapes": shapes}


def _within(value: Any, what: str, low: float, high: float) -> float:
    if not low <= number(value, what) <= high:
        raise ConfigError(f"{what} must lie between {low:g} and {high:g}, got {value!r}")
    return float(value)


# ---- recorded runs -------------------------------------------------------------------------------
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
    """How far the gradient gets, epoch by epoch, in recorded runs (chapter 9).

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


_FILMED = {
    "method": "method",
    "arm": "arm",
    "order": "order",
    "depth": "binary layers",
    "seed": "seed",
}


def film(runs: Sequence[Record], start: Sequence[str] = ()) -> Component:
    """Scrub recorded runs and compare two in step (chapters 4, 8, 9 and 10).

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
    """Networks that turn into single bits, for readers without any vocabulary (the landing page).

    Args:
        runs: what is frozen first, in words, to a run of recipe ``film``.

    Raises:
        ConfigError: no run. RecordError: a run that kept no signs.
    """
    if not runs:
        raise ConfigError("no run to show; give at least one label and its record")
    told = []
    for label, record in runs.items():
        reel = _reel(record)
        layers = [k for k, digits in enumerate(reel["signs"][0]) if digits]  # those with weights
        told.append(
            {
                "name": label,
                **{key: reel[key] for key in ("epoch", "test", "hard")},
                "p": [[row[k] for k in layers] for row in reel["p"]],
                "signs": [[row[k][:4] for k in layers] for row in reel["signs"]],
            }
        )
    return Component("freezing", {"runs": told})


def _reel(record: Record) -> dict[str, Any]:
    gradient = _measured(record)
    if "signs" not in record.curves:
        raise RecordError(
            f"the run {record.name!r} kept no signs; make it with sign_sample=64, as the recipe "
            "film does"
        )
    config = config_of(record)
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
        "signs": record.curves["signs"],
    }
