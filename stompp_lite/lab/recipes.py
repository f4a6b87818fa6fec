"""Named experiments. Each says what it asks, what it costs, and how its settings were chosen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError
from stompp_lite.lab import fair
from stompp_lite.lab.run import METHODS, Config
from stompp_lite.training.plan import Plan


@dataclass(frozen=True)
class Recipe:
    """A list of runs.

    Attributes:
        question: what the runs are to answer.
        cost: expected time, with the processor it was measured on.
        runs: yields (name, configuration).
        missing: which of the runs are not recorded, and why.
    """

    name: str
    question: str
    cost: str
    runs: Callable[[], Iterator[tuple[str, Config]]]
    missing: str = ""


def method_config(method: str, blocks: int, seed: int, base: Config | None = None) -> Config:
    """The lab's configuration for a method of :data:`~stompp_lite.lab.run.METHODS`.

    Raises:
        ConfigError: unknown method.
    """
    one_of(method, METHODS, "method")
    weights, activations = METHODS[method]
    return replace(
        base or Config(),
        weights=weights,
        activations=activations,
        blocks=(blocks, blocks),
        seed=seed,
    )


# The learning rate is the one that won on the validation split (recipe `tune`, by the rule stated
# there); everything else is StoMPP's published recipe scaled down, and equal for all methods.
LAB = Config(lr=0.4, epochs=60, eval_every=4, plan=Plan(refresh=0.01))
PAPER_RATE = 0.1  # the learning rate that the paper uses for every method


def _depth() -> Iterator[tuple[str, Config]]:
    for seed in range(5):
        for blocks in (1, 2, 4, 6, 9):
            for method in ("float", "ste", "ste-identity", "stompp", "stompp+ste"):
                yield f"n{blocks:02d}-{method}-s{seed}", method_config(method, blocks, seed, LAB)


def _depth_paper_rate() -> Iterator[tuple[str, Config]]:
    base = replace(LAB, lr=PAPER_RATE, history="epoch")
    for seed in range(5):
        for blocks in (1, 2, 4, 6, 9):
            for method in ("float", "ste", "stompp", "stompp+ste"):
                yield f"n{blocks:02d}-{method}-s{seed}", method_config(method, blocks, seed, base)


def _rates() -> Iterator[tuple[str, Config]]:
    for seed in range(3):
        for lr in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
            base = replace(LAB, lr=lr, history="epoch")
            for method in ("ste", "stompp", "stompp+ste"):
                yield f"lr{lr}-{method}-s{seed}", method_config(method, 9, seed, base)


def _perceptron() -> Iterator[tuple[str, Config]]:
    base = Config(model="mlp", width=64, lr=0.1, epochs=30, eval_every=2, history="epoch")
    for seed in range(5):
        for method in ("float", "ste", "ste-identity", "stompp"):
            config = replace(method_config(method, 1, seed, base), blocks=(3,))
            yield f"d3-{method}-s{seed}", config


def _deepest() -> Iterator[tuple[str, Config]]:
    base = replace(LAB, epochs=120, eval_every=8, history="epoch")
    for seed in range(3):
        for method in ("float", "ste", "stompp", "stompp+ste"):
            yield f"n12-{method}-s{seed}", method_config(method, 12, seed, base)
        # the rates at which `rates` (float: `depth-paper-rate`) saw a method do well at 36
        for method, lr in (("float", 0.1), ("ste", 0.8), ("stompp", 0.1), ("stompp+ste", 0.1)):
            config = method_config(method, 12, seed, replace(base, lr=lr))
            yield f"n12-own-rate-{method}-s{seed}", config


def _tune() -> Iterator[tuple[str, Config]]:
    base = Config(validation=True, history="epoch", eval_every=10)
    for seed in (100, 101):
        for lr in (0.1, 0.05, 0.02, 0.2, 0.4, 0.8):
            for method in ("ste", "stompp", "stompp+ste"):
                yield (
                    f"lr{lr}-{method}-s{seed}",
                    method_config(method, 6, seed, replace(base, lr=lr)),
                )
        for rule, refresh in (("threshold", 0.0), ("threshold", 0.1), ("redraw", 0.3)):
            plan = Plan(mask_rule=rule, refresh=refresh)
            for method in ("stompp", "stompp+ste"):
                config = method_config(method, 6, seed, replace(base, plan=plan))
                yield f"{rule}{refresh}-{method}-s{seed}", config


def _quick() -> Iterator[tuple[str, Config]]:
    for method in ("ste", "stompp"):
        config = method_config(method, 1, 0, replace(LAB, epochs=3, eval_every=1))
        yield f"n01-{method}-s0", config


UNDER_WAY = "some runs are still under way"
_ALL = (
    Recipe(
        "depth",
        "How does test accuracy depend on depth, method by method? Five seeds.",
        "about 50 core-minutes on one AMD EPYC core",
        _depth,
    ),
    Recipe(
        "depth-paper-rate",
        "The same at the paper's learning rate of 0.1. Five seeds.",
        "about 40 core-minutes on one AMD EPYC core",
        _depth_paper_rate,
    ),
    Recipe(
        "rates",
        "How does each method depend on the learning rate at 36 binary convolutions? Three seeds.",
        "about 35 core-minutes on one AMD EPYC core",
        _rates,
    ),
    Recipe(
        "deepest",
        "48 binary convolutions, twice the epochs, at 0.4 and at each method's own rate. 3 seeds.",
        "about 55 core-minutes on one AMD EPYC core",
        _deepest,
    ),
    Recipe(
        "tune",
        "Which learning rate, mask rule and refresh? Validation split, seeds 100 and 101, 24 "
        "binary convolutions. Rule, written before the runs: the learning rate with the best "
        "mean over the three methods; then the mask setting with the best mean over the "
        "two that have masks; a setting other than the first listed must win by more than one "
        "point. The best of the first four learning rates was the largest, so two larger ones "
        "were added.",
        "about 20 core-minutes on one AMD EPYC core",
        _tune,
    ),
    Recipe(
        "perceptron",
        "What does one bit cost a shallow network? Three hidden layers, five seeds. Settings were "
        "taken over from the lab's first version, not tuned.",
        "two minutes on one AMD EPYC core",
        _perceptron,
    ),
    Recipe(
        "fair-tune",
        "Which learning rate suits each method in each arm, at 24 and 36 binary convolutions? "
        "Validation split, seeds 100 and 101.",
        "about 4 core-hours on one AMD EPYC core",
        fair.tune,
        missing=UNDER_WAY,
    ),
    Recipe(
        "fair",
        "A fair fight: five methods, four arms, five depths, five seeds.",
        "about 4 core-hours on one AMD EPYC core",
        fair.fight,
        missing=UNDER_WAY,
    ),
    Recipe(
        "fair-deep",
        "Ten seeds for STE and the hybrid with Adam at 36 and 48; the other methods at 48.",
        "about 2 core-hours on one AMD EPYC core",
        fair.deep,
        missing=UNDER_WAY,
    ),
    Recipe(
        "fair-cosine",
        "Does a decaying learning rate change the picture at 24? Three seeds.",
        "about 20 core-minutes on one AMD EPYC core",
        fair.cosine,
        missing=UNDER_WAY,
    ),
    Recipe(
        "fair-random",
        "How good is a network whose binary weights are never trained? Three seeds.",
        "about 10 core-minutes on one AMD EPYC core",
        fair.random,
        missing=UNDER_WAY,
    ),
    Recipe(
        "identity",
        "Does the surrogate with the better angle train, at the papers' recipe? Three seeds.",
        "about 10 core-minutes on one AMD EPYC core",
        fair.identity,
        missing=UNDER_WAY,
    ),
    Recipe(
        "tooth",
        "Frozen weights of size 1 against alpha, weights or activations alone. Five seeds.",
        "about 20 core-minutes on one AMD EPYC core",
        fair.tooth,
        missing=UNDER_WAY,
    ),
    Recipe("quick", "Does everything run? Two runs of three epochs.", "seconds", _quick),
)
#: All recipes by name.
RECIPES = {recipe.name: recipe for recipe in _ALL}


def configure(
    recipe: str | None, name: str | None, method: str | None, changes: list[str]
) -> Config:
    """The configuration that the command line asks for.

    Args:
        recipe, name: start from this run of this recipe; without a name, from its first run.
        method: a key of :data:`~stompp_lite.lab.run.METHODS`; sets the two rules.
        changes: ``field=value`` texts, the value as JSON or bare text; ``plan.field`` reaches
            into the plan.

    Raises:
        ConfigError: an unknown recipe, run, method or field, or a text without ``=``.
    """
    content: dict[str, Any] = Config().to_dict()
    if recipe is not None:
        one_of(recipe, RECIPES, "recipe")
        runs = dict(RECIPES[recipe].runs())
        content = runs[one_of(name or next(iter(runs)), runs, "run")].to_dict()
    elif name is not None:
        raise ConfigError(f"--name {name} needs a recipe that the run belongs to")
    if method is not None:
        content["weights"], content["activations"] = METHODS[one_of(method, METHODS, "method")]
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise ConfigError(f"a change is written field=value, got {change!r}")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        if key.startswith("plan.") and isinstance(content["plan"], dict):
            content["plan"][key.removeprefix("plan.")] = value
        else:
            content[key] = value
    return Config.from_dict(content)
