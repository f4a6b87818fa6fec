"""Optimizers by name, and learning rates that are a function of the step.

Taught in chapter 4, *Size or direction?*.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from stompp_lite.errors import ConfigError

#: Builds an optimizer from parameters.
OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]

#: Name -> optimizer from (parameters, learning rate, momentum, weight decay).
OPTIMIZERS: dict[str, Callable[[Any, float, float, float], torch.optim.Optimizer]] = {
    "sgd": lambda ps, lr, momentum, decay: torch.optim.SGD(
        ps, lr=lr, momentum=momentum, weight_decay=decay
    ),
    # momentum is Adam's first beta
    "adam": lambda ps, lr, momentum, decay: torch.optim.Adam(
        ps, lr=lr, betas=(momentum, 0.999), weight_decay=decay
    ),
}

#: Name -> factor of the learning rate at step t of T.
LR_SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": lambda t, T: 1.0,
    "cosine": lambda t, T: (1.0 + math.cos(math.pi * t / T)) / 2.0,
}


def make_optimizer(
    model: nn.Module, optimizer: str | OptimizerFactory, lr: float, momentum: float, decay: float
) -> torch.optim.Optimizer:
    """The optimizer of a model: one of :data:`OPTIMIZERS`, or what a function makes of parameters.

    Raises:
        ConfigError: it cannot be built, evaluates the loss several times in a step, or moves
            parameters that are not the model's.
    """
    try:
        if isinstance(optimizer, str):
            made = OPTIMIZERS[optimizer](model.parameters(), lr, momentum, decay)
        else:
            made = optimizer(model.parameters())
    except ValueError as err:  # torch's own checks
        raise ConfigError(f"the optimizer cannot be built: {err}") from err
    if not isinstance(made, torch.optim.Optimizer):
        raise ConfigError(
            f"the function given as optimizer must return a torch optimizer, got {made!r}"
        )
    needs_closure(made)
    ours = {id(p) for p in model.parameters()}
    if any(id(p) not in ours for group in made.param_groups for p in group["params"]):
        raise ConfigError(
            "the optimizer moves parameters that are not the model's; use those that the function "
            "is given"
        )
    return made


def needs_closure(optimizer: torch.optim.Optimizer) -> None:
    """Refuse optimizers that evaluate the loss several times in a step.

    Raises:
        ConfigError: by name.
    """
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ConfigError(
            f"{type(optimizer).__name__} evaluates the loss several times in a step, between which "
            "masks cannot be kept; use one that takes one step at a time, such as SGD or Adam"
        )


class LearningRate:
    """Sets an optimizer's learning rates for a step; they follow from the step alone.

    A rate that somebody else sets (a callback, one of torch's schedulers) stays as it was set: the
    schedule only goes on from a rate that it wrote itself.

    Args:
        schedule: a key of :data:`LR_SCHEDULES`.
        steps: all steps T of the run.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: str, steps: int) -> None:
        self.optimizer, self.factor, self.steps = optimizer, LR_SCHEDULES[schedule], steps
        self.base = [group["lr"] for group in optimizer.param_groups]

    def set_step(self, t: int) -> None:
        """Learning rates for step ``t``, which comes after step ``t - 1``."""
        before, now = (self.factor(max(step, 0), self.steps) for step in (t - 1, t))
        for group, base in zip(self.optimizer.param_groups, self.base, strict=False):
            if group["lr"] == base * before:
                group["lr"] = base * now
