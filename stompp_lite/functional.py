r"""The method's functions with their arguments checked: what chapters and users call.

Sources: Eq. 1 of StoMPP (arXiv 2601.22660); straight-through estimator: Bengio, Leonard, Courville
2013 (arXiv 1308.3432); identity on weights and clip on activations: Hubara et al. 2016 (arXiv
1602.02830); polynomial surrogate: Bi-Real Net (arXiv 1808.00278).
Taught in chapters 2 (surrogates) and 8 (the mask).
"""

from __future__ import annotations

from torch import Tensor

from stompp_lite import method
from stompp_lite.checks import fitting_mask, floating, one_of, share


def hard_sign(u: Tensor) -> Tensor:
    """Sign with sign(0) = +1. No gradient: this is the true derivative, zero almost everywhere.

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
    """Eq. 1: sign where ``mask`` is True, clip elsewhere.

    Args:
        u: floating-point tensor, any shape: latent weights or pre-activations.
        mask: bool tensor that broadcasts to ``u`` from the right, for example [C, H, W] for
            activations [N, C, H, W]; None stands for all True.
        surrogate: gradient of frozen entries: None passes exactly zero (STE-free), otherwise a
            key of :data:`stompp_lite.method.SURROGATES`. Entries that are not frozen pass the
            gradient of clip.

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
    out: Tensor = method.Freeze.apply(u, method.hard_sign(u), mask, surrogate)  # type: ignore[no-untyped-call]
    return out


def shape_value(shape: str, tau: float) -> float:
    """Frozen fraction at relative time ``tau`` inside a window.

    Args:
        shape: a key of :data:`stompp_lite.method.SHAPES`. Every shape rises from 0 at 0 to 1 at 1.
        tau: relative time in [0, 1].

    Raises:
        ConfigError: unknown shape, or ``tau`` outside [0, 1].
    """
    one_of(shape, method.SHAPES, "shape")
    return method.SHAPES[shape](share(tau, "relative time"))
