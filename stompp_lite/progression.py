"""Walk a model's stages through a schedule: who is frozen now, and what may still move.

How masks are drawn is in :mod:`stompp_lite.masks`.

Taught in chapter 8, *Layer by layer*.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stompp_lite import rng
from stompp_lite.binarize import Binarizer
from stompp_lite.convert import conversion
from stompp_lite.errors import (
    CheckpointError,
    ConfigError,
    NonFiniteError,
    NotBinaryError,
    fraction,
    one_of,
    positive,
    typed,
)
from stompp_lite.layers import BinaryConv2d, BinaryLinear
from stompp_lite.masks import MASK_RULES, Mask
from stompp_lite.schedule import ORDERS, SHAPES, Schedule, pair


@dataclass(frozen=True)
class Plan:
    """How a progression runs. Every field is one choice of the method.

    Attributes:
        order: order of the weights, a name of :data:`~stompp_lite.schedule.ORDERS`.
        activation_order: order of the activations; None means the same.
        lead: windows by which the weights are ahead of the activations (negative: behind).
        shape: growth of the frozen fraction in a window.
        mask_rule: ``threshold`` or ``redraw``.
        refresh: soft-refresh probability rho of an entry in a step.
        per_sample: fresh activation masks for each sample and step, not one for the batch.
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
    refresh: float = 0.01
    per_sample: bool = False
    tail: float = 0.1
    frozen_momentum: bool = False

    def __post_init__(self) -> None:
        one_of(self.order, ORDERS, "order")
        if self.activation_order is not None:
            one_of(self.activation_order, ORDERS, "order")
        one_of(self.shape, SHAPES, "shape")
        one_of(self.mask_rule, MASK_RULES, "mask rule")
        typed(self.lead, "int", "the lead")
        for name in ("per_sample", "frozen_momentum"):
            typed(getattr(self, name), "bool", name)
        fraction(self.refresh, "the refresh probability")
        if fraction(self.tail, "the tail") == 1.0:
            raise ConfigError("a tail of 1.0 leaves no steps for the progression; 0.1 is usual")


@dataclass
class _Slot:
    """A Binarizer in its stage: the one place where weights and activations look alike."""

    name: str
    stage: int
    binarizer: Binarizer
    weight: nn.Parameter | None  # the latent weight; None for an activation
    mask: Mask | None = None


class Progression:
    """Moves the Binarizers of a converted model through ``steps`` training steps.

    Use it around the optimizer's step::

        for t in range(steps):
            progression.set_step(t)
            loss(model(x), y).backward()
            progression.before_update()
            optimizer.step()
            progression.after_update()

    Args:
        model: from :func:`~stompp_lite.convert.binarize_model`, on its final device.
        steps: all training steps, tail included.
        plan: the choices.
        seed: of the masks and of the random order.
        plain: the slow reference path: every gradient is computed through every mask.

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
        plain: bool = False,
    ) -> None:
        self.model, self.plan, self.seed, self.plain = model, plan or Plan(), seed, plain
        positive(steps, "the number of training steps")
        self.steps = steps
        done = conversion(model)
        self.stages = len(done.stages)
        self.progressive = done.weights.progressive or done.activations.progressive
        tail = round(self.plan.tail * steps)
        self.weight_schedule: Schedule | None = None
        self.activation_schedule: Schedule | None = None
        if self.progressive:
            self.weight_schedule, self.activation_schedule = pair(
                self.stages,
                max(steps - tail, 1),
                weights=self.plan.order,
                activations=self.plan.activation_order or self.plan.order,
                lead=self.plan.lead,
                shape=self.plan.shape,
                seed=seed,
            )
        self.step = -1
        self.slots = [slot for stage in done.stages for slot in self._slots(stage)]
        self.latents = [s for s in self.slots if s.weight is not None]
        for slot in self.slots:
            slot.binarizer.plain = plain
        # What the caller froze stays frozen; what an earlier run cut off is free again by now.
        self._trainable = {n for n, p in model.named_parameters() if p.requires_grad}
        self._cut: set[str] = set()  # parameters that no gradient can reach any more
        self._committed = 0  # how many slots have reached p = 1
        self._look_for_cuts = False
        self._kept: list[tuple[_Slot, Tensor]] = []
        self.set_step(0)

    def _slots(self, stage: Any) -> Iterator[_Slot]:
        for name in stage.weights:
            layer = self.model.get_submodule(name)
            assert isinstance(layer, BinaryConv2d | BinaryLinear)
            weight = layer.weight
            assert isinstance(weight, nn.Parameter)
            yield _Slot(name, stage.index, layer.binarizer, weight)
        for name in stage.activations:
            binarizer = self.model.get_submodule(name)
            assert isinstance(binarizer, Binarizer)
            yield _Slot(name, stage.index, binarizer, None)

    def fraction(self, slot: _Slot, step: int) -> float:
        """Frozen fraction of one tensor at ``step``."""
        rule = slot.binarizer.rule
        if not rule.progressive:
            return 1.0 if rule.name == "ste" else 0.0
        schedule = self.activation_schedule if slot.weight is None else self.weight_schedule
        assert schedule is not None
        return schedule.fraction(slot.stage, step)

    def fractions(self, step: int | None = None) -> dict[str, list[float]]:
        """``{"weights": [...], "activations": [...]}``: frozen fraction per stage, 0 where a stage
        has no such tensor."""
        step = self.step if step is None else step
        out = {"weights": [0.0] * self.stages, "activations": [0.0] * self.stages}
        for slot in self.slots:
            kind = "activations" if slot.weight is None else "weights"
            out[kind][slot.stage] = self.fraction(slot, step)
        return out

    def set_step(self, step: int) -> None:
        """Set every p and mask for ``step`` (0-based). Steps may only go forward."""
        if step < self.step:
            raise ConfigError(f"a progression cannot go back from step {self.step} to {step}")
        self.step = step
        for slot in self.slots:
            b = slot.binarizer
            b.p = self.fraction(slot, step)
            if not b.rule.progressive or b.p in (0.0, 1.0):
                b.mask = b.per_sample = slot.mask = None
                continue
            schedule = self.activation_schedule if slot.weight is None else self.weight_schedule
            assert schedule is not None
            since = step - schedule.window(slot.stage)[0]
            kind = "activation" if slot.weight is None else "weight"
            if slot.weight is None and self.plan.per_sample:
                b.per_sample = rng.make_key(self.seed, slot.name, kind, "sample"), since
                continue
            if slot.mask is None:
                slot.mask = self._new_mask(slot, kind)
            shape = b.shape if slot.weight is None else slot.weight.shape
            assert shape is not None
            b.mask = slot.mask.advance(b.p, since).view(shape)
        committed = sum(
            s.binarizer.p == 1.0 and s.binarizer.rule.name == "stompp" for s in self.slots
        )
        if committed != self._committed:
            self._committed, self._look_for_cuts = committed, True

    def _new_mask(self, slot: _Slot, kind: str) -> Mask:
        key = rng.make_key(self.seed, slot.name, kind)
        if slot.weight is not None:
            return Mask(
                key, slot.weight.numel(), self.plan.mask_rule, self.plan.refresh, slot.weight.device
            )
        shape = slot.binarizer.shape
        assert shape is not None
        device = next(self.model.parameters()).device
        return Mask(key, torch.Size(shape).numel(), self.plan.mask_rule, self.plan.refresh, device)

    def before_update(self) -> None:
        """Call between ``backward()`` and the optimizer's step.

        Remembers latent weights that must not move, and takes parameters that no gradient can
        reach any more out of the work: once everything behind them is committed without a
        surrogate, the optimizer skips them and autograd stores nothing for them.
        """
        if self._look_for_cuts:
            self._look_for_cuts = False
            for name, parameter in self.model.named_parameters():
                if name in self._trainable - self._cut and self._is_cut(parameter):
                    self._cut.add(name)
        if self._cut:
            for name, parameter in self.model.named_parameters():
                if name in self._cut:
                    self._stop(parameter)
        self._kept = []
        if self.plan.frozen_momentum:
            return
        for slot in self.latents:
            b = slot.binarizer
            if b.mask is not None and b.rule.surrogate is None:
                assert slot.weight is not None
                self._kept.append((slot, slot.weight.detach().clone()))

    def _is_cut(self, parameter: nn.Parameter) -> bool:
        if self.plain:  # the reference path sees it in the numbers, the fast path in the graph
            return parameter.grad is None or not bool(parameter.grad.any())
        return parameter.grad is None

    def _stop(self, parameter: nn.Parameter) -> None:
        if self.plan.frozen_momentum:
            parameter.grad = torch.zeros_like(parameter)  # the optimizer still applies momentum
        else:
            parameter.grad = None
        if not self.plain:
            parameter.requires_grad_(False)

    @torch.no_grad()
    def after_update(self) -> None:
        """Call after the optimizer's step: frozen latents back in place, all clipped to [-1, 1]."""
        for slot, before in self._kept:
            assert slot.weight is not None and slot.binarizer.mask is not None
            torch.where(slot.binarizer.mask, before, slot.weight, out=slot.weight)
        self._kept = []
        for slot in self.latents:
            assert slot.weight is not None
            if slot.weight.grad is not None:  # one that did not move is still inside
                slot.weight.clamp_(-1, 1)

    def release(self) -> None:
        """Undo what a run did to the parameters (at its end, also after an error)."""
        for name, parameter in self.model.named_parameters():
            if name in self._trainable:
                parameter.requires_grad_(True)
        for slot in self.slots:
            slot.binarizer.plain = False

    def state(self) -> dict[str, Any]:
        """All that :meth:`load` needs to go on with the same masks: numbers and tensors."""
        masks = {}
        for slot in self.slots:
            if slot.mask is not None:
                kind = "activation" if slot.weight is None else "weight"
                masks[f"{kind}:{slot.name}"] = {"step": slot.mask.step, "state": slot.mask.pack()}
        return {
            "step": self.step,
            "masks": masks,
            "cut": sorted(self._cut),
            "committed": self._committed,
            "look_for_cuts": self._look_for_cuts,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state from :meth:`state`.

        Raises:
            CheckpointError: the state belongs to another model.
        """
        slots = {
            f"{'activation' if s.weight is None else 'weight'}:{s.name}": s for s in self.slots
        }
        for name, saved in state["masks"].items():
            if name not in slots:
                raise CheckpointError(f"the checkpoint has a mask for {name!r}; this model has not")
            slot = slots[name]
            slot.mask = mask = self._new_mask(slot, name.partition(":")[0])
            try:
                mask.unpack(saved["state"])
            except ValueError as err:
                raise CheckpointError(
                    f"the mask of {name!r} does not fit this model: {err}"
                ) from err
            mask.step = saved["step"]
        self._cut = set(state["cut"])
        self.step = -1
        self.set_step(state["step"])
        self._committed, self._look_for_cuts = state["committed"], state["look_for_cuts"]
        if not self.plain:
            for name, parameter in self.model.named_parameters():
                if name in self._trainable:
                    parameter.requires_grad_(name not in self._cut)


def assert_finite(model: nn.Module) -> None:
    """Check every parameter and every running statistic: a sign would hide NaN from the loss.

    Raises:
        NonFiniteError: by name.
    """
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise NonFiniteError(
                f"{name!r} holds NaN or infinity; lower the learning rate, or use a surrogate "
                "that closes (clip)"
            )


def assert_binary(model: nn.Module) -> None:
    """Check that a finished model is what it claims to be.

    Every Binarizer whose rule binarizes must be at p = 1, every parameter and statistic finite, and
    every exported weight exactly +1 or -1.

    Raises:
        NotBinaryError: something is not binary, by name.
        NonFiniteError: something is NaN or infinite, by name.
    """
    done = conversion(model)
    assert_finite(model)
    for name, module in model.named_modules():
        if isinstance(module, Binarizer) and module.rule.name != "float" and module.p != 1.0:
            raise NotBinaryError(f"{name!r} is frozen to {module.p:.3f} only; the run is not over")
        if isinstance(module, BinaryConv2d | BinaryLinear) and done.weights.name != "float":
            used = module.binarizer(module.weight).detach()
            if not torch.equal(used, module.binary_weight().to(used.dtype)):
                raise NotBinaryError(f"weights of {name!r} as used differ from those exported")
            if not bool((used.abs() == 1).all()):
                raise NotBinaryError(f"weights of {name!r} are not all +1 or -1")
