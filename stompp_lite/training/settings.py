"""All settings of a training run, in the one place where they stand and are checked.

Taught in chapter 3, *A first binary network*.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, TypeVar

from stompp_lite.checks import checked, count, flag, not_negative, one_of
from stompp_lite.errors import ConfigError
from stompp_lite.training.augment import AUGMENTATIONS
from stompp_lite.training.plan import Plan
from stompp_lite.training.rates import LR_SCHEDULES, OPTIMIZERS, OptimizerFactory

S = TypeVar("S", bound="Settings")


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes:
        epochs: passes over the training images.
        batch_size: images in a step; the last batch of an epoch may be smaller.
        accumulate: parts in which a batch is computed, where memory is short. Batch norm sees a
            part; else the step is that of the whole batch.
        optimizer: a key of :data:`~stompp_lite.training.rates.OPTIMIZERS`, or a function from
            parameters to an optimizer (which then ignores ``lr``, ``momentum``, ``weight_decay``).
        lr: learning rate.
        momentum: SGD's momentum, Adam's first beta.
        weight_decay: of all parameters.
        lr_schedule: a key of :data:`~stompp_lite.training.rates.LR_SCHEDULES`.
        augment: a key of :data:`~stompp_lite.training.augment.AUGMENTATIONS`, of training images.
        precision: ``"float32"``, or ``"bf16"`` to compute training steps under autocast (what is
            judged is computed in float32).
        plan: how the progression runs; a model without progressive rules ignores it.
        seed: of the batches and the masks (not of the initial weights: those are the model's).
        history: ``"epoch"``, or ``"step"`` to keep loss and accuracy of every step too.
        eval_every: epochs between evaluations; the last epoch is always evaluated.
        diagnose: measure gradient reach at each evaluation.
        sign_sample: keep the signs of so many weights of each stage at each evaluation, and the
            answers to the first test samples.

    Raises:
        ConfigError: an impossible value, by name.
    """

    epochs: int = 60
    batch_size: int = 64
    accumulate: int = 1
    optimizer: str | OptimizerFactory = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    lr_schedule: str = "constant"
    augment: str = "none"
    precision: str = "float32"
    plan: Plan = field(default_factory=Plan)
    seed: int = 0
    history: str = "epoch"
    eval_every: int = 1
    diagnose: bool = True
    sign_sample: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.plan, Plan):
            raise ConfigError(
                f"plan must be a Plan, such as Plan(order='reverse'), got {self.plan!r}"
            )
        if isinstance(self.optimizer, str):
            one_of(self.optimizer, OPTIMIZERS, "optimizer")
        elif not callable(self.optimizer):
            raise ConfigError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, or a function from parameters "
                "to an optimizer, such as lambda ps: torch.optim.Adam(ps, lr=0.01); got "
                f"{type(self.optimizer).__name__}"
            )
        one_of(self.lr_schedule, LR_SCHEDULES, "learning-rate schedule")
        one_of(self.augment, AUGMENTATIONS, "augmentation")
        one_of(self.precision, ("float32", "bf16"), "precision")
        one_of(self.history, ("epoch", "step"), "history")
        checked(
            self, epochs=count, batch_size=count, accumulate=count, lr=not_negative,
            momentum=not_negative, weight_decay=not_negative, eval_every=count, diagnose=flag,
            seed=partial(count, least=0), sign_sample=partial(count, least=0),
        )  # fmt: skip


def changed(settings: S, changes: dict[str, Any]) -> S:
    """``settings`` with other values in some fields.

    Raises:
        ConfigError: an unknown field, with the nearest valid one, or an impossible value.
    """
    for name in changes:
        one_of(name, [f.name for f in fields(settings)], "setting")
    return replace(settings, **changes)
