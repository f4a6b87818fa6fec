"""The interactive figures of the chapters from 5 on, from records and plans.

They compute and draw in the browser (:mod:`stompp_lite.viz.components`); what these functions do is
to collect compact data. What moves in chapters 1 to 4 is in :mod:`~stompp_lite.viz.first_figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from stompp_lite import rng
from stompp_lite.checks import count, not_negative, one_of, share, whole, within
from stompp_lite.errors import ConfigError
from stompp_lite.method import MASK_RULES, ORDERS, SHAPES
from stompp_lite.networks.layers import binary_layers
from stompp_lite.viz.components import Component
from stompp_lite.viz.drawn import (
    blockade_explorer,
    commitment_explorer,
    film,
    freezing,
    gradient_explorer,
)
from stompp_lite.viz.questions import predict, predict_curve
from stompp_lite.viz.results import results

__all__ = [
    "alpha_calculator", "blockade_explorer", "commitment_explorer", "doors_explorer", "film",
    "freezing", "gradient_explorer", "plans", "predict", "predict_curve", "results",
    "schedule_explorer",
]  # fmt: skip

MOST_STAGES = 37  # of the schedule explorer: the lab's network with 36 binary convolutions
REFRESH = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # the slider's values of rho
_POINTS = 200  # of a shape's table
CLIPPED_SQUARE = 0.516  # E[clip(z, -1, 1)^2] for a normal z


def doors_explorer(measured: Mapping[float, Sequence[float]]) -> Component:
    """What a share p of frozen activations leaves of a gradient, layer by layer (chapter 6).

    The line is sqrt((1 - p) v / (p + (1 - p) v)) for each layer, with v = 0.516, the mean square of
    a normal number that is clipped to [-1, 1].

    Args:
        measured: share p, between 0 and 1 -> the gradient that is left after 0, 1, ... layers of a
            network without shortcuts, relative to the same network with nothing frozen.

    Raises:
        ConfigError: nothing measured, a share or a value out of range, or other numbers of layers.
    """
    lengths = {len(left) for left in measured.values()}
    if len(lengths) != 1 or min(lengths) < 2:
        raise ConfigError(f"measure two or more layers, as many at each p; got {sorted(lengths)}")
    rows = []
    for p, left in measured.items():
        if not 0 < share(p, "p") < 1:
            raise ConfigError(f"p must lie between 0 and 1, got {p}")
        values = [not_negative(x, f"what is left at p = {p}") for x in left]
        rows.append({"p": p, "left": [float(f"{x:.3g}") for x in values]})
    return Component("doors", {"v": CLIPPED_SQUARE, "measured": rows})


def schedule_explorer(
    order: str = "forward", shape: str = "cubic", rule: str = "threshold", rho: float = 0.01,
    stages: int = 9, window: int = 50, t: int = 0,
) -> Component:  # fmt: skip
    """Curves p_l(t) of a plan, and masks that breathe (chapters 7, 10 and 11).

    It offers all that :data:`~stompp_lite.method.ORDERS` and :data:`~stompp_lite.method.SHAPES`
    hold when it is made: an order or a shape of your own, too. It draws that from a table.

    Args:
        order: a key of ``ORDERS``; shape: of ``SHAPES``; rule: of ``MASK_RULES``.
        rho: soft refresh, in [0, 1].
        stages: 1 to 37; window: steps for each stage, 10 to 200; t: the step that is shown.

    Raises:
        ConfigError: a value that it cannot show; a shape of your own that does not grow from 0
            to 1, or an order that gives a stage no window.
    """
    start: dict[str, Any] = {
        "order": one_of(order, ORDERS, "order"),
        "shape": one_of(shape, SHAPES, "shape"),
        "rule": one_of(rule, MASK_RULES, "mask rule"),
        "rho": share(rho, "rho"),
        "stages": int(within(count(stages, "the number of stages"), "stages", 1, MOST_STAGES)),
        "window": int(within(count(window, "the window"), "the window", 10, 200)),
    }
    start["t"] = int(within(count(t, "t", 0), "t", 0, start["stages"] * start["window"]))
    keys = [rng.make_key(0, f"stage {k}", "weight") for k in range(MOST_STAGES)]
    return Component(
        "schedule",
        {
            "start": start,
            "keys": [[key >> 32, key & 0xFFFFFFFF] for key in keys],
            **plans(MOST_STAGES),
            "rules": list(MASK_RULES),
            "refresh": sorted({*REFRESH, start["rho"]}),
        },
    )


def plans(most: int) -> dict[str, Any]:
    """Orders and shapes as tables for the browser.

    An order's table holds the windows of the stages for 1 to ``most`` stages; a shape's holds its
    values at equal distances.

    Raises:
        ConfigError: an order or a shape of the reader's own that is none.
    """
    orders = {name: [turns(n, 0) for n in range(1, most + 1)] for name, turns in ORDERS.items()}
    for name, table in orders.items():
        for n, row in enumerate(table, 1):
            if len(row) != n or any(whole(turn, f"a window of order {name!r}") < 0 for turn in row):
                raise ConfigError(f"order {name!r} must give {n} stages a window each, got {row}")
    shapes = {
        name: [float(f"{grow(k / _POINTS):.4g}") for k in range(_POINTS + 1)]
        for name, grow in SHAPES.items()
    }
    for name, values in shapes.items():
        if (values[0], values[-1]) != (0, 1) or values != sorted(values):
            raise ConfigError(
                f"the shape {name!r} must grow from 0 at 0 to 1 at 1, without a step back; it goes "
                f"from {values[0]:g} to {values[-1]:g}"
            )
    return {"orders": orders, "shapes": shapes}


def alpha_calculator(
    networks: Mapping[str, nn.Module], measured: Mapping[str, Sequence[float]] | None = None
) -> Component:
    """1/alpha of the binary layers of networks, beside a calculator for any layer (chapter 13).

    alpha is the mean size of a layer's latent weights: what ``scale="layer"`` takes. Of weights
    that are drawn as in torchvision's ResNets it is 2/sqrt(pi n), with n = kernel area times output
    channels; of torch's default 1/(2 sqrt(n)), with input channels.

    Args:
        networks: label to a network from ``binarize_model``, as it was drawn.
        measured: label to what a scale does to the step of each of its binary layers, where known.

    Raises:
        ConfigError: no network, one without binary layers, a layer that is no square convolution
            in one group, or another number of measured layers.
    """
    if not networks:
        raise ConfigError("no network to show; give at least one label and a converted network")
    shown = {}
    for label, net in networks.items():
        layers = binary_layers(net)
        ratios = list((measured or {}).get(label, [None] * len(layers)))
        if not layers or len(ratios) != len(layers):
            raise ConfigError(f"{label} has {len(layers)} binary layers and {len(ratios)} measured")
        shown[label] = [
            _first_weights(f"{name} of {label}", layer)
            | {"name": name, "measured": r and float(f"{not_negative(r, 'a measured ratio'):.4g}")}
            for (name, layer), r in zip(layers.items(), ratios, strict=True)
        ]
    return Component("alpha", {"networks": shown})


def _first_weights(what: str, layer: nn.Module) -> dict[str, Any]:
    if not (isinstance(layer, nn.Conv2d) and layer.groups == 1 and len({*layer.kernel_size}) == 1):
        raise ConfigError(f"the calculator knows square convolutions in one group; {what} is none")
    size = float(f"{float(layer.weight.detach().abs().mean()):.4g}")
    channels = {"inputs": layer.in_channels, "outputs": layer.out_channels}
    return {"kernel": layer.kernel_size[0], **channels, "alpha": size}
