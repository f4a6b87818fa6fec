"""Walk a converted model through a run, and take out of the work what can no longer learn.

The walk itself is in :mod:`stompp_lite.method`. Here it meets a model, a plan, and all that can go
wrong in a loop of the user's own.

Taught in chapter 7, *Layer by layer*.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from stompp_lite import rng
from stompp_lite.checks import count, flag
from stompp_lite.errors import ConfigError
from stompp_lite.method import ORDERS, Walker
from stompp_lite.networks.convert import bare, conversion
from stompp_lite.networks.layers import BinaryLayer
from stompp_lite.networks.rules import Site, leave_uncompiled
from stompp_lite.training.guard import Guard
from stompp_lite.training.plan import Plan


class Progression(Guard):
    """Moves the Binarizers of a converted model through ``steps`` training steps.

    Attach every optimizer that trains the model, and say which step it is::

        progression = Progression(model, steps)
        progression.attach(optimizer)
        for t in range(steps):
            progression.set_step(t)
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()

    Frozen entries stand still, whatever the optimizer does. If something else moves them, the next
    :meth:`set_step` raises an error that names the weight. (Call ``weights_loaded()`` after
    loading weights in the middle of a run.)

    Once everything behind a parameter is committed without a surrogate, no gradient can reach it:
    it becomes untrainable, autograd stores nothing for it, and the optimizer skips it. Which
    parameters those are follows from the graph that conversion wrote down, not from the gradients
    of a batch. What a forward hook listens to counts as an output, since it may be part of the
    loss. :meth:`release` makes all of them trainable again, and so does the next progression.

    A copy made with ``copy.deepcopy`` moves a copy of the model and has no optimizer attached.

    Args:
        model: from :func:`~stompp_lite.networks.convert.binarize_model`, on its final device.
        steps: all training steps, tail included.
        plan: the choices.
        seed: of the masks and of the random order.
        cut: take parameters out of the work as told above.

    Attributes:
        walkers: one for each weight and activation. ``walker.p(t)`` is its frozen fraction.
        places: (kind, stage, name of the module) of each walker.
        step: the present step.

    Raises:
        ConfigError: fewer progression steps than windows, or an impossible plan.
        ConversionError: a binary layer or activation was replaced after conversion.
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
        weights = [("weight", s.index, name) for s in done.stages for name in s.weights]
        activations = [("activation", s.index, name) for s in done.stages for name in s.activations]
        self.places = weights + activations
        self._sites: list[tuple[Site, Tensor | None]] = []
        super().__init__([self._walker(*place) for place in self.places])
        self._done, self._cuts = done, flag(cut, "cut")
        self._cut_for: object = None  # what is committed and hooked, when parameters were cut off
        self._parameters = dict(self.model.named_parameters())
        self._modules = dict(self.model.named_modules())
        self._parts = [
            (table, key, part, f"{name}.{key}".lstrip("."))
            for name, module in self._modules.items()
            for table in (module._parameters, module._modules)
            for key, part in table.items()
            if not isinstance(part, nn.Module)
            or any(isinstance(m, BinaryLayer | Site) for m in part.modules())
        ]
        self.optimizers: list[torch.optim.Optimizer] = []
        self._covered = self._held = self._ever_held = False
        self._whole: dict[str, Tensor] = {}  # weights that are committed, as they were then
        self.release()  # what an earlier run cut off; what the caller froze stays frozen
        self._seen = self._versions()
        self.set_step(0)

    def _walker(self, kind: str, stage: int, name: str) -> Walker:
        module = self.model.get_submodule(name)
        site, weight = module, None
        if isinstance(module, BinaryLayer):
            site, weight = module.binarizer, module.weight
        assert isinstance(site, Site)  # conversion() has looked
        if weight is not None:
            site.take_scale(weight, name)
        p: Callable[[int], float] = site.resting_p
        start = 0
        if site.rule.progressive:
            schedule = self.schedules[kind]
            p, start = schedule.path(stage), schedule.window(stage)[0]
        rule, key = self.plan.rule(kind), rng.make_key(self.seed, name, kind)
        self._sites.append((site, weight))
        turns = ORDERS[self.plan.order](self.stages, self.seed)
        site.begin(self.plan.moving(self.steps), key, (turns[stage], max(turns) + 1), weight)
        return Walker(site, p, start, key, rule, self.plan.refresh, weight)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"optimizers": [], "_covered": False, "_ever_held": False}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.weights_loaded()

    # ---- one step --------------------------------------------------------------------------------

    def set_step(self, t: int) -> None:
        """Set every p and mask for step ``t`` (0-based; any step, in any order).

        Raises:
            ConfigError: a step that is no whole number, or below 0; latent weights that something
                other than the attached optimizers has changed; layers or tensors that are others
                than before.
        """
        t = count(t, "a step", 0)
        self._check_parts()
        if t == 0:  # what came before the first step is nobody's fault
            self._whole.clear()
        else:
            self._check_versions()
            self._check_frozen()
        self.step, self._held = t, False
        self._move(t)
        self._seen = self._versions()
        self._keep()

    def _move(self, t: int) -> None:
        super().set_step(t)
        for walker in self.walkers:
            if walker.binarizer.mask is None:
                walker.numbers = None  # its window is over
        for site, weight in self._sites:
            site.follow(t, weight)
        self._cut_off()

    def _cut_off(self) -> None:
        """Make untrainable what no gradient can reach, and trainable what one can again."""
        committed = frozenset(
            f"{name}.binarizer" if kind == "weight" else name
            for walker, (kind, _, name) in zip(self.walkers, self.places, strict=True)
            if walker.binarizer.p == 1.0 and not walker.binarizer.surrogate
        )
        hooked = frozenset(
            name for name, m in self._modules.items() if m._forward_hooks or m._forward_pre_hooks
        )
        if (committed, hooked) == self._cut_for:
            return
        self._cut_for = committed, hooked
        lost = set[str]()
        for graph in self._done.graphs:
            lost |= graph.reached()
        for graph in self._done.graphs:
            heard = [node for name in hooked for node in graph.results.get(name, [])]
            lost -= replace(graph, outputs=[*graph.outputs, *heard]).reached(committed)
        if not self._cuts or any(not self._is_recorded(name) for name in hooked):
            lost = set()  # what such a hook sees is not in the graph
        cut = self._done.cut
        for name, p in self._parameters.items():
            if name in lost and p.requires_grad:
                p.requires_grad_(False)
                cut.add(name)
            elif name in cut and name not in lost:
                p.requires_grad_(True)
                cut.discard(name)

    def _is_recorded(self, name: str) -> bool:
        known = any(name in graph.results for graph in self._done.graphs)
        return known and not self._modules[name]._forward_pre_hooks

    def release(self) -> None:
        """Make trainable again what was (at the end of a run, also after an error)."""
        for name in self._done.cut:
            self._parameters[name].requires_grad_(True)
        self._done.cut.clear()
        self._cut_for = None

    # ---- what a plan will do ---------------------------------------------------------------------

    def fractions(self, step: int | None = None) -> dict[str, list[float]]:
        """``{"weights": [...], "activations": [...]}``: frozen fraction per stage, 0 where a stage
        has no such tensor."""
        t = self.step if step is None else count(step, "a step", 0)
        out = {f"{kind}s": [0.0] * self.stages for kind in ("weight", "activation")}
        for walker, (kind, stage, _) in zip(self.walkers, self.places, strict=True):
            out[f"{kind}s"][stage] = max(out[f"{kind}s"][stage], walker.p(t))
        return out


def foresee(
    model: nn.Module, steps: int, plan: Plan | None = None, *, seed: int = 0
) -> dict[str, list[float]]:
    """What a plan will do to the weights of each stage. Nothing is trained: it follows from p.

    A weight is cut off once everything behind it is committed without a surrogate. (While that is
    half frozen, gradient still comes, however little: see chapter 6.) Taught after chapter 8, on
    the page *Can a plan foresee it?*.

    Args:
        model: a converted model; its parameters are trainable again afterwards.
        steps, plan, seed: as for :class:`Progression` (a random order depends on the seed).

    Returns:
        Lists with a number in [0, 1] for each stage, NaN for one without weights. ``blind``: share
        of its weights that freeze when they are cut off already. ``learning``: share of the steps
        in which one of its weights is free and not cut off, on average.
    """
    walk = Progression(model, steps, plan, seed=seed)
    latents: list[list[nn.Parameter]] = [[] for _ in range(walk.stages)]
    for walker, (_, place, _) in zip(walk.walkers, walk.places, strict=True):
        latents[place] += [] if walker.weight is None else [walker.weight]
    blind = [0.0 if stage else math.nan for stage in latents]
    learning, before, open_before = blind.copy(), [0.0] * len(latents), [1.0] * len(latents)
    for t in range(steps):
        walk._move(t)
        now = walk.fractions(t)["weights"]
        for k, stage in enumerate(latents):
            entries = sum(w.numel() for w in stage) or math.nan
            reached = sum(w.numel() for w in stage if w.requires_grad) / entries
            blind[k] += (now[k] - before[k]) * (1 - open_before[k])
            learning[k] += (1 - now[k]) * reached / steps
            open_before[k] = reached
        before = now
    walk._move(0)
    walk.release()
    return {"blind": blind, "learning": learning}
