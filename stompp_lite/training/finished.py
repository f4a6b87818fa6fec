"""Is a finished network what it claims to be?

Taught in chapter 3, *A first binary network*.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stompp_lite.errors import NonFiniteError, NotBinaryError
from stompp_lite.networks.convert import bare, conversion
from stompp_lite.networks.layers import binary_layers, sites
from stompp_lite.networks.verify import check_paths


def assert_finite(model: nn.Module) -> None:
    """Check every parameter and every running statistic: a sign would hide NaN from the loss.

    Raises:
        NonFiniteError: by name.
    """
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise NonFiniteError(
                f"{name!r} holds NaN or infinity; lower the learning rate, or use a surrogate "
                "that closes (clip)"
            )


def assert_binary(model: nn.Module, example: Tensor | None = None) -> None:
    """Check that a finished model is what it claims to be.

    Every Binarizer whose rule binarizes must be at p = 1, every parameter and statistic finite,
    every exported weight exactly +1 or -1, and every weight as used that times alpha, one value a
    layer or channel (1 without a scale).

    Args:
        example: [N, ...] inputs; with them, the model is also run in training and evaluation, with
            and without gradients, to see that each way passes through its Binarizers.

    Raises:
        NotBinaryError: something is not binary, by name.
        NonFiniteError: something is NaN or infinite, by name.
        ConversionError: a path that leaves a Binarizer out.
    """
    done, model = conversion(model), bare(model)
    assert_finite(model)
    for name, site in sites(model).items():
        if site.rule.name != "float" and site.p != 1.0:
            raise NotBinaryError(f"{name!r} is frozen to {site.p:.3f} only; the run is not over")
    for name, layer in binary_layers(model).items():
        if done.weights.name == "float":
            continue
        site = layer.binarizer
        used, alpha = site(layer.weight).detach(), site.scale(layer.weight)
        if not torch.equal(used, layer.binary_weight().to(used.dtype) * alpha):
            raise NotBinaryError(f"weights of {name!r} as used differ from those exported")
        per_channel = site.rule.scale == "channel"
        sizes = used.abs().transpose(0, site.channels).flatten(1)  # a row an output channel
        sizes = sizes if per_channel else sizes.reshape(1, -1)
        if not bool((sizes == sizes[:, :1]).all() and (sizes > 0).all()):
            one = "one value a channel" if per_channel else "one value a layer"
            raise NotBinaryError(f"weights of {name!r} are not +alpha or -alpha, {one}")
    if example is not None:
        check_paths(model, example, done.activation_sites)
