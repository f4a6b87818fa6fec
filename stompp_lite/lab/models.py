"""Networks by the name that a configuration gives them.

Used by chapter 13, *From digits to photographs*, and by every recorded run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from stompp_lite.errors import ConfigError
from stompp_lite.networks.bert import POOLER, Bert
from stompp_lite.networks.families import RESNETS, BiRealNet, Transformer, mobilenet, resnet
from stompp_lite.networks.models import LabResNet, mlp, residual_mlp
from stompp_lite.training.data import Data


class Sizes(Protocol):
    """What of a configuration says how large a model is."""

    @property
    def stem(self) -> str: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def blocks(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def bert(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True)
class Model:
    """How a model is built.

    Attributes:
        build: the float model, from a configuration and the data it is for.
        layers: number of binary layers, from the numbers of blocks (all that can become binary).
        groups: how many numbers of blocks it takes: any (None), one, or zero.
        own: whether torchvision's own blocks are meant where none are named.
        width: the only width that it has.
        texts: whether it reads token ids.
        keep: patterns of what stays float beside the usual.
    """

    build: Callable[[Sizes, Data], nn.Module]
    layers: Callable[[tuple[int, ...]], int]
    groups: int | None = None
    own: bool = False
    width: int | None = None
    texts: bool = False
    keep: tuple[str, ...] = ()


def _of_torchvision(name: str, layers: int, width: int = 64) -> Model:
    def build(c: Sizes, d: Data) -> nn.Module:
        return resnet(name, d.classes, c.stem, d.train_x.shape[1], width)

    return Model(build, lambda blocks: layers, groups=0, own=True, width=width)


def _transformer(c: Sizes, d: Data) -> nn.Module:
    classes = d.classes if d.train_y.dim() == 1 else None  # a label for each text, or each token
    return Transformer(d.tokens, d.train_x.shape[1], classes, c.width, c.blocks[0])


def _bert(c: Sizes, d: Data) -> nn.Module:
    if d.train_y.dim() > 1:
        raise ConfigError(f"model 'bert' is for texts with one label each; {d.name!r} has many")
    return Bert(d.classes, d.tokens, d.train_x.shape[1], c.bert, c.width, c.blocks[0])


#: Models that learn from local signals. They are layers in a row, and a layer that reads an image
#: row by row, and no torch modules (see :mod:`stompp_lite.lab.local`).
SIGNALS = ("signals", "signals-rows")


def _no_module(c: Sizes, d: Data) -> nn.Module:
    raise ConfigError(
        "a network of local signals is no torch module; stompp_lite.local.fit_local trains one"
    )


#: Models by name.
MODELS: dict[str, Model] = {
    "lab": Model(
        lambda c, d: LabResNet(d.train_x.shape[1], d.classes, c.width, c.blocks),
        lambda blocks: 2 * sum(blocks),
    ),
    "mlp": Model(
        lambda c, d: mlp(d.train_x[0].numel(), d.classes, c.width, c.blocks[0]),
        lambda blocks: blocks[0] - 1,
        groups=1,
    ),
    "residual-mlp": Model(
        lambda c, d: residual_mlp(d.train_x[0].numel(), d.classes, c.width, c.blocks[0]),
        lambda blocks: 2 * blocks[0],
        groups=1,
    ),
    **{name: _of_torchvision(name, n) for name, n in zip(RESNETS, (16, 32, 48), strict=True)},
    "resnet18-quarter": _of_torchvision("resnet18", 16, width=16),
    "mobilenet": Model(
        lambda c, d: mobilenet(d.classes, c.stem, d.train_x.shape[1], c.width / 32, c.blocks),
        lambda blocks: 3 * (sum(blocks) or 17),
        own=True,
    ),
    "bireal": Model(
        lambda c, d: BiRealNet(d.classes, c.stem, d.train_x.shape[1], c.blocks, c.width), sum
    ),
    "transformer": Model(_transformer, lambda blocks: 6 * blocks[0], groups=1, texts=True),
    "bert": Model(_bert, lambda blocks: 6 * blocks[0], groups=1, texts=True, keep=POOLER),
    **{name: Model(_no_module, lambda blocks: blocks[0], groups=1) for name in SIGNALS},
}
