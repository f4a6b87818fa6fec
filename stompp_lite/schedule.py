r"""Which fraction of which stage is frozen at which step: the heart's arithmetic, checked.

A network has :math:`L` stages (a layer's weights with the activation that follows).
A progression lasts :math:`T` steps, cut into :math:`N` windows, one for each stage. In stage
:math:`l` the fraction of frozen entries at step :math:`t = 0, 1, \dots, T - 1` is

.. math::

    p_l(t) = \operatorname{shape}\Bigl(\operatorname{clamp}\bigl(
        N \tfrac{t + 1}{T} - \operatorname{turn}(l),\, 0,\, 1\bigr)\Bigr),

where the order decides the turn: forward gives :math:`l`, reverse :math:`L - 1 - l`, random a fixed
permutation, all of them with :math:`N = L`. In the global order every stage follows
:math:`\operatorname{shape}((t + 1)/T)` at once: one window, turn 0. Between the two, ``forward-2``
and ``forward-5`` freeze two or five groups of neighboring stages, one after the other: :math:`N` is
the number of groups.

Source: StoMPP (arXiv 2601.22660), abstract and figure captions for the idea, order and
shapes; where the text we could read is silent, the formula above is this project's definition.
Taught in chapter 7, *Layer by layer*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

from stompp_lite.checks import checked, count, one_of, whole
from stompp_lite.errors import ConfigError
from stompp_lite.method import ORDERS, SHAPES, fraction


@dataclass(frozen=True)
class Schedule:
    """Frozen fractions of ``stages`` stages over ``steps`` steps of progression.

    Attributes:
        stages: number of stages L, at least 1.
        steps: number of progression steps T. Must be at least the number of windows.
        order: a key of :data:`stompp_lite.method.ORDERS`.
        shape: a key of :data:`stompp_lite.method.SHAPES`.
        ahead: windows that pass before the first stage has its turn (layerwise orders only).
        behind: windows that are left after the last stage's (layerwise orders only).
        seed: fixes the permutation of the random order.

    Raises:
        ConfigError: any of these is impossible, naming the value.
    """

    stages: int
    steps: int
    order: str = "forward"
    shape: str = "cubic"
    ahead: int = 0
    behind: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        one_of(self.order, ORDERS, "order")
        one_of(self.shape, SHAPES, "shape")
        checked(
            self, stages=count, steps=count, ahead=lambda v, what: count(v, what, 0),
            behind=lambda v, what: count(v, what, 0), seed=whole,
        )  # fmt: skip
        if self.order == "global" and (self.ahead or self.behind):
            raise ConfigError("the global order has one window, so it cannot be moved")
        if self.steps < self.windows:
            raise ConfigError(
                f"{self.steps} progression steps for {self.windows} windows: each window must "
                f"last at least one step; train longer or use at most {self.steps} stages"
            )

    @cached_property
    def turns(self) -> tuple[int, ...]:
        """The window of each stage."""
        return tuple(self.ahead + turn for turn in ORDERS[self.order](self.stages, self.seed))

    @cached_property
    def windows(self) -> int:
        """Number of windows N."""
        return max(self.turns) + 1 + self.behind

    def _turn(self, stage: int) -> int:
        if not 0 <= whole(stage, "a stage") < self.stages:
            raise ConfigError(f"stage {stage!r} does not exist; there are {self.stages}")
        return self.turns[stage]

    def path(self, stage: int) -> Callable[[int], float]:
        """Frozen fraction of ``stage`` as a function of the step, in [0, 1].

        Steps before 0 give 0, steps from ``steps`` on give 1 (the tail).
        """
        turn = self._turn(stage)
        return partial(fraction, turn=turn, windows=self.windows, T=self.steps, shape=self.shape)

    def fraction(self, stage: int, step: int) -> float:
        """Frozen fraction of ``stage`` at ``step``, as :meth:`path` gives it."""
        return self.path(stage)(whole(step, "a step"))

    def fractions(self, step: int) -> list[float]:
        """Frozen fraction of every stage at ``step``."""
        return [self.fraction(stage, step) for stage in range(self.stages)]

    def window(self, stage: int) -> tuple[int, int]:
        """First step at which ``stage`` can be partly frozen, and first step at which it is whole.

        Random draws are counted from the first of the two, so that two orders give a stage
        the same masks, only at other times.
        """
        turn = self._turn(stage)
        return turn * self.steps // self.windows, -(-(turn + 1) * self.steps // self.windows) - 1


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
    if whole(lead, "the lead") and "global" in (weights, activations):
        raise ConfigError(f"a lead of {lead} windows needs two layerwise orders, not 'global'")
    early, late = max(-lead, 0), max(lead, 0)  # windows that the weights, the activations wait
    return (
        Schedule(stages, steps, weights, shape, early, late, seed),
        Schedule(stages, steps, activations, shape, late, early, seed),
    )
