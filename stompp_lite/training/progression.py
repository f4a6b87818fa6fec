"""Walk a converted model through a run, and take out of the work what can no longer learn.

The walk itself is in :mod:`stompp_lite.method`. Here it meets a model and a plan.

Taught in chapter 8, *Layer by layer*.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import nn

from stompp_lite import rng
from stompp_lite.checks import count
from stompp_lite.errors import ConfigError
from stompp_lite.method import Walk, Walker
from stompp_lite.networks.convert import bare, conversion
from stompp_lite.networks.layers import BinaryLayer
from stompp_lite.networks.rules import Site, leave_uncompiled
from stompp_lite.training.plan import Plan, path


class Progression(Walk):
    """Moves the Binarizers of a converted model through ``steps`` training steps.

    Attach it to the optimizer, and say which step it is::

        progression = Progression(model, steps)
        progression.attach(optimizer)
        for t in range(steps):
            progression.set_step(t)
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()

    Once everything behind a parameter is committed without a surrogate, no gradient can reach it:
    autograd then stores nothing for it, and the optimizer skips it. Which parameters those are
    follows from the graph that conversion wrote down, not from the gradients of a batch.

    Args:
        model: from :func:`~stompp_lite.networks.convert.binarize_model`, on its final device.
        steps: all training steps, tail included.
        plan: the choices.
        seed: of the masks and of the random order.

    Raises:
        ConfigError: fewer progression steps than windows, or an impossible plan.
    """

    def __init__(
        self, model: nn.Module, steps: int, plan: Plan | None = None, *, seed: int = 0
    ) -> None:
        self.steps = count(steps, "the number of training steps")
        if not isinstance(plan, Plan | None):
            raise ConfigError(f"plan must be a Plan, such as Plan(order='reverse'), got {plan!r}")
        self.plan, self.seed, done = plan or Plan(), seed, conversion(model)
        self.model = bare(model)
        if self.model is not model:
            leave_uncompiled()
        self.stages = len(done.stages)
        self.schedules = {}
        if done.weights.progressive or done.activations.progressive:
            self.schedules = self.plan.schedules(self.stages, self.steps, seed)
        self.by_stage = {  # kind -> stage -> its walkers
            "weight": [
                [self._walker(n, "weight", s.index) for n in s.weights] for s in done.stages
            ],
            "activation": [
                [self._walker(n, "activation", s.index) for n in s.activations] for s in done.stages
            ],
        }
        self.all = [w for kind in self.by_stage.values() for stage in kind for w in stage]
        super().__init__(self.all)
        self._names = {id(m): n for n, m in self.model.named_modules()}
        # What the caller froze stays frozen; what an earlier run cut off is free again by now.
        self._trainable = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self._graph, self._committed = done.graph, frozenset[str]()
        self._cut: list[nn.Parameter] = []  # no gradient can reach these any more
        self.set_step(0)

    def _walker(self, name: str, kind: str, stage: int) -> Walker:
        module, weight = self.model.get_submodule(name), None
        site = module
        if isinstance(module, BinaryLayer):
            site, weight = module.binarizer, module.weight
        assert isinstance(site, Site)
        p: Callable[[int], float] = site.resting_p
        start = 0
        if site.rule.progressive:
            schedule = self.schedules[kind]
            p, start = path(schedule, stage), schedule.window(stage)[0]
        rule, key = self.plan.rule(kind), rng.make_key(self.seed, name, kind)
        return Walker(site, p, start, key, rule, self.plan.refresh, weight)

    def set_step(self, t: int) -> None:
        """Set every p and mask for step ``t`` (0-based; any step, in any order).

        Raises:
            ConfigError: a step that is no whole number, or below 0.
        """
        self.step = count(t, "a step", 0)
        self.walkers = self.all
        super().set_step(t)
        done = [w.binarizer for w in self.all if w.binarizer.p == 1.0 and not w.binarizer.surrogate]
        committed = frozenset(self._names[id(b)] for b in done)
        if committed != self._committed:
            self._committed = committed
            reached = self._graph.reached(committed)
            lost = self._graph.reached() - reached
            self._cut = [p for n, p in self._trainable.items() if n in lost]
            for name, p in self._trainable.items():
                p.requires_grad_(name not in lost)
        cut = set() if self.plan.frozen_momentum else {id(p) for p in self._cut}
        self.walkers = [w for w in self.all if id(w.weight) not in cut]
        for w in self.all:
            if w.binarizer.mask is None:
                w.numbers = None  # its window is over

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """From now on every ``optimizer.step()`` obeys the masks; no other call is needed.

        Raises:
            ConfigError: the optimizer steps several times in one (LBFGS).
        """
        needs_closure(optimizer)
        super().attach(optimizer)

    def _remember(self) -> None:
        for p in self._cut:
            p.grad = None  # zeros, from zero_grad(set_to_none=False), would let momentum act
        super()._remember()
        if self.plan.frozen_momentum:  # zeros let momentum act, on these and on no others
            for _, weight, _ in self.kept:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            self.kept = []

    def fractions(self, step: int | None = None) -> dict[str, list[float]]:
        """``{"weights": [...], "activations": [...]}``: frozen fraction per stage, 0 where a stage
        has no such tensor."""
        t = self.step if step is None else count(step, "a step", 0)
        return {
            f"{kind}s": [max((w.p(t) for w in walkers), default=0.0) for walkers in stages]
            for kind, stages in self.by_stage.items()
        }

    def release(self) -> None:
        """Make trainable again what was (at the end of a run, also after an error)."""
        for p in self._trainable.values():
            p.requires_grad_(True)


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
