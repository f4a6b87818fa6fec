"""The ablations of Part II: in which order, how fast, with which masks, and what passes back.

What each comparison is to decide, with how many seeds and by which rule, stands in
``data/claims.yaml``, which was committed before the runs. Unless its name says otherwise, a run is
one of the arm ``minimal`` (SGD, rate 0.1, no scale) at 24 binary convolutions: forward, cubic, mask
rule ``threshold``, refresh 0.01. What the recipe ``fair`` holds already is not run again.

Taught in chapters 5 to 12.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any

from stompp_lite.lab.fair import arm_config
from stompp_lite.lab.run import Config, Runs
from stompp_lite.training.plan import Plan

ORDERS = ("forward", "random", "global", "reverse")
FAIR = ("scale", "adam")
FIVE, TEN = range(5), range(10)
#: Learning rates tried for the orders that are not forward, at 24 convolutions.
GRIDS = {"scale": (0.05, 0.1, 0.2, 0.4), "adam": (0.003, 0.01, 0.03)}
#: (arm, order) -> own rate, from recipe `orders-tune`. Forward has StoMPP's, random takes that.
RATES: dict[tuple[str, str], float] = {
    ("scale", "reverse"): 0.2, ("scale", "global"): 0.1,
    ("adam", "reverse"): 0.01, ("adam", "global"): 0.01,
}  # fmt: skip


def _runs(
    seeds: Iterable[int], method: str, label: str = "", *, arm: str = "minimal", blocks: int = 6,
    plan: Plan | None = None, **changes: Any,
) -> Runs:  # fmt: skip
    """Runs named ``n06-minimal-method-label-s0``."""
    name = "-".join(filter(None, (f"n{blocks:02d}", arm, method, label)))
    for seed in seeds:
        yield (
            f"{name}-s{seed}",
            arm_config(arm, method, blocks, seed, plan=plan or Plan(), **changes),
        )


def tune() -> Runs:
    """Validation runs: reverse and global get a rate of their own in the fair arms."""
    for arm, order in product(FAIR, ("reverse", "global")):
        for lr in GRIDS[arm]:
            yield from _runs(
                (100, 101), "stompp", f"{order}-lr{lr}", arm=arm, plan=Plan(order=order), lr=lr,
                validation=True, eval_every=10,
            )  # fmt: skip


def orders() -> Runs:
    """Forward, random, global, reverse: both mask rules, three arms, three depths."""
    yield from _runs(range(5, 10), "stompp", "forward")  # the first five are in `fair`
    for order in ORDERS[1:]:
        yield from _runs(TEN, "stompp", order, plan=Plan(order=order))
        for blocks in (2, 9):
            yield from _runs(FIVE, "stompp", order, blocks=blocks, plan=Plan(order=order))
    for order in ORDERS:
        for arm in ("minimal", *FAIR):
            own: dict[str, Any] = {"lr": RATES[arm, order]} if (arm, order) in RATES else {}
            if arm in FAIR and order != "forward":
                yield from _runs(FIVE, "stompp", order, arm=arm, plan=Plan(order=order), **own)
            redraw = Plan(order=order, mask_rule="redraw")
            yield from _runs(FIVE, "stompp", f"{order}-redraw", arm=arm, plan=redraw, **own)


def dense() -> Runs:
    """The orders in residual networks without convolutions, 17 and 25 stages."""
    for blocks, order, seed in product((8, 12), ORDERS, FIVE):
        yield f"d{blocks:02d}-minimal-stompp-{order}-s{seed}", _dense("stompp", seed, order, blocks)


def _dense(
    method: str, seed: int, order: str = "forward", blocks: int = 8, **changes: Any
) -> Config:
    config = arm_config("minimal", method, blocks, seed, plan=Plan(order=order))
    usual: dict[str, Any] = {"model": "residual-mlp", "width": 32, "batch_size": 32, "epochs": 60}
    return replace(config, blocks=(blocks,), **(usual | changes))


def cifar() -> Runs:
    """Three orders on reduced CIFAR-10: 19 stages in three groups, as many steps as on digits."""
    for seed, order in product(range(3), ("forward", "global", "reverse")):
        config = arm_config(
            "minimal", "stompp", 3, seed, plan=Plan(order=order), data="cifar10-small", epochs=8,
            eval_every=8,
        )  # fmt: skip
        yield f"n03x3-minimal-stompp-{order}-s{seed}", replace(config, blocks=(3, 3, 3))


def weights_only() -> Runs:
    """Binary weights, float activations: does progressive freezing work, and does order matter?"""
    for arm in ("minimal", "adam"):
        for order in ORDERS:
            yield from _runs(FIVE, "weights-only", order, arm=arm, plan=Plan(order=order))
        yield from _runs(FIVE, "ste-weights-only", arm=arm)


def interventions() -> Runs:
    """What lets gradient through committed activations: does accuracy return?"""
    for order in ("reverse", "global", "forward"):
        yield from _runs(TEN, "intervention", order, plan=Plan(order=order))
    for order in ("reverse", "global"):
        yield from _runs(TEN, "stompp+ste", order, plan=Plan(order=order))
    for method in ("intervention", "stompp+ste"):
        yield from _runs(FIVE, method, "reverse", arm="adam", plan=Plan(order="reverse"))


def factorial() -> Runs:
    """The order of the weights against the order of the activations; equal ones are in `orders`."""
    for weights, activations in product(("forward", "global", "reverse"), repeat=2):
        if weights != activations:
            plan = Plan(order=weights, activation_order=activations)
            seeds = FIVE if "global" in (weights, activations) else TEN
            yield from _runs(seeds, "stompp", f"{weights}-{activations}", plan=plan)


def lead() -> Runs:
    """The weights' windows ahead of the activations' (or behind: negative)."""
    for d in (-24, -12, -4, -1, 1, 4, 12, 24):
        seeds = TEN if abs(d) == 24 else FIVE
        yield from _runs(seeds, "stompp", f"lead{d:+d}", plan=Plan(lead=d))
        if abs(d) == 24:  # 118 epochs for 49 windows: each as long as one of 25 in 60 epochs
            yield from _runs(FIVE, "stompp", f"lead{d:+d}-epochs118", plan=Plan(lead=d), epochs=118)
    for d in (-24, -4, 4, 24):
        yield from _runs(FIVE, "stompp+ste", f"lead{d:+d}", plan=Plan(lead=d))


def schedules() -> Runs:
    """One choice at a time: shape, refresh, masks, momentum, tail, epochs, learning rate.

    Shape and refresh again at 15 epochs, where a window has 12 steps in place of 50.
    """
    for shape in ("linear", "quadratic", "cosine", "flipped-quadratic"):
        seeds = TEN if shape == "flipped-quadratic" else FIVE
        yield from _runs(seeds, "stompp", shape, plan=Plan(shape=shape))
        yield from _runs(FIVE, "stompp", f"{shape}-epochs15", plan=Plan(shape=shape), epochs=15)
    for shape in ("linear", "flipped-quadratic"):  # one window, as long as the run
        plan = Plan(order="global", shape=shape)
        yield from _runs(FIVE, "stompp", f"global-{shape}", plan=plan)
    for refresh in (0.0, 0.001, 0.1, 1.0):
        yield from _runs(FIVE, "stompp", f"refresh{refresh:g}", plan=Plan(refresh=refresh))
    for refresh in (0.0, 1.0):
        plan = Plan(refresh=refresh)
        yield from _runs(FIVE, "stompp", f"refresh{refresh:g}-epochs15", plan=plan, epochs=15)
    for tail in (0.0, 0.55):
        yield from _runs(FIVE, "stompp", f"tail{tail:g}", plan=Plan(tail=tail))
    yield from _runs(FIVE, "stompp", "per-sample", plan=Plan(activation_mask_rule="per-sample"))
    yield from _runs(FIVE, "stompp", "momentum", plan=Plan(frozen_momentum=True))
    for epochs in (15, 30, 120):
        yield from _runs(FIVE, "stompp", f"epochs{epochs}", epochs=epochs)
    for method, lr in product(("ste", "stompp"), (0.05, 0.2)):
        yield from _runs(FIVE, method, f"lr{lr:g}", lr=lr)


def groups() -> Runs:
    """Between forward (a window a stage) and global (one): five windows and two."""
    settings = ((6, "cubic"), (6, "flipped-quadratic"), (9, "cubic"))
    for order, (blocks, shape) in product(("forward-5", "forward-2"), settings):
        plan = Plan(order=order, shape=shape)
        yield from _runs(FIVE, "stompp", f"{order}-{shape}", blocks=blocks, plan=plan)


def epochs() -> Runs:
    """How many epochs does each method need, where each has a step that suits it?"""
    for n, method in product((15, 30, 120), ("ste", "stompp", "stompp+ste", "hybrid")):
        yield from _runs(range(3), method, f"epochs{n}", arm="adam", epochs=n)


def hybrids() -> Runs:
    """Weights and activations by different rules."""
    mixed = ("hybrid-free", "reverse-hybrid", "reverse-hybrid-free", "weight-surrogate",
             "activation-surrogate")  # fmt: skip
    for arm, method in product(("minimal", *FAIR), mixed):
        yield from _runs(FIVE, method, arm=arm)


def playground() -> Runs:
    """What the playground's presets promise: the same networks, trained here."""
    for seed in FIVE:
        for method in ("ste", "stompp+ste"):
            yield f"d08-minimal-{method}-s{seed}", _dense(method, seed)
        for arm, scale in (("minimal", None), ("minimal+scale", "layer")):
            yield f"d08-{arm}-ste-lr0.01-s{seed}", _dense("ste", seed, lr=0.01, scale=scale)
        for method in ("ste", "stompp+ste", "stompp"):
            yield f"d08-minimal-{method}-spirals-s{seed}", _spirals(method, seed, "forward")
        for order in ("global", "reverse"):
            name = f"d08-minimal-stompp-{order}-spirals-s{seed}"
            yield name, _spirals("stompp", seed, order)


def _spirals(method: str, seed: int, order: str) -> Config:
    return _dense(method, seed, order, data="spirals", epochs=100)


def film() -> Runs:
    """What the films of the chapters show: signs of 64 weights of each stage beside the rest."""
    kept: dict[str, Any] = {"sign_sample": 64, "eval_every": 2}
    for blocks, seed in product((3, 6, 9), range(2)):
        for method in ("ste", "stompp", "stompp+ste", "hybrid"):
            yield from _runs([seed], method, blocks=blocks, **kept)
        for order in ("global", "reverse"):
            yield from _runs([seed], "stompp", order, blocks=blocks, plan=Plan(order=order), **kept)
        for arm in ("minimal+scale", "adam"):
            yield from _runs([seed], "ste", arm=arm, blocks=blocks, **kept)
