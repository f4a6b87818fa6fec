"""The fair fight: every method with a step that suits it.

The protocol and the rules for a verdict stand in the book, on the page *Protocol of the fair
fight*; they were committed before the runs. Here are the runs. An arm says how large the steps are:

=================  =========  ==========================  ===============================
arm                optimizer  binary weights              learning rate
=================  =========  ==========================  ===============================
``minimal``        SGD        +1 and -1                   0.1 for every method and depth
``minimal+scale``  SGD        alpha sign(u), a layer      0.1; ``ste`` only
``sgd``            SGD        +1 and -1                   each method's own
``scale``          SGD        alpha sign(u), a layer      each method's own
``adam``           Adam       +1 and -1                   each method's own
=================  =========  ==========================  ===============================

Taught in chapter 12, *A fair fight*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from stompp_lite.lab.run import Config, Runs, method_config

PAPER_RATE = 0.1  # reportedly the papers' learning rate, for every method
#: Arm -> the settings that it changes; a rate of None is the method's own.
ARMS: dict[str, dict[str, Any]] = {
    "minimal": {"lr": PAPER_RATE},
    "minimal+scale": {"lr": PAPER_RATE, "scale": "layer"},
    "sgd": {"lr": None},
    "scale": {"lr": None, "scale": "layer"},
    "adam": {"lr": None, "optimizer": "adam"},
}
FIGHTERS = ("float", "ste", "stompp", "stompp+ste", "hybrid")
DEPTHS = (1, 2, 4, 6, 9)  # blocks of each of two groups; four binary convolutions each
#: Learning rates tried for each method and each tuned depth, by arm.
GRIDS: dict[str, tuple[float, ...]] = {
    "sgd": (0.00625, 0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6),
    "scale": (0.025, 0.05, 0.1, 0.2, 0.4, 0.8),
    "adam": (0.001, 0.003, 0.01, 0.03, 0.1),
}
TUNED = (6, 9)  # the depths at which rates are chosen; the others take the nearer one's
#: (arm, method) -> own rate at each depth of TUNED, by the protocol's rule from recipe `fair-tune`.
RATES: dict[tuple[str, str], tuple[float, float]] = {
    ("sgd", "float"): (0.0125, 0.05),
    ("sgd", "ste"): (0.8, 0.8),
    ("sgd", "stompp"): (0.1, 0.1),
    ("sgd", "stompp+ste"): (0.1, 0.1),
    ("sgd", "hybrid"): (0.4, 0.1),
    ("scale", "ste"): (0.05, 0.4),
    ("scale", "stompp"): (0.2, 0.05),
    ("scale", "stompp+ste"): (0.1, 0.1),
    ("scale", "hybrid"): (0.05, 0.2),
    ("adam", "float"): (0.003, 0.01),
    ("adam", "ste"): (0.01, 0.01),
    ("adam", "stompp"): (0.01, 0.01),
    ("adam", "stompp+ste"): (0.03, 0.03),
    ("adam", "hybrid"): (0.01, 0.01),
}

#: Methods that were not tuned -> whose rate they take.
BORROWED = {
    "random": "ste",
    "weights-only": "stompp",
    "ste-weights-only": "ste",
    "hybrid-free": "hybrid",
    "reverse-hybrid": "hybrid",
    "reverse-hybrid-free": "hybrid",
    "weight-surrogate": "stompp+ste",
    "activation-surrogate": "stompp+ste",
    "intervention": "stompp",
}


def arm_config(arm: str, method: str, blocks: int, seed: int, **changes: Any) -> Config:
    """The configuration of a method in an arm (a key of :data:`ARMS`).

    ``changes`` are further fields; ``lr`` replaces the method's own rate.
    """
    settings: dict[str, Any] = {"eval_every": 4, "history": "epoch"} | ARMS[arm] | changes
    if method == "float":
        settings.pop("scale", None)  # nothing binary that could have one
    if settings["lr"] is None:
        near = min(range(len(TUNED)), key=lambda i: abs(TUNED[i] - blocks))
        settings["lr"] = RATES[arm, BORROWED.get(method, method)][near]
    if blocks >= 12:
        settings.setdefault("epochs", 120)
    return replace(method_config(method, blocks, seed), **settings)


def _named(
    arms: Sequence[str], methods: Sequence[str], blocks: int, seed: int, suffix: str = "",
    **changes: Any,
) -> Runs:  # fmt: skip
    for arm, method in product(arms, methods):
        if ARMS[arm]["lr"] is None and (arm, method) not in RATES:
            continue  # not tuned: `float` has no scale, its arm is `sgd`
        name = f"n{blocks:02d}-{arm}-{method}{suffix}-s{seed}"
        yield name, arm_config(arm, method, blocks, seed, **changes)


def _tuning(arm: str, method: str, blocks: int, lr: float, seed: int) -> tuple[str, Config]:
    name = f"n{blocks:02d}-{arm}-{method}-lr{lr}-s{seed}"
    return name, arm_config(arm, method, blocks, seed, lr=lr, validation=True, eval_every=10)


def tune() -> Runs:
    """Validation runs: every method, every rate of its arm's grid, seeds 100 and 101."""
    for arm, blocks, lr, method, seed in product(
        ("scale", "adam", "sgd"), TUNED, sorted({r for g in GRIDS.values() for r in g}),
        FIGHTERS, (100, 101),
    ):  # fmt: skip
        if lr in GRIDS[arm] and (arm, method) != ("scale", "float"):
            yield _tuning(arm, method, blocks, lr, seed)


def in_minimal(method: str, blocks: int) -> bool:
    """Whether a method's own rate in the arm ``sgd`` is 0.1: then its runs are in ``minimal``."""
    return blocks in TUNED and RATES["sgd", method][TUNED.index(blocks)] == PAPER_RATE


def fight() -> Runs:
    """Five seeds at five depths; the seeds in turn, so that a sweep can stop between them."""
    for seed in range(5):
        for blocks in DEPTHS:
            yield from _named(("minimal", "scale", "adam"), FIGHTERS, blocks, seed)
            yield from _named(("minimal+scale",), ("ste",), blocks, seed)
            tuned = FIGHTERS if blocks in TUNED else ("float",)
            others = [method for method in tuned if not in_minimal(method, blocks)]
            yield from _named(("sgd",), others, blocks, seed)


def deep() -> Runs:
    """Ten seeds for STE and the hybrid with Adam at 36 and 48; the other methods at 48."""
    for seed in range(10):
        if seed >= 5:  # the first five of this depth are in `fight`
            yield from _named(("adam",), ("ste", "hybrid"), 9, seed)
        yield from _named(("adam",), ("ste", "hybrid"), 12, seed)
    for seed in range(3):
        yield from _named(("minimal", "scale"), ("ste",), 12, seed)
        yield from _named(("adam", "scale"), ("stompp", "stompp+ste"), 12, seed)
        yield from _named(("adam",), ("float",), 12, seed)


def cosine() -> Runs:
    """A decaying learning rate at 24 convolutions, each method at its own (constant) rate."""
    for seed in range(3):
        yield from _named(("scale", "adam"), FIGHTERS, 6, seed, "-cosine", lr_schedule="cosine")
        yield from _named(("sgd",), ("float",), 6, seed, "-cosine", lr_schedule="cosine")


def random() -> Runs:
    """Binary weights that are never trained, at 24 and 36 convolutions."""
    for seed, blocks in product(range(3), (6, 9)):
        for arm in ("minimal", "adam"):
            yield f"n{blocks:02d}-{arm}-random-s{seed}", arm_config(arm, "random", blocks, seed)


def identity() -> Runs:
    """STE whose activations pass identity, too: the better angle of chapter 2, trained."""
    for seed, blocks in product(range(3), DEPTHS):
        yield from _named(("minimal",), ("ste-identity",), blocks, seed)


def identity_tune() -> Runs:
    """The same surrogate at every rate of the fair arms, on held-out images, at 24 convolutions."""
    for arm, seed in product(("scale", "adam"), (100, 101)):
        for lr in GRIDS[arm]:
            yield _tuning(arm, "ste-identity", 6, lr, seed)


#: Settings on the second data set, about as many steps as on digits.
FASHION: dict[str, Any] = {"data": "fashion-small", "epochs": 15, "eval_every": 5}
FASHION_ARMS = ("minimal", "scale", "adam")
#: Own rates on it, by arm and method, by the protocol's rule from recipe `fashion-tune`.
FASHION_RATES: dict[tuple[str, str], float] = {
    ("scale", "ste"): 0.4,
    ("scale", "stompp"): 0.05,
    ("scale", "stompp+ste"): 0.1,
    ("scale", "hybrid"): 0.05,
    ("adam", "float"): 0.03,
    ("adam", "ste"): 0.003,
    ("adam", "stompp"): 0.01,
    ("adam", "stompp+ste"): 0.03,
    ("adam", "hybrid"): 0.03,
}


def fashion_tune() -> Runs:
    """Validation runs on the second data set: the grids of the first, one seed."""
    for arm in FASHION_ARMS:
        for lr, method in product(GRIDS.get(arm, ()), FIGHTERS):
            if (arm, method) != ("scale", "float"):
                name = f"n09-{arm}-{method}-lr{lr}-s100"
                yield name, arm_config(arm, method, 9, 100, lr=lr, validation=True, **FASHION)


def fashion() -> Runs:
    """The fight on the second data set: three seeds."""
    for seed, arm, method in product(range(3), FASHION_ARMS, FIGHTERS):
        lr = ARMS[arm]["lr"] or FASHION_RATES.get((arm, method))
        if lr is not None:
            name = f"n09-{arm}-{method}-s{seed}"
            yield name, arm_config(arm, method, 9, seed, lr=lr, **FASHION)


def tooth() -> Runs:
    """What of a tooth is scale? StoMPP, and its weights or activations alone, at rate 0.1."""
    parts = {"both": "stompp", "weights": "weights-only"}
    changes: dict[str, Any] = {"history": "step", "eval_every": 60}
    for seed, blocks in product(range(5), (2, 6)):
        for part, method in parts.items():
            for label, scale in (("one", None), ("alpha", "layer")):
                config = arm_config("minimal", method, blocks, seed, scale=scale, **changes)
                yield f"n{blocks:02d}-{part}-{label}-s{seed}", config
        config = arm_config("minimal", "stompp", blocks, seed, **changes)
        config = replace(config, weights="float")
        yield f"n{blocks:02d}-activations-s{seed}", config
        yield f"n{blocks:02d}-ste-s{seed}", arm_config("minimal", "ste", blocks, seed, **changes)


def processors() -> Runs:
    """Seed 0 of twenty settings once more, on a processor of another kind than the recorded ones.

    Compared are seed 0 here and seed 0 of recipe `fair`, beside seeds 1 to 4 of `fair` and its seed
    0: how far does another processor move a run, and how far another seed? No verdict rests on it.
    """
    for arm, blocks in product(("minimal", "adam"), (2, 6)):
        yield from _named((arm,), FIGHTERS, blocks, 0)
