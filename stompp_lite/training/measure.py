r"""Measurements on a network: accuracy, gradient reach, zero gradients, sign flips.

Gradient reach of stage :math:`l` is

.. math:: \frac{\lVert \partial\,\text{loss} / \partial a_l \rVert}
               {\lVert \partial\,\text{loss} / \partial a_l \rVert_{\text{all masks } 0}},

the size of the gradient that arrives at the output of the stage's activations, relative to the same
network with nothing frozen. 1 means as much as without signs, 0 that none arrives. It compares two
networks, whose gradients both change with depth, and says nothing of the weights' gradients. So
:func:`gradient_reach` returns both parts beside the ratio, and the weights' gradients relative to
the size of the weights: the share of itself by which a step of learning rate 1 moves a layer.

Taught in chapter 3 (accuracy), chapter 4 (reach against depth) and chapter 7 (reach in a run).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stompp_lite.checks import count
from stompp_lite.errors import DtypeError, ShapeError
from stompp_lite.method import hard_sign
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.layers import binary_layers, sites
from stompp_lite.networks.trace import preserved


@contextmanager
def masks_at(model: nn.Module, p: float) -> Iterator[None]:
    """Every Binarizer at p = 0 (nothing frozen) or p = 1 (all frozen), for a while.

    At p = 1, tensors whose rule is ``float`` stay float.
    """
    changed = [b for b in sites(model).values() if p == 0.0 or b.rule.name != "float"]
    before = [(b.p, b.mask) for b in changed]
    try:
        for b in changed:
            b.p, b.mask = p, None
        yield
    finally:
        for b, old in zip(changed, before, strict=True):
            b.p, b.mask = old


def activation_gradients(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor | None]:
    """Gradient of the cross-entropy with respect to the output of each activation Binarizer.

    Args:
        x: [N, ...] inputs. y: int64 labels, [N], or [N, T] for the tokens of texts.

    Returns:
        Name to gradient [N, ...], or None where no gradient arrives at all (or the Binarizer was
        not called, because its block was skipped).
    """
    return _gradients(model, x, y, {})[0]


def _gradients(
    model: nn.Module, x: Tensor, y: Tensor, latents: dict[str, Tensor]
) -> tuple[dict[str, Tensor | None], dict[str, Tensor | None]]:
    """Gradients at the outputs of the activations, and of the ``latents``, by name."""
    outputs: dict[str, Tensor] = {}
    handles = []
    for name in conversion(model).activation_sites:

        def hook(_m: nn.Module, _i: object, out: Tensor, name: str = name) -> Tensor:
            if not out.requires_grad:  # a committed stage hands on a constant
                out = out.detach().requires_grad_(True)
            outputs[name] = out
            return out

        handles.append(model.get_submodule(name).register_forward_hook(hook))
    try:
        with torch.enable_grad():
            loss = loss_of(model(x), y)
            wanted = [*outputs.values(), *latents.values()]
            grads = torch.autograd.grad(loss, wanted, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    found = dict(zip(outputs, grads[: len(outputs)], strict=True))
    activations = {name: found.get(name) for name in conversion(model).activation_sites}
    return activations, dict(zip(latents, grads[len(outputs) :], strict=True))


def gradient_reach(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, list[float]]:
    """Gradient reach with its two parts, zero gradients, and weights' gradients, per stage.

    Stages without an activation, or whose reference gradient is zero, give NaN.

    Returns:
        Lists of L numbers. ``gradient``: Euclidean norm of the gradient that arrives at the
        activations; ``reference``: the same with all masks 0; ``reach``: their ratio; ``zero``:
        share of entries of the gradient that are exactly zero; ``relative``: norm of the latent
        weights' gradient divided by that of the latent weights (0 for a stage without weights).
    """
    layers = binary_layers(model)
    latents = {name: layer.weight for name, layer in layers.items() if layer.weight.requires_grad}
    with preserved(model):
        model.train()
        now, weights = _gradients(model, x, y, latents)
        with masks_at(model, 0.0):
            free = activation_gradients(model, x, y)
    out: dict[str, list[float]] = {
        name: [] for name in ("reach", "zero", "gradient", "reference", "relative")
    }
    for stage in conversion(model).stages:
        got = [now[name] for name in stage.activations]
        size, reference = _norm(got), _norm([free[name] for name in stage.activations])
        zeros = [1.0 if g is None else float((g == 0).float().mean()) for g in got]
        latent = _norm([layers[name].weight.detach() for name in stage.weights])
        moved = _norm([weights.get(name) for name in stage.weights])
        out["reach"].append(size / reference if reference > 0 else math.nan)
        out["zero"].append(sum(zeros) / len(zeros) if zeros else math.nan)
        out["gradient"].append(size if got else math.nan)
        out["reference"].append(reference if got else math.nan)
        out["relative"].append(moved / latent if latent > 0 else 0.0)
    return out


def _norm(grads: list[Tensor | None]) -> float:
    return math.sqrt(sum(float(g.double().pow(2).sum()) for g in grads if g is not None))


def signs(model: nn.Module) -> list[Tensor]:
    """Signs of the latent weights per stage: float tensors (empty for stages without weights)."""
    out = []
    for stage in conversion(model).stages:
        parts = [hard_sign(model.get_submodule(n).weight).flatten() for n in stage.weights]  # type: ignore[arg-type]
        out.append(torch.cat(parts) if parts else torch.empty(0))
    return out


def count_flips(before: list[Tensor], after: list[Tensor]) -> list[int]:
    """How many latent weights changed sign, per stage."""
    return [int((a != b).sum()) for a, b in zip(before, after, strict=True)]


def loss_of(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of logits [N, classes] or [N, T, classes] and labels [N] or [N, T]."""
    return F.cross_entropy(logits.flatten(0, -2), y.flatten())


def judged_at_once(x: Any) -> int:
    """How many samples are judged at once: 1,024, or fewer large ones (images in folders, too)."""
    numbers: int = math.prod(x.shape[1:])
    return max(1, min(1024, 2**24 // max(1, numbers)))


@torch.no_grad()
def answers(model: nn.Module, x: Tensor) -> list[int]:
    """The class that the model gives each of a few inputs, in evaluation mode.

    Args:
        x: [N, ...] inputs.
    """
    with preserved(model):
        model.eval()
        found: list[int] = model(x).argmax(-1).tolist()
    return found


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor, batch: int | None = None) -> float:
    """Share of correct predictions in evaluation mode, in percent.

    Args:
        x: [N, ...] inputs. y: int64 [N] labels.
        batch: samples at once; default :func:`judged_at_once`.

    Raises:
        ShapeError: not one label for each input, or logits that are not [N, classes].
        DtypeError: labels that are not whole numbers.
    """
    batch = judged_at_once(x) if batch is None else count(batch, "the batch size")
    if (y.dim() != 1 and y.shape != x.shape) or len(x) != len(y) or not len(y):
        raise ShapeError(
            f"inputs {tuple(x.shape)} and labels {tuple(y.shape)} do not match: labels must be "
            "[N], one for each of at least one input (or one for each token)"
        )
    if y.is_floating_point() or y.dtype == torch.bool:
        raise DtypeError(f"labels must be int64, got {y.dtype}; use y.long()")
    hits = 0
    with preserved(model):
        model.eval()
        for a, b in zip(x.split(batch), y.split(batch), strict=True):
            logits = model(a)
            if logits.dim() != y.dim() + 1:
                raise ShapeError(
                    f"the model must return logits [N, classes], not {tuple(logits.shape)}"
                )
            hits += int((logits.argmax(-1) == b).sum())
    return 100.0 * hits / y.numel()


@torch.no_grad()
def reestimate_batch_norm(model: nn.Module, x: Tensor, batch: int | None = None) -> None:
    """Replace every batch norm's running statistics by averages over ``x``."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta, mode = [m.momentum for m in norms], model.training
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # cumulative average
    model.train()
    try:
        for part in x.tensor_split(
            -(-len(x) // (batch or judged_at_once(x)))
        ):  # even parts: never a lone sample
            model(part)
    finally:
        for m, momentum in zip(norms, momenta, strict=True):
            m.momentum = momentum
        model.train(mode)
