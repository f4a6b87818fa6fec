"""Walk a converted model through a run, and take out of the work what can no longer learn.

The walk itself is in :mod:`stompp_lite.method`. Here it meets a model and a plan.

Taught in chapter 8, *Layer by layer*.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import torch
from torch import nn

from stompp_lite import rng
from stompp_lite.checks import count, flag
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
    it becomes untrainable, autograd stores nothing for it, and the optimizer skips it. Which
    parameters those are follows from the graph that conversion wrote down, not from the gradients
    of a batch. :meth:`release` makes them trainable again, and so does the next progression.

    Args:
        model: from :func:`~stompp_lite.networks.convert.binarize_model`, on its final device.
        steps: all training steps, tail included.
        plan: the choices.
        seed: of the masks and of the random order.
        cut: take parameters out of the work as told above. Turn it off for losses of something
            that the model does not return (features that a hook takes).

    Raises:
        ConfigError: fewer progression steps than windows, or an impossible plan.
    """

    def __init__(
        self,
        model: nn.Module,
        steps: int,
        plan: Plan | None = None,
        *,
        seed: int = 0,
        cut: bool = True,
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
        self._done, self._cuts, self._committed = done, flag(cut, "cut"), frozenset[str]()
        self._parameters = dict(self.model.named_parameters())
        modules = list(self.model.modules())
        self._places = [(m, n, p) for m in modules for n, p in m._parameters.items()]
        self._seen = self._versions()  # to notice an optimizer without masks
        self._attached = self._held = False
        self.release()  # what an earlier run cut off; what the caller froze stays frozen
        self.set_step(0)

    def _walker(self, name: str, kind: str, stage: int) -> Walker:
        module, weight = self.model.get_submodule(name), None
        site = module
        if isinstance(module, BinaryLayer):
            site, weight = module.binarizer, module.weight
            site.take_scale(weight, name)
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
            ConfigError: a step that is no whole number, or below 0; an optimizer at work that is
                not attached, or does not call its hooks; weights that are other tensors than
                before.
        """
        self.step = count(t, "a step", 0)
        self._check_weights()
        self.walkers = self.all
        super().set_step(t)
        done = [w.binarizer for w in self.all if w.binarizer.p == 1.0 and not w.binarizer.surrogate]
        committed = frozenset(self._names[id(b)] for b in done)
        if committed != self._committed:
            self._committed = committed
            self._cut_off(committed)
        cut = set() if self.plan.frozen_momentum else {id(p) for p in self._unreached()}
        self.walkers = [w for w in self.all if id(w.weight) not in cut]
        for w in self.all:
            if w.binarizer.mask is None:
                w.numbers = None  # its window is over

    def _cut_off(self, committed: frozenset[str]) -> None:
        """Make untrainable what no gradient can reach, and trainable what one can again."""
        graphs, cut = self._done.graphs, self._done.cut
        lost = set[str]().union(*(g.reached() for g in graphs))
        lost -= set[str]().union(*(g.reached(committed) for g in graphs))
        for name, p in self._parameters.items():
            if name in lost and p.requires_grad and self._cuts:
                p.requires_grad_(False)
                cut.add(name)
            elif name in cut and name not in lost:
                p.requires_grad_(True)
                cut.discard(name)

    def _unreached(self) -> list[nn.Parameter]:
        return [self._parameters[name] for name in self._done.cut]

    def _versions(self) -> int:
        """Grows whenever a latent weight is changed in place."""
        held = [w.weight for w in self.all if not w.binarizer.surrogate]
        return sum(weight._version for weight in held if weight is not None)

    def _check_weights(self) -> None:
        seen, self._seen = self._seen, self._versions()
        if self._seen > seen and not self._held and self.step > 0 and self.schedules:
            raise ConfigError(
                "the weights have changed since the last step, but "
                + (
                    "the attached optimizer did not call its step hooks (old versions of torch "
                    "take them out once anything is compiled); update torch, or do not compile"
                    if self._attached
                    else "no optimizer is attached that leaves alone what is frozen; call "
                    "progression.attach(optimizer) before the loop"
                )
            )
        for module, name, p in self._places:
            if module._parameters.get(name) is not p:
                raise ConfigError(
                    f"{name!r} of {self._names[id(module)] or 'the model'} is another tensor than "
                    "when the progression was made (load_state_dict(assign=True)?); make the "
                    "progression afterwards"
                )

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """From now on every ``optimizer.step()`` obeys the masks; no other call is needed.

        Raises:
            ConfigError: the optimizer steps several times in one (LBFGS), or moves none of this
                model's parameters.
        """
        needs_closure(optimizer)
        ours = {id(p) for p in self._parameters.values()}
        if not any(id(p) in ours for group in optimizer.param_groups for p in group["params"]):
            raise ConfigError(
                "the optimizer moves none of this model's parameters; build it from "
                "model.parameters() of the converted model"
            )
        super().attach(optimizer)
        self._attached = True

    def _remember(self) -> None:
        for p in self._unreached():
            p.grad = None  # zeros, from zero_grad(set_to_none=False), would let momentum act
        super()._remember()
        if self.plan.frozen_momentum:  # zeros let momentum act, on these and on no others
            for _, weight, _ in self.kept:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            self.kept = []

    def _hold(self) -> None:
        self._held = True
        super()._hold()

    def weights_loaded(self) -> None:
        """Call after loading other weights before the first step of the optimizer."""
        self._seen = self._versions()

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
        for name in self._done.cut:
            self._parameters[name].requires_grad_(True)
        self._done.cut.clear()


def foresee(
    model: nn.Module, steps: int, plan: Plan | None = None, *, seed: int = 0
) -> dict[str, list[float]]:
    """What a plan will do to the weights of each stage. Nothing is trained: it follows from p.

    A weight is cut off once everything behind it is committed without a surrogate. (While that is
    half frozen, gradient still comes, however little: see chapter 6.) Taught in chapter 9, *Order
    matters*.

    Args:
        model: a converted model; its parameters are trainable again afterwards.
        steps, plan, seed: as for :class:`Progression` (a random order depends on the seed).

    Returns:
        Lists with a number in [0, 1] for each stage, NaN for one without weights. ``blind``: share
        of its weights that freeze when they are cut off already. ``learning``: share of the steps
        in which one of its weights is free and not cut off, on average.
    """
    walk = Progression(model, steps, plan, seed=seed)
    latents = [
        [w.weight for w in stage if w.weight is not None] for stage in walk.by_stage["weight"]
    ]
    blind = [0.0 if stage else math.nan for stage in latents]
    learning, before, open_before = blind.copy(), [0.0] * len(latents), [1.0] * len(latents)
    for t in range(steps):
        walk.set_step(t)
        now = walk.fractions()["weights"]
        for k, stage in enumerate(latents):
            entries = sum(w.numel() for w in stage) or math.nan
            reached = sum(w.numel() for w in stage if w.requires_grad) / entries
            blind[k] += (now[k] - before[k]) * (1 - open_before[k])
            learning[k] += (1 - now[k]) * reached / steps
            open_before[k] = reached
        before = now
    walk.set_step(0)
    walk.release()
    return {"blind": blind, "learning": learning}


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
