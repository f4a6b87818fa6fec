"""Named experiments: what each asks, what it costs, and its runs as rows of factors.

What each comparison is to decide, with how many seeds and by which rule, stands in the protocol of
the fair fight and in the ledger of claims. Unless a row says otherwise, a run is of the arm
``minimal`` (SGD, rate 0.1, no scale) at 24 binary convolutions: forward order, cubic shape, mask
rule ``threshold``, refresh 0.01. What one recipe holds already is not run again by another.

Used by chapters 3 to 12. What was added after the fair fight is in
:mod:`stompp_lite.lab.recipes_doubts`, Part III in :mod:`stompp_lite.lab.recipes_full`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError
from stompp_lite.lab.arms import DEPTHS, FASHION_RATES, FIGHTERS, GRIDS
from stompp_lite.lab.config import METHODS, Config, config_of
from stompp_lite.lab.experiment import LAB, Factors, Recipe, Run, row
from stompp_lite.lab.recipes_doubts import DOUBTS
from stompp_lite.lab.recipes_full import EPYC, FIVE, FULL, THREE, THREE_METHODS, TOWARDS_FULL_SCALE
from stompp_lite.lab.recipes_landscape import LANDSCAPE
from stompp_lite.lab.recipes_signals import WITHOUT_GRADIENTS
from stompp_lite.lab.record import Record
from stompp_lite.training.plan import Plan

TEN = range(10)
BLOCKS = tuple(layers // 4 for layers in DEPTHS)  # of each of two groups, two layers a block
BINARY = tuple(method for method in FIGHTERS if method != "float")
ORDERS = ("forward", "random", "global", "reverse")
OTHER_ORDERS = ORDERS[1:]


def _tuning(arm: str, method: Any, **factors: Any) -> Factors:
    """Runs on held-out training images, at every rate of the arm's grid."""
    return row(
        arm=arm, method=method, lr=GRIDS[arm], label="lr{lr}", validation=True, eval_every=10,
        seed=(100, 101), **factors,
    )  # fmt: skip


# ---- the fair fight ------------------------------------------------------------------------------
#: A second data set, about as many steps as on digits.
FASHION = LAB | {"data": "fashion-small", "epochs": 15, "eval_every": 5, "blocks": 9}
# fmt: off
FIGHT = (
    Recipe("perceptron",
           "What does one bit cost a shallow network? Three hidden layers, five seeds. Settings "
           "were taken over from the lab's first version, not tuned.",
           f"two minutes {EPYC}", [
        row(method=("float", "ste", "ste-identity", "stompp"), seed=FIVE),
    ], {"head": "d3-{method}", "model": "mlp", "width": 64, "blocks": [3], "epochs": 30,
        "history": "epoch"}),
    Recipe("fair-tune",
           "Which learning rate suits each method in each arm, at 24 and 36 binary convolutions? "
           "Validation split, seeds 100 and 101.",
           f"about 6 core-hours {EPYC}", [
        _tuning("scale", BINARY, blocks=(6, 9)),
        _tuning("adam", FIGHTERS, blocks=(6, 9)),
        _tuning("sgd", FIGHTERS, blocks=(6, 9)),
    ]),
    Recipe("fair",
           "A fair fight: five methods, five arms, five depths, five seeds.",
           f"about 5 core-hours {EPYC}", [
        row(arm=("minimal", "adam"), method=FIGHTERS, blocks=BLOCKS, seed=FIVE),
        row(arm="scale", method=BINARY, blocks=BLOCKS, seed=FIVE),
        row(arm="minimal+scale", method="ste", blocks=BLOCKS, seed=FIVE),
        # where a method's own rate is 0.1, the arm sgd is the arm minimal
        row(arm="sgd", method="float", blocks=BLOCKS, seed=FIVE),
        row(arm="sgd", method="ste", blocks=(6, 9), seed=FIVE),
        row(arm="sgd", method="hybrid", seed=FIVE),
    ]),
    Recipe("fair-deep",
           "Ten seeds for STE and the hybrid with Adam at 36 and 48; the other methods at 48.",
           f"about 2 core-hours {EPYC}", [
        row(arm="adam", method=("ste", "hybrid"), blocks=9, seed=range(5, 10)),
        row(arm="adam", method=("ste", "hybrid"), blocks=12, epochs=120, seed=TEN),
        row(arm=("minimal", "scale"), method="ste", blocks=12, epochs=120, seed=THREE),
        row(arm=("adam", "scale"), method=("stompp", "stompp+ste"), blocks=12, epochs=120,
            seed=THREE),
        row(arm="adam", method="float", blocks=12, epochs=120, seed=THREE),
    ], missing="for time: the methods other than STE and the hybrid"),
    Recipe("fair-cosine",
           "Does a decaying learning rate change the picture at 24? Three seeds.",
           f"about 30 core-minutes {EPYC}", [
        row(arm=arm, method=methods, label="cosine", lr_schedule="cosine", seed=THREE)
        for arm, methods in (("scale", BINARY), ("adam", FIGHTERS), ("sgd", "float"))
    ]),
    Recipe("fair-random",
           "How good is a network whose binary weights are never trained? Three seeds.",
           f"about 10 core-minutes {EPYC}", [
        row(arm=("minimal", "adam"), method="random", blocks=(6, 9), seed=THREE),
    ]),
    Recipe("shallow-random",
           "How far do binary weights that are never trained carry a shallow network? Three seeds; "
           "the deep ones are in fair-random.",
           "about 5 core-minutes on one Intel Xeon core", [
        # shown beside STE's runs in chapter 4; no verdict
        row(arm="minimal", method="random", blocks=(1, 2, 4), seed=THREE),
    ]),
    Recipe("fashion-tune",
           "Which learning rates on a reduced Fashion-MNIST? Validation split, seed 100.",
           f"about 1 core-hour {EPYC}", [
        row(arm=arm, method=methods, lr=GRIDS[arm], label="lr{lr}", validation=True, seed=100)
        for arm, methods in (("scale", BINARY), ("adam", FIGHTERS))
    ], FASHION),
    Recipe("fashion",
           "The fair fight on a second data set, reduced Fashion-MNIST, 36 convolutions. Three "
           "seeds.",
           f"about 50 core-minutes {EPYC}", [
        row(arm=("minimal", "adam"), method=FIGHTERS, seed=THREE),
        row(arm="scale", method=BINARY, seed=THREE),
    ], FASHION, rates=FASHION_RATES),
    Recipe("identity",
           "Does the surrogate with the better angle train, in the arm minimal? Three seeds.",
           f"about 10 core-minutes {EPYC}", [
        row(method="ste-identity", blocks=BLOCKS, seed=THREE),
    ]),
    Recipe("identity-tune",
           "And in the fair arms, at any learning rate? Validation split, seeds 100 and 101.",
           f"about 10 core-minutes {EPYC}", [
        _tuning(arm, "ste-identity") for arm in ("scale", "adam")
    ]),
    Recipe("processors",
           "How far does a processor of another kind move a run of the same seed? Seed 0 of "
           "twenty settings of recipe fair, run again elsewhere.",
           "about 15 core-minutes on one Intel Xeon core", [
        # compared with the recorded seed 0, beside what seeds 1 to 4 differ by from it; no verdict
        row(arm=("minimal", "adam"), method=FIGHTERS, blocks=(2, 6), seed=0),
    ]),
)

# ---- the ablations of Part II: in which order, how fast, with which masks, what passes back ------
DENSE = {"head": "d{blocks:02d}-{arm}-{method}", "arm": "minimal", "model": "residual-mlp",
         "width": 32, "batch_size": 32, "blocks": 8, "epochs": 60, "eval_every": 4,
         "history": "epoch"}
SPIRALS: Any = {"data": "spirals", "epochs": 100}
TOOTH = LAB | {"blocks": (2, 6), "history": "step", "eval_every": 60, "seed": FIVE}
ABLATIONS = (
    Recipe("tooth",
           "How much of the sawtooth is the size of frozen weights, 1 or alpha? Weights and "
           "activations together, and each alone. Five seeds.",
           f"about 20 core-minutes {EPYC}", [
        row(head="n{blocks:02d}-both-one", method="stompp"),
        row(head="n{blocks:02d}-both-alpha", method="stompp", arm="minimal+scale"),
        row(head="n{blocks:02d}-weights-one", method="weights-only"),
        row(head="n{blocks:02d}-weights-alpha", method="weights-only", arm="minimal+scale"),
        row(head="n{blocks:02d}-activations", method="activations-only"),
        row(head="n{blocks:02d}-ste", method="ste"),
    ], TOOTH),
    Recipe("orders-tune",
           "Which learning rate suits reverse and global order? Validation split, seeds 100 and "
           "101.",
           f"about 20 core-minutes {EPYC}", [
        row(arm=arm, method="stompp", order=("reverse", "global"), lr=rates,
            label="{order}-lr{lr}", validation=True, eval_every=10, seed=(100, 101))
        for arm, rates in (("scale", (0.05, 0.1, 0.2, 0.4)), ("adam", (0.003, 0.01, 0.03)))
    ]),
    Recipe("orders",
           "Forward, random, global, reverse: two mask rules, three arms, 8, 24 and 36 "
           "convolutions.",
           f"about 2 core-hours {EPYC}", [
        row(order="forward", seed=range(5, 10)),  # the first five are in `fair`
        row(order=OTHER_ORDERS, seed=TEN),
        row(order=OTHER_ORDERS, blocks=(2, 9), seed=FIVE),
        row(arm=("scale", "adam"), order=OTHER_ORDERS, seed=FIVE),
        row(arm=("minimal", "scale", "adam"), order=ORDERS, mask_rule="redraw",
            label="{order}-redraw", seed=FIVE),
    ], LAB | {"method": "stompp", "label": "{order}"}),
    Recipe("orders-dense",
           "The same orders in a residual network without convolutions. Two depths, five seeds.",
           f"about 15 core-minutes {EPYC}", [
        row(method="stompp", blocks=(8, 12), order=ORDERS, label="{order}", seed=FIVE),
    ], DENSE),
    Recipe("playground",
           "Do the playground's presets show what they promise? Dense blocks, five seeds.",
           f"about 15 core-minutes {EPYC}", [
        row(method=("ste", "stompp+ste"), seed=FIVE),
        row(arm=("minimal", "minimal+scale"), method="ste", lr=0.01, label="lr{lr}", seed=FIVE),
        row(method=THREE_METHODS, label="spirals", seed=FIVE, **SPIRALS),
        row(method="stompp", order=("global", "reverse"), label="{order}-spirals", seed=FIVE,
            **SPIRALS),
        # the first challenge's solution, and STE at its rate; their rule stands on the page of runs
        row(arm="adam", method="stompp+ste", order="global", lr=0.01, blocks=12, epochs=100,
            label="lr{lr}-{order}", seed=FIVE),
        row(arm="adam", method="ste", lr=0.01, blocks=12, epochs=100, label="lr{lr}", seed=FIVE),
    ], DENSE),
    Recipe("weights-only",
           "Binary weights alone: does freezing work, and does the order matter? Five seeds.",
           f"about 1 core-hour {EPYC}", [
        row(arm=("minimal", "adam"), method="weights-only", order=ORDERS, label="{order}"),
        row(arm=("minimal", "adam"), method="ste-weights-only"),
    ], LAB | {"seed": FIVE}),
    Recipe("interventions",
           "Does accuracy return when gradient passes what is committed? Ten seeds.",
           f"about 1 core-hour {EPYC}", [
        row(method="intervention", order=("reverse", "global", "forward"), seed=TEN),
        row(method="stompp+ste", order=("reverse", "global"), seed=TEN),
        row(arm="adam", method=("intervention", "stompp+ste"), order="reverse", seed=FIVE),
    ], LAB | {"label": "{order}"}),
    Recipe("factorial",
           "The order of the weights against the order of the activations. Five and ten seeds.",
           f"about 30 core-minutes {EPYC}", [
        # equal orders are in `orders`
        row(order=weights, activation_order=activations,
            seed=FIVE if "global" in (weights, activations) else TEN)
        for weights in ("forward", "global", "reverse")
        for activations in ("forward", "global", "reverse")
        if weights != activations
    ], LAB | {"method": "stompp", "label": "{order}-{activation_order}"}),
    Recipe("lead",
           "Weights that freeze ahead of the activations, or behind. Five and ten seeds.",
           f"about 70 core-minutes {EPYC}", [
        row(method="stompp", lead=(-24, 24), seed=TEN),
        row(method="stompp", lead=(-12, -4, -1, 1, 4, 12), seed=FIVE),
        # 118 epochs for 49 windows: each as long as one of 25 in 60 epochs
        row(method="stompp", lead=(-24, 24), epochs=118, label="lead{lead:+d}-epochs{epochs}",
            seed=FIVE),
        row(method="stompp+ste", lead=(-24, -4, 4, 24), seed=FIVE),
    ], LAB | {"label": "lead{lead:+d}"}),
    Recipe("schedules",
           "Shape, refresh, masks, momentum, tail, epochs, learning rate, one at a time. Five "
           "seeds.",
           f"about 90 core-minutes {EPYC}", [
        row(shape=("linear", "quadratic", "cosine"), label="{shape}"),
        row(shape="flipped-quadratic", label="{shape}", seed=TEN),
        # in 15 epochs a window has 12 steps in place of 50
        row(shape=("linear", "quadratic", "cosine", "flipped-quadratic"), epochs=15,
            label="{shape}-epochs{epochs}"),
        # one window, as long as the run
        row(order="global", shape=("linear", "flipped-quadratic"), label="{order}-{shape}"),
        row(refresh=(0.0, 0.001, 0.1, 1.0), label="refresh{refresh:g}"),
        row(refresh=(0.0, 1.0), epochs=15, label="refresh{refresh:g}-epochs{epochs}"),
        row(tail=(0.0, 0.55), label="tail{tail:g}"),
        row(activation_mask_rule="per-sample", label="{activation_mask_rule}"),
        row(frozen_momentum=True, label="momentum"),
        row(epochs=(15, 30, 120), label="epochs{epochs}"),
        row(method=("ste", "stompp"), lr=(0.05, 0.2), label="lr{lr:g}"),
    ], LAB | {"method": "stompp", "seed": FIVE}),
    Recipe("groups",
           "How many stages may freeze at once, and how much does the shape matter then? Five "
           "seeds.",
           f"about 30 core-minutes {EPYC}", [
        row(shape=("cubic", "flipped-quadratic"), order=("forward-5", "forward-2")),
        row(shape="cubic", order=("forward-5", "forward-2"), blocks=9),
    ], LAB | {"method": "stompp", "label": "{order}-{shape}", "seed": FIVE}),
    Recipe("epochs",
           "How many epochs does each method need with Adam? Three seeds.",
           f"about 30 core-minutes {EPYC}", [
        row(arm="adam", method=BINARY, epochs=(15, 30, 120), label="epochs{epochs}", seed=THREE),
    ]),
    Recipe("hybrids",
           "Weights and activations by different rules, in three arms. Five seeds.",
           f"about 70 core-minutes {EPYC}", [
        row(arm=("minimal", "scale", "adam"), seed=FIVE,
            method=("hybrid-free", "reverse-hybrid", "reverse-hybrid-free", "weight-surrogate",
                    "activation-surrogate")),
    ]),
    Recipe("quick",
           "Does everything run? Two runs of three epochs.",
           "seconds", [
        row(method=("ste", "stompp"), seed=0),
    ], {"head": "n01-{method}", "blocks": 1, "epochs": 3, "eval_every": 1}),
    Recipe("film",
           "What do single weights do while their layer freezes? The runs of the films: two "
           "seeds.",
           f"about 40 core-minutes {EPYC}", [
        row(method=BINARY),
        row(method="stompp", order=("global", "reverse"), label="{order}"),
        row(arm=("minimal+scale", "adam"), method="ste"),
    ], LAB | {"blocks": (3, 6, 9), "sign_sample": 64, "eval_every": 2, "seed": range(2)}),
    Recipe("race",
           "What does a visitor see when a network freezes from its input, and what when it "
           "freezes from its output? One seed each, with the answers to some test digits.",
           "about 4 core-minutes on one Intel Xeon core", [
        row(method="stompp", order=("forward", "reverse"), label="{order}"),
    ], LAB | {"blocks": 6, "sign_sample": 64, "eval_every": 1, "seed": 0}),
)
# fmt: on

#: All recipes by name.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        *FIGHT, *DOUBTS, *ABLATIONS, *TOWARDS_FULL_SCALE, *LANDSCAPE, *WITHOUT_GRADIENTS, *FULL
    )
}  # fmt: skip


def run_of(record: Record) -> Run:
    """The run that a record is of: with the factors of its recipe.

    A further seed of a setting is one of its runs, too. A run of the reader's own gets the method
    that its rules have, the arm ``custom``, and its plan.
    """
    config = config_of(record)
    setting = record.name.removesuffix(f"-s{record.seed}")
    if record.recipe in RECIPES and setting in (known := RECIPES[record.recipe].settings):
        return replace(known[setting], name=record.name, config=config)
    named = {rules: name for name, rules in METHODS.items()}
    method = named.get((config.weights, config.activations), f"{config.weights}, "
                       f"{config.activations}")  # fmt: skip
    usual = Plan()
    changed = {k: v for k, v in vars(config.plan).items() if v != getattr(usual, k)}
    factors = {"arm": "custom", "method": method, **changed}
    return Run(record.name, setting, setting, factors, config)


def configure(
    recipe: str | None, name: str | None, method: str | None, changes: list[str]
) -> Config:
    """The configuration that the command line asks for.

    Args:
        recipe, name: start from this run of this recipe; without a name, from its first run.
        method: a key of :data:`~stompp_lite.lab.config.METHODS`; sets the two rules.
        changes: ``field=value`` texts, the value as JSON or bare text; ``plan.field`` reaches
            into the plan.

    Raises:
        ConfigError: an unknown recipe, run, method or field, or a text without ``=``.
    """
    config = Config()
    if recipe is not None:
        runs = RECIPES[one_of(recipe, RECIPES, "recipe")].runs
        config = runs[one_of(name or next(iter(runs)), runs, "run")].config
    elif name is not None:
        raise ConfigError(f"--name {name} needs a recipe that the run belongs to")
    if method is not None:
        weights, activations = METHODS[one_of(method, METHODS, "method")]
        config = replace(config, weights=weights, activations=activations)
    return _changed(config, changes)


def runs_of(
    recipe: str, changes: list[str] | None = None, only: str = ""
) -> list[tuple[str, Config]]:
    """(name, configuration) of the runs of a recipe, with ``changes`` as for :func:`configure`.

    Args:
        only: a setting (a run's name without its seed), or else a part of the names that count.

    Raises:
        ConfigError: an unknown recipe or field, or no run with ``only`` in its name.
    """
    runs = RECIPES[one_of(recipe, RECIPES, "recipe")].runs
    kept = [run for run in runs.values() if run.setting == only]
    kept = kept or [run for run in runs.values() if only in run.name]
    if not kept:
        raise ConfigError(
            f"no run of {recipe!r} has {only!r} in its name; one is called {next(iter(runs))!r}"
        )
    return [(run.name, _changed(run.config, changes or [])) for run in kept]


def _changed(config: Config, changes: list[str]) -> Config:
    content = config.to_dict()
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise ConfigError(f"a change is written field=value, got {change!r}")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        part, dot, name = key.partition(".")
        if dot and isinstance(content.get(part), dict):  # plan.order, signals.group
            content[part][name] = value
        else:
            content[key] = value
    return Config.from_dict(content) if changes else config
