"""Guard frozen weights: optimizers obey the masks, and whatever else moves them is named.

Taught in chapter 7, *Layer by layer*.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from stompp_lite.errors import ConfigError
from stompp_lite.method import Binarizer, Walk, Walker
from stompp_lite.networks.convert import Conversion
from stompp_lite.networks.rules import Site
from stompp_lite.training.plan import Plan
from stompp_lite.training.rates import needs_closure


class Guard(Walk):
    """The part of a :class:`~stompp_lite.training.progression.Progression` that watches weights.

    Attributes:
        optimizers: what is attached.
        kept: frozen weights that an optimizer could move, as they were when the step was set.
    """

    step: int
    plan: Plan
    schedules: dict[str, Any]
    places: list[tuple[str, int, str]]  # kind, stage and module of each walker
    optimizers: list[torch.optim.Optimizer]
    _done: Conversion
    _parameters: dict[str, nn.Parameter]
    _parts: list[tuple[dict[str, Any], str, Any, str]]  # what must stay the same object
    _covered: bool  # whether attached optimizers move every latent weight that trains
    _held: bool  # whether an attached optimizer has made its step since the step was set
    _ever_held: bool
    _seen: int
    _whole: dict[str, Tensor]  # weights that are committed, as they were then
    _sites: list[tuple[Site, Tensor | None]]  # each Binarizer, with its latent weight if any
    _frozen: list[tuple[str, Binarizer, nn.Parameter, Tensor]]

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
        for site, weight in self._sites:
            if weight is not None and (site.p < 1.0 or site.surrogate):
                site.settle(weight)

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
