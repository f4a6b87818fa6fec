r"""Random masks that grow, breathe, and can be replayed.

A mask entry is drawn in one of two ways:

``threshold`` (default)
    Each entry carries :math:`u \sim U(0, 1)` and is frozen while :math:`u < p`. Soft refresh
    re-draws each :math:`u` with probability :math:`\rho` a step. The frozen fraction follows
    :math:`p` without lag and without a jump.
``redraw``
    With probability :math:`\rho` a step an entry is re-drawn as Bernoulli(:math:`p`). Its mean
    follows :math:`p` with a time constant of :math:`1/\rho` steps, so a window of :math:`S` steps
    with :math:`\rho S` small freezes most of a stage in one jump at its end.

The paper's "soft refresh" (about 1 % of the mask a step) fits both readings; the second is one
reading of its r = 100. Activation masks have the shape of the feature map without the batch axis
and are shared by the samples of a batch; ``per_sample`` draws a fresh one for each sample and
step. Which of the two the paper uses is not known to us.

Draws are keyed by (seed, tensor, steps since the stage's window began, entry): see
:mod:`stompp_lite.rng`.

Taught in chapter 8, *Layer by layer*.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from stompp_lite import rng

#: Ways to draw a mask.
MASK_RULES = ("threshold", "redraw")


class Mask:
    """The random mask of one tensor: created, refreshed, stored."""

    def __init__(self, key: int, numel: int, rule: str, refresh: float, device: Any) -> None:
        self.key, self.rule, self.refresh = key, rule, refresh
        self.entries = rng.counters(numel, device)
        self.step = -1  # steps since the window began, -1 before
        # threshold: u of each entry; redraw: 0.0 for frozen and 1.0 for free, so that both
        # rules read "frozen where state < something"
        self.state = torch.ones(numel, device=device)

    def advance(self, p: float, step: int) -> Tensor:
        """The mask at ``step`` of the window with frozen fraction ``p``: bool, [numel]."""
        while self.step < step:
            self.step += 1
            coin, fresh = rng.uniform_pair(self.key, self.step, self.entries)
            new = fresh if self.rule == "threshold" else (fresh >= p).to(torch.float32)
            if self.step == 0 and self.rule == "threshold":
                self.state = new  # every entry gets its u; a redrawn mask begins all free
            else:
                self.state = torch.where(coin < self.refresh, new, self.state)
        return self.state < (p if self.rule == "threshold" else 0.5)

    def pack(self) -> Tensor:
        """The state to store: uint8 with eight entries a byte for ``redraw``, else float32."""
        if self.rule == "threshold":
            return self.state
        return torch.from_numpy(np.packbits(self.state.cpu().numpy() > 0.5))

    def unpack(self, packed: Tensor) -> None:
        """Take over a state from :meth:`pack`."""
        if self.rule == "redraw":
            bits = np.unpackbits(packed.cpu().numpy(), count=self.entries.numel())
            packed = torch.from_numpy(bits).to(torch.float32)
        if packed.numel() != self.entries.numel():
            raise ValueError(f"{packed.numel()} entries stored, {self.entries.numel()} needed")
        self.state = packed.to(self.entries.device)
