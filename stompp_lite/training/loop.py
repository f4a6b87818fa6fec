"""The training loop: batch, forward, backward, step, record.

``fit`` prints nothing. It shows a progress bar, returns a
:class:`~stompp_lite.training.history.History`, and with a checkpoint path it can be stopped at any
step and called again: weights, masks, and history then come out bit for bit as if nothing had
happened (same device, same number of threads).

Taught in chapter 3 (the loop) and chapter 7 (the progression inside it).
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from stompp_lite.checks import count
from stompp_lite.errors import ConfigError, NonFiniteError
from stompp_lite.networks.convert import bare, conversion
from stompp_lite.training.augment import AUGMENTATIONS, RESIZED_CROP
from stompp_lite.training.folders import Images
from stompp_lite.training.history import History, Recorder
from stompp_lite.training.measure import loss_of
from stompp_lite.training.parallel import Ranks
from stompp_lite.training.progression import Progression
from stompp_lite.training.rates import LearningRate, make_optimizer
from stompp_lite.training.resume import Resumable
from stompp_lite.training.samples import Data, batches, check_data, check_fit
from stompp_lite.training.settings import Settings, changed


class Run:
    """A run between two steps; callbacks receive it after each step.

    Attributes:
        model, data, settings: what :func:`fit` was given (of a compiled model, the model in it).
        optimizer, progression: what moves the model.
        step: steps done.
        total: steps of the whole run.
        loss: of the last batch.
        loss_rule: what computes it from inputs, labels and logits; None: cross-entropy.
    """

    loss_rule: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None

    def __init__(self, model: nn.Module, data: Data, settings: Settings) -> None:
        s = settings
        self.model, self.data, self.settings = bare(model), data, settings
        self.ranks = ranks_here()
        # compiled, distributed or neither: only training steps go through it
        self.forward = self.ranks.parallel(model) if self.ranks else model
        self.per_epoch = math.ceil(len(data.train_x) / s.batch_size)
        self.total = self.per_epoch * s.epochs
        self.optimizer = make_optimizer(self.model, s.optimizer, s.lr, s.momentum, s.weight_decay)
        self.rate = LearningRate(self.optimizer, s.lr_schedule, self.total)
        self.progression = Progression(model, self.total, s.plan, seed=s.seed)
        self.progression.attach(self.optimizer)
        self.progression.check_covered()
        self.recorder = Recorder(self.model, data, s, self.progression)
        self.step, self.loss = 0, math.nan
        self.started, self.before = time.perf_counter(), 0.0  # seconds of earlier sessions

    @property
    def history(self) -> History:
        """What happened so far."""
        return self.recorder.history

    @property
    def epoch(self) -> int:
        """The epoch that the last step belongs to, 1-based; 0 before the first."""
        return math.ceil(self.step / self.per_epoch)

    def batches(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """What is left of the present epoch: numbers of a batch, and its images if read ahead."""
        s, x = self.settings, self.data.train_x
        epoch, done = divmod(self.step, self.per_epoch)
        left = list(batches(len(x), s.batch_size, s.seed, epoch))[done:]
        if not isinstance(x, Images):
            yield from ((index, None) for index in left)
            return
        crops = (s.seed, epoch) if s.augment == RESIZED_CROP else None
        yield from zip(left, x.stream([index[self._own(index)] for index in left], crops))

    def _own(self, index: Tensor) -> Tensor:
        """Which entries of a batch are computed by this process."""
        return self.ranks.rows(len(index)) if self.ranks else torch.arange(len(index))

    def train_step(self, index: Tensor, x: Tensor | None = None) -> None:
        """One batch: forward, backward, step, record.

        Args:
            index: numbers of its images. x: the images of this process, if they were read ahead.
        """
        s, ranks = self.settings, self.ranks
        self.progression.set_step(self.step)  # what is frozen now
        self.rate.set_step(self.step)
        rows = self._own(index)
        x = self.data.train_x[index[rows]] if x is None else x
        y = self.data.train_y[index[rows]]
        if s.augment != "none":
            x = AUGMENTATIONS[s.augment](x, s.seed, self.step, rows)
        self.optimizer.zero_grad(set_to_none=True)
        loss, hits, learns = x.new_zeros((), dtype=torch.float32), 0, False
        parts = list(zip(x.tensor_split(s.accumulate), y.tensor_split(s.accumulate), strict=True))
        for k, (a, b) in enumerate(parts, start=1):
            with ranks.averaging(self.forward, k == len(parts)) if ranks else nullcontext():
                logits = self._logits(a)
                rule, share = self.loss_rule, len(a) / len(x)
                part = loss_of(logits, b) if rule is None else rule(a, b, logits)
                if part.requires_grad:  # else all that could learn is committed
                    learns = True
                    weight = len(a) * (ranks.world if ranks else 1) / len(index)
                    (part if weight == 1 else part * weight).backward()
            loss = part.detach() if share == 1 else loss + part.detach() * share
            hits += int((logits.detach().argmax(-1) == b).sum())
        self.loss, seen = loss.item(), y.numel()
        if ranks:
            self.loss, hits, seen = ranks.summed(self.loss, hits, seen, x.device)
        if not math.isfinite(self.loss):
            raise NonFiniteError(
                f"the loss is {self.loss} at step {self.step} (epoch "
                f"{self.step // self.per_epoch + 1}); lower the learning rate. The last "
                "checkpoint, if any, is as it was"
            )
        if learns:
            self.optimizer.step()
        self.step += 1
        self.recorder.add_step(self.loss, hits, seen)
        if self.step % self.per_epoch == 0:
            if ranks:
                ranks.agree(self.model)
            self.recorder.end_epoch(self.step, self.epoch)

    def _logits(self, x: Tensor) -> Tensor:
        half = self.settings.precision == "bf16"
        if half and x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)  # what fast half precision expects
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            logits: Tensor = self.forward(x)
        return logits.float() if half else logits

    def clock(self) -> None:
        """Note in the history how long the run has taken."""
        self.history.seconds = self.before + time.perf_counter() - self.started


def fit(
    model: nn.Module,
    data: Data,
    settings: Settings | None = None,
    *,
    callbacks: Iterable[Callable[[Run], object]] = (),
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    stop_at: int | None = None,
    progress: bool | None = None,
    **changes: Any,
) -> History:
    """Train a converted model, in place, with cross-entropy, all of it in training mode.

    ``fit(model, data, epochs=20, lr=0.4)`` names settings directly;
    ``fit(model, data, settings, seed=3)`` changes one of a
    :class:`~stompp_lite.training.settings.Settings`. Gradients are computed also where the caller
    has turned them off (``torch.no_grad``, ``torch.inference_mode``).

    Args:
        model: from :func:`~stompp_lite.networks.convert.binarize_model`; its rules are its own.
        data: training and test images, on the model's device.
        settings: how to train; default ``Settings()``.
        callbacks: functions that are called with the :class:`Run` after each step (not again for
            steps that a checkpoint already holds). One that raises ``StopIteration`` ends the run
            early. A learning rate that one sets in ``run.optimizer`` stays as it was set.
        loss: a function of inputs, labels and logits to train with, such as one of
            :mod:`stompp_lite.relatives.guided`; default: cross-entropy.
        checkpoint: file to store the run in, and to go on from if it exists.
        checkpoint_every: store every so many steps; default at the end of each epoch.
        stop_at: stop once this many steps are done (the checkpoint holds the rest).
        progress: show a bar; default only in a terminal or a notebook.
        **changes: fields of :class:`~stompp_lite.training.settings.Settings`.

    Returns:
        The history, with ``finished`` False after an early stop.

    Raises:
        ConfigError: an impossible setting. ShapeError: model and data do not fit.
        NonFiniteError: NaN or infinity, with the history so far.
        CheckpointError: an unusable checkpoint, one of another run, or one that is in use.
        NotBinaryError: the finished network is not binary.
    """
    conversion(model)
    if settings is not None and not isinstance(settings, Settings):
        raise ConfigError(f"settings must be a Settings, got {settings!r}")
    s, ranks = changed(settings or Settings(), changes), ranks_here()
    every = None if checkpoint_every is None else count(checkpoint_every, "checkpoint_every")
    last = None if stop_at is None else count(stop_at, "stop_at")
    if callable(callbacks):
        raise ConfigError(f"callbacks is a list of functions, got {callbacks!r} alone")
    calls = list(callbacks)
    for callback in calls:
        if not callable(callback):
            raise ConfigError(f"a callback is a function of the run, got {callback!r}")
    if loss is not None and not callable(loss):
        raise ConfigError(f"loss is a function of inputs, labels and logits, got {loss!r}")
    kept = None if checkpoint is None else Resumable(checkpoint, ranks)
    check_data(model, data, s, ranks.world if ranks else 1)
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        check_fit(model, data)
        if kept:
            stack.enter_context(kept)
        run = Run(model, data, s)
        run.loss_rule = loss
        stack.callback(run.progression.release)
        if kept:
            kept.start(run)
        try:
            _go_on(run, kept, every or run.per_epoch, last, calls, progress)
        except NonFiniteError as err:
            err.history = run.history
            raise
        except torch.cuda.OutOfMemoryError as err:
            raise ConfigError(
                f"the device ran out of memory at step {run.step}, with a batch of {s.batch_size} "
                f"in {s.accumulate} parts: accumulate={2 * s.accumulate} makes more of them, or "
                "use a smaller batch_size (another experiment). The last checkpoint, if any, is as "
                "it was"
            ) from err
        return run.history


def _go_on(
    run: Run, kept: Resumable | None, every: int, last: int | None,
    callbacks: list[Callable[[Run], object]], progress: bool | None,
) -> None:  # fmt: skip
    """From the present step of a run to its end, or to step ``last``."""
    if run.history.finished:
        return
    end = run.total if last is None else min(last, run.total)
    run.model.train()
    with step_bar(
        run.total, run.step, progress if not run.ranks or run.ranks.first else False
    ) as bar:
        while run.step < end:
            for index, images in run.batches():
                run.train_step(index, images)
                try:
                    for callback in callbacks:
                        callback(run)
                        run.model.train()  # whatever it did
                except StopIteration:
                    end = run.step
                bar.update()
                if run.step >= end:
                    break
                if kept and run.step % every == 0:
                    kept.save(run)
            bar.set_postfix(epoch=run.epoch, loss=f"{run.loss:.3f}", refresh=False)
    if run.step >= run.total:
        run.progression.set_step(run.total - 1)
        run.recorder.judge()
        run.clock()
    if kept:
        kept.save(run)


def ranks_here() -> Ranks | None:
    """The processes that share this run, or None if it is alone."""
    return Ranks.here() if dist.is_available() and dist.is_initialized() else None


def step_bar(total: int, start: int, show: bool | None) -> Any:
    """A progress bar of steps; with ``show`` None only in a terminal or a notebook."""
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # ipywidgets missing: a text bar will do
        from tqdm.auto import tqdm
    if show is None:
        show = sys.stderr.isatty() or "ipykernel" in sys.modules
    return tqdm(total=total, initial=start, unit="step", disable=not show, leave=False)
