"""Walk a converted model through a run, and take out of the work what can no longer learn.

The walk itself is in :mod:`stompp_lite.method`. Here it meets a model, a plan, and all that can go
wrong in a loop of the user's own.

Taught in chapter 8, *Layer by layer*.
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
from stompp_lite.method import Walk, Walker
from stompp_lite.networks.convert import bare, conversion
from stompp_lite.networks.layers import BinaryLayer
from stompp_lite.networks.rules import Site, leave_uncompiled
from stompp_lite.training.plan import Plan
from stompp_lite.training.rates import needs_closure


class Progression(Walk):
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
    :meth:`set_step` raises an error that names the weight. (Call :meth:`weights_loaded` after
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
        ConfigError: fewer progression steps than windows, an impossible plan, or a binary layer or
            activation that was replaced after conversion.
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
        site: Any = None
        try:
            site = module = self.model.get_submodule(name)
        except AttributeError:
            module = None
        weight = None
        if kind == "weight" and isinstance(module, BinaryLayer):
            site, weight = module.binarizer, module.weight
        if not isinstance(site, Site):
            found = "is gone" if module is None else f"is a {type(module).__name__} now"
            raise ConfigError(
                f"{name!r} was made binary by the conversion and {found}; change the float model "
                "and convert it again"
            )
        if weight is not None:
            site.take_scale(weight, name)
        p: Callable[[int], float] = site.resting_p
        start = 0
        if site.rule.progressive:
            schedule = self.schedules[kind]
            p, start = schedule.path(stage), schedule.window(stage)[0]
        rule, key = self.plan.rule(kind), rng.make_key(self.seed, name, kind)
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
        self.step, self._held, self._seen = t, False, self._versions()
        self._move(t)
        self._keep()

    def _move(self, t: int) -> None:
        super().set_step(t)
        for walker in self.walkers:
            if walker.binarizer.mask is None:
                walker.numbers = None  # its window is over
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

    # ---- the optimizers --------------------------------------------------------------------------

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """From now on every ``optimizer.step()`` obeys the masks; no other call is needed.

        Where several optimizers train the model, attach each of them.

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
        if optimizer not in self.optimizers:
            super().attach(optimizer)
            self.optimizers.append(optimizer)
            self._covered = False

    def check_covered(self) -> None:
        """Raise ConfigError unless attached optimizers move every latent weight that trains."""
        moved = {
            id(p) for o in self.optimizers for group in o.param_groups for p in group["params"]
        }
        left = [
            f"{name}.weight"
            for name, w in self._latents()
            if id(w.weight) not in moved
            and (w.weight.requires_grad or f"{name}.weight" in self._done.cut)  # type: ignore[union-attr]
        ]
        if left:
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            raise ConfigError(
                f"no attached optimizer moves the latent weights {left[0]!r}{more}: attach every "
                "optimizer that trains a part of the model (progression.attach(optimizer) for "
                "each), or call requires_grad_(False) on weights that are not to be trained"
            )
        self._covered = True

    def _latents(self) -> list[tuple[str, Walker]]:
        """(name of the layer, walker) of every latent weight."""
        both = zip(self.walkers, self.places, strict=True)
        return [(name, w) for w, (_, _, name) in both if w.weight is not None]

    def _keep(self) -> None:
        """Keep what is frozen without a surrogate: to put it back, and to see whether it moves."""
        self._frozen, self.kept, before, self._whole = [], [], self._whole, {}
        for name, walker in self._latents():
            b, weight = walker.binarizer, walker.weight
            if b.p == 0.0 or b.surrogate or self.plan.frozen_momentum or weight is None:
                continue
            old = before.get(name) if b.mask is None else None
            old = weight.detach().clamp(-1, 1) if old is None else old
            if b.mask is None:
                self._whole[name] = old
            self._frozen.append((name, b, weight, old))
            if f"{name}.weight" not in self._done.cut:  # no optimizer moves those
                self.kept.append((b, weight, old))

    def _remember(self) -> None:  # before a step of an optimizer
        if not self._covered:
            self.check_covered()
        if self._versions() != self._seen and not self._held:
            if self.step > 0:
                self._check_versions()
            self.weights_loaded()
        for name in self._done.cut:
            self._parameters[name].grad = None  # zeros would let momentum act
        for _, walker in self._latents() if self.plan.frozen_momentum else ():
            b, weight = walker.binarizer, walker.weight
            if b.p > 0 and not b.surrogate and weight is not None and weight.grad is None:
                weight.grad = torch.zeros_like(weight)  # lets momentum act, here alone

    def _hold(self) -> None:
        self._held = self._ever_held = True
        super()._hold()

    def weights_loaded(self) -> None:
        """Call this after loading other weights in the middle of a run."""
        self._seen = self._versions()
        self._whole.clear()
        self._keep()

    # ---- what should not happen ------------------------------------------------------------------

    def _versions(self) -> int:
        """Grows whenever a latent weight is changed in place."""
        held = [w.weight for _, w in self._latents() if not w.binarizer.surrogate]
        return sum(weight._version for weight in held if weight is not None)

    def _check_versions(self) -> None:
        if self.schedules and not self._held and self._versions() != self._seen:
            raise ConfigError(f"the weights have changed since the last step, but {self._blame()}")

    def _check_frozen(self) -> None:
        for name, b, weight, old in self._frozen:
            if torch.equal(weight.detach(), old):
                continue
            moved = (weight.detach().clamp(-1, 1) != old) & ~weight.isnan()
            if b.mask is not None:
                moved &= b.mask(weight)
            if bool(moved.any()):
                raise ConfigError(
                    f"frozen entries of the latent weights '{name}.weight' have changed since the "
                    f"last step ({int(moved.sum())} of them), but {self._blame()}"
                )

    def _blame(self) -> str:
        if not self.optimizers:
            return (
                "no optimizer is attached that leaves alone what is frozen; call "
                "progression.attach(optimizer) before the loop"
            )
        if not self._ever_held:
            return (
                "the attached optimizer did not call its step hooks (old versions of torch take "
                "them out once anything is compiled); update torch, or do not compile"
            )
        return (
            "not by a step of an attached optimizer: call progression.attach for every optimizer "
            "that trains the model, also for a new one, and progression.weights_loaded() after "
            "loading or setting weights"
        )

    def _check_parts(self) -> None:
        for table, key, part, name in self._parts:
            if table.get(key) is not part:
                kind = "module" if isinstance(part, nn.Module) else "tensor"
                raise ConfigError(
                    f"{name!r} is another {kind} than when the progression was made (replaced, or "
                    "load_state_dict(assign=True)?); make the progression afterwards"
                )

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
