"""One head of binary attention under a slider for the size of its weights (chapter 15).

The sums of signs that queries and keys are made of are read off a network; the browser scales them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stompp_lite.checks import count, within
from stompp_lite.errors import ConfigError
from stompp_lite.networks.families import TransformerBlock
from stompp_lite.viz.components import Component

__all__ = ["attention_explorer"]

_WORDS = 64  # as many as a picture can show


def _sums(layer: Any, read: Tensor, part: slice) -> dict[str, Any]:
    """Sums of signs [T][d] of the outputs in ``part``, and their biases [d]."""
    exact = layer(read)[0, :, part] - layer.bias[part]
    if not torch.allclose(exact, exact.round(), atol=1e-3):
        raise ConfigError("show a network whose weights are +1 and -1: convert it without a scale")
    bias = [float(f"{b:.4g}") for b in layer.bias[part].tolist()]
    return {"sums": exact.round().int().tolist(), "bias": bias}


@torch.no_grad()
def attention_explorer(
    net: torch.nn.Module, ids: Tensor, block: int = 0, head: int = 0
) -> Component:
    """Attention of one head while its binary weights shrink from 1 to 1 over their number.

    With weights of +alpha and -alpha a query is alpha times its sums of signs, plus a float bias;
    so is a key. The browser makes softmax(query key / sqrt(d)) of them at every alpha.

    Args:
        net: a converted :class:`~stompp_lite.networks.families.Transformer`, its weights +1 and -1.
        ids: one text [1, T], 2 to 64 token ids. block, head: counted from 0.

    Raises:
        ConfigError: no such block or head, another shape, or weights that are not +1 and -1.
    """
    blocks = [m for m in net.modules() if isinstance(m, TransformerBlock)]
    if not blocks:
        raise ConfigError("there is no block of a Transformer in the network")
    if ids.dim() != 2 or len(ids) != 1:
        raise ConfigError(f"show one text [1, T], got {list(ids.shape)}")
    within(ids.shape[1], "the number of words", 2, _WORDS)
    shown: Any = blocks[int(within(count(block, "block", 0), "block", 0, len(blocks) - 1))]
    within(count(head, "head", 0), "head", 0, shown.heads - 1)
    seen: list[Tensor] = []
    hook = shown.query.register_forward_hook(lambda module, inputs, out: seen.append(inputs[0]))
    try:
        net(ids)
    finally:
        hook.remove()
    width = shown.query.in_features
    size = shown.query.out_features // shown.heads
    part = slice(head * size, (head + 1) * size)
    own = (shown.query.weight.abs().mean() + shown.key.weight.abs().mean()) / 2
    return Component(
        "attention",
        {
            "query": _sums(shown.query, seen[0], part),
            "key": _sums(shown.key, seen[0], part),
            "width": width,
            "own": float(f"{own:.3g}"),
        },
    )
