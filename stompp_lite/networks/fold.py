r"""Fold the scale of binary weights into the batch norm that follows.

With a scale a layer computes :math:`\alpha z + b`, z being the product with the signs, and batch
norm turns that into :math:`\gamma (\alpha z + b - \mu) / \sqrt{v + \epsilon} + \beta`, which equals

.. math:: \alpha\gamma \, \frac{z + b / \alpha - \mu / \alpha}{\sqrt{v + \epsilon}} + \beta,

so a network whose weights are exactly +1 and -1 computes the same function, and alpha is free.

Taught in chapter 4, *Size or direction?*
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from stompp_lite.errors import ConversionError
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.layers import binary_layers
from stompp_lite.networks.trace import Graph


@torch.no_grad()
def fold_scale(model: nn.Module) -> nn.Module:
    """A copy of ``model`` with binary weights of exactly +1 and -1, equal to it in evaluation.

    They are equal up to rounding, for a scale and a division change places. Fold after training:
    training the copy would take other steps.

    Args:
        model: from :func:`~stompp_lite.networks.convert.binarize_model`.

    Raises:
        ConversionError: the model was never converted, its weights are not all binary yet, or a
            layer is not followed by a batch norm, and by nothing else, that could take its scale.
    """
    conversion(model)
    folded = copy.deepcopy(model)
    done = conversion(folded)
    modules = dict(folded.named_modules())
    for name, layer in binary_layers(folded).items():
        site = layer.binarizer
        if site.rule.scale is None:
            continue
        if site.p != 1.0:
            raise ConversionError(
                f"the weights of {name!r} are frozen to {site.p:.3f} only; fold a finished network"
            )
        norm = modules[_norm_behind(done.graphs[-1], name, modules)]
        alpha = layer.alpha()
        norm.running_mean /= alpha  # type: ignore[operator]
        norm.weight *= alpha  # type: ignore[operator]
        if layer.bias is not None:
            layer.bias /= alpha
        site.rule, site.alpha = replace(site.rule, scale=None), None
    done.weights = replace(done.weights, scale=None)
    return folded


def _norm_behind(graph: Graph, layer: str, modules: dict[str, nn.Module]) -> str:
    """Name of the batch norm that reads the output of ``layer``, if nothing else reads it."""
    node = graph.results.get(layer, [None])[0]
    users = [n for n, sources in enumerate(graph.sources) if node in sources]
    for name, module in modules.items():
        if isinstance(module, _BatchNorm) and graph.results.get(name) == users:
            if module.weight is None or module.running_mean is None:
                break
            return name
    raise ConversionError(
        f"{layer!r} is not followed by a batch norm, with weights and running statistics, that "
        "could take its scale; ship alpha beside its signs: layer.binary_weight(), layer.alpha()"
    )
