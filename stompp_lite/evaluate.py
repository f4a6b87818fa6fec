"""Accuracy, and batch-norm statistics measured anew.

Taught in chapter 3, *A first binary network*.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor, batch: int = 1024) -> float:
    """Share of correct predictions in evaluation mode, in percent."""
    mode = model.training
    model.eval()
    parts = zip(x.split(batch), y.split(batch), strict=True)
    hits: int = sum(int((model(a).argmax(1) == b).sum()) for a, b in parts)
    model.train(mode)
    return 100.0 * hits / len(y)


@torch.no_grad()
def reestimate_batch_norm(model: nn.Module, x: Tensor, batch: int = 1024) -> None:
    """Replace every batch norm's running statistics by averages over ``x``."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta, mode = [m.momentum for m in norms], model.training
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # cumulative average
    model.train()
    try:
        for part in x.tensor_split(-(-len(x) // batch)):  # even parts: never a lone sample
            model(part)
    finally:
        for m, momentum in zip(norms, momenta, strict=True):
            m.momentum = momentum
        model.train(mode)
