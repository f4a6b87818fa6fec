"""Networks of full scale, as float models that ``binarize_model`` converts.

ResNets and MobileNetV2 are torchvision's own; Bi-Real ResNets and a small transformer are ours.
They differ in the paths that they leave open to gradient. In torchvision's ResNets an activation
follows every sum: once a stage and all before it are committed, nothing in front of it learns. In
the others sums stay real numbers, and a float path leads around every sign (Bi-Real, transformers)
or around the signs of a group of blocks (MobileNetV2).
:func:`~stompp_lite.networks.describe.leaks` names the parameters that gradient reaches along it.

Taught in chapter 13, *From digits to photographs*.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, arange, nn

from stompp_lite.checks import count, one_of
from stompp_lite.errors import ConfigError, ConversionError
from stompp_lite.networks.models import groups
from stompp_lite.networks.vision import import_torchvision

#: torchvision's residual networks that the papers report on.
RESNETS = ("resnet18", "resnet34", "resnet50")
#: First layers (torchvision's 7x7 with max-pooling; 3x3 without it, for small images).
STEMS = ("imagenet", "cifar")


def activate_inputs(model: nn.Module, names: Iterable[str]) -> nn.Module:
    """Put an activation in front of layers whose input is not one, in place.

    Where a layer reads a sum, a norm or a token, no activation could become its binary input. Here
    it gets a clip of its own, which conversion turns into a Binarizer.

    Args:
        names: names of the layers; ``"conv"`` becomes a Sequential of ``conv.0`` (the clip) and
            ``conv.1`` (the layer).

    Raises:
        ConversionError: no layer of that name.
    """
    modules = dict(model.named_modules())
    for name in names:
        if not name or name not in modules:
            raise ConversionError(f"{type(model).__name__} has no layer {name!r}")
        parent, _, child = name.rpartition(".")
        setattr(modules[parent], child, nn.Sequential(nn.Hardtanh(), modules[name]))
    return model


def resnet(
    name: str, classes: int, stem: str = "cifar", channels: int = 3, width: int = 64
) -> nn.Module:
    """One of torchvision's :data:`RESNETS`, [N, C, H, W] to logits [N, classes].

    Args:
        stem: one of :data:`STEMS`.
        channels: channels of the images.
        width: channels of the first stage, a divisor of torchvision's 64; all layers are narrower
            by the same factor.

    Raises:
        ConfigError: unknown name or stem, or another width.
    """
    one_of(name, RESNETS, "residual network")
    net = _torchvision(name, count(classes, "classes"))
    if 64 % count(width, "width"):
        raise ConfigError(f"the width must divide torchvision's 64 channels, got {width}")
    if width < 64:
        _narrow(net, 64 // width)
    return _with_stem(net, "conv1", "maxpool", stem, channels)


def _narrow(net: nn.Module, factor: int) -> None:
    """Divide the channels of every layer, in place, and initialize as torchvision does."""
    for name, old in list(net.named_modules()):
        made: nn.Module
        if isinstance(old, nn.Conv2d):
            inputs = old.in_channels if name == "conv1" else old.in_channels // factor
            size, stride, padding = old.kernel_size[0], int(old.stride[0]), int(old.padding[0])
            made = _first(inputs, old.out_channels // factor, size, stride, padding)
        elif isinstance(old, nn.BatchNorm2d):
            made = nn.BatchNorm2d(old.num_features // factor)
        elif isinstance(old, nn.Linear):
            made = nn.Linear(old.in_features // factor, old.out_features)
        else:
            continue
        parent, _, child = name.rpartition(".")
        setattr(net.get_submodule(parent), child, made)


#: MobileNetV2's groups of blocks, as in torchvision; each has expansion, channels, blocks, stride.
INVERTED = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


def mobilenet(
    classes: int, stem: str = "cifar", channels: int = 3, width: float = 1.0,
    blocks: Sequence[int] = (),
) -> nn.Module:  # fmt: skip
    """torchvision's MobileNetV2 without dropout, [N, C, H, W] to logits [N, classes].

    Its bottlenecks end in a sum without an activation, so the 1x1 convolution that reads it gets an
    activation of its own. All convolutions but the first become binary, the depthwise ones too
    (``keep_float=DEPTHWISE`` leaves them float). We do not know what the papers do there.

    Args:
        width: factor on the number of channels.
        blocks: number of blocks in each of the first groups; a shorter list makes a shorter
            network. Empty: all 17 blocks of all seven groups.

    Raises:
        ConfigError: unknown stem, or more groups than there are.
    """
    if len(blocks) > len(INVERTED):
        raise ConfigError(f"MobileNetV2 has {len(INVERTED)} groups of blocks, not {len(blocks)}")
    numbers = [count(n, "the number of blocks") for n in blocks or [row[2] for row in INVERTED]]
    net = _torchvision(
        "mobilenet_v2", count(classes, "classes"), width_mult=width, dropout=0.0,
        inverted_residual_setting=[[t, c, n, s] for (t, c, _, s), n in zip(INVERTED, numbers)],
    )  # fmt: skip
    features: Any = net.features
    one_of(stem, STEMS, "stem")
    first = features[0][0]
    stride = 2 if stem == "imagenet" else 1
    features[0][0] = _first(channels, first.out_channels, 3, stride, 1)
    if stem == "cifar" and len(numbers) > 1:
        second = features[1 + numbers[0]]  # 32 pixels are halved three times, not five
        second.conv[1][0].stride = (1, 1)
    after_sum = [f"features.{k}.conv.0.0" for k in range(2, len(features) - 1)]
    return activate_inputs(net, [*after_sum, f"features.{len(features) - 1}.0"])


#: MobileNetV2's depthwise convolutions, for ``keep_float``.
DEPTHWISE = ("features.1.conv.0.0", "features.*.conv.1.0")


def _torchvision(name: str, classes: int, **options: Any) -> Any:
    models = importlib.import_module(f"{import_torchvision().__name__}.models")
    return getattr(models, name)(num_classes=classes, **options)


def _first(channels: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Conv2d:
    """A first convolution, initialized as torchvision does."""
    made = nn.Conv2d(channels, outputs, kernel, stride, padding, bias=False)
    nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")
    return made


def _with_stem(net: Any, conv: str, pool: str, stem: str, channels: int) -> nn.Module:
    one_of(stem, STEMS, "stem")
    count(channels, "channels")
    width = getattr(net, conv).out_channels
    small = stem == "cifar"
    size = (3, 1, 1) if small else (7, 2, 3)
    setattr(net, conv, _first(channels, width, *size))
    if small:
        setattr(net, pool, nn.Identity())
    return net  # type: ignore[no-any-return]


# ---- Bi-Real Net ---------------------------------------------------------------------------------
class BiRealBlock(nn.Module):
    """x + bn(conv(act(x))): a shortcut around every single binary convolution.

    No activation follows the sum, so real numbers pass from block to block. Source: Bi-Real Net
    (Liu et al., arXiv 1808.00278).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.act = nn.Hardtanh()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, H, W] to [N, O, H / stride, W / stride]."""
        out: Tensor = self.bn(self.conv(self.act(x))) + self.shortcut(x)
        return out


class BiRealNet(nn.Module):
    """Bi-Real ResNet: four groups of blocks, [N, C, H, W] to logits [N, classes].

    Args:
        classes, channels, stem: as for :func:`resnet`.
        blocks: blocks of one convolution each in every group; (4, 4, 4, 4) is Bi-Real ResNet-18.
        width: channels of the first group; 64 in the paper.
    """

    def __init__(
        self, classes: int, stem: str = "cifar", channels: int = 3,
        blocks: tuple[int, ...] = (4, 4, 4, 4), width: int = 64,
    ) -> None:  # fmt: skip
        super().__init__()
        count(classes, "classes")
        count(width, "width")
        self.conv1 = nn.Conv2d(channels, width, 3)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool: nn.Module = nn.MaxPool2d(3, 2, 1)
        _with_stem(self, "conv1", "maxpool", stem, channels)
        self.layers = groups(BiRealBlock, width, blocks)
        self.fc = nn.Linear(width * 2 ** (len(blocks) - 1), classes)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to logits [N, classes]."""
        x = self.layers(self.maxpool(self.bn1(self.conv1(x))))
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


# ---- transformers --------------------------------------------------------------------------------
class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward part, each x + f(norm(x)), with a clip before each layer.

    There are six linear layers (query, key and value share a clip). Conversion makes the clips and
    the layers binary; norms, softmax and the sums stay float.
    """

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.act1, self.act2, self.act3, self.act4 = (nn.Hardtanh() for _ in range(4))
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[N, T, width] to the same."""
        a = self.act1(self.norm1(x))
        q, k, v = (
            layer(a).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [N, heads, T, size]
            for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(self.act2(mixed.transpose(1, 2).flatten(2)))
        out: Tensor = x + self.narrow(self.act4(self.wide(self.act3(self.norm2(x)))))
        return out


class Transformer(nn.Module):
    """A small transformer over token ids: a model of characters, or a classifier of texts.

    Args:
        tokens: size of the vocabulary; with ``classes`` id 0 is padding, which the mean leaves out.
        length: of the sequences.
        classes: None for a causal model of the next token ([N, T] to logits [N, T, tokens]), else
            the number of classes of a text ([N, T] to logits [N, classes], attention both ways).
        width, depth, heads: size of the blocks. The embedding is the first layer and stays float.

    Raises:
        ConfigError: a size below one, or heads that do not divide the width.
    """

    def __init__(
        self, tokens: int, length: int, classes: int | None = None, width: int = 64,
        depth: int = 2, heads: int = 4,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = {"tokens": tokens, "length": length, "width": width, "depth": depth, "heads": heads}
        for what, value in sizes.items():
            count(value, what)
        if width % heads:
            raise ConfigError(f"{heads} heads do not divide a width of {width}")
        self.classes = classes
        self.token, self.place = nn.Embedding(tokens, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(
            *(TransformerBlock(width, heads, causal=classes is None) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, tokens if classes is None else classes)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids [N, T], int64, to logits."""
        x = self.token(ids) + self.place(arange(ids.shape[1], device=ids.device))
        x = self.norm(self.blocks(x))
        if self.classes is not None:
            real = (ids != 0).unsqueeze(-1).to(x)
            x = (x * real).sum(1) / real.sum(1).clamp_min(1)
        out: Tensor = self.head(x)
        return out
