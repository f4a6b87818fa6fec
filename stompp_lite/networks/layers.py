"""Convolution and linear layers whose weights pass through a Binarizer.

The parameter ``weight`` is the latent weight, a real number that the optimizer moves. The layer
computes with ``binarizer(weight)``, which in the end is ``binary_weight()`` times ``alpha()``. A
bias stays float. Zero padding feeds zeros, not signs, into the border of a convolution, as in the
float network; chapter 1 says where that matters.

Taught in chapter 3, *A first binary network*.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stompp_lite.errors import ConversionError
from stompp_lite.method import hard_sign
from stompp_lite.networks.rules import Rule, Site, site_of


class BinaryLayer(nn.Module):
    """What every binary layer can do."""

    weight: Any  # the latent weight, a parameter
    bias: Any
    binarizer: Site

    def binary_weight(self) -> Tensor:
        """The weights to ship: sign of the latent weights, int8, every entry +1 or -1."""
        return hard_sign(self.binarizer.latent(self.weight)).to(torch.int8)

    def alpha(self) -> Tensor:
        """The scale of the signs: [], or [O] with a value for each output channel."""
        alpha = torch.as_tensor(self.binarizer.scale(self.weight))
        return alpha.flatten() if alpha.dim() else alpha


class _Convolution(BinaryLayer):
    _conv_forward: Callable[..., Tensor]

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, ...] to [N, K, ...]."""
        return self._conv_forward(input, self.binarizer(self.weight), self.bias)


class _Transposed(BinaryLayer):
    _product: ClassVar[Callable[..., Tensor]]

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """[N, C, ...] to [N, K, ...]."""
        m: Any = self
        extra = m._output_padding(
            input, output_size, m.stride, m.padding, m.kernel_size, len(m.kernel_size), m.dilation
        )
        w = self.binarizer(self.weight)
        return type(self)._product(
            input, w, self.bias, m.stride, m.padding, extra, m.groups, m.dilation
        )


class BinaryConv1d(_Convolution, nn.Conv1d):
    """``nn.Conv1d`` with weights that pass through ``self.binarizer``."""


class BinaryConv2d(_Convolution, nn.Conv2d):
    """``nn.Conv2d`` with weights that pass through ``self.binarizer``."""


class BinaryConv3d(_Convolution, nn.Conv3d):
    """``nn.Conv3d`` with weights that pass through ``self.binarizer``."""


class BinaryConvTranspose1d(_Transposed, nn.ConvTranspose1d):
    """``nn.ConvTranspose1d`` with weights that pass through ``self.binarizer``."""

    _product = staticmethod(F.conv_transpose1d)


class BinaryConvTranspose2d(_Transposed, nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` with weights that pass through ``self.binarizer``."""

    _product = staticmethod(F.conv_transpose2d)


class BinaryConvTranspose3d(_Transposed, nn.ConvTranspose3d):
    """``nn.ConvTranspose3d`` with weights that pass through ``self.binarizer``."""

    _product = staticmethod(F.conv_transpose3d)


class BinaryLinear(BinaryLayer, nn.Linear):
    """``nn.Linear`` with weights that pass through ``self.binarizer``."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., I] to [..., O]."""
        return F.linear(input, self.binarizer(self.weight), self.bias)


#: Float layer -> its binary version. Subclasses have none, since they may compute something else.
BINARY: dict[type[nn.Module], type[BinaryLayer]] = {
    nn.Linear: BinaryLinear,
    nn.Conv1d: BinaryConv1d,
    nn.Conv2d: BinaryConv2d,
    nn.Conv3d: BinaryConv3d,
    nn.ConvTranspose1d: BinaryConvTranspose1d,
    nn.ConvTranspose2d: BinaryConvTranspose2d,
    nn.ConvTranspose3d: BinaryConvTranspose3d,
}


def as_binary(layer: nn.Module, rule: Rule) -> BinaryLayer:
    """Turn a float layer into a binary one, in place: same parameters, other class.

    Args:
        layer: one of the types in :data:`BINARY`, not a subclass.
        rule: rule of its weights.

    Raises:
        ConversionError: any other type of layer, or a scale for each channel where the channels
            have no axis of their own.
    """
    if type(layer) not in BINARY:
        raise ConversionError(f"no binary version of {type(layer).__name__} is known")
    layer.__class__ = BINARY[type(layer)]
    assert isinstance(layer, BinaryLayer)
    transposed = isinstance(layer, _Transposed)
    if transposed and layer.groups != 1 and rule.scale == "channel":  # type: ignore
        raise ConversionError(
            "a transposed convolution in groups has no axis of output channels; scale='layer' works"
        )
    layer.binarizer = site_of(rule, channels=1 if transposed else 0)
    layer.binarizer.of_weights = True
    return layer


def binary_layers(model: nn.Module) -> dict[str, BinaryLayer]:
    """Every binary layer of a model, by name."""
    return {n: m for n, m in model.named_modules() if isinstance(m, BinaryLayer)}


def sites(model: nn.Module) -> dict[str, Site]:
    """Every Binarizer of a model, of weights and of activations, by name."""
    return {n: m for n, m in model.named_modules() if isinstance(m, Site)}
