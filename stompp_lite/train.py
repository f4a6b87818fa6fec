"""The training loop: fit a converted model, keep its history, survive being killed.

``fit`` prints nothing. It shows a progress bar, returns a :class:`History`, and with a checkpoint
path it can be stopped at any step and called again: weights, masks, and history then come out
bit for bit as if nothing had happened (same device, same number of threads).

Taught in chapter 3 (the loop) and chapter 8 (the progression inside it).
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stompp_lite import checkpoint as store
from stompp_lite.convert import conversion
from stompp_lite.data import Data, batches
from stompp_lite.errors import (
    CheckpointError,
    ConfigError,
    NonFiniteError,
    one_of,
    positive,
)  # fmt: skip
from stompp_lite.evaluate import accuracy, reestimate_batch_norm
from stompp_lite.lab import diagnose
from stompp_lite.preflight import check_fit, check_same, check_settings, fingerprint_of
from stompp_lite.progression import Plan, Progression, assert_binary, assert_finite

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


@dataclass
class History:
    """What happened in a run.

    Attributes:
        epochs: one dict for each evaluated epoch: ``epoch`` (1-based), ``step`` (steps done),
            ``loss`` (mean over the epoch), ``train_acc`` (running, in training mode), ``test_acc``
            (current masks), ``train_acc_binary`` and ``test_acc_binary`` (all-ones masks),
            ``p_weights``, ``p_activations``, ``reach``, ``zero``, ``flips`` (lists, one number a
            stage; flips since the evaluation before). Accuracies in percent.
        steps: with ``history="step"``: ``loss``, ``train_acc`` of every step's batch.
        moments: with ``measure_steps``: the same dicts as in ``epochs``, after every so many
            steps; there ``loss`` and ``train_acc`` are those of the last batch.
        final: metrics of the finished network: ``test_acc``, ``test_acc_bn`` (after re-estimating
            the batch-norm statistics on the training images), ``train_acc``, ``loss``.
        finished: whether the last step was reached.
        seconds: wall time, summed over all sessions of a resumed run.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)
    moments: list[dict[str, Any]] = field(default_factory=list)
    final: dict[str, float] = field(default_factory=dict)
    finished: bool = False
    seconds: float = field(default=0.0, compare=False)

    def curve(self, name: str) -> list[Any]:
        """One entry of every evaluated epoch.

        Raises:
            ConfigError: there is no such entry.
        """
        if self.epochs:
            one_of(name, self.epochs[0], "curve")
        return [e[name] for e in self.epochs]


def _bar(total: int, start: int, show: bool | None) -> Any:
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # ipywidgets missing: a text bar will do
        from tqdm.auto import tqdm
    if show is None:
        show = sys.stderr.isatty() or "ipykernel" in sys.modules
    return tqdm(total=total, initial=start, unit="step", disable=not show, leave=False)


class _Run:
    """State of a run between two steps: what a checkpoint holds."""

    def __init__(
        self, model: nn.Module, data: Data, s: dict[str, Any], plan: Plan,
        optimizer: torch.optim.Optimizer, plain: bool,
    ) -> None:  # fmt: skip
        self.model, self.data, self.s, self.optimizer = model, data, s, optimizer
        self.started, self.before = time.perf_counter(), 0.0
        self.per_epoch = math.ceil(len(data.train_x) / s["batch_size"])
        self.total = self.per_epoch * s["epochs"]
        self.progression = Progression(model, self.total, plan, seed=s["seed"], plain=plain)
        self.history = History()
        self.step = 0
        self.sums = {"loss": 0.0, "hits": 0, "seen": 0}
        self.signs = {since: diagnose.signs(model) for since in ("epoch", "moment")}

    def train_step(self, index: Tensor) -> float:
        x, y = self.data.train_x[index], self.data.train_y[index]
        self.progression.set_step(self.step)
        logits = self.model(x)
        loss = F.cross_entropy(logits, y)
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteError(
                f"the loss is {value} at step {self.step} (epoch "
                f"{self.step // self.per_epoch + 1}); lower the learning rate. The last "
                "checkpoint, if any, is as it was"
            )
        if loss.requires_grad:  # else all that could learn is committed
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.progression.before_update()
            self.optimizer.step()
            self.progression.after_update()
        self.step += 1
        hits = int((logits.detach().argmax(1) == y).sum())
        self.sums["loss"] += value * len(y)
        self.sums["hits"] += hits
        self.sums["seen"] += len(y)
        if self.s["history"] == "step":
            self.history.steps.setdefault("loss", []).append(value)
            self.history.steps.setdefault("train_acc", []).append(100.0 * hits / len(y))
        if self.s["measure_steps"] and self.step % self.s["measure_steps"] == 0:
            self.history.moments.append(self.measure(value, 100.0 * hits / len(y), "moment"))
        return value

    def end_epoch(self, epoch: int) -> None:
        sums, self.sums = self.sums, {"loss": 0.0, "hits": 0, "seen": 0}
        if (epoch + 1) % self.s["eval_every"] and epoch + 1 != self.s["epochs"]:
            return
        loss, train_acc = sums["loss"] / sums["seen"], 100.0 * sums["hits"] / sums["seen"]
        self.history.epochs.append(self.measure(loss, train_acc, "epoch"))

    def measure(self, loss: float, train_acc: float, since: str) -> dict[str, Any]:
        """All that is known of the network now; flips since the last measurement of this kind."""
        d, model = self.data, self.model
        assert_finite(model)
        p = self.progression.fractions()
        entry: dict[str, Any] = {
            "epoch": math.ceil(self.step / self.per_epoch),
            "step": self.step,
            "loss": loss,
            "train_acc": train_acc,
            "test_acc": accuracy(model, d.test_x, d.test_y),
            "p_weights": p["weights"],
            "p_activations": p["activations"],
        }
        with diagnose.masks_at(model, 1.0):
            entry["test_acc_binary"] = accuracy(model, d.test_x, d.test_y)
            entry["train_acc_binary"] = accuracy(model, d.train_x, d.train_y)
        if self.s["diagnose"]:
            probe = slice(0, self.s["batch_size"])
            entry |= diagnose.gradient_reach(model, d.train_x[probe], d.train_y[probe])
        now = diagnose.signs(model)
        entry["flips"] = diagnose.count_flips(self.signs[since], now)
        self.signs[since] = now
        return entry

    def finish(self) -> None:
        model, d = self.model, self.data
        self.progression.set_step(self.total - 1)
        assert_binary(model)
        final = {
            "test_acc": accuracy(model, d.test_x, d.test_y),
            "train_acc": accuracy(model, d.train_x, d.train_y),
            "loss": self.history.epochs[-1]["loss"],
        }
        with diagnose.untouched(model):
            reestimate_batch_norm(model, d.train_x)
            final["test_acc_bn"] = accuracy(model, d.test_x, d.test_y)
        self.history.final, self.history.finished = final, True
        self.clock()

    def clock(self) -> None:
        """Bring the history's wall time up to date."""
        self.history.seconds = self.before + time.perf_counter() - self.started

    def state(self) -> dict[str, Any]:
        self.clock()
        return {
            "step": self.step,
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "progression": self.progression.state(),
            "history": asdict(self.history),
            "sums": self.sums,
            "signs": self.signs,
            "rng": torch.get_rng_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        try:
            self._load(state)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as err:
            raise CheckpointError(
                f"the checkpoint does not fit this run ({type(err).__name__}: {err}); "
                "use another file"
            ) from err

    def _load(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progression.load(state["progression"])
        self.history = History(**state["history"])
        self.before = self.history.seconds
        self.sums = state["sums"]
        for since, saved in state["signs"].items():
            pairs = zip(saved, self.signs[since], strict=True)
            self.signs[since] = [s.to(now.device) for s, now in pairs]
        torch.set_rng_state(state["rng"])


def fit(
    model: nn.Module,
    data: Data,
    *,
    epochs: int,
    plan: Plan | None = None,
    batch_size: int = 64,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    seed: int = 0,
    optimizer: OptimizerFactory | None = None,
    history: str = "epoch",
    eval_every: int = 1,
    measure_steps: int | None = None,
    diagnose: bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    stop_at: int | None = None,
    progress: bool | None = None,
    plain: bool = False,
) -> History:
    """Train a converted model, in place, with cross-entropy.

    Args:
        model: from :func:`~stompp_lite.convert.binarize_model`; its rules are its own.
        data: training and test images, on the model's device.
        epochs: passes over the training images.
        plan: how the progression runs; a model without progressive rules ignores it.
        optimizer: builds an optimizer from the parameters; default SGD with ``lr``, ``momentum``
            and ``weight_decay`` at a constant learning rate.
        seed: of the batches and the masks (not of the initial weights: those are the model's).
        history: ``"epoch"``, or ``"step"`` to keep loss and accuracy of every step too.
        eval_every: epochs between evaluations; the last epoch is always evaluated.
        measure_steps: also evaluate after every so many steps, into ``moments`` (1: each step).
        diagnose: measure gradient reach at each evaluation.
        checkpoint: file to store the run in, and to go on from if it exists.
        checkpoint_every: store every so many steps; default at the end of each epoch.
        stop_at: stop once this many steps are done (the checkpoint holds the rest).
        progress: show a bar; default only in a terminal or a notebook.
        plain: the slow reference path of the progression.

    Returns:
        The history, with ``finished`` False after an early stop.

    Raises:
        ConfigError: an impossible setting. ShapeError: model and data do not fit.
        NonFiniteError: NaN or infinity, with the history so far.
        CheckpointError: an unusable checkpoint, or one of another run.
        NotBinaryError: the finished network is not binary.
    """
    plan = plan or Plan()
    s: dict[str, Any] = {
        "epochs": epochs, "batch_size": batch_size, "lr": lr, "momentum": momentum,
        "weight_decay": weight_decay, "seed": seed, "history": history,
        "eval_every": eval_every, "measure_steps": measure_steps, "diagnose": diagnose,
    }  # fmt: skip
    conversion(model)
    check_settings(model, data, s)
    if checkpoint_every is not None:
        positive(checkpoint_every, "checkpoint_every")
    if stop_at is not None:
        positive(stop_at, "stop_at")
    check_fit(model, data)
    if optimizer is not None and not callable(optimizer):
        raise ConfigError(
            "optimizer must be a function from parameters to an optimizer, such as "
            f"lambda ps: torch.optim.Adam(ps, lr=0.01); got {type(optimizer).__name__}"
        )
    if optimizer is None:
        made: torch.optim.Optimizer = torch.optim.SGD(
            model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay
        )
    else:
        made = optimizer(model.parameters())
    path, saved, fingerprint = None, None, {}
    if checkpoint is not None:
        path = Path(checkpoint)
        store.check_writable(path)
        fingerprint = fingerprint_of(model, data, made, {**s, **asdict(plan)})
        saved = store.load(path) if path.exists() else None
    if saved is not None:
        check_same(path, saved.get("fingerprint", {}), fingerprint)
    run = _Run(model, data, s, plan, made, plain)
    try:
        if saved is not None:
            run.load(saved["run"])
        return _go_on(run, path, fingerprint, checkpoint_every, stop_at, progress)
    except NonFiniteError as err:
        err.history = run.history
        raise
    finally:
        run.progression.release()


def _go_on(
    run: _Run, path: Path | None, fingerprint: dict[str, Any], every: int | None,
    stop_at: int | None, progress: bool | None,
) -> History:  # fmt: skip
    """From the present step of a run to its end, or to ``stop_at``."""
    s, count = run.s, len(run.data.train_x)
    if run.history.finished:
        return run.history

    def keep() -> None:
        if path:
            store.save(path, {"fingerprint": fingerprint, "run": run.state()})

    last = run.total if stop_at is None else min(stop_at, run.total)
    run.model.train()
    with _bar(run.total, run.step, progress) as bar:
        for epoch in range(run.step // run.per_epoch, s["epochs"]):
            for i, index in enumerate(batches(count, s["batch_size"], s["seed"], epoch)):
                if epoch * run.per_epoch + i < run.step:
                    continue  # done before the checkpoint
                if run.step >= last:
                    keep()
                    return run.history
                loss = run.train_step(index)
                bar.update()
                if i == run.per_epoch - 1:
                    run.end_epoch(epoch)
                    bar.set_postfix(epoch=epoch + 1, loss=f"{loss:.3f}", refresh=False)
                if run.step == run.total:
                    run.finish()
                due = run.step % (every or run.per_epoch) == 0
                if due or run.step == run.total:
                    keep()
    return run.history
