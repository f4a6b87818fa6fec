"""What decides how a network of local signals learns, and the few numbers that follow from it.

Everything that a network computes with is a whole number. The settings below may be fractions; they
become whole numbers here, once, before anything is computed. The one fraction that changes during a
run is the training accuracy, which decides once an epoch how likely reinforcement is
(:func:`chance`).

Taught in chapter 18, *Learning without gradients*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from stompp_lite.checks import count, one_of, share
from stompp_lite.errors import ConfigError

#: Where the desired activations of a hidden layer come from.
RULES = ("local", "bep")
#: Reinforcement draws numbers of 16 bits, 0 ... 65,535.
DRAWS = 1 << 16
#: Standard deviation of the hidden integers at the start.
SPREAD = 64


@dataclass(frozen=True)
class Signals:
    """How a network of local signals learns.

    Attributes:
        rule: ``"local"``: each hidden layer has a fixed random classifier of its own, and no error
            crosses layers (Colombo, Pittorino, Roveri, arXiv 2412.00119); ``"bep"``: the last layer
            only has one, and desired signs are passed back (arXiv 2512.04189).
        group: neurons in a group. In each group at most one neuron moves for a sample.
        robustness: a sample is learned until its class leads by this share of the layer's width.
        reinforcement: how often hidden integers are pushed away from zero; 0: never.
        clip: largest size of a hidden integer, or None.
        nu: of ``"bep"``: a neuron passes desired signs back while its pre-activation is at most
            this share of its number of inputs.

    Raises:
        ConfigError: an impossible value, by name.
    """

    rule: str = "local"
    group: int = 75
    robustness: float = 0.25
    reinforcement: float = 0.5
    clip: int | None = None
    nu: float = 0.1

    def __post_init__(self) -> None:
        one_of(self.rule, RULES, "rule of local signals")
        count(self.group, "group")
        if self.clip is not None:
            count(self.clip, "clip")
        for name in ("robustness", "reinforcement", "nu"):
            share(getattr(self, name), name)

    def margin(self, width: int) -> int:
        """The lead of the right class below which a sample is learned, for a layer of ``width``."""
        return math.floor(self.robustness * width)

    def reach(self, inputs: int) -> int:
        """The largest pre-activation through which ``"bep"`` passes desired signs back."""
        return math.floor(self.nu * inputs)

    def check_groups(self, width: int) -> None:
        """Raise ConfigError unless groups fill a layer of ``width`` evenly."""
        if width % self.group:
            near = [g for g in range(1, width + 1) if width % g == 0]
            near.sort(key=lambda g: abs(g - self.group))
            raise ConfigError(
                f"groups of {self.group} neurons do not fill a layer of {width} evenly; choose "
                f"group={near[0]}" + (f" or {near[1]}" if len(near) > 1 else "")
            )


def chance(signals: Signals, accuracy: float, inputs: int) -> int:
    """How many of 65,536 draws reinforce a hidden integer: one number a layer and epoch.

    The probability is ``reinforcement * sqrt(1 - accuracy) * sqrt(2 / (pi * inputs))``, rounded
    down to a whole number of draws.

    Args:
        accuracy: of the training samples in the epoch before, 0 ... 1. inputs: of a neuron.
    """
    p = signals.reinforcement * math.sqrt(1 - accuracy) * math.sqrt(2 / (math.pi * inputs))
    return math.floor(DRAWS * p)
