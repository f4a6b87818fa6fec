"""The results explorer: accuracy in recorded runs, from any side (chapters 11 and 12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError
from stompp_lite.lab.arms import ARMS
from stompp_lite.lab.config import METHODS, config_of
from stompp_lite.lab.experiment import Run
from stompp_lite.lab.recipes import RECIPES, run_of
from stompp_lite.lab.record import Record, read_all
from stompp_lite.lab.report import splits
from stompp_lite.lab.stats import accuracy_interval
from stompp_lite.training.plan import Plan
from stompp_lite.viz.components import Component

_ORDERED = {
    "arm": list(ARMS),
    "order": ["forward", "forward-5", "forward-2", "global", "random", "reverse"],
    "method": list(METHODS),
}  # values in an order that is not theirs by nature
_LABELS = {
    "data": "data and network",
    "depth": "binary layers",
    "method": "method",
    "arm": "setting",
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


def _fields(run: Run) -> dict[str, Any]:
    """What of a run the explorer lets choose."""
    c = run.config
    return {
        "data": f"{c.data}, {_NETWORKS[c.model]}",
        "depth": run.layers,
        "method": run.method,
        "arm": run.arm,
        "order": c.plan.order,
        "shape": c.plan.shape,
        "rule": c.plan.mask_rule,
        "refresh": c.plan.refresh,
        "epochs": c.epochs,
        "rate": f"{c.lr:g}" if "lr" in run.factors else "usual",
    }


def _setting(records: Sequence[Record]) -> dict[str, Any]:
    """The runs of a setting, one a seed, from one recipe or from several that share it."""
    kept = {r.seed: r for r in reversed(records)}  # the first recipe's, where two have a seed
    runs = [kept[seed] for seed in sorted(kept)]
    scored = [None if r.diverged else round(r.final["test_acc"], 2) for r in runs]
    whole = len(runs) > 2 and not splits(runs) and None not in scored
    mean = accuracy_interval(runs) if whole else None
    sources = dict.fromkeys((r.recipe, run_of(r).setting) for r in runs)
    return {
        "name": " and ".join("/".join(source) for source in sources),
        "runs": scored,
        "mean": round(mean.mean, 1) if mean else None,
        "half": round(mean.half, 1) if mean else None,
        "command": " && ".join(
            f"python -m stompp_lite sweep {recipe} --only {setting}" for recipe, setting in sources
        ),
        "href": f"../book/recorded_runs.html#{next(iter(sources))[0]}",
    }


def _plain(record: Record) -> bool:
    """Whether the fields of the explorer say all that distinguishes a run from others."""
    c, usual = config_of(record), Plan()
    kept = ("activation_order", "lead", "activation_mask_rule", "tail", "frozen_momentum")
    return (
        all(getattr(c.plan, key) == getattr(usual, key) for key in kept)
        and c.lr_schedule == "constant"
        and c.model in _NETWORKS
        and not (c.validation or c.pretrain)
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
    settings: dict[Any, list[Record]] = {}
    for recipe in recipes:
        for record in read_all(one_of(recipe, RECIPES, "recipe")):
            if _plain(record):
                key = tuple(_fields(run_of(record)).items())
                settings.setdefault(key, []).append(record)
    groups = [dict(key) | _setting(records) for key, records in settings.items()]
    fields = {k: {"label": v, "order": _ORDERED.get(k)} for k, v in _LABELS.items()}
    return Component(
        "results",
        {
            "fields": fields,
            "groups": groups,
            "usual": {**_USUAL, **fixed},
            "start": {"along": along, "by": by},
        },
    )
