"""What answers to the exercises of Part III, chapters 13 to 16, must have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from stompp_lite.check.desk import (
    Found,
    a_class,
    a_function,
    a_number,
    a_set,
    exercise,
    numbers,
    table,
)  # fmt: skip
from stompp_lite.check.foundations import close
from stompp_lite.errors import ConversionError
from stompp_lite.networks.convert import binarize_model, conversion
from stompp_lite.networks.layers import binary_layers
from stompp_lite.networks.models import LabResNet, groups, mlp
from stompp_lite.training.measure import gradient_reach

_MEAN_SIZE = math.sqrt(2 / math.pi)  # of a normal number, in standard deviations


# ---- chapter 13 ----------------------------------------------------------------------------------
@exercise("13.1", "understand", numbers(
    "1/α at 3 × 3 and 512 channels", "1/α at 1 × 1 and 64", "the factor when channels double"
))  # fmt: skip
def _factors(found: list[float]) -> Iterator[Found]:
    sizes = (("3 × 3, 512", 9 * 512), ("1 × 1, 64", 64))
    for (what, n), one in zip(sizes, found, strict=False):
        deviation = math.sqrt(2 / n)
        exact = 1 / (_MEAN_SIZE * deviation)
        if abs(one * deviation - 1) < 0.05:
            hint = "α is the mean size of a weight, and not the standard deviation"
        elif abs(one * exact - 1) < 0.05:
            hint = "that is α"
        else:
            hint = "the variance is 2/n, where n is the output channels times the kernel's places"
        yield Found(what, abs(one / exact - 1) < 0.05, hint)
    yield Found(
        "twice the channels", abs(found[2] / math.sqrt(2) - 1) < 0.05,
        "how does the standard deviation depend on n?",
    )  # fmt: skip


@exercise("13.2", "code", a_function("own_rates(net, lr)"))
def _own_rates(own_rates: Callable[..., Any]) -> Iterator[Found]:
    net = binarize_model(mlp(16, 3, width=8), torch.zeros(1, 16), weights="ste", activations="ste")
    for k, layer in enumerate(binary_layers(net).values()):
        layer.weight.data.mul_(1 + k)
    latents = {
        id(layer.weight): layer.weight.abs().mean().item() for layer in binary_layers(net).values()
    }
    rates: dict[int, list[float]] = {}
    for group in torch.optim.SGD(own_rates(net, 0.01), lr=1.0).param_groups:
        for p in group["params"]:
            rates.setdefault(id(p), []).append(group["lr"])
    everything = [id(p) for p in net.parameters()]
    missing = [p for p in everything if p not in rates]
    yield Found(
        "every parameter is in a group", not missing,
        f"{len(missing)} parameters are in no group and would never learn: batch norm, first and "
        "last layer belong to the network, too",
    )  # fmt: skip
    times = [rates[p][0] * latents[p] / 0.01 for p in latents]
    if all(abs(rates[p][0] - 0.01) < 1e-9 for p in latents):
        hint = "all latents have the same rate"
    elif all(abs(rates[p][0] / latents[p] / 0.01 - 1) < 0.01 for p in latents):
        hint = "you multiply by α; its scale makes gradients larger, by which factor?"
    else:
        hint = "take α as the mean size of the latents of each layer by itself"
    yield Found("latents have the rate lr/α", all(abs(t - 1) < 0.01 for t in times), hint)
    rest = [rates[p][0] for p in everything if p not in latents]
    yield Found("all else has lr", all(abs(r - 0.01) < 1e-9 for r in rest), "only latents change")


# ---- chapter 14 ----------------------------------------------------------------------------------
@exercise("14.1", "understand", numbers(
    "images on each of eight GPUs", "images with accumulate=8", "images on one GPU without it"
))  # fmt: skip
def _batch_norm(found: list[float]) -> Iterator[Found]:
    yield Found(
        "eight GPUs", found[0] == 32,
        "batch norm does not wait for the other processes: it sees what is on its own",
    )  # fmt: skip
    yield Found("accumulate=8", found[1] == 32, "how many images go through the network at once?")
    yield Found("one GPU", found[2] == 256, "here the whole batch goes through at once")


@exercise("14.2", "code", a_function("keyed(seed, name, step, shape)"))
def _keyed(keyed: Callable[..., Tensor]) -> Iterator[Found]:
    first = keyed(0, "layer1.conv1", 7, (64, 64))
    yield Found(
        "numbers of the shape that was asked for", first.shape == (64, 64), "give the shape on"
    )
    before = torch.get_rng_state()
    torch.rand(3)
    state = torch.get_rng_state()
    again = keyed(0, "layer1.conv1", 7, (64, 64))
    yield Found(
        "equal calls agree, whatever was drawn before", torch.equal(first, again),
        "your numbers depend on what others draw: make a generator of your own from the key",
    )  # fmt: skip
    yield Found(
        "others' draws are left alone", torch.equal(state, torch.get_rng_state()),
        "you set the seed of everybody: whoever draws next gets other numbers",
    )  # fmt: skip
    torch.set_rng_state(before)
    keys = (
        (1, "layer1.conv1", 7),
        (0, "layer1.conv2", 7),
        (0, "layer1.conv1", 8),
        (1, "layer1.conv1", 6),
    )
    for key, what in zip(keys, ("seed", "name", "step", "seed and step"), strict=True):
        share = float(((first < 0.5) != (keyed(*key, (64, 64)) < 0.5)).float().mean())
        hint = f"another {what}, and {share:.0%} of the mask differ"
        if share == 0:
            hint += ": two keys fall on one number, for example by adding seed and step"
        yield Found(f"another {what}: about half of the mask differs", 0.45 < share < 0.55, hint)
    shares = [float((first < p).float().mean()) - p for p in (0.1, 0.5, 0.9)]
    yield Found(
        "the numbers are uniform", max(map(abs, shares)) < 0.04 and bool((first >= 0).all()),
        "a share p of them must lie below p, for every p",
    )  # fmt: skip


@exercise("14.3", "explore", numbers("images a second on one core", "cores for 2,000 a second"))
def _cores(found: list[float]) -> Iterator[Found]:
    rate, cores = found
    yield Found(
        "a rate that a core can have", 10 < rate < 5000,
        "time the decoding of many images, and divide their number by the seconds",
    )  # fmt: skip
    yield Found(
        "and the cores that follow from it", abs(rate * cores / 2000 - 1) < 0.2, "2,000 / rate"
    )


@exercise("14.4", "explore", table(
    "a dictionary {processes: True or False}, whether the run goes on, with 4, 5 and 7",
    (4, 5, 7), bool,
))  # fmt: skip
def _goes_on(goes: dict[int, bool]) -> Iterator[Found]:
    for ranks, said in goes.items():
        yield Found(
            f"{ranks} processes", said == (12 // ranks >= 2),
            "how many of the batch's 12 images does the poorest process get, and how many does "
            "batch norm need?",
        )  # fmt: skip


# ---- chapter 15 ----------------------------------------------------------------------------------
@exercise("15.1", "understand", numbers("size of the feed-forward part", "size of attention's"))
def _sums(found: list[float]) -> Iterator[Found]:
    for what, one, n in zip(("feed-forward", "attention"), found, (256, 64), strict=True):
        yield Found(
            what, abs(one - math.sqrt(n)) < 0.5,
            "that is the largest sum that can occur; how large is it as a rule?" if one == n
            else "how large, as a rule, is a sum of n numbers of ±1 that do not know each other?",
        )  # fmt: skip


@exercise("15.2", "code", a_function("head(x, query, key, scaled)"))
def _head(head: Callable[..., Tensor]) -> Iterator[Found]:
    x = torch.randn(12, 64).sign()
    query, key = (torch.rand(16, 64) / 4 - 1 / 8 for _ in range(2))
    query = query * 2  # so that the two alphas differ
    found = head(x, query, key, False)
    yield Found(
        "one row of attention for each word", found.shape == (12, 12), "attention is [T, T]"
    )
    yield Found(
        "each row adds to one", close(found.sum(1), torch.ones(12)),
        "softmax goes over the words that are attended to, the last axis",
    )  # fmt: skip
    scores = (x @ query.sign().T) @ (x @ key.sign().T).T
    alphas = [query.abs().mean(), key.abs().mean()]
    raw = close(found, torch.softmax(scores, -1), 1e-3)
    latent = close(found, torch.softmax((x @ query.T) @ (x @ key.T).T / 4, -1), 1e-3)
    yield Found(
        "without the scale: the signs alone", close(found, torch.softmax(scores / 4, -1), 1e-3),
        "the root of d is missing" if raw else "it computes with the latent weights" if latent
        else "scores are products of query and key, divided by the root of d",
    )  # fmt: skip
    found = head(x, query, key, True)
    one = any(close(found, torch.softmax(a * scores / 4, -1), 1e-3) for a in alphas)
    yield Found(
        "with the scale: the scores times both alphas",
        close(found, torch.softmax(alphas[0] * alphas[1] * scores / 4, -1), 1e-3),
        "query and key have an alpha each" if one else "alpha is the mean size of the latents",
    )  # fmt: skip


@exercise("15.3", "break", table(
    "a dictionary {power of d: percent to the most attended word} with 0.5, 1.0, 1.5 and 2.0",
    (0.5, 1.0, 1.5, 2.0), a_number,
))  # fmt: skip
def _powers(shares: dict[float, float]) -> Iterator[Found]:
    """Five seeds: 98, 90, 62 and 16 percent, each within one."""
    ordered = [shares[k] for k in sorted(shares)]
    yield Found("in percent", max(ordered) > 1, "these are shares; multiply them by 100")
    yield Found(
        "a higher power leaves less", all(a > b for a, b in pairwise(ordered)),
        "divide the scores before the softmax",
    )  # fmt: skip
    near = zip((0.5, 1.0, 1.5, 2.0), (93, 83, 50, 8), (100, 96, 75, 28), strict=True)
    for power, low, high in near:
        yield Found(
            f"power {power}", low < shares[power] < high,
            "is it the network without a scale, and the mean over all words of the largest share?",
        )  # fmt: skip


# ---- chapter 16 ----------------------------------------------------------------------------------
_PARTS = ("stem", "norms", "binary convolutions", "shortcut convolutions", "classifier")


@exercise("16.1", "understand", a_set(_PARTS))
def _learns(parts: frozenset[str]) -> Iterator[Found]:
    yield Found(
        "what is frozen",
        "binary convolutions" not in parts,
        "all stages are committed: weights too",
    )
    yield Found("the classifier", "classifier" in parts, "nothing stands between it and the loss")
    yield Found(
        "what stands behind a sign", "norms" in parts,
        "a block's norm stands behind the convolution: which gradient does the sum hand it?",
    )  # fmt: skip
    yield Found(
        "what the real number on the shortcut comes from",
        {"stem", "shortcut convolutions"} <= parts,
        "follow the shortcuts back from the loss: is there a sign on the way?",
    )


@exercise("16.2", "code", a_class("OpenBlock(inputs, outputs, stride) of the lab's Block"))
def _open_block(block: Any) -> Iterator[Found]:
    net = LabResNet(1, 10, width=8, blocks=(2, 2))
    net.act, net.blocks = nn.Identity(), groups(block, 8, (2, 2))  # type: ignore[assignment]
    x, y = torch.randn(32, 1, 8, 8), torch.arange(32) % 10
    try:
        model, hint = binarize_model(net, x[:1]), ""
    except ConversionError as err:
        model, hint = net, f"the first convolution of a block must read signs: {err}"
    yield Found("both convolutions of a block read signs", not hint, hint)
    stages = conversion(model).stages
    for stage in stages[-2:]:
        for name in (*stage.activations, *(f"{w}.binarizer" for w in stage.weights)):
            model.get_submodule(name).p = 1.0  # type: ignore[assignment]
    arrives = a_number(gradient_reach(model, x, y)["gradient"][0])
    yield Found(
        "with the last stages committed, gradient arrives at the first", arrives > 0,
        "the last activation still stands behind the sum, where it cuts off branch and shortcut",
    )  # fmt: skip
