r"""Which fraction of which stage is frozen at which step. Pure functions, no torch.

A network has :math:`L` stages (a layer's weights with the activation that follows).
A progression lasts :math:`T` steps, cut into windows, one for each stage. In stage
:math:`l` the fraction of frozen entries at step :math:`t = 0, 1, \dots, T - 1` is

.. math::

    p_l(t) = \operatorname{shape}\Bigl(\operatorname{clamp}\bigl(
        N \tfrac{t + 1}{T} - \operatorname{position}(l),\, 0,\, 1\bigr)\Bigr),

where :math:`N = L` windows and the order decides the position: forward gives
:math:`l`, reverse :math:`L - 1 - l`, random a fixed permutation. In the global order
every stage follows :math:`\operatorname{shape}((t + 1)/T)` at once.

Source: StoMPP (arXiv 2601.22660), abstract and figure captions for the idea, order and
shapes; where the text we could read is silent, the formula above is this project's definition.
Taught in chapter 8, *Layer by layer*.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from stompp_lite.errors import ConfigError, one_of, positive

#: Growth of the frozen fraction in a window, by name.
SHAPES: dict[str, Callable[[float], float]] = {
    "cubic": lambda tau: tau**3,
    "quadratic": lambda tau: tau**2,
    "linear": lambda tau: tau,
    "cosine": lambda tau: (1.0 - math.cos(math.pi * tau)) / 2.0,
    "flipped-quadratic": lambda tau: 1.0 - (1.0 - tau) ** 2,
}

#: Orders in which stages freeze.
ORDERS = ("forward", "reverse", "random", "global")


def shape_value(shape: str, tau: float) -> float:
    """Frozen fraction at relative time ``tau`` inside a window.

    Args:
        shape: a key of :data:`SHAPES`. Every shape rises from 0 at 0 to 1 at 1.
        tau: relative time in [0, 1].

    Raises:
        ConfigError: unknown shape, or ``tau`` outside [0, 1].
    """
    one_of(shape, SHAPES, "shape")
    if not 0.0 <= tau <= 1.0:
        raise ConfigError(f"relative time must lie in [0, 1], got {tau!r}")
    return SHAPES[shape](tau)


def positions(order: str, stages: int, seed: int = 0) -> list[int]:
    """The window of each stage: ``positions(...)[l]`` is when stage ``l`` has its turn.

    Raises:
        ConfigError: unknown order, fewer than one stage, or the global order, which has no turns.
    """
    one_of(order, ORDERS, "order")
    positive(stages, "the number of stages")
    if order == "global":
        raise ConfigError("the global order has no windows: every stage moves at once")
    turns = list(range(stages))
    if order == "reverse":
        turns.reverse()
    elif order == "random":
        random.Random(seed).shuffle(turns)
    return turns


@dataclass(frozen=True)
class Schedule:
    """Frozen fractions of ``stages`` stages over ``steps`` steps of progression.

    Attributes:
        stages: number of stages L, at least 1.
        steps: number of progression steps T. Must be at least the number of windows.
        order: one of :data:`ORDERS`.
        shape: one of the keys of :data:`SHAPES`.
        delay: windows that pass before the first stage has its turn (layerwise orders only).
        windows: windows in total; ``stages + delay`` unless given.
        seed: fixes the permutation of the random order.

    Raises:
        ConfigError: any of these is impossible, naming the value.
    """

    stages: int
    steps: int
    order: str = "forward"
    shape: str = "cubic"
    delay: int = 0
    windows: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        positive(self.stages, "the number of stages")
        positive(self.steps, "the number of progression steps")
        one_of(self.order, ORDERS, "order")
        one_of(self.shape, SHAPES, "shape")
        if self.delay < 0:
            raise ConfigError(f"a delay is counted in windows, at least 0; got {self.delay!r}")
        if self.order == "global":
            if self.delay or self.windows > 1:
                raise ConfigError("the global order has no windows, so it cannot be delayed")
            object.__setattr__(self, "windows", 1)
            turns = [0] * self.stages
        else:
            needed = self.stages + self.delay
            if not self.windows:
                object.__setattr__(self, "windows", needed)
            if self.windows < needed:
                raise ConfigError(
                    f"{self.windows} windows cannot hold {self.stages} stages after a delay of "
                    f"{self.delay}; at least {needed} are needed"
                )
            turns = [self.delay + p for p in positions(self.order, self.stages, self.seed)]
        if self.steps < self.windows:
            raise ConfigError(
                f"{self.steps} progression steps for {self.windows} windows: each window must "
                f"last at least one step; train longer or use at most {self.steps} stages"
            )
        object.__setattr__(self, "_turns", tuple(turns))

    def _turn(self, stage: int) -> int:
        if not 0 <= stage < self.stages:
            raise ConfigError(f"stage {stage!r} does not exist; there are {self.stages}")
        turns: tuple[int, ...] = getattr(self, "_turns")  # noqa: B009
        return turns[stage]

    def fraction(self, stage: int, step: int) -> float:
        """Frozen fraction of ``stage`` at ``step``, in [0, 1].

        Steps before 0 give 0, steps from ``steps`` on give 1 (the tail).
        """
        # Whole numbers as long as possible: a window then ends at exactly 1.
        done = self.windows * (step + 1) - self._turn(stage) * self.steps
        tau = min(max(done, 0), self.steps) / self.steps
        return SHAPES[self.shape](tau)

    def fractions(self, step: int) -> list[float]:
        """Frozen fraction of every stage at ``step``."""
        return [self.fraction(stage, step) for stage in range(self.stages)]

    def window(self, stage: int) -> tuple[int, int]:
        """First step at which ``stage`` can be partly frozen, and first step at which it is whole.

        Random draws are counted from the first of the two, so that two orders give a stage
        the same masks, only at other times.
        """
        turn = self._turn(stage)
        first = turn * self.steps // self.windows
        whole = -(-(turn + 1) * self.steps // self.windows) - 1
        return first, whole


def pair(
    stages: int,
    steps: int,
    *,
    weights: str = "forward",
    activations: str = "forward",
    lead: int = 0,
    shape: str = "cubic",
    seed: int = 0,
) -> tuple[Schedule, Schedule]:
    """Schedules of the weights and of the activations, with an offset between them.

    Args:
        lead: how many windows the weights are ahead of the activations (negative: behind).
            The number of steps stays the same, so each window gets shorter.

    Returns:
        (schedule of the weights, schedule of the activations)

    Raises:
        ConfigError: an impossible setting; a lead together with the global order.
    """
    if lead and "global" in (weights, activations):
        raise ConfigError(f"a lead of {lead} windows needs two layerwise orders, not 'global'")
    windows = stages + abs(lead)

    def build(order: str, delay: int) -> Schedule:
        total = 0 if order == "global" else windows
        return Schedule(stages, steps, order, shape, delay, total, seed)

    return build(weights, max(-lead, 0)), build(activations, max(lead, 0))
