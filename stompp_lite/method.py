r"""StoMPP in one sitting: sign a random part of a tensor, clip the rest, and let the part grow.

.. math:: \hat u = M \odot \operatorname{sign}(u) + (1 - M) \odot \operatorname{clip}(u, -1, 1)

u is a latent weight or a pre-activation; M is 1 where it is frozen. A *stage* is a layer's weights
with the activation after them; L stages take turns in T steps. arXiv 2601.22660; chapters 2 and 7.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from stompp_lite import rng

# ---- when: p, the frozen fraction, grows with tau, the relative time in a window -----------------
#: Shape -> p as a function of tau, from 0 to 1.
SHAPES: dict[str, Callable[[float], float]] = {
    "cubic": lambda tau: tau**3,
    "quadratic": lambda tau: tau**2,
    "linear": lambda tau: tau,
    "cosine": lambda tau: (1.0 - math.cos(math.pi * tau)) / 2.0,
    "flipped-quadratic": lambda tau: 1.0 - (1.0 - tau) ** 2,
}
#: Order -> for each of L stages, the window in which it has its turn.
ORDERS: dict[str, Callable[[int, int], list[int]]] = {
    "forward": lambda L, seed: list(range(L)),
    "reverse": lambda L, seed: list(range(L))[::-1],
    "random": rng.permutation,
    "global": lambda L, seed: [0] * L,
    "forward-2": lambda L, seed: [min(2, L) * stage // L for stage in range(L)],  # two groups
    "forward-5": lambda L, seed: [min(5, L) * stage // L for stage in range(L)],
}


def fraction(t: int, turn: int, windows: int, T: int, shape: str) -> float:
    """p at step ``t`` of ``T`` for a stage whose turn is window ``turn`` of ``windows``."""
    done = windows * (t + 1) - turn * T  # in whole numbers, so that a window ends at exactly 1
    return SHAPES[shape](min(max(done, 0), T) / T)


# ---- what: Eq. 1, and slopes that replace the sign's in the backward pass ------------------------
#: Surrogate -> slope at u.
SURROGATES: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": torch.ones_like,
    "clip": lambda u: u.abs().le_(1),
    "polynomial": lambda u: (2 - 2 * u.abs()).clamp_min(0),
}


def hard_sign(u: Tensor) -> Tensor:
    """+1 or -1, with sign(0) = +1. No gradient: the true derivative is 0 almost everywhere."""
    return u.detach().clone().ge_(0).to(u.dtype).mul_(2).sub_(1)  # .to: ge_ is a bool in ONNX


class Freeze(torch.autograd.Function):
    """Eq. 1, mask None: all frozen. Backward: surrogate or 0 where frozen, else 1[abs(u) <= 1]."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, frozen: Tensor, mask: Any, surrogate: str | None) -> Tensor:
        ctx.save_for_backward(u, mask)
        ctx.surrogate = surrogate
        return frozen if mask is None else torch.where(mask, frozen, u.clamp(-1, 1))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore
        u, mask = ctx.saved_tensors
        slope = SURROGATES[ctx.surrogate](u) if ctx.surrogate else torch.zeros_like(u)
        slope = slope if mask is None else torch.where(mask, slope, SURROGATES["clip"](u))
        return grad * slope, None, None, None


class Binarizer(nn.Module):
    """Eq. 1 as a module: all of u is clipped at p = 0, a masked part is frozen, all at p = 1."""

    surrogate: str | None = None  # None: STE-free
    p = 0.0
    mask: Callable[[Tensor], Tensor] | None = None  # from u to bool, True where frozen
    frozen: Callable[[Tensor], Tensor] = staticmethod(hard_sign)  # values of frozen entries
    freeze: Callable[..., Tensor] = staticmethod(Freeze.apply)

    def forward(self, u: Tensor) -> Tensor:
        if self.p == 0.0:
            return u.clamp(-1, 1)
        if self.p == 1.0 and self.surrogate is None:
            return self.frozen(u)  # no graph: nothing upstream is stored or visited
        return self.freeze(u, self.frozen(u), self.mask and self.mask(u), self.surrogate)


# ---- who: each entry has a number, 1 at first, and is frozen while that is below p ---------------
#: Mask rule -> the number that an entry draws, and the chance that it draws one at this step.
MASK_RULES: dict[str, Callable[..., tuple[Tensor, float]]] = {
    "threshold": lambda p, age, fresh, rho: (fresh, rho if age else 1.0),
    "redraw": lambda p, age, fresh, rho: ((fresh >= p).float(), rho),  # Bernoulli(p)
    "per-sample": lambda p, age, fresh, rho: (fresh, 1.0),  # a mask for each sample
}


# ---- the walk: p and mask follow from the step alone, since draws are keyed and can be replayed --
@dataclass
class Walker:
    """Sets p and mask of one Binarizer as its window passes."""

    binarizer: Binarizer
    p: Callable[[int], float]  # frozen fraction at a step
    start: int  # first step of the window; draws are counted from it
    key: int  # of the draws, from rng.make_key
    rule: str = "threshold"
    rho: float = 0.01  # chance of a new draw at each step: soft refresh
    weight: nn.Parameter | None = None  # the latent weight; None for an activation
    age: int = -1  # step of the window up to which numbers are drawn
    numbers: Tensor | None = None

    def to(self, t: int) -> None:
        p = self.binarizer.p = self.p(t)
        self.binarizer.mask = partial(self.mask, t) if 0.0 < p < 1.0 else None

    def mask(self, t: int, u: Tensor) -> Tensor:
        """The mask of step ``t``, like ``u``; samples share one, except per-sample."""
        per_sample = self.rule == "per-sample"
        like = u if per_sample or self.weight is not None else u[0]
        if per_sample or self.numbers is None or self.age > t - self.start:  # start again
            self.age = t - self.start - 1 if per_sample else -1
            self.numbers = torch.ones(like.shape, device=u.device)
        for age in range(self.age + 1, t - self.start + 1):
            coin, fresh = rng.uniform_pair(self.key, age, rng.counters(like.shape, u.device))
            new, chance = MASK_RULES[self.rule](self.p(self.start + age), age, fresh, self.rho)
            self.numbers = torch.where(coin < chance, new, self.numbers)
        self.age = t - self.start
        return self.numbers < self.p(t)


class Walk:
    """All walkers of a network, and optimizers that leave frozen weights alone."""

    def __init__(self, walkers: list[Walker]) -> None:
        self.walkers = walkers

    def set_step(self, t: int) -> None:
        for walker in self.walkers:
            walker.to(t)

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Make every ``optimizer.step()`` obey the masks; no other call is needed."""
        optimizer.register_step_pre_hook(lambda *_: self._remember())
        optimizer.register_step_post_hook(lambda *_: self._hold())

    def _remember(self) -> None:  # before a step: keep a copy of what must not move
        latents = [(w.binarizer, w.weight) for w in self.walkers if w.weight is not None]
        self.kept = [(b, w, w.detach().clone()) for b, w in latents if b.p > 0 and not b.surrogate]

    def _hold(self) -> None:  # after a step: undo what momentum or weight decay moved, then clip
        for b, w, old in self.kept:
            w.data.copy_(old if b.mask is None else torch.where(b.mask(old), old, w))
        for w in (walker.weight for walker in self.walkers if walker.weight is not None):
            w.data.clamp_(-1, 1)
