r"""The method's functions as chapters and users call them, with their arguments checked.

Sources: Eq. 1 of StoMPP (arXiv 2601.22660); straight-through estimator: Bengio, Leonard, Courville
2013 (arXiv 1308.3432); identity on weights and clip on activations: Hubara et al. 2016 (arXiv
1602.02830); polynomial surrogate: Bi-Real Net (arXiv 1808.00278).
Taught in chapters 2 (surrogates) and 8 (the mask).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stompp_lite import method
from stompp_lite.checks import fitting_mask, floating, one_of


def hard_sign(u: Tensor) -> Tensor:
    """Sign with sign(0) = +1. No gradient passes: the true derivative is 0 almost everywhere.

    Args:
        u: any floating-point tensor.

    Returns:
        Tensor of the same shape and dtype, every entry exactly +1 or -1.

    Raises:
        DtypeError: ``u`` is not floating point.
    """
    return method.hard_sign(floating(u, "hard_sign"))


def clip(u: Tensor) -> Tensor:
    """clip(u, -1, 1), with gradient 1 where abs(u) <= 1 (the ends included) and 0 elsewhere.

    Raises:
        DtypeError: ``u`` is not floating point.
    """
    return floating(u, "clip").clamp(-1, 1)


def masked_binarize(u: Tensor, mask: Tensor | None, surrogate: str | None = None) -> Tensor:
    """Eq. 1: the sign where ``mask`` is True, clip elsewhere.

    Args:
        u: floating-point tensor, any shape: latent weights or pre-activations.
        mask: bool tensor that broadcasts to ``u`` from the right, for example [C, H, W] for
            activations [N, C, H, W]. None means all True.
        surrogate: gradient of frozen entries: None passes exactly zero (STE-free), otherwise a
            key of :data:`stompp_lite.method.SURROGATES`. Free entries pass the gradient of clip.

    Returns:
        Tensor like ``u``.

    Raises:
        DtypeError: ``u`` is not floating point, or ``mask`` is not bool.
        ShapeError: ``mask`` does not broadcast to the shape of ``u``.
        ConfigError: unknown surrogate.
    """
    floating(u, "masked_binarize")
    if surrogate is not None:
        one_of(surrogate, method.SURROGATES, "surrogate")
    if mask is not None:
        fitting_mask(mask, u)
    return freeze(u, method.hard_sign(u), mask, surrogate)


class MappedFreeze(method.Freeze):
    """Freeze in the form that ``torch.func`` can differentiate for each sample."""

    generate_vmap_rule = True

    @staticmethod
    def forward(  # type: ignore[override]
        u: Tensor, frozen: Tensor, mask: Tensor | None, surrogate: str | None
    ) -> Tensor:
        """Values of Eq. 1."""
        return frozen if mask is None else torch.where(mask, frozen, u.clamp(-1, 1))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        """Keep what the backward pass needs."""
        u, _, mask, ctx.surrogate = inputs
        ctx.save_for_backward(u, mask)


def freeze(u: Tensor, frozen: Tensor, mask: Tensor | None, surrogate: str | None) -> Tensor:
    """Eq. 1 without checks, also inside ``torch.func.grad`` and ``vmap``.

    Outside of them it is the heart's own form: torch reads the signature of the other at each call,
    which made a training step of the lab's network 20 % slower.
    """
    mapped = torch._C._are_functorch_transforms_active()
    out: Tensor = (MappedFreeze if mapped else method.Freeze).apply(u, frozen, mask, surrogate)  # type: ignore[no-untyped-call]
    return out
