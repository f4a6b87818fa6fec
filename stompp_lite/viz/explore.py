"""The interactive figures of the chapters, each from what it is about: records, plans, questions.

They compute and draw in the browser (:mod:`stompp_lite.viz.components`); what these functions do is
to collect compact data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from stompp_lite import rng
from stompp_lite.checks import count
from stompp_lite.errors import ConfigError, RecordError
from stompp_lite.lab.fair import ARMS
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.record import Record, read_all
from stompp_lite.lab.report import group, splits, told
from stompp_lite.lab.run import METHODS, build, config_of
from stompp_lite.lab.stats import accuracy_interval
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.layers import binary_layers
from stompp_lite.training.data import load
from stompp_lite.training.plan import Plan
from stompp_lite.viz.components import Component

MOST_STAGES = 37  # of the schedule explorer: the lab's network with 36 binary convolutions


def bit_calculator(x: Sequence[int], w: Sequence[int], shown: int = 12) -> Component:
    """Click signs; see XNOR, popcount and the dot product. ``x``, ``w``: sixteen of +1 and -1.

    Taught in chapter 1.
    """
    return Component("bits", {"x": list(map(int, x)), "w": list(map(int, w)), "n": shown})


def smoothing_explorer(scale: float = 0.8) -> Component:
    """One weight, loss (scale · sign(w) - 1)²: blurred, and with the slope of STE (chapter 2)."""
    return Component("smoothing", {"scale": scale})


def step_explorer(rate: float = 0.1) -> Component:
    """Latent weights that drift and flip: a toy with random gradients (chapter 4)."""
    return Component("step", {"rate": rate})


def schedule_explorer(**start: Any) -> Component:
    """Curves p_l(t) of a plan, and masks that breathe (chapters 7, 8 and 11).

    Args:
        start: what the controls show at first: ``order``, ``shape``, ``rule``, ``rho``, ``stages``,
            ``window`` (steps for each stage), ``t``.
    """
    keys = [rng.make_key(0, f"stage {k}", "weight") for k in range(MOST_STAGES)]
    return Component(
        "schedule",
        {
            "start": start,
            "keys": [[key >> 32, key & 0xFFFFFFFF] for key in keys],
            "permutations": [rng.permutation(n, 0) for n in range(1, MOST_STAGES + 1)],
        },
    )


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
        frozen: label to frames ``{"at": p, "p": [stages], "gradient": [stages]}``.
    """
    choices = {
        label: [
            {"at": f["at"], "p": _round(list(f["p"])), "gradient": _round(list(f["gradient"]), 2)}
            for f in frames
        ]
        for label, frames in frozen.items()
    }
    return Component("reach", {"axis": "p", "choices": choices})


def film(runs: Mapping[str, Record], start: Sequence[str] = ()) -> Component:
    """Scrub recorded runs and compare two in step (chapters 4, 8, 9 and 10).

    Args:
        runs: label to a run that measured its gradients and counted flips.
        start: labels of the two that are shown at first.

    Raises:
        ConfigError: no run. RecordError: a run without these curves.
    """
    if not runs:
        raise ConfigError("no run to show; give at least one label and its record")
    named = {rules: name for name, rules in METHODS.items()}
    reels = {}
    for label, record in runs.items():
        gradient = _measured(record)
        model = build(config_of(record), load(record.config["data"]))
        layers = binary_layers(model)
        sizes = [
            sum(layers[w].weight.numel() for w in stage.weights) or 1
            for stage in conversion(model).stages
        ]
        flips = [[f / n for f, n in zip(row, sizes, strict=True)] for row in record.curves["flips"]]
        reels[label] = {
            "method": _look(record, named),
            "epoch": record.curves["epoch"],
            "test": record.curves["test_acc"],
            "hard": record.curves["test_acc_binary"],
            "p": _round(_fractions(record, len(sizes))),
            "gradient": _round(gradient, 2),
            "flips": _round(flips, 2),
        }
    return Component("film", {"runs": reels, "start": list(start)})


def _look(record: Record, named: Mapping[tuple[str, str], str]) -> str:
    """Whose color a run has: its order's where that is not forward, else its method's."""
    config = config_of(record)
    order, method = config.plan.order, named[config.weights, config.activations]
    return order if method == "stompp" and order in ("reverse", "global") else method


# ---- results -------------------------------------------------------------------------------------
_ORDERED = {
    "arm": ["minimal", "minimal+scale", *ARMS],
    "order": ["forward", "forward-5", "forward-2", "global", "random", "reverse"],
    "method": list(METHODS),
}
_LABELS = {
    "data": "data and network",
    "depth": "binary layers",
    "method": "method",
    "arm": "arm",
    "order": "order",
    "shape": "shape",
    "rule": "mask rule",
    "refresh": "refresh ρ",
    "epochs": "epochs",
    "rate": "learning rate",
}
_USUAL = {
    "data": "digits, residual convolutions", "depth": 24, "method": "stompp", "arm": "minimal",
    "order": "forward", "shape": "cubic", "rule": "threshold", "refresh": 0.01, "epochs": 60,
    "rate": "usual",
}  # fmt: skip
_NETWORKS = {"lab": "residual convolutions", "residual-mlp": "residual linear layers"}


def _row(recipe: str, name: str, runs: list[Record], named: Mapping[Any, str]) -> dict[str, Any]:
    c = config_of(runs[0])
    scored = [None if r.diverged else round(r.final["test_acc"], 2) for r in runs]
    whole = len(runs) > 1 and not splits(runs) and None not in scored
    mean = accuracy_interval(runs) if whole else None
    parts = name.split("-")
    return {
        "data": f"{c.data}, {_NETWORKS[c.model]}",
        "depth": 2 * sum(c.blocks),
        "method": named[c.weights, c.activations],
        "arm": parts[1],
        "order": c.plan.order,
        "shape": c.plan.shape,
        "rule": c.plan.mask_rule,
        "refresh": c.plan.refresh,
        "epochs": c.epochs,
        "rate": f"{c.lr:g}" if "-lr" in name else "usual",
        "name": f"{recipe}/{name}",
        "runs": scored,
        "mean": round(mean.mean, 1) if mean else None,
        "half": round(mean.half, 1) if mean else None,
        "command": f"python -m stompp_lite sweep {recipe} --only {name}",
        "href": f"../book/recorded_runs.html#{recipe}",
    }


def _plain(record: Record) -> bool:
    """Whether the fields of the explorer say all that distinguishes a run from others."""
    c, usual = config_of(record), Plan()
    kept = ("activation_order", "lead", "activation_mask_rule", "tail", "frozen_momentum")
    return (
        all(getattr(c.plan, key) == getattr(usual, key) for key in kept)
        and c.lr_schedule == "constant"
        and c.model in _NETWORKS
        and not c.validation
    )


def results(
    recipes: Sequence[str], along: str = "depth", by: str = "method", **fixed: Any
) -> Component:
    """Accuracy in recorded runs: choose what runs along the axis and what is compared.

    Args:
        recipes: whose records are shown (runs with a lead, crossed orders or another tail are not).
        along: field along the axis; by: field that is compared.
        fixed: values of the other fields at first; the usual ones where not given.

    Raises:
        ConfigError: unknown recipe or field, or no record.
    """
    for name in (along, by, *fixed):
        if name not in _LABELS:
            raise ConfigError(f"unknown field {name!r}; there are {', '.join(_LABELS)}")
    named = {rules: name for name, rules in METHODS.items()}
    rows: dict[Any, dict[str, Any]] = {}
    for recipe in recipes:
        if recipe not in RECIPES:
            raise ConfigError(f"unknown recipe {recipe!r}; there are {', '.join(RECIPES)}")
        for name, runs in group(read_all(recipe)).items():
            if all(map(_plain, runs)):
                row = _row(recipe, name, sorted(runs, key=lambda r: r.seed), named)
                key = tuple(row[field] for field in _LABELS)
                if key not in rows or len(row["runs"]) > len(rows[key]["runs"]):
                    rows[key] = row
    fields = {k: {"label": v, "order": _ORDERED.get(k)} for k, v in _LABELS.items()}
    return Component(
        "results",
        {
            "fields": fields,
            "groups": list(rows.values()),
            "usual": {**_USUAL, **fixed},
            "start": {"along": along, "by": by},
        },
    )


# ---- the playground ------------------------------------------------------------------------------
_DENSE = {
    "set": "digits", "method": "stompp", "order": "forward", "shape": "cubic", "rho": 0.01,
    "blocks": 8, "width": 32, "scale": False, "optimizer": "sgd", "rate": 0.1, "epochs": 60,
    "seed": 0,
}  # fmt: skip
_SPIRALS = {**_DENSE, "set": "spirals", "epochs": 100}
#: Presets of the playground, each with its settings and with recipe and name of recorded runs.
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
)  # fmt: skip


def playground() -> Component:
    """Train a small binary network in the browser. Its presets tell what recorded runs gave."""
    presets = []
    for name, settings, recipe, run in PRESETS:
        runs = group(read_all(recipe))[run]
        note = f"Recorded runs in Python with these settings, {len(runs)} seeds: {told(runs)} %."
        presets.append({"name": name, "settings": settings, "note": note})
    digits, spirals = load("digits"), load("spirals")
    letters = {k: chr(97 + k) for k in range(17)}  # a pixel is a whole number from 0 to 16
    pixels = torch.cat([digits.train_x, digits.test_x]).flatten()
    points = torch.cat([spirals.train_x, spirals.test_x]).flatten()
    sets = {
        "spirals": {
            "label": "two spirals in the plane", "inputs": 2, "classes": 2,
            "train": len(spirals.train_y), "x": [round(v, 4) for v in points.tolist()],
            "y": torch.cat([spirals.train_y, spirals.test_y]).tolist(),
        },
        "digits": {
            "label": "digits, 8 × 8", "inputs": 64, "classes": 10, "train": len(digits.train_y),
            "x": "".join(letters[int(8 * (v + 1))] for v in pixels.tolist()),
            "y": "".join(map(str, torch.cat([digits.train_y, digits.test_y]).tolist())),
        },
    }  # fmt: skip
    return Component("playground", {"sets": sets, "presets": presets})


# ---- questions -----------------------------------------------------------------------------------
def question(text: str, options: Sequence[str], answer: int) -> dict[str, Any]:
    """A question with its options; ``answer`` is the index of the right one.

    Raises:
        ConfigError: fewer than two options, or no option of that index.
    """
    if len(options) < 2:
        raise ConfigError(f"the question {text!r} needs at least two options, got {list(options)}")
    if count(answer, "the answer", 0) >= len(options):
        raise ConfigError(f"the question {text!r} has {len(options)} options, so no {answer}")
    return {"text": text, "options": list(options), "answer": answer}


def predict(name: str, *questions: Mapping[str, Any], hides: int = 1) -> Component:
    """Questions to answer before reading on: choose, commit, and what follows appears.

    Answers stay in the reader's browser and can be saved as a file.

    Args:
        name: of the answers, like "9": a chapter has one set of them.
        questions: from :func:`question`.
        hides: how many blocks of a page after this one wait for the answers.

    Raises:
        ConfigError: no question.
    """
    if not questions:
        raise ConfigError("no question to ask; give at least one")
    return Component(
        "predict", {"id": name, "questions": [dict(q) for q in questions], "hides": hides}
    )
