"""The training loop: fit a converted model, keep its history, survive being killed.

``fit`` prints nothing. It shows a progress bar, returns a
:class:`~stompp_lite.training.history.History`, and with a checkpoint path it can be stopped at any
step and called again: weights, masks, and history then come out bit for bit as if nothing had
happened (same device, same number of threads).

Taught in chapter 3 (the loop) and chapter 8 (the progression inside it).
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stompp_lite.checks import count
from stompp_lite.errors import CheckpointError, ConfigError, NonFiniteError
from stompp_lite.networks.convert import bare, conversion
from stompp_lite.networks.trace import preserved
from stompp_lite.training import checkpoint as store
from stompp_lite.training.augment import AUGMENTATIONS, RESIZED_CROP
from stompp_lite.training.data import Data, batches
from stompp_lite.training.files import only_writer
from stompp_lite.training.finished import assert_binary
from stompp_lite.training.folders import Images
from stompp_lite.training.history import History, Recorder
from stompp_lite.training.measure import accuracy, loss_of, reestimate_batch_norm
from stompp_lite.training.parallel import Ranks
from stompp_lite.training.preflight import (
    check_data,
    check_fit,
    check_same,
    fingerprint_of,
)
from stompp_lite.training.progression import Progression, needs_closure
from stompp_lite.training.rates import OPTIMIZERS, LearningRate
from stompp_lite.training.settings import Settings, changed


class Run:
    """A run between two steps; callbacks receive it after each step.

    Attributes:
        model, data, settings: what :func:`fit` was given (of a compiled model, the model in it).
        optimizer, progression: what moves the model.
        step: steps done.
        total: steps of the whole run.
        loss: of the last batch.
    """

    def __init__(self, model: nn.Module, data: Data, settings: Settings) -> None:
        self.model, self.data, self.settings = bare(model), data, settings
        self.ranks = Ranks.here()
        # compiled, distributed or neither: only training steps go through it
        self.forward = self.ranks.parallel(model)
        self.per_epoch = math.ceil(len(data.train_x) / settings.batch_size)
        self.total = self.per_epoch * settings.epochs
        self.optimizer = make_optimizer(self.model, settings)
        self.rate = LearningRate(self.optimizer, settings.lr_schedule, self.total)
        self.progression = Progression(model, self.total, settings.plan, seed=settings.seed)
        self.progression.attach(self.optimizer)
        self.recorder = Recorder(self.model, data, settings, self.progression)
        self.step, self.loss = 0, math.nan
        self._started, self._before = time.perf_counter(), 0.0

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
        own = [index[self.ranks.rows(len(index))] for index in left]
        crops = (s.seed, epoch) if s.augment == RESIZED_CROP else None
        yield from zip(left, x.stream(own, crops), strict=True)

    def train_step(self, index: Tensor, x: Tensor | None = None) -> None:
        """One batch: forward, backward, update.

        Args:
            index: numbers of its images. x: the images of this process, if they were read ahead.
        """
        rows = self.ranks.rows(len(index))
        y = self.data.train_y[index[rows]]
        x = self.data.train_x[index[rows]] if x is None else x
        self.progression.set_step(self.step)
        self.rate.set_step(self.step)
        s = self.settings
        x = AUGMENTATIONS[s.augment](x, s.seed, self.step, rows)
        self.optimizer.zero_grad(set_to_none=True)
        hits, learns, parts = 0, False, s.accumulate
        loss = x.new_zeros((), dtype=torch.float32)
        for k, (a, b) in enumerate(zip(x.tensor_split(parts), y.tensor_split(parts), strict=True)):
            with self.ranks.averaging(self.forward, k == parts - 1):
                logits = self._logits(a)
                part = loss_of(logits, b)
                if part.requires_grad:  # else all that could learn is committed
                    learns = True
                    self.ranks.weigh(part, len(a), len(index)).backward()
            loss = part.detach() if parts == 1 else loss + part.detach() * (len(a) / len(x))
            hits += int((logits.detach().argmax(-1) == b).sum())
        self.loss, hits, seen = self.ranks.summed(loss.item(), hits, y.numel(), x.device)
        if not math.isfinite(self.loss):
            raise NonFiniteError(
                f"the loss is {self.loss} at step {self.step} (epoch "
                f"{self.step // self.per_epoch + 1}); lower the learning rate. The last "
                "checkpoint, if any, is as it was"
            )
        if learns:
            self.optimizer.step()
        self.step += 1
        self.recorder.add_step(self.step, self.epoch, self.loss, hits, seen)
        if self.step % self.per_epoch == 0:
            self.ranks.agree(self.model)
            self.recorder.end_epoch(self.step, self.epoch)

    def _logits(self, x: Tensor) -> Tensor:
        half = self.settings.precision == "bf16"
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            logits: Tensor = self.forward(x)
        return logits.float() if half else logits

    def finish(self) -> None:
        """Judge the finished network."""
        model, d = self.model, self.data
        self.progression.set_step(self.total - 1)
        assert_binary(model, d.train_x[:1])
        final = {
            "test_acc": accuracy(model, d.test_x, d.test_y),
            "train_acc": accuracy(model, *d.train_sample),
            "loss": self.history.epochs[-1]["loss"],
        }
        with preserved(model):
            reestimate_batch_norm(model, d.train_sample[0])
            final["test_acc_bn"] = accuracy(model, d.test_x, d.test_y)
        self.history.final, self.history.finished = final, True
        self._clock()

    def _clock(self) -> None:
        self.history.seconds = self._before + time.perf_counter() - self._started

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on; p, masks and learning rates follow from the step."""
        self._clock()
        device = self.data.train_y.device
        cuda = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
        return {
            "step": self.step,
            "weights": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "history": self.recorder.state(),
            "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over from :meth:`state`.

        Raises:
            CheckpointError: it does not fit.
        """
        try:
            self.step = count(state["step"], "the step", 0)
            self.model.load_state_dict(state["weights"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.recorder.load(state["history"])
            torch.set_rng_state(state["random"]["cpu"])
            device = self.data.train_y.device
            if device.type == "cuda" and state["random"]["cuda"]:
                torch.cuda.set_rng_state(state["random"]["cuda"][0], device)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as err:
            raise CheckpointError(
                f"the checkpoint does not fit this run ({type(err).__name__}: {err}); "
                "use another file"
            ) from err
        self._before = self.history.seconds
        self.progression.weights_loaded()
        self.progression.set_step(max(self.step - 1, 0))


def make_optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer that ``settings`` name.

    Raises:
        ConfigError: it cannot be built, or evaluates the loss several times in a step.
    """
    s = settings
    try:
        if isinstance(s.optimizer, str):
            make = OPTIMIZERS[s.optimizer]
            made = make(model.parameters(), s.lr, s.momentum, s.weight_decay)
        else:
            made = s.optimizer(model.parameters())
    except ValueError as err:  # torch's own checks
        raise ConfigError(f"the optimizer cannot be built: {err}") from err
    if not isinstance(made, torch.optim.Optimizer):
        raise ConfigError(
            f"the function given as optimizer must return a torch optimizer, got {made!r}"
        )
    needs_closure(made)
    ours = {id(p) for p in model.parameters()}
    if any(id(p) not in ours for group in made.param_groups for p in group["params"]):
        raise ConfigError(
            "the optimizer moves parameters that are not the model's; use those that the function "
            "is given"
        )
    return made


def fit(
    model: nn.Module,
    data: Data,
    settings: Settings | None = None,
    *,
    callbacks: Iterable[Callable[[Run], object]] = (),
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    stop_at: int | None = None,
    progress: bool | None = None,
    **changes: Any,
) -> History:
    """Train a converted model, in place, with cross-entropy, all of it in training mode.

    ``fit(model, data, epochs=20, lr=0.4)`` names settings directly;
    ``fit(model, data, settings, seed=3)`` changes one of a
    :class:`~stompp_lite.training.settings.Settings`.

    Args:
        model: from :func:`~stompp_lite.networks.convert.binarize_model`; its rules are its own.
        data: training and test images, on the model's device.
        settings: how to train; default ``Settings()``.
        callbacks: functions that are called with the :class:`Run` after each step (not again for
            steps that a checkpoint already holds).
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
    s = changed(settings or Settings(), changes)
    every = None if checkpoint_every is None else count(checkpoint_every, "checkpoint_every")
    last = None if stop_at is None else count(stop_at, "stop_at")
    if callable(callbacks):
        raise ConfigError(f"callbacks is a list of functions, got {callbacks!r} alone")
    calls = list(callbacks)
    for callback in calls:
        if not callable(callback):
            raise ConfigError(f"a callback is a function of the run, got {callback!r}")
    if checkpoint is not None and not isinstance(checkpoint, str | Path):
        raise ConfigError(f"checkpoint must be the name of a file, got {checkpoint!r}")
    check_data(model, data, s)
    check_fit(model, data)
    path = None if checkpoint is None else Path(checkpoint)
    with ExitStack() as stack:
        saved, ranks = None, Ranks.here()
        if path is not None:
            if ranks.first:
                stack.enter_context(only_writer(path))
            ranks.wait()  # the first knows now that nobody else uses it
            ranks.check_all_see(path.exists(), path)
            saved = store.load(path) if path.exists() else None
        run = Run(model, data, s)
        stack.callback(run.progression.release)
        fingerprint = fingerprint_of(run.model, data, run.optimizer, s) if path else {}
        if saved is not None:
            state = saved.get("run", {})
            check_same(path, saved.get("fingerprint", {}), fingerprint, state.get("weights", {}))
            fingerprint = saved["fingerprint"]
            run.load(state)

        def keep() -> None:
            if path is not None and ranks.first:
                store.save(path, {"fingerprint": fingerprint, "run": run.state()})

        try:
            _go_on(run, keep, every or run.per_epoch, last, calls, progress)
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
    run: Run, keep: Callable[[], None], every: int, last: int | None,
    callbacks: list[Callable[[Run], object]], progress: bool | None,
) -> None:  # fmt: skip
    """From the present step of a run to its end, or to step ``last``."""
    if run.history.finished:
        return
    end = run.total if last is None else min(last, run.total)
    run.model.train()
    with _bar(run.total, run.step, progress if run.ranks.first else False) as bar:
        while run.step < end:
            for index, images in run.batches():
                if run.step >= end:
                    break
                run.train_step(index, images)
                for callback in callbacks:
                    callback(run)
                    run.model.train()  # whatever it did
                bar.update()
                if run.step % every == 0 and run.step < end:
                    keep()
            bar.set_postfix(epoch=run.epoch, loss=f"{run.loss:.3f}", refresh=False)
    if run.step >= run.total:
        run.finish()
    keep()


def _bar(total: int, start: int, show: bool | None) -> Any:
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # ipywidgets missing: a text bar will do
        from tqdm.auto import tqdm
    if show is None:
        show = sys.stderr.isatty() or "ipykernel" in sys.modules
    return tqdm(total=total, initial=start, unit="step", disable=not show, leave=False)
