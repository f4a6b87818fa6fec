"""What answers to the exercises of Part I, chapters 1 to 4, must have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stompp_lite.check.desk import (
    Found,
    a_class,
    a_function,
    a_list,
    a_number,
    exercise,
    numbers,
    series,
    table,
)  # fmt: skip
from stompp_lite.lab.record import read_all
from stompp_lite.lab.report import group

SLACK = 10.0  # points beyond recorded runs: another seed, another processor, fewer epochs
ZERO = "a value of exactly 0 has the sign +1 in this book, and torch.sign makes it 0"


def close(a: Any, b: Any, tol: float = 1e-4) -> bool:
    """Whether two tensors or numbers agree, in shape too."""
    a, b = (torch.as_tensor(v).detach().float() for v in (a, b))
    return a.shape == b.shape and bool(((a - b).abs() <= tol * (1 + b.abs())).all())


def slope(function: Callable[..., Tensor], at: Tensor, times: Tensor | float = 1.0) -> Tensor:
    """Gradient of the sum of ``times * function(at)``; zeros where none arrives."""
    u = at.clone().requires_grad_(True)
    out = function(u)
    if out.requires_grad:
        (out * times).sum().backward()
    return torch.zeros_like(u) if u.grad is None else u.grad.detach()


@cache
def recorded(recipe: str, *names: str) -> tuple[float, float]:
    """Lowest and highest test accuracy, in percent, of recorded runs of these names, any seed."""
    runs = group(read_all(recipe))
    ends = [run.final["test_acc"] for name in names for run in runs[name] if not run.diverged]
    return min(ends), max(ends)


def applied(answer: Any) -> Callable[..., Tensor]:
    """A function, or the ``apply`` of an autograd function's class."""
    return getattr(answer, "apply", answer)  # type: ignore[no-any-return]


# ---- chapter 1 -----------------------------------------------------------------------------------
@exercise("1.1", "understand", series("a list of whole numbers"))
def _dot_products(values: list[float]) -> Iterator[Found]:
    yield Found(
        "six products of ±1 can give each of your numbers", all(abs(v) <= 6 for v in values),
        "how large can a sum of six products of ±1 be?",
    )  # fmt: skip
    yield Found(
        "none of them is impossible", all(v % 2 == 0 for v in values),
        "begin with two equal vectors and flip one sign: by how much does the product move?",
    )  # fmt: skip
    found = {int(v) for v in values}
    if len(found) < 7 and all(v >= 0 for v in found):
        hint = "two vectors can disagree more often than they agree"
    else:
        hint = "let the number of agreeing positions run from none to all"
    yield Found("and none is missing", len(found) == 7, hint)


@exercise("1.2", "code", a_function("many(x_bits, rows, n)"))
def _many(many: Callable[..., Any]) -> Iterator[Found]:
    for n in (8, 65):
        x, *rows = torch.randint(0, 2, (6, n)).tolist()
        exact = [sum(1 if a == b else -1 for a, b in zip(x, row, strict=True)) for row in rows]
        bits = [sum(1 << i for i, bit in enumerate(row) if bit) for row in (x, *rows)]
        found = [a_number(v, "a product") for v in many(bits[0], bits[1:], n)]
        yield Found(
            f"{n} bits: one number for each row", len(found) == 5,
            f"five packed rows went in, and {len(found)} numbers came out",
        )  # fmt: skip
        if found == [-v for v in exact]:
            hint = (
                "every sign is turned round: do you count where bits agree, or where they differ?"
            )
        elif found == [(v + n) / 2 for v in exact]:
            hint = "you count the positions that agree; what do the other positions add?"
        elif any(abs(v) > n for v in found):
            hint = "a product is larger than n: which bits above the lowest n take part?"
        else:
            hint = "compare one row by hand: agreements minus disagreements"
        yield Found(f"{n} bits: equal to the products of the signs", found == exact, hint)


@exercise("1.3", "explore", table(
    "a dictionary with how many times smaller 'resnet18', 'resnet34' and 'resnet50' get",
    ("resnet18", "resnet34", "resnet50"), a_number,
))  # fmt: skip
def _shrink(times: dict[str, float]) -> Iterator[Found]:
    yield Found(
        "every network shrinks, and none by more than a bit for 32",
        all(1 < v <= 32 for v in times.values()),
        "divide the bits before by the bits after; a float has 32 of them",
    )
    first = times["resnet18"]
    yield Found(
        "resnet18 is as the chapter has it", 10.5 < first < 11.7,
        "take 1,000 classes, and count all weights before and all rows of `describe` after",
    )  # fmt: skip
    yield Found(
        "the order of the three is right", times["resnet34"] > first > times["resnet50"],
        "look in `describe` at what stays float, and at the share of the 3 × 3 convolutions",
    )  # fmt: skip


@exercise("1.4", "break", numbers("how far one product moves", "how many of the ten products move"))
def _one_bit(pair: list[float]) -> Iterator[Found]:
    yield Found(
        "how far", abs(pair[0]) == 2,
        "the position agreed and now differs: what did it add before, and what does it add now?",
    )  # fmt: skip
    yield Found(
        "how many", pair[1] == 1, "which of the ten products read the row that you changed?"
    )


# ---- chapter 2 -----------------------------------------------------------------------------------
@exercise("2.1", "understand", a_function("density(u) of a tensor u"))
def _density(density: Callable[[Tensor], Tensor]) -> Iterator[Found]:
    u = torch.linspace(-2, 2, 4001)
    found = torch.as_tensor(density(u)).float().expand(u.shape)
    yield Found("it is nowhere negative", bool((found >= 0).all()), "cut it off outside of [−1, 1]")
    area = torch.trapezoid(found, u).item()
    yield Found(
        "its area is 1", abs(area - 1) < 5e-3,
        f"your area is {area:.2f}; the surrogate has the area of the step, whose height is 2",
    )  # fmt: skip
    box = close(found[u.abs() < 0.99], torch.full_like(found[u.abs() < 0.99], 0.5))
    hint = "that is the noise behind `clip`" if box else "how are density and surrogate related?"
    wanted = (2 - 2 * u.abs()).clamp_min(0)
    yield Found(
        "blurring the step with it gives the surrogate", close(2 * found, wanted, 2e-3), hint
    )


@exercise("2.2", "code", a_class("BellSTE(torch.autograd.Function)"))
def _bell(bell: Any) -> Iterator[Found]:
    call = applied(bell)
    u = torch.tensor([-2.0, -0.1, 0.0, 0.3, 1.5])
    yield Found("forward it is the sign", close(call(u), torch.where(u >= 0, 1.0, -1.0)), ZERO)
    grid = torch.linspace(-6, 6, 1201)
    found = slope(call, grid)
    area = torch.trapezoid(found, grid).item()
    if area == 0:
        hint = "no gradient arrives at all"
    elif abs(area - 1) < 1e-2:
        hint = "your area is 1: the noise's density is not yet the surrogate of a step from −1 to 1"
    else:
        hint = f"your gradients add up to {area:.2f}"
    yield Found(
        "backward the gradients add up to the height of the step", abs(area - 2) < 1e-2, hint
    )
    bell_shape = 2 * torch.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)
    yield Found(
        "and have the shape of the bell", close(found, bell_shape, 1e-3),
        "the area is right and the shape is not: is it a box, or a bell of another width?",
    )  # fmt: skip
    yield Found(
        "it hands on the gradient that comes in",
        close(slope(call, grid, 3.0), 3 * bell_shape, 1e-3),
        "the gradient that comes in has to be multiplied by the surrogate",
    )  # fmt: skip


@exercise("2.3", "explore", a_function("estimate(loss, w, sigma, draws)"))
def _estimate(estimate: Callable[..., Tensor]) -> Iterator[Found]:
    draw = torch.Generator().manual_seed(0)
    c, w = torch.randn(2, 20, generator=draw)
    sigma = 0.5

    def loss(signs: Tensor) -> Tensor:
        straight: Tensor = signs.float() @ c
        return straight

    first, second = (estimate(loss, w, sigma, 2000) for _ in range(2))
    yield Found("one number for each weight", first.shape == w.shape, "a gradient has w's shape")
    yield Found(
        "two estimates differ", not torch.equal(first, second),
        "draw the noise anew in each call, without a fixed seed",
    )  # fmt: skip
    exact = 2 * c * torch.exp(-((w / sigma) ** 2) / 2) / math.sqrt(2 * math.pi) / sigma
    mean = torch.stack([estimate(loss, w, sigma, 2000) for _ in range(20)]).mean(0)
    size = float((mean @ exact) / (exact @ exact))
    off = float((mean - exact).norm() / exact.norm())
    if abs(size - sigma) < 0.1:
        hint = "your estimate is too small by a factor of σ"
    elif size < 0:
        hint = "your estimate points the other way"
    else:
        hint = f"for a straight loss it is {size:.1f} times the exact gradient, and {off:.0%} off"
    yield Found("on average it is the gradient of the blurred loss", off < 0.15, hint)
    shifted = torch.stack([estimate(lambda s: loss(s) + 1000, w, sigma, 2000) for _ in range(3)])
    yield Found(
        "a constant added to the loss changes nothing",
        float((shifted - exact).norm(dim=1).mean() / exact.norm()) < 1,
        "subtract the mean loss before you multiply by the noise",
    )


# ---- chapter 3 -----------------------------------------------------------------------------------
@exercise("3.1", "understand", numbers("the steps up to the flip"))
def _steps(found: float) -> Iterator[Found]:
    if found < 100:
        hint = "how far does one step move? It is the rate times the gradient"
    else:
        hint = "how far is it to 0, and on which side of 0 does the sign change?"
    yield Found("so many steps", 900 <= found <= 902, hint)


@exercise("3.2", "code", a_class("BinaryLinear(inputs, outputs, bias=False)"))
def _binary_linear(made: Any) -> Iterator[Found]:
    layer, x = made(64, 10, bias=False), torch.randn(32, 64).sign()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(10, 64) * 0.3)
        layer.weight[:, 0] = 0.0
    before = layer.weight.detach().clone()
    out = layer(x)
    yield Found(
        "the latent weights stay real numbers", torch.equal(before, layer.weight),
        "you overwrite the latent weights with their signs, and the memory is gone",
    )  # fmt: skip
    yield Found(
        "outputs for inputs of ±1 are whole numbers", close(out, out.round(), 1e-3),
        "it computes with the latent weights, or with something else than their signs",
    )  # fmt: skip
    signs = torch.where(before >= 0, 1.0, -1.0).requires_grad_(True)
    yield Found("it computes with the signs", close(out, F.linear(x, signs), 1e-3), ZERO)
    F.linear(x, signs).pow(2).sum().backward()
    if out.requires_grad:
        out.pow(2).sum().backward()
    found = layer.weight.grad
    nothing = found is None or not bool(found.any())
    yield Found(
        "the latents' gradient is that of the signs",
        not nothing and close(found, signs.grad, 1e-3),
        "no gradient arrives: the sign's own slope is 0, so the backward pass must skip it"
        if nothing else "the gradient of the signs is to be passed on as it is",
    )  # fmt: skip


@exercise("3.3", "code", table(
    "a dictionary of test accuracies in percent, {'weights': [...], 'activations': [...]}",
    ("weights", "activations"), a_list,
))  # fmt: skip
def _which_costs(scores: dict[str, list[float]]) -> Iterator[Found]:
    both = [*scores["weights"], *scores["activations"]]
    yield Found(
        "at least three seeds of each", min(map(len, scores.values())) >= 3,
        "one run is a draw: train with three seeds",
    )  # fmt: skip
    yield Found("in percent", max(both) > 1, "these are shares; multiply them by 100")
    low, high = recorded("perceptron", "d3-ste", "d3-float")  # both binary, none
    wrong = [v for v in both if not low - SLACK <= v <= min(high + SLACK, 99.9)]
    yield Found(
        "all of them end where runs with both, and with none, let one expect", not wrong,
        f"{wrong[:1]} is far off: did it train for ten epochs, and is it measured on test images?",
    )  # fmt: skip


@exercise("3.5", "break", numbers("the flips in ten epochs"))
def _no_memory(found: float) -> Iterator[Found]:
    yield Found(
        "so many flips", found == 0,
        "set the latents to the signs before each step, and compare signs after it; how far must a "
        "weight of ±1 move to flip, and how far does one step go?",
    )  # fmt: skip


# ---- chapter 4 -----------------------------------------------------------------------------------
@exercise("4.2", "code", table(
    "a dictionary of two functions of w and alpha, {'one': ..., 'alpha': ...}, by their slope",
    ("one", "alpha"), a_function("").read,
))  # fmt: skip
def _scaled(pair: dict[str, Callable[..., Tensor]]) -> Iterator[Found]:
    w, alpha = torch.tensor([-0.3, 0.0, 0.02, 0.4]), 0.25
    for name, function in pair.items():
        found = function(w, alpha)
        close_to_signs = close(found, torch.where(w >= 0, 1.0, -1.0))
        hint = "forward lacks alpha" if close_to_signs else ZERO
        wanted = alpha * torch.where(w >= 0, 1.0, -1.0)
        yield Found(f"{name}: forward it is alpha times the sign", close(found, wanted), hint)
    slopes = {name: slope(lambda u, f=f: f(u, alpha), w) for name, f in pair.items()}  # type: ignore[misc]
    swapped = close(slopes["one"], torch.full_like(w, alpha))
    yield Found(
        "one: backward hands on the gradient as it is", close(slopes["one"], torch.ones_like(w)),
        "its slope is alpha: are the two exchanged?" if swapped else "its slope is not 1",
    )  # fmt: skip
    yield Found(
        "alpha: backward multiplies it by alpha",
        close(slopes["alpha"], torch.full_like(w, alpha)), "its slope is not alpha",
    )  # fmt: skip


@exercise("4.3", "explore", table(
    "a dictionary {factor: last loss} with the factors 0.25, 1 and 4 at least",
    (0.25, 1, 4), a_number,
))  # fmt: skip
def _sizes(losses: dict[float, float]) -> Iterator[Found]:
    """Two epochs at 8 and at 16 convolutions, four seeds: 0.25 is lowest, 4 is at 2.2 to 2.3."""
    yield Found(
        "four times the size hardly learns", 2.0 < losses[4] < 2.6,
        "multiply the latent weights before `fit`, because the scale is taken when training starts",
    )  # fmt: skip
    yield Found(
        "smaller latents learn faster in the first epochs", losses[0.25] < losses[1] < losses[4],
        "multiply only the latent weights of the binary convolutions, and keep rate and seed",
    )  # fmt: skip


@exercise("4.4", "break", table(
    "a dictionary {rate: test accuracy in percent} with the rates 0.1 and 0.001",
    (0.1, 0.001), a_number,
))  # fmt: skip
def _adam(ends: dict[float, float]) -> Iterator[Found]:
    yield Found("in percent", max(ends.values()) > 1, "these are shares; multiply them by 100")
    loud = recorded("fair-tune", "n06-adam-ste-lr0.1")
    calm = recorded("fair-tune", "n06-adam-ste-lr0.001")
    yield Found(
        "at 0.1 it ends where recorded runs do",
        loud[0] - SLACK <= ends[0.1] <= loud[1] + 2 * SLACK,
        "is the optimizer Adam in this run, and does the network have 24 convolutions?",
    )  # fmt: skip
    yield Found(
        "and at 0.001 too", ends[0.001] >= calm[0] - 3 * SLACK,
        "train it longer: recorded runs have 60 epochs",
    )  # fmt: skip
