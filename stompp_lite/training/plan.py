"""Every choice of the method in one place: how a progression runs.

Taught in chapter 7, *Layer by layer*.
"""

from __future__ import annotations

from dataclasses import dataclass

from stompp_lite.checks import checked, flag, one_of, share, whole
from stompp_lite.errors import ConfigError
from stompp_lite.method import MASK_RULES, ORDERS, SHAPES
from stompp_lite.schedule import Schedule, pair


@dataclass(frozen=True)
class Plan:
    """How a progression runs. Every field is one choice of the method.

    The paper's "soft refresh" (about 1 % of the mask a step, r = 100) fits two mask rules. Under
    ``threshold`` an entry keeps a number, is frozen while that is below p, and gets a new number
    with probability ``refresh`` a step: the frozen fraction follows p without lag and without a
    jump. Under ``redraw`` an entry is drawn anew as Bernoulli(p) with that probability: its mean
    follows p with a time constant of 1 / refresh steps, so a window of S steps with S * refresh
    small freezes most of a stage in one jump at its end. ``per-sample`` draws a mask for each
    sample and step; the other two share an activation's mask over the batch. Which of these the
    paper uses is not known to us.

    Attributes:
        order: order of the weights, a key of :data:`stompp_lite.method.ORDERS`.
        activation_order: order of the activations; None means the same.
        lead: windows by which the weights are ahead of the activations (negative: behind).
        shape: growth of the frozen fraction in a window, a key of
            :data:`stompp_lite.method.SHAPES`.
        mask_rule: of the weights, a key of :data:`stompp_lite.method.MASK_RULES`.
        activation_mask_rule: of the activations; None means the same.
        refresh: soft-refresh probability rho of an entry in a step.
        tail: share of all steps, at the end, in which everything is frozen.
        frozen_momentum: let the optimizer's momentum move latent weights that are frozen without
            a surrogate. Off, they stand still.

    Raises:
        ConfigError: an unknown name or a fraction outside [0, 1].
    """

    order: str = "forward"
    activation_order: str | None = None
    lead: int = 0
    shape: str = "cubic"
    mask_rule: str = "threshold"
    activation_mask_rule: str | None = None
    refresh: float = 0.01
    tail: float = 0.1
    frozen_momentum: bool = False

    def __post_init__(self) -> None:
        one_of(self.order, ORDERS, "order")
        if self.activation_order is not None:
            one_of(self.activation_order, ORDERS, "order")
        one_of(self.shape, SHAPES, "shape")
        one_of(self.mask_rule, MASK_RULES, "mask rule")
        if self.activation_mask_rule is not None:
            one_of(self.activation_mask_rule, MASK_RULES, "mask rule")
        checked(self, lead=whole, refresh=share, tail=share, frozen_momentum=flag)
        if self.tail == 1.0:
            raise ConfigError("a tail of 1.0 leaves no steps for the progression; 0.1 is usual")

    def moving(self, steps: int) -> int:
        """How many of ``steps`` are before the tail."""
        return max(steps - round(self.tail * steps), 1)

    def schedules(self, stages: int, steps: int, seed: int = 0) -> dict[str, Schedule]:
        """``{"weight": ..., "activation": ...}`` for a run of ``steps`` steps, tail included.

        Raises:
            ConfigError: fewer progression steps than windows, or an impossible lead.
        """
        weights, activations = pair(
            stages, self.moving(steps), weights=self.order,
            activations=self.activation_order or self.order, lead=self.lead, shape=self.shape,
            seed=seed,
        )  # fmt: skip
        return {"weight": weights, "activation": activations}

    def rule(self, kind: str) -> str:
        """Mask rule of ``"weight"`` or ``"activation"``."""
        own = self.activation_mask_rule if kind == "activation" else None
        return own or self.mask_rule
