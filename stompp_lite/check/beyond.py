"""What answers to the exercises of Part IV must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stompp_lite.check.desk import Found, a_class, a_function, exercise, numbers, table
from stompp_lite.local import slow
from stompp_lite.networks.rules import Rule
from stompp_lite.relatives.axes import AXES

# ---- chapter 17 ----------------------------------------------------------------------------------
#: Axis -> the answer of Calm Filters, and what to read again.
_CALM = {
    "what": ("weights", "what does the summary's last sentence say of activations?"),
    "grain": ("filter", "what becomes binary in one go: a weight, a filter, a layer?"),
    "who": ("error", "the distance from plus and minus the mean size: which answer is that?"),
    "back": ("yes", "what happens to a filter that is no longer calm?"),
    "order": ("none", "does one layer wait for another, or does each have calm filters at once?"),
    "passes": ("straight through", "what happens to the gradient at a sign?"),
    "scale": ("a filter", "plus and minus what? Is it the same for all filters?"),
    "start": ("a float network", "what is there before the first step?"),
}


def _an_answer(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"an answer is a text, not {value!r}")
    return value


@exercise("17.1", "understand", table(
    "a dictionary with an answer for each of the axes of AXES", tuple(AXES), _an_answer
))  # fmt: skip
def _calm_place(answers: dict[str, str]) -> Iterator[Found]:
    for axis, (question, known) in AXES.items():
        given, (right, hint) = answers[axis], _CALM[axis]
        if given not in known:
            hint = f"{given!r} is no answer of this axis; there are: {', '.join(known)}"
        yield Found(question, given == right, hint)


def _filters() -> Tensor:
    """Eight filters of 12 weights, from calm to restless, in no order of place or size."""
    sizes = torch.tensor([0.40, 0.31, 0.37, 0.33, 0.39, 0.32, 0.36, 0.34])
    spread = 0.05 * 1.4 ** torch.tensor([5.0, 2, 7, 0, 4, 1, 6, 3])
    signs = torch.tensor([1.0, -1.0]).repeat(6)
    turned = torch.tensor([1.0, 1.0, -1.0]).repeat(4)
    return ((sizes[:, None] * (1 + spread[:, None] * signs)) * turned).view(8, 3, 2, 2)


@exercise("17.2", "code", a_class("Calm, a rule made from Scaled"))
def _calm_rule(calm: Any) -> Iterator[Found]:
    u, moving = _filters(), 90
    sizes = u.abs().flatten(1).mean(1).view(-1, 1, 1, 1)
    rank = ((u.abs() - sizes).abs().flatten(1).sum(1) / sizes.flatten()).argsort().argsort()
    yield Found(
        "it becomes binary during the run", bool(calm.gradual),
        "Scaled is binary from the first step on; which attribute says that this rule is not?",
    )  # fmt: skip
    for step, binary in ((0, 4), (70, 7)):
        site, weight = calm(Rule("xnor")), nn.Parameter(u.clone())
        site.begin(moving, 7, (0, 1), weight)
        site.p = site.resting_p(step)
        site.follow(step, weight)
        out = site.value(weight)
        (grad,) = torch.autograd.grad(out.sum(), weight)
        rows = out.detach().abs().flatten(1)
        flat = rows.max(1).values - rows.min(1).values < 1e-6
        says = f"at step {step + 1} of {moving}"
        yield Found(
            f"{says}, so many filters are binary", int(flat.sum()) == binary,
            f"{int(flat.sum())} of 8 are; share(self.tau) says how many should be",
        )  # fmt: skip
        yield Found(
            f"{says}, they are the calmest", bool((flat == (rank < binary)).all()),
            "calm is who is near to plus and minus its own mean size, whatever that size is",
        )  # fmt: skip
        wanted = torch.where(flat.view(-1, 1, 1, 1), torch.where(u >= 0, sizes, -sizes), u)
        yield Found(
            f"{says}, calm filters are plus and minus their mean size, others as they were",
            torch.allclose(out, wanted, atol=1e-6), "self.scale(u) has a size for each filter",
        )  # fmt: skip
        yield Found(
            f"{says}, the gradient reaches every weight unchanged",
            torch.allclose(grad, torch.ones_like(grad)), "straight(value, u) does that",
        )  # fmt: skip


@exercise("17.3", "understand", numbers("with the constant scale", "with XNOR-Net's"))
def _two_scales(found: list[float]) -> Iterator[Found]:
    constant, xnor = found
    yield Found(
        "the constant scale", abs(constant - 24) < 0.5,
        "batch norm divides by α going forward; what does that do to the gradient?",
    )  # fmt: skip
    hint = "on the way back it is multiplied by 1/n + α: times what batch norm made of it?"
    if abs(xnor - 24) < 0.5:
        hint = "XNOR-Net does what the constant leaves out: its α counts on the way back, too"
    yield Found("XNOR-Net's scale", abs(xnor - 7 / 6) < 0.01, hint)


# ---- chapter 18 ----------------------------------------------------------------------------------
@exercise("18.1", "understand", numbers(
    "its sum after the move", "weights that turned", "the most by which a sum of five can rise"
))  # fmt: skip
def _one_move(found: list[float]) -> Iterator[Found]:
    after, turned, most = found
    hint = "the integers move by 2 in the direction of the input; a weight turns only at zero"
    if after == 7:
        hint = "you moved the weights; only the integers move, and the weights are their signs"
    yield Found("weights that turned", turned == 2, hint)
    yield Found(
        "the sum after", after == 1,
        "each weight that turned disagreed with the input and agrees now: what does that add?",
    )  # fmt: skip
    yield Found(
        "the largest rise", most == 8,
        "a sum of −3 out of five: how many weights disagree, and what if all of them turn?",
    )  # fmt: skip


@exercise("18.2", "code", a_function("easiest(z, d, group)"))
def _easiest(easiest: Callable[..., Any]) -> Iterator[Found]:
    draw = np.random.default_rng(0)
    z = draw.integers(-4, 5, (60, 12)).astype(np.int32)
    d = (2 * draw.integers(0, 2, z.shape) - 1).astype(np.int8)
    wrong = slow.sign(z) != d
    moves = np.asarray(easiest(z.copy(), d.copy(), 3))
    yield Found(
        "bool [B, K]", moves.shape == z.shape and moves.dtype == bool,
        f"yours has shape {moves.shape} and dtype {moves.dtype}, for sums {z.shape}",
    )  # fmt: skip
    yield Found(
        "only wrong neurons move", not (moves & ~wrong).any(),
        "a neuron is wrong if its sign differs from the desired one, and sign(0) is +1",
    )  # fmt: skip
    count, asked = moves.reshape(60, 4, 3).sum(2), wrong.reshape(60, 4, 3).any(2)
    yield Found("at most one in a group", bool((count <= 1).all()), "of a tie, only the first")
    yield Found(
        "a group with a wrong neuron moves one", bool((count[asked] == 1).all()),
        "a sum of 0 can be wrong, too: it is the nearest of all",
    )  # fmt: skip
    yield Found(
        "the nearest to zero, the first of a tie",
        bool(np.array_equal(moves, slow.easiest(z, d, 3))), "compare sizes, not sums with sign",
    )  # fmt: skip
    whole = np.asarray(easiest(z.copy(), d.copy(), 12))
    yield Found(
        "another group size", bool(np.array_equal(whole, slow.easiest(z, d, 12))),
        "use group, and not a number of your own",
    )  # fmt: skip
