r"""Sign, clip, surrogate gradients, and the one equation the method rests on.

For a tensor :math:`u` (latent weights, or pre-activations) and a mask :math:`M`,

.. math::

    \hat u = M \odot \operatorname{sign}(u) + (1 - M) \odot \operatorname{clip}(u, -1, 1),
    \qquad \operatorname{sign}(0) = +1.

Entries with :math:`M = 1` are frozen: they are binary. The others are clipped, and learn.
Four rules differ only in who is frozen and in what gradient a frozen entry passes back:

==============  ==========================  ======================================
rule            frozen entries              gradient at a frozen entry
==============  ==========================  ======================================
``float``       none, ever                  --
``ste``         all, always                 the surrogate's
``stompp``      a growing random part       0
``stompp+ste``  a growing random part       the surrogate's
==============  ==========================  ======================================

An entry that is not frozen passes the gradient of clip, :math:`1[|u| \le 1]`.

Sources: Eq. 1 of StoMPP (arXiv 2601.22660); straight-through estimator: Bengio, Leonard,
Courville 2013 (arXiv 1308.3432); identity on weights and clip on activations: Hubara et al. 2016
(arXiv 1602.02830); polynomial surrogate: Bi-Real Net (arXiv 1808.00278).
Taught in chapters 2 (surrogates) and 8 (the mask).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stompp_lite import rng
from stompp_lite.errors import ConfigError, DtypeError, ShapeError, one_of

#: Derivatives that stand in for that of the sign. Each maps u to a tensor of its shape.
SURROGATES: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": torch.ones_like,
    "clip": lambda u: (u.abs() <= 1).to(u.dtype),
    "polynomial": lambda u: (2 - 2 * u.abs()).clamp_min(0),
}
#: How a tensor can become binary.
RULES = ("float", "ste", "stompp", "stompp+ste")


def _need_float(u: Tensor, what: str) -> None:
    if not isinstance(u, Tensor) or not u.is_floating_point():
        kind = u.dtype if isinstance(u, Tensor) else type(u).__name__
        raise DtypeError(f"{what} needs a floating-point tensor, got {kind}; use tensor.float()")


def hard_sign(u: Tensor) -> Tensor:
    """Sign with sign(0) = +1. No gradient: this is the true derivative, zero almost everywhere.

    Args:
        u: any floating-point tensor.

    Returns:
        Tensor of the same shape and dtype, every entry exactly +1 or -1.

    Raises:
        DtypeError: ``u`` is not floating point.
    """
    _need_float(u, "hard_sign")
    return torch.where(u.detach() >= 0, 1.0, -1.0).to(u.dtype)


def clip(u: Tensor) -> Tensor:
    """clip(u, -1, 1), with gradient 1 where abs(u) <= 1 (the ends included) and 0 elsewhere.

    Raises:
        DtypeError: ``u`` is not floating point.
    """
    _need_float(u, "clip")
    return u.clamp(-1, 1)


class _MaskedBinarize(torch.autograd.Function):
    """Eq. 1 forward; backward as the table at the top of this module says."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, mask: Tensor | None, surrogate: str | None) -> Tensor:
        ctx.surrogate, ctx.all_frozen = surrogate, mask is None
        if mask is None:
            ctx.save_for_backward(u)
            return hard_sign(u)
        ctx.save_for_backward(u, mask)
        return torch.where(mask, hard_sign(u), u.clamp(-1, 1))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        surrogate, u = ctx.surrogate, ctx.saved_tensors[0]
        if ctx.all_frozen:
            if surrogate is None:
                return torch.zeros_like(grad), None, None
            return grad if surrogate == "identity" else grad * SURROGATES[surrogate](u), None, None
        mask = ctx.saved_tensors[1]
        inside = u.abs() <= 1
        if surrogate is None:
            return grad * (inside & ~mask), None, None
        slope = torch.where(mask, SURROGATES[surrogate](u), inside.to(u.dtype))
        return grad * slope, None, None


def masked_binarize(u: Tensor, mask: Tensor | None, surrogate: str | None = None) -> Tensor:
    """Eq. 1: sign where ``mask`` is True, clip elsewhere.

    Args:
        u: floating-point tensor, any shape: latent weights or pre-activations.
        mask: bool tensor that broadcasts to ``u`` from the right, for example [C, H, W] for
            activations [N, C, H, W]; None stands for all True.
        surrogate: gradient of frozen entries: None passes exactly zero (STE-free), otherwise a
            key of :data:`SURROGATES`.

    Returns:
        Tensor like ``u``.

    Raises:
        DtypeError: ``u`` is not floating point, or ``mask`` is not bool.
        ShapeError: ``mask`` does not broadcast to the shape of ``u``.
        ConfigError: unknown surrogate.
    """
    _need_float(u, "masked_binarize")
    if surrogate is not None:
        one_of(surrogate, SURROGATES, "surrogate")
    if mask is not None:
        if mask.dtype != torch.bool:
            raise DtypeError(f"a mask must be a bool tensor, got {mask.dtype}; use mask.bool()")
        if mask.dim() > u.dim() or any(
            m not in (1, n) for m, n in zip(mask.shape[::-1], u.shape[::-1], strict=False)
        ):
            raise ShapeError(
                f"a mask of shape {tuple(mask.shape)} does not fit a tensor of shape "
                f"{tuple(u.shape)}; it must match its last axes"
            )
    out: Tensor = _MaskedBinarize.apply(u, mask, surrogate)  # type: ignore[no-untyped-call]
    return out


@dataclass(frozen=True)
class Rule:
    """How a tensor becomes binary: one of :data:`RULES`, with its surrogate where it has one.

    ``Rule.parse("ste", "clip")``, ``Rule.parse("ste:identity")`` and ``Rule("ste", "identity")``
    show the three ways to write one; the text after the colon is the surrogate.
    """

    name: str
    surrogate: str | None = None

    def __post_init__(self) -> None:
        one_of(self.name, RULES, "rule")
        if self.uses_surrogate != (self.surrogate is not None):
            need = "needs" if self.uses_surrogate else "has no use for"
            raise ConfigError(f"rule {self.name!r} {need} a surrogate, got {self.surrogate!r}")
        if self.surrogate is not None:
            one_of(self.surrogate, SURROGATES, "surrogate")

    @property
    def uses_surrogate(self) -> bool:
        """Whether frozen entries pass a surrogate gradient."""
        return self.name in ("ste", "stompp+ste")

    @property
    def progressive(self) -> bool:
        """Whether the frozen fraction grows with a schedule."""
        return self.name in ("stompp", "stompp+ste")

    @classmethod
    def parse(cls, text: str | Rule, default_surrogate: str = "clip") -> Rule:
        """Read ``"stompp"``, ``"ste"`` or ``"ste:identity"``.

        Raises:
            ConfigError: unknown rule or surrogate.
        """
        if isinstance(text, Rule):
            return text
        name, _, surrogate = str(text).partition(":")
        one_of(name, RULES, "rule")
        if name in ("ste", "stompp+ste"):
            return cls(name, surrogate or default_surrogate)
        return cls(name, surrogate or None)

    def __str__(self) -> str:
        return f"{self.name}:{self.surrogate}" if self.surrogate else self.name


class Binarizer(nn.Module):
    """Applies Eq. 1 to whatever passes through.

    A :class:`~stompp_lite.progression.Progression` moves it.

    Args:
        rule: how frozen entries behave.
        shape: shape of the tensor without its batch axis (for weights: the whole shape), or None
            until known. Masks have this shape.

    Attributes:
        p: the frozen fraction now, in [0, 1]. 0 clips everything, 1 binarizes everything.
        mask: bool tensor of ``shape`` while 0 < p < 1, else None.
        per_sample: (key, step) while every sample gets a fresh mask of its own, else None.
        plain: True computes every gradient through the mask and cuts nothing (the slow
            reference path that the fast one is tested against).

    ``mask`` and ``p`` are no buffers: they are not broadcast between processes, and the progression
    stores and restores them. The ``state_dict`` only notes whether the tensor is committed, so that
    a finished network that is loaded elsewhere is binary there too.
    """

    def __init__(self, rule: Rule, shape: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.rule, self.shape = rule, shape
        self.p = 1.0 if rule.name == "ste" else 0.0
        self.mask: Tensor | None = None
        self.per_sample: tuple[int, int] | None = None
        self.plain = False

    def forward(self, u: Tensor) -> Tensor:
        """Eq. 1 at the present p: a tensor like ``u``."""
        if self.p <= 0.0:
            return clip(u)
        if self.p >= 1.0:
            if self.rule.surrogate is None and not self.plain:
                return hard_sign(u)  # no graph: nothing upstream is stored or visited
            return masked_binarize(u, None, self.rule.surrogate)
        if self.per_sample is not None:
            key, step = self.per_sample
            draw = rng.uniform(key, step, rng.counters(u.numel(), u.device))
            return masked_binarize(u, (draw < self.p).view_as(u), self.rule.surrogate)
        if self.mask is None:
            raise ConfigError(f"p = {self.p} needs a mask: move the model with a Progression")
        return masked_binarize(u, self.mask, self.rule.surrogate)

    def get_extra_state(self) -> Tensor:
        """1 if committed, else 0: a part of the ``state_dict``."""
        return torch.tensor(float(self.p == 1.0))

    def set_extra_state(self, state: Tensor) -> None:
        """Take over from a ``state_dict``. A half-frozen tensor comes back free."""
        if self.rule.progressive:
            self.p, self.mask, self.per_sample = float(state), None, None

    def extra_repr(self) -> str:
        """Rule and p, for ``print(model)``."""
        return f"rule={self.rule}, p={self.p:.3g}"
