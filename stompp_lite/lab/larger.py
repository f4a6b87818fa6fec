"""Part III at a size that a processor can train: the questions of full scale, asked small.

On reduced CIFAR-10 no rate is tuned: SGD runs at the papers' rate, Adam at the rates that the
digits chose at 36 convolutions (recipe ``fair-tune``). A method that does better at another rate is
not heard. The transformers' rates are chosen on held-out training texts, by the protocol's rule.

Taught in chapter 13 (*ResNets on CIFAR*); chapters on transformers and Bi-Real follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from stompp_lite.lab.fair import PAPER_RATE, RATES, arm_config
from stompp_lite.lab.run import Config, method_config
from stompp_lite.training.plan import Plan

Runs = Iterator[tuple[str, Config]]
SEEDS = range(3)
#: Settings on reduced CIFAR-10, about as many steps as on digits, and as in `orders-cifar`.
CIFAR: dict[str, Any] = {"data": "cifar10-small", "epochs": 8, "eval_every": 8}
#: Arm, method and order of each run; order None is forward, and no method without a progression.
CIFAR_RUNS: tuple[tuple[str, str, str | None], ...] = (
    ("minimal", "ste", None),
    ("minimal", "stompp", None),
    ("minimal", "stompp+ste", None),
    ("minimal+scale", "ste", None),
    ("minimal+scale", "stompp", None),
    ("minimal+scale", "stompp+ste", None),
    ("adam", "ste", None),
    ("adam", "stompp", None),
    ("adam", "stompp+ste", None),
    ("minimal", "stompp", "reverse"),
    ("minimal", "stompp", "global"),
    ("minimal", "float", None),
)


def _rate(arm: str, method: str, tuned: int) -> float:
    """The papers' rate with SGD; with Adam that of the digits at ``tuned`` convolutions."""
    return RATES["adam", method][(24, 36).index(tuned)] if arm == "adam" else PAPER_RATE


def cifar() -> Runs:
    """Reduced CIFAR-10 in three arms: 36 binary convolutions in three groups, then 18.

    Three of the settings at 18 are in `orders-cifar`.
    """
    for blocks, seed in product((6, 3), SEEDS):
        for arm, method, order in CIFAR_RUNS:
            if blocks == 3 and (arm, method) == ("minimal", "stompp"):
                continue
            plan = Plan(order=order or "forward")
            lr = _rate(arm, method, tuned=36)
            config = arm_config(arm, method, blocks, seed, plan=plan, lr=lr, **CIFAR)
            name = f"n{blocks:02d}x3-{arm}-{method}{f'-{order}' if order else ''}-s{seed}"
            yield name, replace(config, blocks=(blocks,) * 3)


#: Settings of a Bi-Real ResNet with 16 binary convolutions, whose float path is never cut.
BIREAL: dict[str, Any] = CIFAR | {"model": "bireal", "width": 16}


def bireal() -> Runs:
    """From scratch and from a float network that was trained as long: three methods and arms."""
    arms, methods = ("minimal", "minimal+scale", "adam"), ("ste", "stompp", "stompp+ste")
    for seed, start, arm, method in product(SEEDS, ("scratch", "pretrained"), arms, methods):
        lr = _rate(arm, method, tuned=36)
        changes = BIREAL | {"pretrain": CIFAR["epochs"] if start == "pretrained" else 0, "lr": lr}
        config = arm_config(arm, method, 4, seed, **changes)
        yield f"c16-{arm}-{method}-{start}-s{seed}", replace(config, blocks=(4, 4, 4, 4))


def bireal_orders() -> Runs:
    """The digits, 24 binary convolutions with a shortcut around each: does the order matter?"""
    for seed, arm in product(range(5), ("minimal", "adam")):
        for method, order in (*product(("stompp",), ("forward", "global", "reverse")), ("ste", "")):
            lr = _rate(arm, method, tuned=24)
            plan = Plan(order=order or "forward")
            config = arm_config(arm, method, 12, seed, model="bireal", plan=plan, lr=lr, epochs=60)
            yield f"c24-{arm}-{'-'.join(filter(None, (method, order)))}-s{seed}", config


# ---- transformers, without batch norm: here the scale changes what is computed ------------------
#: Settings of a small encoder with 24 binary linear layers that is trained from scratch.
SENTENCES: dict[str, Any] = {
    "model": "transformer", "data": "sst2-small", "width": 64, "blocks": (4,), "epochs": 6,
    "eval_every": 6, "history": "epoch",
}  # fmt: skip
TEXT_METHODS = ("float", "ste", "stompp", "stompp+ste")
#: Arm -> settings, and the learning rates that are tried.
TEXT_ARMS: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    "minimal": ({}, (0.1,)),
    "scale": ({"scale": "layer"}, (0.03, 0.1, 0.3, 1.0)),
    "adam": ({"optimizer": "adam"}, (0.001, 0.003, 0.01)),
    "adam+scale": ({"optimizer": "adam", "scale": "layer"}, (0.001, 0.003, 0.01)),
}


def _text(arm: str, method: str, seed: int, **changes: Any) -> Config:
    settings = SENTENCES | TEXT_ARMS[arm][0] | changes
    if method == "float":
        settings.pop("scale", None)  # nothing binary that could have one
    return replace(method_config(method, 1, seed), **settings)


def text_tune() -> Runs:
    """Validation runs of the small encoder on SST-2: every method, every rate of its arm, once."""
    for arm, (_, rates) in TEXT_ARMS.items():
        for lr, method in product(rates if len(rates) > 1 else (), TEXT_METHODS):
            if method != "float" or arm != "adam+scale":
                config = _text(arm, method, 100, lr=lr, validation=True)
                yield f"b04-{arm}-{method}-lr{lr}-s100", config
