"""Part III at a size that a processor can train: the questions of full scale, asked small.

On reduced CIFAR-10 no rate is tuned: SGD runs at the papers' rate, Adam at the rates that the
digits chose at 36 convolutions (recipe ``fair-tune``). A method that does better at another rate is
not heard. The transformers have one rate for all methods.

Taught in chapters 13 (*ResNets on CIFAR*), 15 (*MobileNet and BERT*) and 16 (*Bi-Real and
pretrained starts*).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any

from stompp_lite.lab.fair import PAPER_RATE, RATES, arm_config
from stompp_lite.lab.run import Runs, method_config
from stompp_lite.training.plan import Plan

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


#: Arm and method of the networks below; with Adam at the rates that the digits chose.
FIGHT = tuple(product(("minimal", "minimal+scale", "adam"), ("ste", "stompp", "stompp+ste")))


def mobilenet() -> Runs:
    """MobileNetV2's front on the digits: 15 binary convolutions of full width.

    And the whole of it, 51 of a quarter of the width, on reduced CIFAR-10, as first planned: one
    seed and two arms, for there no network gets far from chance, the float one included.
    """
    for seed, (arm, method) in product(SEEDS, (*FIGHT, ("minimal", "float"))):
        lr = _rate(arm, method, tuned=36)
        config = arm_config(arm, method, 1, seed, lr=lr, epochs=30, eval_every=30)
        config = replace(config, model="mobilenet", width=32, blocks=(1, 2, 2))
        yield f"c15-{arm}-{method}-s{seed}", config
    for arm, method in (*FIGHT[:6], ("minimal", "float")):
        config = arm_config(arm, method, 1, 0, lr=PAPER_RATE, **CIFAR)
        config = replace(config, model="mobilenet", width=8, blocks=())
        yield f"mobile-{arm}-{method}-s0", config


# ---- transformers: where no norm follows a layer, a scale changes what it computes ---------------
#: A small transformer with 12 binary linear layers, trained from scratch.
TEXTS: dict[str, Any] = {"model": "transformer", "width": 64, "blocks": (2,), "epochs": 8}
#: Arm -> settings. All methods have one rate, the papers' with SGD, torch's default with Adam.
TEXT_ARMS: dict[str, dict[str, Any]] = {
    "minimal": {"lr": PAPER_RATE},
    "minimal+scale": {"lr": PAPER_RATE, "scale": "layer"},
    "adam": {"optimizer": "adam", "lr": 0.001},
    "adam+scale": {"optimizer": "adam", "lr": 0.001, "scale": "layer"},
}


def _texts(data: str, arms: Iterable[str]) -> Runs:
    for seed, arm, method in product(SEEDS, arms, ("ste", "stompp", "stompp+ste", "float")):
        if method != "float" or "scale" not in arm:
            settings = TEXTS | TEXT_ARMS[arm] | {"data": data, "eval_every": 8}
            config = replace(method_config(method, 1, seed), **settings)
            yield f"b02-{arm}-{method}-s{seed}", replace(config, history="epoch")


def sentences() -> Runs:
    """SST-2: is a film review favorable? The first of every six training texts."""
    return _texts("sst2-small", TEXT_ARMS)


def characters() -> Runs:
    """The next character in the help of Python, which comes with it; Adam."""
    return _texts("topics", ("adam", "adam+scale"))
