"""How fast a network of local signals learns, beside the same perceptron trained by gradients.

Both are measured in turns in one process, on one core, so that other work slows both alike.

Used by chapter 18, *Learning without gradients*.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from stompp_lite.checks import count
from stompp_lite.local.net import LocalNet
from stompp_lite.local.training import check_samples
from stompp_lite.training.samples import Data, batches

BATCH = 100  # samples in a step
#: Gates of two inputs in a full adder and in a half adder, as every textbook builds them.
FULL, HALF = 5, 2
#: Bits of a float32's significand. Only these are counted of a multiplication and an addition.
SIGNIFICAND = 24


def measure(data: Data, width: int = 525, layers: int = 2, rounds: int = 5) -> dict[str, Any]:
    """Seconds an epoch of three ways to train a perceptron, each ``rounds`` times, in turns.

    Args:
        data: signs. width: neurons of a hidden layer, a multiple of 75. layers: hidden layers.

    Returns:
        ``seconds``: way -> seconds of each round; ``ratio`` and ``spread``: float SGD over local
        signals, median, smallest and largest over the rounds; ``products`` of two numbers that a
        forward pass of one sample takes; ``bytes`` of the weights it reads, as float32 and packed.

    Raises:
        ConfigError: an impossible size, or data that do not fit.
    """
    count(rounds, "rounds"), count(layers, "layers")
    widths = (data.train_x[0].numel(), *[count(width, "width")] * layers)
    nets = {rule: LocalNet(widths, data.classes, rule=rule) for rule in ("local", "bep")}
    check_samples(nets["local"], data)
    ways: dict[str, Callable[[], None]] = {"float SGD": _float_epoch(widths, data)}
    ways |= {rule: _local_epoch(net, data) for rule, net in nets.items()}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for way in ways.values():
            way()  # compiles, and warms up
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    pairs = zip(seconds["float SGD"], seconds["local"], strict=True)
    ratios = [a / b for a, b in pairs]
    inside = sum(a * b for a, b in pairwise(widths))
    words = sum(-(-a // 64) * b for a, b in pairwise(widths))
    return {
        "seconds": seconds,
        "ratio": statistics.median(ratios),
        "spread": (min(ratios), max(ratios)),
        "products": inside,
        "bytes": {"float32": 4 * inside, "packed": 8 * words},
        "engine": nets["local"].engine,
    }


def gates(
    widths: Sequence[int], classes: int, group: int, bits: int, batch: int = BATCH
) -> dict[str, dict[str, int]]:
    """Gates for one training sample, from counted operations and schoolbook circuits.

    A product of signs is an XNOR, and each bit of a popcount a full adder. An increment is a half
    adder for each bit. A float multiplication is counted as an array of AND and full adders for the
    significands, an addition as full adders for them; exponents, shifts and rounding, which make
    it larger, are left out. What happens once a batch is shared by its samples.

    Args:
        widths: inputs, and neurons of each hidden layer. group: neurons in a group. bits: of a
            hidden integer. batch: samples in a batch.

    Returns:
        ``local``: part -> gates, with every sample asking and a neuron moving in every group, the
        most that can happen; ``float``: the same for stochastic gradient descent; ``hash``: the
        products of the draws that decide on reinforcement, which ``local`` leaves out.

    Raises:
        ConfigError: an impossible size.
    """
    for value in (*widths, classes, group, bits, batch):
        count(value, "a size")
    layers = list(pairwise(widths))
    inside, last = sum(a * b for a, b in layers), widths[-1] * classes
    own = sum(k * classes for _, k in layers)  # products with the layers' classifiers
    sums = sum(k * FULL * n.bit_length() for n, k in layers)
    local = {
        "forward: XNOR and popcount": (1 + FULL) * (inside + own),
        "who moves: comparisons": sums,
        "update: increments": sum(k // group * n * HALF * bits for n, k in layers),
        "reinforcement: comparisons": inside * FULL * 16 // batch,
    }
    product = SIGNIFICAND**2 + FULL * SIGNIFICAND * (SIGNIFICAND - 1)
    mac = product + FULL * SIGNIFICAND
    back = inside - widths[0] * widths[1] + last  # the inputs need no gradient
    floats = {
        "forward: multiply and add": mac * (inside + last),
        "backward: to the activations": mac * back,
        "backward: to the weights": mac * (inside + last),
        "update: multiply and add": mac * (inside + last) // batch,
    }
    long = 64**2 + FULL * 64 * 63  # a product of two words; our hash takes two for four entries
    return {"local": local, "float": floats, "hash": {"draws": inside // 4 * 2 * long // batch}}


def _local_epoch(net: LocalNet, data: Data) -> Callable[[], None]:
    x, y = net.check_inputs(data.train_x), data.train_y.numpy()
    done = {"epoch": 0, "accuracy": 1 / data.classes}

    def epoch() -> None:
        hits = 0
        order = batches(len(x), min(BATCH, len(x)), 0, done["epoch"])  # type: ignore[arg-type]
        for k, index in enumerate(batch.numpy() for batch in order):
            step = int(done["epoch"]) * len(x) + k
            hits += net.learn_batch(x[index], y[index], step, done["accuracy"])[0]
        done["epoch"], done["accuracy"] = done["epoch"] + 1, hits / len(x)

    return epoch


def _float_epoch(widths: tuple[int, ...], data: Data) -> Callable[[], None]:
    torch.manual_seed(0)
    sizes = pairwise(widths)
    hidden = [part for a, b in sizes for part in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*hidden, nn.Linear(widths[-1], data.classes))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y, done = data.train_x.flatten(1), data.train_y, [0]

    def epoch() -> None:
        for index in batches(len(x), min(BATCH, len(x)), 0, done[0]):
            optimizer.zero_grad()
            F.cross_entropy(model(x[index]), y[index]).backward()
            optimizer.step()
        done[0] += 1

    return epoch
