"""Convolution and linear layers whose weights pass through a Binarizer.

The parameter ``weight`` is the latent weight: real-valued, what the optimizer moves. The layer
computes with ``binarizer(weight)``. No scale factor is applied. A bias, if there is one, stays
float. Zero padding feeds zeros, not signs, into a convolution's border, as in the float
networks that are converted here; chapter 1 says where that matters.

Taught in chapter 3, *A first binary network*.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stompp_lite.binarize import Binarizer, Rule, hard_sign
from stompp_lite.errors import ConversionError


class _Exports:
    """What both binary layers can do."""

    weight: Tensor
    binarizer: Binarizer

    def binary_weight(self) -> Tensor:
        """The weights to ship: sign of the latent weights, int8, every entry +1 or -1."""
        return hard_sign(self.weight).to(torch.int8)


class BinaryConv2d(_Exports, nn.Conv2d):
    """``nn.Conv2d`` with weights that pass through ``self.binarizer``."""

    binarizer: Binarizer

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, K, H', W']."""
        out: Tensor = self._conv_forward(x, self.binarizer(self.weight), self.bias)
        return out


class BinaryLinear(_Exports, nn.Linear):
    """``nn.Linear`` with weights that pass through ``self.binarizer``."""

    binarizer: Binarizer

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] to [..., O]."""
        return F.linear(x, self.binarizer(self.weight), self.bias)


BinaryLayer = BinaryConv2d | BinaryLinear


def as_binary(layer: nn.Module, rule: Rule) -> BinaryConv2d | BinaryLinear:
    """Turn a float layer into a binary one, in place: same parameters, other class.

    Args:
        layer: an ``nn.Conv2d`` or ``nn.Linear`` (exactly these, no subclasses).
        rule: rule of its weights.

    Raises:
        ConversionError: any other type of layer.
    """
    classes: dict[type, type] = {nn.Conv2d: BinaryConv2d, nn.Linear: BinaryLinear}
    if type(layer) not in classes:
        raise ConversionError(f"no binary version of {type(layer).__name__} is known")
    layer.__class__ = classes[type(layer)]
    assert isinstance(layer, BinaryConv2d | BinaryLinear)
    layer.binarizer = Binarizer(rule, tuple(layer.weight.shape))
    return layer
