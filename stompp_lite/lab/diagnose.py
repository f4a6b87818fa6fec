r"""Measurements on a network in training: gradient reach, zero gradients, sign flips.

Gradient reach of stage :math:`l` is

.. math:: \frac{\lVert \partial\,\text{loss} / \partial a_l \rVert}
               {\lVert \partial\,\text{loss} / \partial a_l \rVert_{\text{all masks } 0}},

the size of the gradient that arrives at the output of the stage's activations, relative to the same
network with nothing frozen. 1 means as much as without signs, 0 that none arrives. It compares two
networks, whose gradients both change with depth, and says nothing of the weights' gradients: look
at both parts before you read the ratio.

Taught in chapter 4 (reach against depth) and chapter 8 (reach during a run).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stompp_lite.binarize import Binarizer, hard_sign
from stompp_lite.convert import binarizers, conversion


@contextmanager
def masks_at(model: nn.Module, p: float) -> Iterator[None]:
    """Every Binarizer at p = 0 (nothing frozen) or p = 1 (all frozen), for a while.

    At p = 1, tensors whose rule is ``float`` stay float.
    """
    changed = [b for b in binarizers(model) if p == 0.0 or b.rule.name != "float"]
    before = [b.p for b in changed]
    try:
        for b in changed:
            b.p = p
        yield
    finally:
        for b, old in zip(changed, before, strict=True):
            b.p = old


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put batch-norm statistics, gradients, mode and random state back afterwards."""
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    grads = [p.grad for p in model.parameters()]
    mode = model.training
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for name, b in model.named_buffers():
            b.copy_(buffers[name])
        for parameter, grad in zip(model.parameters(), grads, strict=True):
            parameter.grad = grad
        model.train(mode)


def activation_gradients(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor | None]:
    """Gradient of the cross-entropy with respect to the output of each activation Binarizer.

    Args:
        x: [N, ...] inputs. y: int64 [N] labels.

    Returns:
        Name to gradient [N, ...], or None where no gradient arrives at all.
    """
    outputs: dict[str, Tensor] = {}
    handles = []
    for stage in conversion(model).stages:
        for name in stage.activations:

            def hook(_m: nn.Module, _i: object, out: Tensor, name: str = name) -> Tensor:
                if not out.requires_grad:  # a committed stage hands on a constant
                    out = out.detach().requires_grad_(True)
                out.retain_grad()
                outputs[name] = out
                return out

            module = model.get_submodule(name)
            assert isinstance(module, Binarizer)
            handles.append(module.register_forward_hook(hook))
    try:
        with torch.enable_grad():
            F.cross_entropy(model(x), y).backward()
    finally:
        for handle in handles:
            handle.remove()
    return {name: out.grad for name, out in outputs.items()}


def gradient_reach(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, list[float]]:
    """Gradient reach and share of exactly zero gradient entries, per stage.

    Stages without an activation, or whose reference gradient is zero, give NaN.

    Returns:
        ``{"reach": [L], "zero": [L]}``
    """
    with untouched(model):
        model.train()
        now = activation_gradients(model, x, y)
        with masks_at(model, 0.0):
            free = activation_gradients(model, x, y)
    reach, zero = [], []
    for stage in conversion(model).stages:
        got = [now[name] for name in stage.activations]
        ref = [free[name] for name in stage.activations]
        size, size_ref = _norm(got), _norm(ref)
        reach.append(size / size_ref if size_ref > 0 else math.nan)
        zeros = [1.0 if g is None else float((g == 0).float().mean()) for g in got]
        zero.append(sum(zeros) / len(zeros) if zeros else math.nan)
    return {"reach": reach, "zero": zero}


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
