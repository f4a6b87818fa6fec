"""Answers of students: what passes, and what plausibly goes wrong, with a piece of its hint."""

# ruff: noqa: E741, N803, N806 - the book's own names

import hashlib
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from stompp_lite.networks.convert import binarize_model
from stompp_lite.networks.layers import binary_layers
from stompp_lite.networks.models import Block, LabResNet
from stompp_lite.relatives.base import straight
from stompp_lite.relatives.partial import share
from stompp_lite.relatives.signed import Scaled
from stompp_lite.training.data import batches, load
from stompp_lite.training.progression import foresee


def sign(u):
    return torch.where(u >= 0, 1.0, -1.0)


def autograd(forward, backward):
    """An autograd function of one tensor; backward from the tensor and the gradient."""

    class Made(torch.autograd.Function):
        @staticmethod
        def forward(ctx, u):
            ctx.save_for_backward(u)
            return forward(u)

        @staticmethod
        def backward(ctx, grad):
            return backward(ctx.saved_tensors[0], grad)

    return Made


def bell(u):
    return 2 * torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)


def count(x, row, n):
    return (~(x ^ row) & ((1 << n) - 1)).bit_count()


def estimate(loss, w, sigma, draws, minus=True, over=True, seed=None):
    draw = None if seed is None else torch.Generator().manual_seed(seed)
    noise = torch.randn(draws, len(w), generator=draw)
    values = loss(sign(w + sigma * noise))
    values = values - values.mean() if minus else values
    return (values[:, None] * noise).mean(0) / (sigma if over else 1)


class Linear(nn.Linear):
    """A binary linear layer whose faults are switched on by name."""

    fault = ""

    def forward(self, x):
        w = self.weight
        if self.fault == "overwrites":
            w.data = sign(w.data)
        signs = torch.sign(w) if self.fault == "torch.sign" else sign(w)
        if self.fault == "no gradient":
            return F.linear(x, signs)
        if self.fault == "latents":
            return F.linear(x, w)
        return F.linear(x, w + (signs - w).detach())


def linear(fault):
    return type("Wrong", (Linear,), {"fault": fault})


def frozen(fault=""):
    def partly_frozen(w, M):
        out = torch.where(M, torch.sign(w) if fault == "torch.sign" else sign(w), w.clamp(-1, 1))
        if fault == "inverted":
            return torch.where(M, w.clamp(-1, 1), sign(w))
        if fault == "ste":
            return w.clamp(-1, 1) + (out - w.clamp(-1, 1)).detach()
        return out

    return partly_frozen


def ranks(w, largest_first, fault=""):
    order = w.abs().flatten().argsort(descending=largest_first != (fault == "turned"))
    if fault == "argsort":
        return order.view_as(w) / w.numel()
    numbers = torch.empty(w.numel())
    numbers[order] = torch.arange(w.numel()) / (1 if fault == "places" else w.numel())
    return numbers.view_as(w)


def door(fault=""):
    def quiet(z, M, beta):
        if fault == "size":
            return torch.where(M, beta * z.clamp(-1, 1), z.clamp(-1, 1))
        if fault == "loud":
            return torch.where(M, sign(z), z.clamp(-1, 1))
        if fault == "all":
            return beta * torch.where(M, sign(z), z.clamp(-1, 1))
        return torch.where(M, beta * sign(z), z.clamp(-1, 1))

    return quiet


def freeze(fault=""):
    """The loop of chapter 7 in short, in reverse order."""
    data = load("digits")

    def freeze_reversed(model, epochs):
        stages, optimizer = model.binarization.stages, torch.optim.SGD(model.parameters(), 0.1)
        steps, L = [b for e in range(epochs) for b in batches(1437, 64, 0, e)], len(stages)
        T, numbers = len(steps) - round(0.1 * len(steps)), {}
        for t, batch in enumerate(steps):
            for stage in stages:
                window = L - 1 - stage.index
                window = {"forward": stage.index, "off by one": window + 1}.get(fault, window)
                now = len(steps) - t if fault == "backward" else t + 1
                p = (min(max(L * now - window * T, 0), T) / T) ** 3
                for name in (*(f"{w}.binarizer" for w in stage.weights), *stage.activations):
                    site = model.get_submodule(name)
                    owner = model.get_submodule(name.removesuffix(".binarizer"))
                    site.p, site.mask = p, None
                    if 0 < p < 1:
                        shape = owner.weight.shape if owner is not site else site.shape
                        old = numbers.get(name, torch.rand(shape))
                        turn = torch.rand(shape) < (0 if fault == "only adds" else 0.01)
                        numbers[name] = torch.where(turn, torch.rand(shape), old)
                        site.mask = lambda u, mask=numbers[name] < p: mask
            loss = F.cross_entropy(model(data.train_x[batch]), data.train_y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for layer in binary_layers(model).values():
                layer.weight.data.clamp_(-1, 1)

    return freeze_reversed


def opened(fault=""):
    def call(z, M):
        clipped = z.clamp(-1, 1)
        out = torch.where(M, sign(z), clipped)
        if fault == "silent" or not (M.all() or fault == "too early"):
            return out
        soft = z if fault == "identity" else clipped
        return out.detach() + soft - soft.detach()

    return call


def redraw(fault=""):
    def mask(S, rho, grow, entries=20_000):
        frozen = torch.zeros(entries, dtype=torch.bool)
        numbers = torch.rand(entries)
        for t in range(S):
            p, turn = grow((t + 1) / S), torch.rand(entries) < rho
            fresh = torch.rand(entries) < p
            if fault == "only adds":
                frozen = frozen | (turn & fresh)
            elif fault == "threshold":
                numbers = torch.where(turn, torch.rand(entries), numbers)
                frozen = (numbers < p) & (rho > 0)
            elif fault == "always":
                frozen = torch.where(turn, torch.tensor(p > 0), frozen)
            else:
                frozen = torch.where(turn, fresh, frozen)
        return frozen.float() if fault == "floats" else frozen

    return mask


def own_rates(fault=""):
    def groups(net, lr):
        latents = [layer.weight for layer in binary_layers(net).values()]
        rest = [p for p in net.parameters() if all(p is not w for w in latents)]
        alpha = [w.detach().abs().mean().item() for w in latents]
        rates = {"one": lambda a: lr, "times": lambda a: lr * a}.get(fault, lambda a: lr / a)
        made = [{"params": [w], "lr": rates(a)} for w, a in zip(latents, alpha)]
        return made if fault == "forgets" else [{"params": rest, "lr": lr}, *made]

    return groups


def keyed(fault=""):
    def draw(seed, name, step, shape):
        key = f"{seed + step}/{name}" if fault == "sum" else f"{seed}/{name}/{step}"
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "little")
        if fault == "global":
            torch.manual_seed(number)
            return torch.rand(shape)
        if fault == "chance":
            return torch.rand(shape)
        return torch.rand(shape, generator=torch.Generator().manual_seed(number))

    return draw


def head(fault=""):
    def attention(x, query, key, scaled):
        a, b = (w.abs().mean() if scaled else 1.0 for w in (query, key))
        b = 1.0 if fault == "one alpha" else b
        q, k = x @ (a * query.sign()).T, x @ (b * key.sign()).T
        if fault == "latents":
            q, k = x @ query.T, x @ key.T
        root = 1 if fault == "no root" else query.shape[0] ** 0.5
        return torch.softmax(q @ k.T / root, 0 if fault == "columns" else -1)

    return attention


class OpenBlock(Block):
    def forward(self, x):
        return self.bn2(self.conv2(self.act1(self.bn1(self.conv1(self.act2(x)))))) + self.shortcut(
            x
        )


class ClosedBlock(OpenBlock):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.act3 = nn.Hardtanh()

    def forward(self, x):
        return self.act3(super().forward(x))


def density(u):
    return (1 - u.abs()).clamp_min(0)


LOUD = [0.10, 0.16, 0.12]
ACC = {"STE": [67.0, 71.0], "StoMPP": [90.0, 89.0]}
ADAM = {"STE": [92.0, 89.0], "StoMPP": [91.0, 88.0]}


def easiest(how=""):
    """Exercise 18.2, right, or wrong in a way that has a name."""

    def moves(z, d, group):
        if how == "threes":
            group = 3
        out = np.zeros(z.shape, dtype=bool)
        for b in range(len(z)):
            for first in range(0, z.shape[1], group):
                members = range(first, first + group)
                wrong = [k for k in members if (z[b, k] >= 0) != (d[b, k] > 0)]
                if how == "right too":
                    wrong = list(members)
                if how == "strict":
                    wrong = [k for k in members if z[b, k] * d[b, k] < 0]
                if how == "all":
                    out[b, wrong] = True
                elif wrong:
                    sums = z[b] if how == "with sign" else abs(z[b])
                    out[b, min(wrong, key=sums.__getitem__)] = True
        return out

    return moves


def folded(below="turned", above=math.ceil):
    """Exercise 19.2, right, or wrong in a way that has a name."""

    def fold(gamma, beta, mean, std):
        t = mean - beta * std / gamma
        if gamma > 0 or below == "as above":
            return above(t), False
        return (math.ceil(t) if below == "tied" else math.floor(t) + 1), True

    return fold


PLACE = {
    "what": "weights", "grain": "filter", "who": "error", "back": "yes", "order": "none",
    "passes": "straight through", "scale": "a filter", "start": "a float network",
}  # fmt: skip


def calm(fault=""):
    """The rule Calm Filters."""

    class Calm(Scaled):
        gradual = fault != "at once"

        def value(self, u):
            alpha = self.scale(u)
            rows, sizes = u.detach().abs().flatten(1), alpha.flatten(1)
            error = (rows - sizes).abs().sum(1) / rows.sum(1)
            rank = (-rows.sum(1) if fault == "largest" else error).argsort().argsort()
            wanted = len(rows) if fault == "all" else share(self.tau) * len(rows)
            signs = sign(u) * (1 if fault == "ones" else alpha)
            value = torch.where((rank < wanted).view(-1, 1, 1, 1), signs, u)
            return value if fault == "not straight" else straight(value, u)

    return Calm


def ranked(fault=""):
    def rank(plans):
        net = binarize_model(LabResNet(1, 10, width=4, blocks=(2, 2)), torch.zeros(1, 1, 8, 8))
        seen = {name: foresee(net, 460, plan) for name, plan in plans.items()}
        mean = np.mean if fault == "NaN" else np.nanmean
        key = "blind" if fault == "blind" else "learning"
        return sorted(
            plans, key=lambda name: mean(seen[name][key]), reverse=fault not in ("least", "blind")
        )

    return rank


#: What passes. The solutions in the notebooks are looked at where the notebooks are.
RIGHT = {
    "1.1": [-6, -4, -2, 0, 2, 4, 6],
    "1.2": lambda x, rows, n: [2 * count(x, r, n) - n for r in rows],
    "1.3": {"resnet18": 11.1, "resnet34": 15.7, "resnet50": 4.6},
    "1.4": (2, 1),
    "2.1": density,
    "2.2": autograd(sign, lambda u, g: g * bell(u)),
    "2.3": estimate,
    "3.1": 901,
    "3.2": Linear,
    "3.3": {"weights": [97.8, 96.9, 96.4], "activations": [94.7, 96.1, 95.0]},
    "3.5": 0,
    "4.2": {"one": lambda w, a: a * (w + (sign(w) / 1 - w).detach()) - (a - 1) * (w - w.detach()),
            "alpha": lambda w, a: a * (w + (sign(w) - w).detach())},
    "4.3": {0.25: 0.97, 1: 1.85, 4: 2.3},
    "4.4": {0.1: 11.0, 0.001: 93.0},
    "5.1": (0.368, 0.794, 0.398, 0.28),
    "5.2": frozen(),
    "5.4": ranks,
    "6.1": {"act1": {"conv2", "earlier"}, "both": {}},
    "6.2": door(),
    "6.3": {2: 0.21, 4: 0.05, 8: 0.003, 12: 0.00016},
    "7.1": {"classifier"},
    "7.2": freeze(),
    "8.1": lambda l, L: (L + 1) / (L - l + 1),
    "8.2": opened(),
    "8.3": {"none": [68.0, 62.0], "one": [69.0], "all": [92.0, 93.0]},
    "plan.2": ranked(),
    "9.1": (20, 1, 4),
    "9.2": {"1": LOUD, "α": [0.10, 0.09, 0.12]},
    "10.1": (0.9, 10),
    "10.2": redraw(),
    "10.4": {5: 0.439, 50: 0.629, 500: 0.645},
    "11.1": (0.75, 1 / 3, 3),
    "11.2": lambda tau: tau**10,
    "12.1": {"when": ("STE", "StoMPP + STE"), "back": ("StoMPP", "StoMPP + STE")},
    "12.2": {"small steps": ACC, "Adam": ADAM},
    "13.1": (60, 7, 1.41),
    "13.2": own_rates(),
    "14.1": (32, 32, 256),
    "14.2": keyed(),
    "14.3": (168, 12),
    "14.4": {4: True, 5: True, 7: False},
    "15.1": (16, 8),
    "15.2": head(),
    "15.3": {0.5: 98, 1.0: 90, 1.5: 62, 2.0: 16},
    "16.1": {"stem", "norms", "shortcut convolutions", "classifier"},
    "16.2": OpenBlock,
    "17.1": PLACE,
    "17.2": calm(),
    "17.3": (24, 7 / 6),
    "18.1": (1, 2, 8),
    "18.2": easiest(),
    "19.1": (6.25, 10),
    "19.2": folded(),
}  # fmt: skip


#: Exercise -> wrong answers, each with a piece of the hint that it must get.
WRONG = {
    "1.1": [(range(-6, 7), "flip one sign"), ([0, 2, 4, 6], "disagree more often"),
            (range(-8, 9, 2), "how large can a sum")],
    "1.2": [(lambda x, rows, n: [n - 2 * count(x, r, n) for r in rows], "sign is turned round"),
            (lambda x, rows, n: [count(x, r, n) for r in rows], "positions that agree"),
            (lambda x, rows, n: [2 * count(x, r, n + 300) - n for r in rows], "larger than n"),
            (lambda x, rows, n: [2 * count(x, rows[0], n) - n], "1 numbers came out")],
    "1.3": [({"resnet18": 11.1, "resnet34": 4, "resnet50": 15}, "stays float"),
            ({"resnet18": 88, "resnet34": 126, "resnet50": 37}, "bits before by the bits after"),
            ({"resnet18": 20.4, "resnet34": 25, "resnet50": 5}, "1,000 classes")],
    "1.4": [((1, 1), "what does it add now"), ((2, 10), "read the row")],
    "2.1": [(lambda u: 2 * density(u), "height is 2"),
            (lambda u: 0.5 * (u.abs() <= 1), "noise behind `clip`"),
            (lambda u: 1 - u.abs(), "cut it off")],
    "2.2": [(autograd(torch.sign, lambda u, g: g * bell(u)), "exactly 0"),
            (autograd(sign, lambda u, g: g * bell(u) / 2), "your area is 1"),
            (autograd(sign, lambda u, g: g * (u.abs() <= 1)), "is it a box"),
            (autograd(sign, lambda u, g: bell(u)), "comes in has to be multiplied")],
    "2.3": [(lambda *a: estimate(*a, seed=1), "draw the noise anew"),
            (lambda *a: estimate(*a, over=False), "factor of σ"),
            (lambda *a: estimate(*a, minus=False), "subtract the mean loss")],
    "3.1": [(9, "rate times the gradient"), (450, "how far is it to 0")],
    "3.2": [(linear("overwrites"), "memory is gone"), (linear("torch.sign"), "exactly 0"),
            (linear("no gradient"), "sign's own slope"), (linear("latents"), "latent weights")],
    "3.3": [({"weights": [97.8], "activations": [94.7]}, "three seeds"),
            ({"weights": [0.97] * 3, "activations": [0.95] * 3}, "multiply them by 100"),
            ({"weights": [97.0] * 3, "activations": [10.0] * 3}, "far off")],
    "3.5": [(812, "how far must")],
    "4.2": [({"one": lambda w, a: a * (w + (sign(w) - w).detach()),
              "alpha": lambda w, a: w + (a * sign(w) - w).detach()}, "are the two exchanged"),
            ({"one": lambda w, a: w + (sign(w) - w).detach(),
              "alpha": lambda w, a: w + (sign(w) - w).detach()}, "forward lacks alpha"),
            ({"one": lambda w, a: w + (a * sign(w) - w).detach(),
              "alpha": lambda w, a: w + (a * sign(w) - w).detach()}, "its slope is not alpha")],
    "4.3": [({0.25: 2.3, 1: 1.85, 4: 0.9}, "before `fit`"),
            ({0.25: 2.0, 1: 1.85, 4: 2.3}, "binary conv")],
    "4.4": [({0.1: 95.0, 0.001: 94.0}, "is the optimizer Adam"),
            ({0.1: 11.0, 0.001: 20.0}, "60 epochs"),
            ({0.1: 0.11, 0.001: 0.93}, "by 100")],
    "5.1": [((0.05**3, 0.794, 0.398, 0.28), "solve p"), ((37, 79, 40, 28), "not percent"),
            ((0.368, 0.794, 0.027, 0.28), "shares p at")],
    "5.2": [(frozen("inverted"), "wrong way round"), (frozen("ste"), "straight-through"),
            (frozen("torch.sign"), "exactly 0")],
    "5.4": [(lambda w, big: ranks(w, big, "argsort"), "argsort says"),
            (lambda w, big: ranks(w, big, "turned"), "turned round"),
            (lambda w, big: ranks(w, big, "places"), "number k/n")],
    "6.1": [({"act1": {"conv1", "conv2"}, "both": ()}, "between conv1"),
            ({"act1": {"conv2"}, "both": ()}, "second way"),
            ({"act1": {"conv2", "earlier"}, "both": {"earlier"}}, "what passes act2")],
    "6.2": [(door("size"), "carry their size"), (door("loud"), "where is beta"),
            (door("all"), "frozen units alone")],
    "6.3": [({2: 0.2, 4: 0.05, 8: 0.06, 12: 0.01}, "stage 0"),
            ({2: 0.9, 4: 0.8, 8: 0.7, 12: 0.6}, "the rule")],
    "7.1": [({"stem", "blocks", "classifier"}, "the last activation"),
            (set(), "classifier and the loss")],
    "7.2": [(freeze("forward"), "forward order"),
            (freeze("off by one"), "which window has the last"),
            (freeze("backward"), "time runs backward"), (freeze("only adds"), "never shrinks")],
    "8.1": [(lambda l, L: (L + 1) / 2, "walls behind"),
            (lambda l, L: L / (L - l), "whole numbers")],
    "8.2": [(opened("silent"), "still silences"), (opened("too early"), "only a full mask"),
            (opened("identity"), "beyond ±1")],
    "8.3": [({"none": [65.0], "one": [66.0], "all": [68.0]}, "stompp-then-ste"),
            ({"none": [65.0], "one": [91.0], "all": [92.0]}, "set back")],
    "plan.2": [(ranked("least"), "has the least"), (ranked("blind"), "blind commits rank"),
               (ranked("NaN"), "nanmean"), (lambda plans: list(plans)[:1], "you return")],
    "9.1": [((18, 1, 6), "the tail"), ((21, 0, 4), "how long is one window"),
            ((20, 1, 5), "you have 26")],
    "9.2": [({"1": LOUD, "α": [0.11, 0.1, 0.12]}, "nothing is replaced"),
            ({"1": LOUD, "α": [0.1, 0.09, 0.3]}, "training mode"),
            ({"1": LOUD, "α": LOUD}, "sizes 1 and α"),
            ({"1": LOUD, "α": LOUD[:2]}, "3 and 2 points")],
    "10.1": [((0.9, 9), "end in a step"), ((0.1, 10), "below p")],
    "10.2": [(redraw("only adds"), "never shrinks"), (redraw("threshold"), "until its turn"),
             (redraw("always"), "not always"), (redraw("floats"), "entries of torch.float32")],
    "10.4": [({5: 0.561, 50: 0.37, 500: 0.36}, "what is missing"),
             ({5: 0.65, 50: 0.65, 500: 0.65}, "ρ = 2")],
    "11.1": [((0.25, 2 / 3, 3), "frozen share"), ((0.75, 1 / 3, 4.17), "a tenth")],
    "11.2": [(lambda tau: 1 - (1 - tau) ** 10, "near the beginning"),
             (lambda tau: tau**3, "cubic has"),
             (lambda tau: math.exp(10 * (tau - 1)), "it goes from"),
             (lambda tau: tau**10 - 0.2 * math.sin(2 * math.pi * tau), "must not fall")],
    "12.1": [({"when": ("STE", "StoMPP"), "back": ("StoMPP", "StoMPP + STE")}, "in both ways"),
             ({"when": ("StoMPP", "StoMPP + STE"), "back": ("StoMPP", "StoMPP + STE")}, "harden")],
    "12.2": [({"small steps": {"STE": [67.0], "StoMPP": [90.0]}, "Adam": ADAM}, "same seeds"),
             ({"small steps": ADAM, "Adam": ADAM}, "plain SGD"),
             ({"small steps": ACC, "Adam": {"STE": [11.0, 9.0], "StoMPP": [91.0, 88.0]}},
              "Adam 0.01")],
    "13.1": [((48, 5.66, 1.41), "standard deviation"), ((0.0166, 0.141, 1.41), "that is α"),
             ((60, 7, 2), "depend on n")],
    "13.2": [(own_rates("one"), "the same rate"), (own_rates("times"), "multiply by α"),
             (own_rates("forgets"), "never learn")],
    "14.1": [((256, 32, 256), "does not wait"), ((32, 256, 256), "at once")],
    "14.2": [(keyed("global"), "everybody"), (keyed("chance"), "depend on what others draw"),
             (keyed("sum"), "adding seed and step")],
    "14.3": [((168, 120), "2,000 / rate"), ((0.006, 333333), "seconds")],
    "14.4": [({4: True, 5: True, 7: True}, "poorest process")],
    "15.1": [((256, 64), "largest sum"), ((128, 32), "do not know each other")],
    "15.2": [(head("columns"), "the last axis"), (head("no root"), "root of d"),
             (head("latents"), "latent weights"), (head("one alpha"), "an alpha each")],
    "15.3": [({0.5: 0.98, 1.0: 0.9, 1.5: 0.62, 2.0: 0.16}, "by 100"),
             ({0.5: 5, 1.0: 4, 1.5: 4, 2.0: 4}, "before the softmax"),
             ({0.5: 98, 1.0: 50, 1.5: 20, 2.0: 10}, "without a scale")],
    "16.1": [({"classifier"}, "hand it"), ({"norms", "classifier"}, "a sign on the way"),
             ({"binary convolutions", "classifier"}, "weights too")],
    "16.2": [(Block, "must read signs"), (ClosedBlock, "behind the sum")],
    "17.1": [(PLACE | {"what": "weights and activations"}, "last sentence"),
             (PLACE | {"who": "size"}, "which answer is that"),
             (PLACE | {"back": "no"}, "no longer calm"),
             (PLACE | {"scale": "none"}, "plus and minus what"),
             (PLACE | {"grain": "filters"}, "there are: everything")],
    "17.2": [(calm("at once"), "from the first step on"), (calm("all"), "says how many"),
             (calm("largest"), "whatever that size is"), (calm("ones"), "a size for each filter"),
             (calm("not straight"), "straight(value, u)")],
    "17.3": [((24, 24), "what the constant leaves out"), ((1 / 24, 1), "going forward"),
             ((24, 1), "multiplied by 1/n")],
    "18.1": [((7, 5, 8), "you moved the weights"), ((3, 2, 8), "what does that add"),
             ((1, 2, 10), "how many weights disagree"), ((1, 3, 8), "turns only at zero")],
    "18.2": [(easiest("all"), "only the first"), (easiest("right too"), "differs from the desired"),
             (easiest("with sign"), "compare sizes"), (easiest("threes"), "use group"),
             (easiest("strict"), "a sum of 0 can be wrong"),
             (lambda z, d, group: z[:, 0] > 0, "for sums")],
    "19.1": [((15, 10), "did not get any faster"), ((6.25, 15), "take no time"),
             ((9, 10), "add up the time")],
    "19.2": [(folded("as above"), "turns the inequality around"), (folded("tied"), "exactly 0"),
             (folded(above=math.floor), "next whole number above"),
             (folded(above=float), "a whole number is enough to ask")],
}  # fmt: skip
