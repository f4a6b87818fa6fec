"""Relatives in which a part of the weights is binary, and the part grows or moves.

Taught in chapter 17, *The landscape*.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stompp_lite import rng
from stompp_lite.method import hard_sign
from stompp_lite.relatives.base import Relative, straight

#: Binary shares of INQ and Stochastic Quantization, for the four quarters of a progression.
QUARTERS = (0.5, 0.75, 0.875, 1.0)


def share(tau: float) -> float:
    """The binary share at ``tau``: three thirds, then all of it."""
    return QUARTERS[min(int(3 * tau), 3)]


class Magnitude(Relative):
    """INQ: the largest weights become signs and stay; the rest trains on, and then its largest.

    Shares of a layer: 0.5, 0.75, 0.875 in the thirds of a progression, then all. What has become a
    sign keeps it and has no gradient. Meant for weights that were trained as floats first.

    Source: Zhou et al. 2017 (arXiv 1702.03044), whose powers of two are +1 and -1 here.
    """

    memory = ("held",)
    held: Tensor | None  # bool: what is a sign for good
    kept: Tensor  # latent weights as the step began

    def follow(self, step: int, weight: Tensor | None) -> None:
        """Hold more of them, if it is time."""
        super().follow(step, weight)
        assert weight is not None
        count = round(share(self.tau) * weight.numel())
        if self.held is None or count < int(self.held.sum()):  # the first step, or one gone back to
            self.held = torch.zeros_like(weight, dtype=torch.bool)
        if count > int(self.held.sum()):
            size = weight.detach().abs().masked_fill(self.held, torch.inf).flatten()
            order = size.argsort(descending=True, stable=True)
            self.held.view(-1)[order[:count]] = True
        self.kept = weight.detach().clone()

    def value(self, u: Tensor) -> Tensor:
        """Signs where held, else ``u``."""
        assert self.held is not None
        return torch.where(self.held, hard_sign(u), u)

    def settle(self, weight: Tensor) -> None:
        """What is held does not move, whatever momentum does."""
        assert self.held is not None
        weight.data.copy_(torch.where(self.held, self.kept, weight.data))


class Rotating(Relative):
    """RPR: all weights are signs, except a small random part that is free for a while.

    The free part is drawn anew 20 times in a progression, and its share falls by half in each
    quarter of it: 0.1, 0.05, 0.025, 0.0125 (ours). A weight that is a sign keeps its latent value,
    and starts from there when it is free. Meant for weights that were trained as floats first.

    Source: Cavigelli and Benini 2020 (arXiv 2001.01091).
    """

    rounds, first = 20, 0.1
    kept: Tensor  # latent weights as the step began
    round = 0

    def follow(self, step: int, weight: Tensor | None) -> None:
        """Whose turn it is."""
        super().follow(step, weight)
        assert weight is not None
        self.round = min(step * self.rounds // self.moving, self.rounds - 1)
        self.kept = weight.detach().clone()

    def free(self, shape: torch.Size, device: torch.device) -> Tensor:
        """What is free now: bool, of ``shape``."""
        draw, _ = rng.uniform_pair(self.key, self.round, rng.counters(shape, device))
        part: float = self.first / 2 ** (4 * self.round // self.rounds)
        return draw < part

    def value(self, u: Tensor) -> Tensor:
        """``u`` where free, else signs."""
        return torch.where(self.free(u.shape, u.device), u, hard_sign(u))

    def settle(self, weight: Tensor) -> None:
        """The latent weight of what is not free does not move."""
        free = self.free(weight.shape, weight.device)
        weight.data.copy_(torch.where(free, weight.data, self.kept))


class Filters(Relative):
    """Stochastic Quantization: a growing share of filters is binary, drawn anew at each step.

    Shares as INQ's. Filters are drawn without replacement, each time with a chance in proportion
    to 1 / error, where error is the sum of abs(u - sign(u)) in a filter, divided by the sum of
    abs(u). All weights train: the gradient at a sign is given to the latent weight.

    Source: Dong et al. 2017 (arXiv 1708.01001).
    """

    commits = False
    step = 0

    def follow(self, step: int, weight: Tensor | None) -> None:
        """Note the step, which decides the draw."""
        super().follow(step, weight)
        self.step = step

    def drawn(self, u: Tensor) -> Tensor:
        """Which filters are binary at this step: bool, one entry a filter."""
        rows = u.detach().transpose(0, self.channels).flatten(1)
        error = (rows - hard_sign(rows)).abs().sum(1) / rows.abs().sum(1).clamp_min(1e-12)
        draw, _ = rng.uniform_pair(self.key, self.step, rng.counters([len(rows)], u.device))
        # the first of exponential clocks with rates 1 / error to ring are such a draw
        order = (-torch.log1p(-draw) * error).argsort(stable=True)
        out = torch.zeros(len(rows), dtype=torch.bool, device=u.device)
        out[order[: round(share(self.tau) * len(rows))]] = True
        return out

    def value(self, u: Tensor) -> Tensor:
        """Signs in the drawn filters, else ``u``."""
        where = self.drawn(u).view([-1 if a == self.channels else 1 for a in range(u.dim())])
        return straight(torch.where(where, hard_sign(u), u), u)


class Layers(Relative):
    """Iterative training: a layer at a time becomes binary, all of it at once, and trains on.

    The plan's order decides which (forward: from the input). A layer that is binary trains with the
    straight-through estimator; one that waits trains as a float layer.

    Source: Lan 2021 (arXiv 2111.07046).
    """

    commits = False

    def value(self, u: Tensor) -> Tensor:
        """Signs once it is this layer's turn, else ``u``."""
        turn, windows = self.turn
        return straight(hard_sign(u), u) if self.tau * windows > turn else u
