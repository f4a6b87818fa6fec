"""Pack a finished network: read its operations one by one, and keep one bit a binary weight.

``torch.fx`` writes down what the model computes. A binary layer that reads signs becomes an
``xnor``; where nothing but elementwise operations of single channels lies between it and the next
sign, both become one whole-number comparison (:mod:`stompp_lite.ship.thresholds`). Everything else
stays the float operation that it is.

See chapter 19 of the book.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, fx, nn

from stompp_lite.errors import ConversionError
from stompp_lite.networks.convert import bare, conversion
from stompp_lite.networks.layers import BinaryLayer
from stompp_lite.networks.rewrite import CallSites
from stompp_lite.networks.rules import Site
from stompp_lite.networks.trace import preserved
from stompp_lite.ship.nodes import DTYPES, WAY_OUT
from stompp_lite.ship.program import Program
from stompp_lite.ship.reader import Reader
from stompp_lite.ship.runtime import Packed
from stompp_lite.ship.thresholds import fuse


@torch.no_grad()
def pack(model: nn.Module, example: Tensor) -> Packed:
    """A finished network as bits; the model is left as it is.

    What can be packed: convolutions of images and linear layers with strides, zero padding,
    dilation and groups; batch norm; ReLU, ReLU6, Hardtanh; max- and average-pooling, means, sums of
    two results, flattening; dropout, which does nothing here. And of networks of tokens:
    embeddings, layer norm, GELU, tanh, attention, reshaping, which stay float around linear layers
    of bits. So the course's networks pack, its transformer and BERT, and torchvision's ResNets,
    MobileNetV2 and Bi-Real networks.

    A model whose ``forward`` cannot be traced may have a method ``plain`` that computes the same in
    plain operations; then that is read.

    The packed network takes every sum of signs as the whole number that it is; then come the scale
    and the bias, each rounded once. Without a scale and a bias that is what torch computes, bit for
    bit. With a scale torch adds K numbers alpha and rounds at every addition, in an order that it
    does not promise, so the last bits of a sum can differ.

    Args:
        model: from :func:`~stompp_lite.networks.convert.binarize_model`, all of it committed; on
            the CPU, in float32 or float64.
        example: one batch as the model takes it, [N, ...]. The packed network takes any N and no
            other size of images.

    Returns:
        The packed network; call it with a batch, or store it with
        :func:`~stompp_lite.ship.file.save_packed`.

    Raises:
        ConversionError: the model is not converted or not finished, it cannot be traced, or
            something in it cannot be packed, by name, with the way out.
    """
    conversion(model)
    model = bare(model)
    _check_finished(model)
    with preserved(model):
        model.eval()
        graph = _trace(model)
        reader = Reader(model, graph, example)
        program = reader.read()
        if reader.fixed:  # a shape that it asked for may have been the batch's
            _check_batch(program, Reader(model, graph, torch.cat([example] * 2)).read())
    return Packed(fuse(program))


def _check_batch(program: Program, other: Program) -> None:
    for op, twin in zip(program.ops, other.ops, strict=True):
        same = all(np.array_equal(a, twin.arrays[name]) for name, a in op.arrays.items())
        if op.settings != twin.settings or not same:
            raise ConversionError(
                f"{op.name!r} computes with the size of the batch; a packed network takes batches "
                "of any size: use -1, or the other axes"
            )


def _check_finished(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, Site) and 0.0 < module.p < 1.0:
            raise ConversionError(
                f"{name!r} is frozen to {module.p:.3f} only; pack a finished network"
            )
        if isinstance(module, Site) and module.rule.progressive and module.p == 0.0:
            raise ConversionError(f"{name!r} is not binary yet; train the model first, with fit")
    for name, tensor in model.named_parameters():
        if tensor.dtype not in DTYPES or tensor.device.type != "cpu":
            raise ConversionError(
                f"{name!r} is {tensor.dtype} on {tensor.device}; pack model.float().cpu()"
            )


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Binary layers and Binarizers are single operations; everything of torch's own, too."""
        if isinstance(m, Site | BinaryLayer):
            return True
        if isinstance(m, CallSites):
            return False
        leaf: bool = super().is_leaf_module(m, module_qualified_name)
        return leaf


def _trace(model: nn.Module) -> fx.Graph:
    for module in model.modules():
        if isinstance(module, CallSites):
            module.calls = 0
    try:
        tracer = _Tracer()
        tracer.traced_func_name = "plain" if hasattr(model, "plain") else "forward"
        graph: fx.Graph = tracer.trace(model)
    except ConversionError:
        raise
    except Exception as err:
        raise ConversionError(
            f"{type(model).__name__} cannot be traced ({err}): its forward depends on values, or "
            f"is not plain torch; {WAY_OUT}"
        ) from err
    return graph
