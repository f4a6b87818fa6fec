"""Train a network of local signals: batches, epochs, history, and a checkpoint to go on from.

Taught in chapter 18, *Learning without gradients*.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stompp_lite.checks import count
from stompp_lite.errors import CheckpointError, ConfigError
from stompp_lite.local.net import LocalNet
from stompp_lite.training import checkpoint as checkpoints
from stompp_lite.training.files import only_writer
from stompp_lite.training.history import History
from stompp_lite.training.loop import step_bar
from stompp_lite.training.resume import check_same, data_digest
from stompp_lite.training.samples import Data, batches, check_batch_size


def fit_local(
    net: LocalNet,
    data: Data,
    *,
    epochs: int = 50,
    batch_size: int = 100,
    seed: int = 0,
    eval_every: int = 1,
    checkpoint: str | Path | None = None,
    stop_at: int | None = None,
    progress: bool | None = None,
) -> History:
    """Train a network of local signals, in place.

    Args:
        net: a :class:`~stompp_lite.local.net.LocalNet` or a
            :class:`~stompp_lite.local.net.RecurrentNet`.
        data: signs, +1 and -1, from :func:`~stompp_lite.local.samples.as_bits`.
        epochs: passes over the training samples. batch_size: samples in a step.
        seed: of the order of the samples (not of the network, which has its own).
        eval_every: epochs between evaluations; the last epoch is always evaluated.
        checkpoint: file to store the run in after each epoch, and to go on from if it exists.
        stop_at: stop once this many steps are done (the checkpoint holds the rest).
        progress: show a bar; default only in a terminal or a notebook.

    Returns:
        The history. Its epochs hold ``epoch``, ``step``, ``loss`` (the share of samples that asked
        the last layer to learn), ``train_acc`` (running, before each batch was learned),
        ``test_acc``, and one number a layer: ``flips``, weights that changed their sign since the
        evaluation before, and ``layer_acc``, test accuracy of its own classifier (of layers that
        have one).

    Raises:
        ConfigError: an impossible setting, or a class without examples.
        DtypeError, ShapeError: samples that are not signs, or of another size.
        CheckpointError: an unusable checkpoint, or one of another run.
    """
    for value, what in ((epochs, "epochs"), (eval_every, "eval_every")):
        count(value, what)
    count(seed, "the seed", 0)
    last = None if stop_at is None else count(stop_at, "stop_at")
    if not isinstance(net, LocalNet):
        raise ConfigError(f"net must be a LocalNet or a RecurrentNet, got {type(net).__name__}")
    check_samples(net, data)
    check_batch_size(len(data.train_x), batch_size)
    with ExitStack() as stack:
        run = _LocalRun(net, data, epochs, batch_size, seed, eval_every)
        if checkpoint is not None:
            stack.enter_context(only_writer(Path(checkpoint)))
            run.go_on_from(Path(checkpoint))
        end = run.total if last is None else min(last, run.total)
        bar = stack.enter_context(step_bar(run.total, run.step, progress))
        while run.step < end:
            run.learn_epoch(end, bar)
            if checkpoint is not None:
                run.save(Path(checkpoint))
        return run.history


def check_samples(net: LocalNet, data: Data) -> None:
    """Whether a network can learn from data.

    Raises:
        ConfigError, DtypeError, ShapeError: what does not fit, by name.
    """
    if not isinstance(data, Data):
        raise ConfigError(f"data must be a Data, from load() or as_bits(), got {data!r}")
    if data.train_y.dim() != 1:
        raise ConfigError(f"{data.name!r} has a label for each token; one a sample is needed")
    if data.classes != net.classes:
        raise ConfigError(f"{data.name!r} has {data.classes} classes, the network {net.classes}")
    net.check_inputs(data.train_x[:1])
    net.check_inputs(data.test_x[:1])
    seen = torch.bincount(data.train_y, minlength=data.classes)
    if not bool(seen.all()):
        missing = int((seen == 0).nonzero()[0])
        raise ConfigError(
            f"class {missing} of {data.name!r} has no training example, so no layer would ever be "
            "asked for its pattern; leave the class out, or add examples"
        )


class _LocalRun:
    """A run between two batches."""

    def __init__(
        self, net: LocalNet, data: Data, epochs: int, batch_size: int, seed: int, eval_every: int
    ) -> None:
        self.net, self.data, self.epochs, self.eval_every = net, data, epochs, eval_every
        self.x, self.test_x = net.check_inputs(data.train_x), net.check_inputs(data.test_x)
        self.y, self.test_y = data.train_y.numpy(), data.test_y.numpy()
        self.batch_size, self.seed = batch_size, seed
        self.per_epoch = -(-len(self.x) // batch_size)
        self.total = self.per_epoch * epochs
        self.step, self.history = 0, History()
        self.accuracy = 1 / data.classes  # before the first epoch: what guessing gives
        self.sums = {"hits": 0, "asked": 0, "seen": 0}
        self.signs = self._signs()
        self.before, self.started = 0.0, time.perf_counter()
        self.fingerprint = {
            "network": f"{type(net).__name__} {net.widths} {net.classes} {net.seed}",
            "signals": str(asdict(net.signals)),
            "epochs": epochs, "batch_size": batch_size, "seed": seed, "eval_every": eval_every,
            "data": f"{data.name} {data_digest(data)}",
        }  # fmt: skip

    def _signs(self) -> list[NDArray[np.bool_]]:
        return [hidden >= 0 for hidden in self.net.hidden]

    def learn_epoch(self, end: int, bar: Any) -> None:
        """From the present step to the end of its epoch, or to step ``end``."""
        epoch, done = divmod(self.step, self.per_epoch)
        order = list(batches(len(self.x), self.batch_size, self.seed, epoch))[done:]
        for index in (batch.numpy() for batch in order):
            hits, asked = self.net.learn_batch(
                self.x[index], self.y[index], self.step, self.accuracy
            )
            for name, value in (("hits", hits), ("asked", asked), ("seen", len(index))):
                self.sums[name] += value
            self.step += 1
            bar.update()
            if self.step >= end:
                break
        if self.step % self.per_epoch == 0:
            self._end_epoch(epoch + 1)

    def _end_epoch(self, epoch: int) -> None:
        sums, self.sums = self.sums, {"hits": 0, "asked": 0, "seen": 0}
        self.accuracy = sums["hits"] / sums["seen"]
        if epoch % self.eval_every == 0 or epoch == self.epochs:
            now, scored = self._signs(), self.net.all_scores(self.test_x)
            by_layer = [_percent(found, self.test_y) for found in scored.values()]
            self.history.epochs.append({
                "epoch": epoch,
                "step": self.step,
                "loss": sums["asked"] / sums["seen"],
                "train_acc": 100.0 * self.accuracy,
                "test_acc": by_layer[-1],
                "layer_acc": by_layer,
                "flips": [int((a != b).sum()) for a, b in zip(now, self.signs, strict=True)],
            })  # fmt: skip
            self.signs = now
        if epoch == self.epochs:
            self.history.final = {
                "test_acc": self.history.epochs[-1]["test_acc"],
                "train_acc": _percent(self.net.scores(self.x), self.y),
                "loss": self.history.epochs[-1]["loss"],
            }
            self.history.finished = True
            self._clock()

    def _clock(self) -> None:
        self.history.seconds = self.before + time.perf_counter() - self.started

    def save(self, path: Path) -> None:
        """Write the run down as it is now."""
        self._clock()
        state = {
            "step": self.step, "accuracy": self.accuracy, "sums": self.sums,
            "hidden": [torch.from_numpy(h) for h in self.net.hidden],
            "signs": [torch.from_numpy(np.packbits(s)) for s in self.signs],
            "history": asdict(self.history),
        }  # fmt: skip
        checkpoints.save(path, {"fingerprint": self.fingerprint, "local": state})

    def go_on_from(self, path: Path) -> None:
        """Take over from a checkpoint, if the file exists.

        Raises:
            CheckpointError: it is damaged, or belongs to another run.
        """
        if not path.exists():
            return
        saved = checkpoints.load(path)
        check_same(path, saved.get("fingerprint", {}), self.fingerprint, {})
        try:
            state = saved["local"]
            self.net.load([h.numpy() for h in state["hidden"]])
            self.step, self.accuracy = state["step"], state["accuracy"]
            self.sums, self.history = dict(state["sums"]), History(**state["history"])
            shapes = [s.shape for s in self.signs]
            self.signs = [
                np.unpackbits(bits.numpy(), count=int(np.prod(shape))).reshape(shape).astype(bool)
                for bits, shape in zip(state["signs"], shapes, strict=True)
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise CheckpointError(
                f"{path} does not fit this run ({type(err).__name__}: {err}); use another file"
            ) from err
        self.before = self.history.seconds


def _percent(scored: NDArray[np.int32], y: NDArray[np.int64]) -> float:
    """How many samples have the highest score at their class."""
    return 100.0 * float((scored.argmax(axis=1) == y).mean())
