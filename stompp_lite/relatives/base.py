r"""What every relative is made of: a value while it trains, and three moments of a step.

.. math:: \tau(t) = \min\bigl((t + 1) / T_\text{moving},\, 1\bigr)

is how far a run is at step t; T_moving is the number of steps before the plan's tail. What is still
soft at tau = 1 becomes its sign then, so a finished network is binary under every rule.

Taught in chapter 17, *The landscape*.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from stompp_lite.checks import floating
from stompp_lite.errors import ConfigError
from stompp_lite.networks.rules import Rule, Site


class Relative(Site):
    """A Binarizer with a rule of its own.

    A rule overrides :meth:`value`, and of these what it needs: :meth:`begin` (a progression is
    made), :meth:`follow` (a step begins) and ``settle`` (the optimizer has moved the weights).

    Attributes:
        kinds: what may follow the rule.
        gradual: whether it becomes binary during a run; otherwise it is from the first step on.
        commits: whether it stands still, without gradient, once it is binary.
        tau: how far the run is, from 0 to 1.
        moving: steps before the tail.
        key: of random draws.
        turn: the window of this layer, and the number of windows.

    Raises:
        ConfigError: a scale, which is not a part of these rules.
    """

    kinds: ClassVar[tuple[str, ...]] = ("weights",)
    gradual: ClassVar[bool] = True
    commits: ClassVar[bool] = True
    memory: ClassVar[tuple[str, ...]] = ()  # names of buffers that a rule remembers with
    tau, moving, key, turn = 0.0, 0, 0, (0, 1)

    def __init__(self, rule: Rule, channels: int = 0) -> None:
        if rule.scale is not None:
            raise ConfigError(
                f"rule {rule.name!r} says itself how large binary weights are, so it has no scale; "
                f"leave out scale={rule.scale!r}"
            )
        super().__init__(rule, channels)
        for name in self.memory:
            self.register_buffer(name, None)

    @property
    def surrogate(self) -> str | None:  # type: ignore[override]
        """Something while gradient passes, None once the tensor is committed."""
        return None if self.commits and self.p == 1.0 else "identity"

    def progress(self, step: int) -> float:
        """tau at a step; 0 before a progression is made."""
        return min((step + 1) / self.moving, 1.0) if self.moving else 0.0

    def resting_p(self, step: int) -> float:
        """tau, or 1 for a rule that is binary from the start."""
        return self.progress(step) if self.gradual else 1.0

    # ---- what a rule overrides -------------------------------------------------------------------
    def value(self, u: Tensor) -> Tensor:
        """What the network computes with, like ``u``, while the rule is at work."""
        raise NotImplementedError

    def begin(self, moving: int, key: int, turn: tuple[int, int], weight: Tensor | None) -> None:
        """A progression is made. weight: the latent weight; None for an activation."""
        self.moving, self.key, self.turn = moving, key, turn

    def follow(self, step: int, weight: Tensor | None) -> None:
        """A step begins."""
        self.tau = self.progress(step)

    # ---- the rest --------------------------------------------------------------------------------
    def forward(self, input: Tensor) -> Tensor:
        """A tensor like ``input``: clipped at p = 0, what the rule says, or committed signs.

        Raises:
            DtypeError: it is not floating point.
        """
        floating(input, "a Binarizer")
        if self.p == 0.0:
            return input.clamp(-1, 1)
        if self.p == 1.0 and self.commits:
            return self.frozen(self.latent(input))
        return self.value(input)

    def set_extra_state(self, state: Tensor) -> None:
        """Take over from a ``state_dict`` whether the tensor is committed."""
        if self.gradual:
            self.p, self.mask, self.tau = float(state), None, float(state)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, metadata: Any, strict: bool,
        missing: list[str], unexpected: list[str], errors: list[str],
    ) -> None:  # fmt: skip
        for name in self.memory:
            saved = state_dict.get(f"{prefix}{name}")
            if saved is not None and getattr(self, name) is None:
                setattr(self, name, torch.empty_like(saved))
        super()._load_from_state_dict(
            state_dict, prefix, metadata, strict, missing, unexpected, errors
        )
        # weights of another rule, such as a float start, come without this rule's own
        missing[:] = [name for name in missing if not name.startswith(prefix)]


def geometric(tau: float, first: float, last: float) -> float:
    """From ``first`` at tau = 0 to ``last`` at tau = 1, by equal factors in equal times."""
    return float(first * (last / first) ** tau)


class _Sloped(torch.autograd.Function):
    """``value`` going forward, ``slope`` times the gradient going back to ``u``."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, u: Tensor, value: Tensor,
                slope: Tensor) -> Tensor:  # fmt: skip
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, grad: Tensor
    ) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (slope,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad * slope, None, None


def sloped(u: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """``value``, with ``slope`` as its derivative with respect to ``u``; all of one shape."""
    out: Tensor = _Sloped.apply(u, value, slope)  # type: ignore[no-untyped-call]
    return out


def straight(value: Tensor, u: Tensor) -> Tensor:
    """``value``, to the bit, going forward; the gradient goes to ``u`` as if both were the same."""
    return sloped(u, value, torch.ones_like(u))
