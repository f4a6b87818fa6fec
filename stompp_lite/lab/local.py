"""Runs of networks that learn from local signals, as records like all others.

Such a record has what every record has. Where a gradient-trained run keeps its loss, this one keeps
the share of samples that asked the last layer to learn, and ``test_acc_bn`` is ``test_acc``: there
are no statistics to estimate again.

Used by chapter 18, *Learning without gradients*.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stompp_lite.errors import ConfigError
from stompp_lite.lab.config import Config
from stompp_lite.local import LocalNet, RecurrentNet, as_bits, fit_local, prototypes, rows
from stompp_lite.training.data import load
from stompp_lite.training.history import History
from stompp_lite.training.samples import Data

PROTOTYPES = "prototypes"  # data that a run draws for itself, from its seed


def read(config: Config, root: str | Path = "data") -> Data:
    """The data of a configuration, as signs.

    Raises:
        ConfigError: texts. DataError: the set is missing.
    """
    if config.data == PROTOTYPES:
        if config.validation:
            raise ConfigError("prototypes have no validation split: draw others, with another seed")
        data = prototypes(config.seed)
    else:
        data = as_bits(load(config.data, root, validation=config.validation))
    return rows(data) if config.model == "signals-rows" else data


def build(config: Config, data: Data) -> LocalNet:
    """The network of a configuration, with the hidden integers of its seed."""
    options: dict[str, Any] = {"signals": config.signals, "seed": config.seed}
    if config.model == "signals-rows":
        return RecurrentNet(data.train_x.shape[2], config.width, data.classes, **options)
    widths = (data.train_x[0].numel(), *[config.width] * config.blocks[0])
    return LocalNet(widths, data.classes, **options)


def train(
    config: Config, root: str | Path = "data", checkpoint: str | Path | None = None,
    progress: bool | None = None,
) -> tuple[History, Tensor]:  # fmt: skip
    """Train as configured: the history, and which test samples were right, bool [N].

    Raises:
        StomppError: whatever is wrong with the configuration, the data or the run.
    """
    data = read(config, root)
    net = build(config, data)
    history = fit_local(
        net, data, epochs=config.epochs, batch_size=config.batch_size, seed=config.seed,
        eval_every=config.eval_every, checkpoint=checkpoint, progress=progress,
    )  # fmt: skip
    correct = torch.from_numpy(net.predict(data.test_x) == data.test_y.numpy())
    history.final["test_acc_bn"] = history.final["test_acc"]
    return history, correct


def one_step(config: Config, root: str | Path = "data") -> str:
    """Learn one batch of a run, to see that it would start; what came out, in words."""
    data = read(config, root)
    start = time.perf_counter()
    fit_local(build(config, data), data, batch_size=config.batch_size, stop_at=1, progress=False)
    return f"one step of {config.batch_size} in {time.perf_counter() - start:.1f} s"
