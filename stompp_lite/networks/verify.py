"""Make sure that a converted model computes with its Binarizers on every path it can take.

A model may run differently in training and in evaluation, and with and without gradients. Each way
must pass every Binarizer once, in the order of the stages, and feed signs to every binary layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stompp_lite.errors import ConversionError
from stompp_lite.networks.layers import binary_layers, sites
from stompp_lite.networks.trace import batch_for, preserved, run, tensors, watching

_TRIES = 8  # a block that training skips at random must be called in one of these passes


def real_inputs(model: nn.Module, example: Tensor) -> dict[str, str]:
    """Binary layers whose input would not be +1 and -1 only, and why.

    Here every activation's Binarizer passes on random signs, because an example of zeros would give
    the same sign everywhere.
    """
    generator = torch.Generator().manual_seed(0)
    layers = binary_layers(model)
    activations = set(sites(model)) - {f"{name}.binarizer" for name in layers}
    found: dict[str, str] = {}
    reason = {
        False: "would get an input that is not binary: something other than an activation module "
        "(a functional relu, a batch norm, a mean) stands before it (use modules, or "
        "real_inputs=True)",
        True: "would get an input that is not binary in training: dropout or another layer that "
        "works in training only stands before it (put it before the activation)",
    }
    for training in (False, True):

        def look(
            name: str, out: Tensor, x: Tensor | None, _s: object, t: bool = training
        ) -> object:
            if name in activations:
                draw = torch.randint(0, 2, out.shape, generator=generator)
                return (2 * draw - 1).to(out)
            if name in layers and x is not None and not bool((x.abs() == 1).all()):
                found.setdefault(name, reason[t])
            return None

        with preserved(model), torch.no_grad(), watching(model, look):
            model.train(training)
            run(model, batch_for(example, training))
    return found


def check_paths(model: nn.Module, example: Tensor, order: Sequence[str]) -> dict[str, str]:
    """Run ``example`` in training and evaluation, with gradients and without.

    Args:
        example: [N, ...], N at least 1.
        order: the activation Binarizers in the order of the stages.

    Returns:
        Activation modules whose output does not have the batch as its first axis, and why that is
        wrong.

    Raises:
        ConversionError: a Binarizer is left out, called twice, or called out of order, by name; or
            the evaluation depends on whether gradients are recorded.
    """
    wanted = [*order, *(f"{name}.binarizer" for name in binary_layers(model))]
    outputs, shapes = [], {}
    for training in (False, True):
        for grad in (True, False):
            where = f"in {'training' if training else 'evaluation'} mode with" + "out" * (not grad)
            where += " gradients"
            seen: set[str] = set()
            for _ in range(_TRIES if training else 1):
                fired, out = _fired(model, example, training, grad, set(wanted))
                _check_order([name for name, _ in fired if name in order], order, where)
                seen.update(name for name, _ in fired)
                shapes.update({(name, training): shape for name, shape in fired})
                if seen == set(wanted):
                    break
            missing = [n for n in wanted if n not in seen]
            if missing:
                raise ConversionError(
                    f"{where} {missing[0]!r} is not called: the model takes another path there (a "
                    "fused fast path, a functional call) and would compute with float weights or "
                    "activations. Call its layers as modules"
                )
            outputs += [] if training else [out]
    same = [torch.allclose(a, b, 1e-4, 1e-5, equal_nan=True) for a, b in zip(*outputs, strict=True)]
    if not all(same):
        raise ConversionError(
            "the model evaluates differently with and without gradients: one of the two does not "
            "use its Binarizers. Call its layers as modules"
        )
    strange = {}
    for name in order:
        one, two = shapes[name, False], shapes[name, True]
        if two != (2 * one[0], *one[1:]):
            module = name.partition(".sites.")[0]
            strange[module] = (
                f"does not have the batch as its first axis (its output is {one} for "
                f"{len(example)} samples and {two} for twice as many), so samples could not share "
                "a mask (put the batch first)"
            )
    return strange


def _fired(
    model: nn.Module, example: Tensor, training: bool, grad: bool, names: set[str]
) -> tuple[list[tuple[str, tuple[int, ...]]], list[Tensor]]:
    """(name, shape of the output) of each call of a Binarizer, and the model's outputs."""
    fired: list[tuple[str, tuple[int, ...]]] = []

    def note(name: str, out: Tensor, *_: object) -> None:
        if name in names:
            fired.append((name, tuple(out.shape)))

    with preserved(model), torch.set_grad_enabled(grad), watching(model, note):
        model.train(training)
        out = run(model, batch_for(example, training))
    return fired, [t.detach() for t in tensors(out)]


def _check_order(fired: Sequence[str], order: Sequence[str], where: str) -> None:
    position = -1
    for name in fired:
        now = order.index(name)
        if now <= position:
            raise ConversionError(
                f"{where} {name!r} is called twice or out of order; each activation must be "
                "called once for each place that it has in the network. Give each place a module "
                "of its own"
            )
        position = now
