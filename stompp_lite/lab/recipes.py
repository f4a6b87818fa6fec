"""Named experiments. Each says what it asks, what it costs, and how its settings were chosen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError
from stompp_lite.lab import fair, full, larger, orders
from stompp_lite.lab.run import METHODS, Config, Runs, method_config


@dataclass(frozen=True)
class Recipe:
    """A list of runs.

    Attributes:
        question: what the runs are to answer.
        cost: expected time, with the processor it was measured on.
        runs: yields (name, configuration).
        missing: which of the runs are not recorded, and why.
        full: of full size: for a GPU, and not recorded here.
    """

    name: str
    question: str
    cost: str
    runs: Callable[[], Runs]
    missing: str = ""
    full: bool = False


def _perceptron() -> Runs:
    base = Config(model="mlp", width=64, lr=0.1, epochs=30, eval_every=2, history="epoch")
    for seed in range(5):
        for method in ("float", "ste", "ste-identity", "stompp"):
            config = replace(method_config(method, 1, seed, base), blocks=(3,))
            yield f"d3-{method}-s{seed}", config


def _quick() -> Runs:
    for method in ("ste", "stompp"):
        config = method_config(method, 1, 0, Config(epochs=3, eval_every=1))
        yield f"n01-{method}-s0", config


_ALL = (
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
        "about 6 core-hours on one AMD EPYC core",
        fair.tune,
    ),
    Recipe(
        "fair",
        "A fair fight: five methods, five arms, five depths, five seeds.",
        "about 5 core-hours on one AMD EPYC core",
        fair.fight,
    ),
    Recipe(
        "fair-deep",
        "Ten seeds for STE and the hybrid with Adam at 36 and 48; the other methods at 48.",
        "about 2 core-hours on one AMD EPYC core",
        fair.deep,
        missing="for time: the methods other than STE and the hybrid",
    ),
    Recipe(
        "fair-cosine",
        "Does a decaying learning rate change the picture at 24? Three seeds.",
        "about 30 core-minutes on one AMD EPYC core",
        fair.cosine,
    ),
    Recipe(
        "fair-random",
        "How good is a network whose binary weights are never trained? Three seeds.",
        "about 10 core-minutes on one AMD EPYC core",
        fair.random,
    ),
    Recipe(
        "fashion-tune",
        "Which learning rates on a reduced Fashion-MNIST? Validation split, seed 100.",
        "about 1 core-hour on one AMD EPYC core",
        fair.fashion_tune,
    ),
    Recipe(
        "fashion",
        "The fair fight on a second data set, reduced Fashion-MNIST, 36 convolutions. Three seeds.",
        "about 50 core-minutes on one AMD EPYC core",
        fair.fashion,
    ),
    Recipe(
        "identity",
        "Does the surrogate with the better angle train, in the arm minimal? Three seeds.",
        "about 10 core-minutes on one AMD EPYC core",
        fair.identity,
    ),
    Recipe(
        "identity-tune",
        "And in the fair arms, at any learning rate? Validation split, seeds 100 and 101.",
        "about 10 core-minutes on one AMD EPYC core",
        fair.identity_tune,
    ),
    Recipe(
        "tooth",
        "Frozen weights of size 1 against alpha, weights or activations alone. Five seeds.",
        "about 20 core-minutes on one AMD EPYC core",
        fair.tooth,
    ),
    Recipe(
        "processors",
        "How far does a processor of another kind move a run of the same seed? Seed 0 of twenty "
        "settings of recipe fair, run again elsewhere.",
        "about 15 core-minutes on one Intel Xeon core",
        fair.processors,
    ),
    Recipe(
        "orders-tune",
        "Which learning rate suits reverse and global order? Validation split, seeds 100 and 101.",
        "about 20 core-minutes on one AMD EPYC core",
        orders.tune,
    ),
    Recipe(
        "orders",
        "Forward, random, global, reverse: two mask rules, three arms, 8, 24 and 36 convolutions.",
        "about 2 core-hours on one AMD EPYC core",
        orders.orders,
    ),
    Recipe(
        "orders-dense",
        "The same orders in a residual network without convolutions. Two depths, five seeds.",
        "about 15 core-minutes on one AMD EPYC core",
        orders.dense,
    ),
    Recipe(
        "playground",
        "Do the playground's presets show what they promise? Eight dense blocks, five seeds.",
        "about 10 core-minutes on one AMD EPYC core",
        orders.playground,
    ),
    Recipe(
        "orders-cifar",
        "Three orders on reduced CIFAR-10, 18 binary convolutions in three groups. Three seeds.",
        "about 30 core-minutes on one AMD EPYC core",
        orders.cifar,
    ),
    Recipe(
        "cifar",
        "Does the papers' picture, and what a scale or Adam makes of it, carry over to reduced "
        "CIFAR-10 with 36 and 18 binary convolutions? Three arms, no tuning, three seeds.",
        "about 2.5 core-hours on one AMD EPYC core",
        larger.cifar,
        missing="for time: 18 convolutions, but for the three orders that are in orders-cifar",
    ),
    Recipe(
        "bireal",
        "Bi-Real network on reduced CIFAR-10, 16 binary convolutions: from scratch, and from a "
        "float network; three arms, no tuning, three seeds.",
        "about 1.5 core-hours on one AMD EPYC core",
        larger.bireal,
        missing="for time: from scratch and with Adam but one seed",
    ),
    Recipe(
        "bireal-orders",
        "Does the order matter where a float path leads around every sign? Digits, 24 binary "
        "convolutions with a shortcut around each, two arms, five seeds.",
        "about 20 core-minutes on one AMD EPYC core",
        larger.bireal_orders,
    ),
    Recipe(
        "mobilenet",
        "MobileNetV2's front on digits, 15 binary convolutions, three arms and seeds, no tuning; "
        "all 51 layers of a quarter of the width on reduced CIFAR-10, one seed.",
        "about 80 core-minutes on one AMD EPYC core",
        larger.mobilenet,
    ),
    Recipe(
        "sentences",
        "A small encoder on SST-2 from scratch, 12 binary linear layers; SGD and Adam, with and "
        "without a scale, no tuning, three seeds.",
        "about 50 core-minutes on one AMD EPYC core",
        larger.sentences,
    ),
    Recipe(
        "characters",
        "A small model of the next character, 12 binary linear layers; Adam, with and without a "
        "scale, no tuning, three seeds.",
        "about 30 core-minutes on one AMD EPYC core",
        larger.characters,
    ),
    Recipe(
        "weights-only",
        "Binary weights alone: does freezing work, and does the order matter? Five seeds.",
        "about 1 core-hour on one AMD EPYC core",
        orders.weights_only,
    ),
    Recipe(
        "interventions",
        "Does accuracy return when gradient passes what is committed? Ten seeds.",
        "about 1 core-hour on one AMD EPYC core",
        orders.interventions,
    ),
    Recipe(
        "factorial",
        "The order of the weights against the order of the activations. Five and ten seeds.",
        "about 30 core-minutes on one AMD EPYC core",
        orders.factorial,
    ),
    Recipe(
        "lead",
        "Weights that freeze ahead of the activations, or behind. Five and ten seeds.",
        "about 70 core-minutes on one AMD EPYC core",
        orders.lead,
    ),
    Recipe(
        "schedules",
        "Shape, refresh, masks, momentum, tail, epochs, learning rate, one at a time. Five seeds.",
        "about 90 core-minutes on one AMD EPYC core",
        orders.schedules,
    ),
    Recipe(
        "groups",
        "How many stages may freeze at once, and how much does the shape matter then? Five seeds.",
        "about 30 core-minutes on one AMD EPYC core",
        orders.groups,
    ),
    Recipe(
        "epochs",
        "How many epochs does each method need with Adam? Three seeds.",
        "about 30 core-minutes on one AMD EPYC core",
        orders.epochs,
    ),
    Recipe(
        "hybrids",
        "Weights and activations by different rules, in three arms. Five seeds.",
        "about 70 core-minutes on one AMD EPYC core",
        orders.hybrids,
    ),
    Recipe(
        "film",
        "What do single weights do while their layer freezes? The runs of the films: two seeds.",
        "about 40 core-minutes on one AMD EPYC core",
        orders.film,
    ),
    Recipe(
        "decide",
        "CIFAR-10, ResNet-18 and ResNet-50: does a scale, or Adam, close the gap between STE and "
        "StoMPP? One seed, 30 epochs (fewer with --set epochs=...).",
        "not measured; by operations about two hours on one data-center GPU",
        full.decide,
        full=True,
    ),
    Recipe(
        "cifar-full",
        "All methods, three arms, ResNet-18, -34 and -50 on CIFAR-10 and CIFAR-100. Three seeds.",
        "not measured; weeks on one data-center GPU, so choose with --only",
        full.cifar,
        full=True,
    ),
    Recipe(
        "imagenet-full",
        "All methods, three arms, ResNet-18, -34 and -50 on ImageNet. One seed; the papers' number "
        "of epochs is not known to us.",
        "not measured; by operations half a day a run on one data-center GPU if it is fed fast "
        "enough, so use torchrun with run --name",
        full.imagenet,
        full=True,
    ),
    Recipe(
        "mobilenet-full",
        "MobileNetV2 on CIFAR-100, depthwise convolutions binary or float. Three seeds.",
        "not measured; days on one data-center GPU, so choose with --only",
        full.mobilenet,
        full=True,
    ),
    Recipe(
        "bireal-full",
        "Bi-Real ResNet-18 on CIFAR-10 and CIFAR-100, from scratch and from a float network. Three "
        "seeds.",
        "not measured; days on one data-center GPU, so choose with --only",
        full.bireal,
        full=True,
    ),
    Recipe(
        "bert-full",
        "Fine-tuning BERT-base on SST-2: two optimizers, with and without a scale. Three seeds.",
        "not measured; by operations a day or two on one data-center GPU",
        full.bert,
        full=True,
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
    return Config.from_dict(_changed(content, changes))


def runs_of(
    recipe: str, changes: list[str] | None = None, only: str = ""
) -> list[tuple[str, Config]]:
    """(name, configuration) of the runs of a recipe, with ``changes`` as for :func:`configure`.

    Raises:
        ConfigError: an unknown recipe or field, or no run with ``only`` in its name.
    """
    found = list(RECIPES[one_of(recipe, RECIPES, "recipe")].runs())
    kept = [(name, config) for name, config in found if only in name]
    if not kept:
        raise ConfigError(
            f"no run of {recipe!r} has {only!r} in its name; one is called {found[0][0]!r}"
        )
    if not changes:
        return kept
    return [(name, Config.from_dict(_changed(c.to_dict(), changes))) for name, c in kept]


def _changed(content: dict[str, Any], changes: list[str]) -> dict[str, Any]:
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
    return content
