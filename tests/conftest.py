"""Shared by the tests: a tiny data set and tiny networks, one thread."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from stompp_lite import Data, LabResNet, binarize_model

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))  # last the pages without a number
torch.set_num_threads(1)


def pytest_collection_finish() -> None:
    """What thousands of tests and modules hold stays: the collector need not look at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def tiny() -> Data:
    """48 + 16 random 6x6 images of 3 classes that a network can tell apart."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(64) % 3
    x = torch.randn(64, 1, 6, 6, generator=g) + y.view(-1, 1, 1, 1) - 1.0
    return Data("tiny", x[:48], y[:48], x[48:], y[48:], classes=3)


@pytest.fixture(scope="session")
def the_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a wheel, built once a worker: see WITH_WHEEL in tests/pool.py."""
    sys.path.insert(0, str(ROOT / "book" / "tools"))
    from release import wheel

    return wheel(tmp_path_factory.mktemp("wheel"))


def lab_net(
    weights: str = "stompp", activations: str = "stompp", blocks: tuple[int, ...] = (1, 1),
    seed: int = 0,
) -> nn.Module:  # fmt: skip
    """The lab network at width 4, converted."""
    torch.manual_seed(seed)
    model = LabResNet(1, 3, width=4, blocks=blocks)
    return binarize_model(model, torch.zeros(1, 1, 6, 6), weights=weights, activations=activations)


def same_state(a: nn.Module, b: nn.Module) -> bool:
    """Every parameter and buffer equal, to the bit."""
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(n == m and torch.equal(x, y) for (n, x), (m, y) in pairs)
