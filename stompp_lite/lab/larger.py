"""Part III at a size that a processor can train: the questions of full scale, asked small.

No rate is tuned here. SGD runs at the papers' rate, Adam at the rates that the digits chose at 36
convolutions (recipe ``fair-tune``): a method that does better at another rate is not heard.

Taught in chapter 13, *ResNets on CIFAR*.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from stompp_lite.lab.fair import RATES, arm_config
from stompp_lite.lab.run import Config
from stompp_lite.training.plan import Plan

Runs = Iterator[tuple[str, Config]]
SEEDS = range(3)
#: Reduced CIFAR-10: as many steps as on digits, and as recipe `orders-cifar`.
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


def cifar() -> Runs:
    """Reduced CIFAR-10 in three arms: 36 binary convolutions in three groups, then 18.

    Three of the settings at 18 are in `orders-cifar`.
    """
    for blocks, seed in product((6, 3), SEEDS):
        for arm, method, order in CIFAR_RUNS:
            if blocks == 3 and (arm, method) == ("minimal", "stompp"):
                continue
            plan = Plan(order=order or "forward")
            lr = RATES["adam", method][1] if arm == "adam" else 0.1
            config = arm_config(arm, method, blocks, seed, plan=plan, lr=lr, **CIFAR)
            name = f"n{blocks:02d}x3-{arm}-{method}{f'-{order}' if order else ''}-s{seed}"
            yield name, replace(config, blocks=(blocks,) * 3)
