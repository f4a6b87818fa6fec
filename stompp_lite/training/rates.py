"""Optimizers by name, and learning rates that are a function of the step.

Taught in chapter 4, *Size or direction?*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

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


class LearningRate:
    """Sets an optimizer's learning rates, of all its groups, for a step.

    Args:
        schedule: a key of :data:`LR_SCHEDULES`.
        steps: all steps T of the run.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: str, steps: int) -> None:
        self.optimizer, self.factor, self.steps = optimizer, LR_SCHEDULES[schedule], steps
        self.base = [group["lr"] for group in optimizer.param_groups]

    def set_step(self, t: int) -> None:
        """Learning rates for step ``t``: they follow from the step alone."""
        for group, lr in zip(self.optimizer.param_groups, self.base, strict=True):
            group["lr"] = lr * self.factor(t, self.steps)
