"""The course's own networks, as ordinary float torch models for ``binarize_model``.

Taught in chapter 3 (the perceptron), chapter 4 (the lab's residual network) and on the page after
chapter 8 (the same without convolutions).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from stompp_lite.checks import count
from stompp_lite.errors import ConfigError


def mlp(inputs: int, classes: int, width: int = 64, depth: int = 3) -> nn.Sequential:
    """A perceptron with ``depth`` hidden layers, each linear, batch norm, activation.

    Args:
        inputs: features of a flattened sample; images [N, C, H, W] are flattened first.
        depth: number of hidden layers; conversion makes all but the first binary.

    Returns:
        Model from [N, ...] to logits [N, classes].
    """
    for value, what in (
        (inputs, "inputs"),
        (classes, "classes"),
        (width, "width"),
        (depth, "depth"),
    ):
        count(value, what)
    layers: list[nn.Module] = [nn.Flatten()]
    for i in range(depth):
        layers += [
            nn.Linear(inputs if i == 0 else width, width, bias=False),
            nn.BatchNorm1d(width),
            nn.Hardtanh(),
        ]
    return nn.Sequential(*layers, nn.Linear(width, classes))


class DenseBlock(nn.Module):
    """Residual block of linear layers: act(bn(linear(act(bn(linear(x))))) + x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1, self.bn1 = nn.Linear(width, width, bias=False), nn.BatchNorm1d(width)
        self.linear2, self.bn2 = nn.Linear(width, width, bias=False), nn.BatchNorm1d(width)
        self.act1, self.act2 = nn.Hardtanh(), nn.Hardtanh()

    def forward(self, x: Tensor) -> Tensor:
        """[N, width] to [N, width]."""
        y = self.act1(self.bn1(self.linear1(x)))
        out: Tensor = self.act2(self.bn2(self.linear2(y)) + x)
        return out


def residual_mlp(inputs: int, classes: int, width: int = 32, blocks: int = 8) -> nn.Sequential:
    """The lab's residual network without convolutions: two binary linear layers a block.

    Args:
        inputs: features of a flattened sample; images [N, C, H, W] are flattened first.

    Returns:
        Model from [N, ...] to logits [N, classes].

    Raises:
        ConfigError: a size below one.
    """
    sizes = {"inputs": inputs, "classes": classes, "width": width, "blocks": blocks}
    for what, value in sizes.items():
        count(value, what)
    stem = [nn.Flatten(), nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width)]
    middle = [DenseBlock(width) for _ in range(blocks)]
    return nn.Sequential(*stem, nn.Hardtanh(), *middle, nn.Linear(width, classes))


class Block(nn.Module):
    """Post-activation residual block: act(bn(conv(act(bn(conv(x))))) + shortcut(x)).

    The sum passes through an activation, so once converted the residual stream itself is binary.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.act1 = nn.Hardtanh()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act2 = nn.Hardtanh()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, H, W] to [N, O, H / stride, W / stride]."""
        y = self.act1(self.bn1(self.conv1(x)))
        out: Tensor = self.act2(self.bn2(self.conv2(y)) + self.shortcut(x))
        return out


def groups(
    block: Callable[[int, int, int], nn.Module], width: int, blocks: Sequence[int]
) -> nn.Sequential:
    """Groups of blocks; each has twice the channels of the group before it and half the image.

    Args:
        block: makes a block from input channels, output channels and stride.
        width: channels before and in the first group.
        blocks: number of blocks in each group.

    Raises:
        ConfigError: a number below one.
    """
    made, inputs = [], width
    for g, depth in enumerate(blocks):
        count(depth, "the number of blocks")
        for b in range(depth):
            stride = 2 if g > 0 and b == 0 else 1
            made.append(block(inputs, width * 2**g, stride))
            inputs = width * 2**g
    return nn.Sequential(*made)


class LabResNet(nn.Module):
    """The lab's network: a 3x3 stem, groups of residual blocks, global mean, linear.

    Args:
        channels: input channels.
        classes: number of logits.
        width: channels of the first group; each later group doubles them and halves the image.
        blocks: residual blocks in each group, for example (6, 6). Two convolutions a block.

    Raises:
        ConfigError: a size below one.
    """

    def __init__(
        self, channels: int, classes: int, width: int = 16, blocks: Sequence[int] = (1, 1)
    ) -> None:
        super().__init__()
        count(channels, "channels")
        count(classes, "classes")
        count(width, "width")
        if not blocks:
            raise ConfigError("blocks must name at least one group, for example (1, 1)")
        self.conv = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.act = nn.Hardtanh()
        self.blocks = groups(Block, width, blocks)
        self.head = nn.Linear(width * 2 ** (len(blocks) - 1), classes)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to logits [N, classes]."""
        x = self.blocks(self.act(self.bn(self.conv(x))))
        out: Tensor = self.head(x.mean((2, 3)))
        return out
