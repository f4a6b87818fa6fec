"""The arms of the fair fight: how large each method's steps are, and which rates they took.

An arm says how large the steps are:

=================  =========  ==========================  ===============================
arm                optimizer  binary weights              learning rate
=================  =========  ==========================  ===============================
``minimal``        SGD        +1 and -1                   0.1 for every method and depth
``minimal+scale``  SGD        alpha sign(u), a layer      0.1
``sgd``            SGD        +1 and -1                   each method's own
``scale``          SGD        alpha sign(u), a layer      each method's own
``adam``           Adam       +1 and -1                   each method's own
=================  =========  ==========================  ===============================

A method's own rate is the one that the protocol's rule picked on held-out images (recipes
``fair-tune``, ``orders-tune`` and ``fashion-tune``), at the tuned depth nearest to the network's.

Taught in chapter 12, *A fair fight*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError
from stompp_lite.lab.config import METHODS, Config, binary_layers_of
from stompp_lite.lab.models import MODELS, SIGNALS
from stompp_lite.local.signals import Signals
from stompp_lite.training.plan import Plan

PAPER_RATE = 0.1  # reportedly the papers' learning rate, for every method
#: Arm -> the settings that it changes; a rate of None is the method's own.
ARMS: dict[str, dict[str, Any]] = {
    "minimal": {"lr": PAPER_RATE},
    "minimal+scale": {"lr": PAPER_RATE, "scale": "layer"},
    "sgd": {"lr": None},
    "scale": {"lr": None, "scale": "layer"},
    "adam": {"lr": None, "optimizer": "adam"},
}
#: What the arms are called in prose, figures and legends.
NAMES = {
    "minimal": "small steps (the papers' settings)",
    "minimal+scale": "small steps, with a scale",
    "sgd": "fitted steps, no scale",
    "scale": "fitted steps (scale)",
    "adam": "Adam",
    "adam+scale": "Adam, with a scale",
    "signals": "local signals",
}
_KEYS = re.compile(rf"\b[Ii]n ({'|'.join(map(re.escape, sorted(NAMES, key=len)[::-1]))})(?![\w+])")
#: The methods that every arm compares.
FIGHTERS = ("float", "ste", "stompp", "stompp+ste", "hybrid")
DEPTHS = (4, 8, 16, 24, 36)  # binary convolutions of the networks of the fair fight
TUNED = (24, 36)  # binary layers of the networks at which rates were chosen
#: Learning rates that were tried for each method at each tuned depth, by arm.
GRIDS: dict[str, tuple[float, ...]] = {
    "sgd": (0.00625, 0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6),
    "scale": (0.025, 0.05, 0.1, 0.2, 0.4, 0.8),
    "adam": (0.001, 0.003, 0.01, 0.03, 0.1),
}
#: (arm, method) -> its own rate at each depth of TUNED. The last four are those of other orders,
#: chosen at 24; forward order has StoMPP's rate, and random order takes that too.
Rates = Mapping[tuple[str, str], tuple[float, float]]
RATES: Rates = {
    ("sgd", "float"): (0.0125, 0.05),
    ("sgd", "ste"): (0.8, 0.8),
    ("sgd", "stompp"): (0.1, 0.1),
    ("sgd", "stompp+ste"): (0.1, 0.1),
    ("sgd", "hybrid"): (0.4, 0.1),
    ("scale", "float"): (0.0125, 0.05),  # nothing in it has a scale: as in the arm sgd
    ("scale", "ste"): (0.05, 0.4),
    ("scale", "stompp"): (0.2, 0.05),
    ("scale", "stompp+ste"): (0.1, 0.1),
    ("scale", "hybrid"): (0.05, 0.2),
    ("adam", "float"): (0.003, 0.01),
    ("adam", "ste"): (0.01, 0.01),
    ("adam", "stompp"): (0.01, 0.01),
    ("adam", "stompp+ste"): (0.03, 0.03),
    ("adam", "hybrid"): (0.01, 0.01),
    ("scale", "stompp reverse"): (0.2, 0.2),
    ("scale", "stompp global"): (0.1, 0.1),
    ("adam", "stompp reverse"): (0.01, 0.01),
    ("adam", "stompp global"): (0.01, 0.01),
}
#: The same for reduced Fashion-MNIST at 36 convolutions.
FASHION_RATES: Rates = {
    ("scale", "ste"): (0.4, 0.4),
    ("scale", "stompp"): (0.05, 0.05),
    ("scale", "stompp+ste"): (0.1, 0.1),
    ("scale", "hybrid"): (0.05, 0.05),
    ("adam", "float"): (0.03, 0.03),
    ("adam", "ste"): (0.003, 0.003),
    ("adam", "stompp"): (0.01, 0.01),
    ("adam", "stompp+ste"): (0.03, 0.03),
    ("adam", "hybrid"): (0.03, 0.03),
}
#: Methods that were not tuned -> whose rate they take.
BORROWED = {
    "ste-identity": "ste",
    "random": "ste",
    "weights-only": "stompp",
    "ste-weights-only": "ste",
    "stompp+ste-weights-only": "stompp+ste",
    "activations-only": "stompp",
    "hybrid-free": "hybrid",
    "reverse-hybrid": "hybrid",
    "reverse-hybrid-free": "hybrid",
    "weight-surrogate": "stompp+ste",
    "activation-surrogate": "stompp+ste",
    "intervention": "stompp",
}
_OF_PLAN = {f.name for f in fields(Plan)}
_OF_SIGNALS = {f.name for f in fields(Signals)} - {"rule"}


def variant(config: Config) -> str:
    """What a rate is chosen for, beside the method: a guide of the loss, or the order."""
    return config.guide or config.plan.order


def own_rate(
    arm: str, method: str, layers: int, beside: str = "forward", rates: Rates = RATES
) -> float:
    """The learning rate that was chosen for a method in an arm.

    Args:
        layers: binary layers of the network; the nearer of the two tuned depths counts.
        beside: as :func:`variant` gives it.

    Raises:
        ConfigError: no rate was chosen for it.
    """
    name = BORROWED.get(method, method)
    found = rates.get((arm, f"{name} {beside}")) or rates.get((arm, name))
    if found is None:
        known = ", ".join(m for a, m in rates if a == arm)
        raise ConfigError(
            f"no learning rate was chosen for method {method!r} in arm {arm!r} (there are rates "
            f"for: {known or 'none'}); name one as lr"
        )
    return found[min(range(len(TUNED)), key=lambda i: abs(TUNED[i] - layers))]


def in_minimal(method: str, layers: int) -> bool:
    """Whether a method's own rate in the arm ``sgd`` is 0.1: then its runs are in ``minimal``."""
    return layers in TUNED and own_rate("sgd", method, layers) == PAPER_RATE


def configuration(
    factors: Mapping[str, Any],
    arms: Mapping[str, Mapping[str, Any]] = ARMS,
    rates: Rates = RATES,
) -> Config:
    """The configuration that factors stand for.

    Args:
        factors: ``arm``, ``method`` (a key of :data:`~stompp_lite.lab.config.METHODS`), ``blocks``
            (one number stands for all groups), fields of :class:`~stompp_lite.lab.config.Config`,
            of :class:`~stompp_lite.training.plan.Plan` and, for a model of local signals, of
            :class:`~stompp_lite.local.signals.Signals`, and ``tuned``: the number of binary
            layers whose own rate is meant, if not the network's own.
        arms: arm -> settings. rates: own rates, for an ``lr`` of None.

    Raises:
        ConfigError: an unknown factor, arm or method, or no rate.
    """
    given = dict(factors)
    arm, method = given.pop("arm", "minimal"), given.pop("method", "stompp")
    tuned = given.pop("tuned", None)
    weights, activations = METHODS[one_of(method, METHODS, "method")]
    given = {
        "weights": weights, "activations": activations, **arms[one_of(arm, arms, "arm")], **given,
    }  # fmt: skip
    if method == "float":
        given["scale"] = None  # nothing is binary that could have one
    plan = Plan(**{name: given.pop(name) for name in _OF_PLAN & given.keys()})
    if given.get("model") in SIGNALS:
        own = {name: given.pop(name) for name in _OF_SIGNALS & given.keys()}
        given["signals"] = Signals(rule=weights, **own)
    for name in given:
        one_of(name, [f.name for f in fields(Config)], "factor")
    blocks = given.get("blocks")
    if isinstance(blocks, int):
        one_group = MODELS[given.get("model", "lab")].groups == 1
        given["blocks"] = (blocks,) if one_group else (blocks, blocks)
    lr = given.pop("lr", PAPER_RATE)
    config = Config(plan=plan, **given)
    if lr is None:
        layers = binary_layers_of(config) if tuned is None else tuned
        lr = own_rate(arm, method, layers, variant(config), rates)
    return replace(config, lr=lr)


def setting(arm: str, short: bool = False) -> str:
    """What an arm is called in prose; ``short`` leaves out what stands in parentheses."""
    name = NAMES.get(arm, arm)
    return name.split(" (")[0] if short else name


def worded(text: str) -> str:
    """A text of the ledger with names in place of the short keys of arms."""
    return _KEYS.sub(lambda m: f"with {setting(m[1], short=True)}", text)
