"""The method once more, slow and obvious: what the package is compared with.

Nothing here is shared with the package but the numbers it draws: p in exact fractions, masks entry
by entry, and a training loop that computes every gradient through every mask and puts back by hand
what must not move.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction
from functools import lru_cache

import torch
import torch.nn.functional as F

MASK64 = (1 << 64) - 1


def splitmix(key, step, entry):
    """64 random bits: the finalizer of SplitMix64, with Python's own unbounded integers."""
    x = (entry * 0x9E3779B97F4A7C15 + (key ^ (step * 0xBF58476D1CE4E5B9 & MASK64))) & MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK64
    return x ^ (x >> 31)


@lru_cache(2**18)
def two_numbers(key, step, entry):
    """(coin, fresh), both in [0, 1)."""
    x = splitmix(key, step, entry)
    return (x >> 40) / 2**24, (x & 0xFFFFFF) / 2**24


def turns(order, stages, seed):
    groups = {"global": 1, "forward-2": min(2, stages), "forward-5": min(5, stages)}.get(order)
    if groups:  # neighboring stages, whose groups differ in size by one at most
        return [math.floor(groups * stage / stages) for stage in range(stages)]
    out = list(range(stages))
    if order == "reverse":
        out.reverse()
    if order == "random":
        random.Random(seed).shuffle(out)
    return out


def shape_of(shape, tau):
    return {
        "cubic": tau**3,
        "quadratic": tau**2,
        "linear": tau,
        "cosine": 0.5 - 0.5 * math.cos(math.pi * tau),
        "flipped-quadratic": 1 - (1 - tau) ** 2,
    }[shape]


class OracleTensor:
    """p(t) and mask(t) of one tensor, from the plan alone."""

    def __init__(self, plan, kind, stage, stages, steps, seed, key, numel):
        self.steps = max(steps - round(plan.tail * steps), 1)
        order = plan.order if kind == "weight" else plan.activation_order or plan.order
        rule = plan.mask_rule if kind == "weight" else plan.activation_mask_rule or plan.mask_rule
        late = max(-plan.lead, 0) if kind == "weight" else max(plan.lead, 0)
        taken = turns(order, stages, seed)
        self.windows, self.turn = max(taken) + 1 + abs(plan.lead), taken[stage] + late
        self.shape, self.rule, self.rho, self.key = plan.shape, rule, plan.refresh, key
        self.start = math.floor(Fraction(self.turn * self.steps, self.windows))
        self.numbers = [None] * numel
        self.drawn = self.start - 1

    def p(self, t):
        tau = Fraction(self.windows * (t + 1), self.steps) - self.turn
        return float(shape_of(self.shape, float(min(max(tau, Fraction(0)), Fraction(1)))))

    def mask(self, t, numel=None):
        """List of bools, or None where p is 0 or 1."""
        if not 0 < self.p(t) < 1:
            return None
        if self.rule == "per-sample":
            step = t - self.start
            return [two_numbers(self.key, step, i)[1] < self.p(t) for i in range(numel)]
        while self.drawn < t:
            self.drawn += 1
            step, p = self.drawn - self.start, self.p(self.drawn)
            for i, number in enumerate(self.numbers):
                coin, fresh = two_numbers(self.key, step, i)
                if self.rule == "threshold":
                    if number is None or coin < self.rho:
                        self.numbers[i] = fresh
                elif coin < self.rho:  # redraw: True is frozen
                    self.numbers[i] = fresh < p
        if self.rule == "threshold":
            return [number < self.p(t) for number in self.numbers]
        return [bool(number) for number in self.numbers]


def slope(u, surrogate):
    """Slope of a frozen entry."""
    if surrogate is None:
        return torch.zeros_like(u)
    inside = (u.abs() <= 1).to(u)
    return {
        "identity": torch.ones_like(u),
        "clip": inside,
        "polynomial": (2 - 2 * u.abs()).clamp_min(0),
    }[surrogate]


def plain_forward(site, u):
    """Eq. 1 with every gradient written out, also the zeros; a surrogate function does it."""
    frozen = torch.ones_like(u, dtype=torch.bool)
    if site.p < 1:
        frozen = site.mask(u) if site.p > 0 else ~frozen
    value = torch.where(frozen, torch.where(u >= 0, 1.0, -1.0).to(u), u.clamp(-1, 1)).detach()
    inside = (u.abs() <= 1).to(u)
    gradient = torch.where(frozen, slope(u, site.surrogate), inside).detach()
    return value + (u - u.detach()) * gradient


def plain_training(model, data, batches, make_optimizer, set_step, sites, latents):
    """Train with every gradient computed; what received only zeros is left alone afterwards."""
    optimizer = make_optimizer(model.parameters())
    losses = []
    for t, index in enumerate(batches):
        set_step(t)
        loss = F.cross_entropy(model(data.train_x[index]), data.train_y[index])
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        before = {name: weight.detach().clone() for name, weight in latents.items()}
        for parameter in model.parameters():
            if parameter.grad is not None and not parameter.grad.any():
                parameter.grad = None  # nothing arrives any more
        optimizer.step()
        with torch.no_grad():
            for name, weight in latents.items():
                site = sites[name]
                if site.surrogate is None and site.p > 0:
                    all_of_it = torch.ones_like(weight, dtype=torch.bool)
                    frozen = all_of_it if site.p == 1 else site.mask(weight)
                    weight.copy_(torch.where(frozen, before[name], weight))
                weight.clamp_(-1, 1)
    return losses
