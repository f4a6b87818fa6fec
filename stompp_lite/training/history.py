"""What happened in a run: the history, and the recorder that writes it.

Taught in chapter 3, *A first binary network*.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stompp_lite.checks import one_of
from stompp_lite.networks.trace import preserved
from stompp_lite.training.finished import assert_binary, assert_finite
from stompp_lite.training.measure import (
    accuracy,
    answers,
    count_flips,
    gradient_reach,
    masks_at,
    reestimate_batch_norm,
    signs,
)
from stompp_lite.training.progression import Progression
from stompp_lite.training.samples import Data
from stompp_lite.training.settings import Settings

ANSWERED = 24  # of the test samples: a history can keep what the network says of them


@dataclass
class History:
    """What happened in a run.

    Attributes:
        epochs: one dict for each evaluated epoch: ``epoch`` (1-based), ``step`` (steps done),
            ``loss`` (mean over the epoch), ``train_acc`` (running, in training mode), ``test_acc``
            (current masks), ``train_acc_binary`` and ``test_acc_binary`` (all-ones masks),
            ``p_weights``, ``p_activations``, ``flips`` and what
            :func:`~stompp_lite.training.measure.gradient_reach` measures (lists, one number a
            stage; flips since the evaluation before). With ``sign_sample`` also ``signs``: for each
            stage, the signs of so many of its weights, evenly spaced, four to a hexadecimal digit
            (1 is +1), and ``answers``: what the network says of the first test samples, the number
            of a class for each. Accuracies in percent.
        steps: with ``history="step"``: ``loss``, ``train_acc`` of every step's batch.
        final: metrics of the finished network: ``test_acc``, ``test_acc_bn`` (after re-estimating
            the batch-norm statistics on the training images), ``train_acc``, ``loss``.
        finished: whether the last step was reached.
        seconds: wall time, summed over all sessions of a resumed run.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)
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


class Recorder:
    """Writes the history of a run, step by step."""

    def __init__(
        self, model: nn.Module, data: Data, settings: Settings, progression: Progression
    ) -> None:
        self.model, self.data, self.settings, self.progression = model, data, settings, progression
        self.history = History()
        self.sums = {"loss": 0.0, "hits": 0, "seen": 0}  # since the epoch began
        self.signs = signs(model)  # at the last evaluation, which the next one counts flips from

    def add_step(self, loss: float, hits: int, count: int) -> None:
        """After a step: loss and correct predictions of a batch of ``count``."""
        self.sums["loss"] += loss * count
        self.sums["hits"] += hits
        self.sums["seen"] += count
        if self.settings.history == "step":
            self.history.steps.setdefault("loss", []).append(loss)
            self.history.steps.setdefault("train_acc", []).append(100.0 * hits / count)

    def end_epoch(self, step: int, epoch: int) -> None:
        """After epoch ``epoch`` (1-based), ``step`` steps: all that is known of the network now."""
        sums, self.sums = self.sums, {"loss": 0.0, "hits": 0, "seen": 0}
        if epoch % self.settings.eval_every and epoch < self.settings.epochs:
            return
        d, model = self.data, self.model
        assert_finite(model)
        p = self.progression.fractions()
        entry: dict[str, Any] = {
            "epoch": epoch,
            "step": step,
            "loss": sums["loss"] / sums["seen"],
            "train_acc": 100.0 * sums["hits"] / sums["seen"],
            "test_acc": accuracy(model, d.test_x, d.test_y),
            "p_weights": p["weights"],
            "p_activations": p["activations"],
        }
        with masks_at(model, 1.0):
            entry["test_acc_binary"] = accuracy(model, d.test_x, d.test_y)
            entry["train_acc_binary"] = accuracy(model, *d.train_sample)
        if self.settings.diagnose:
            probe = slice(0, self.settings.batch_size)
            entry |= gradient_reach(model, d.train_x[probe], d.train_y[probe])
        now = signs(model)
        entry["flips"] = count_flips(self.signs, now)
        if self.settings.sign_sample:
            entry["signs"] = [_sample(stage, self.settings.sign_sample) for stage in now]
            entry["answers"] = answers(model, d.test_x[:ANSWERED])
        self.signs = now
        self.history.epochs.append(entry)

    def judge(self) -> None:
        """After the last step: is the network binary, and how good is it?"""
        model, d = self.model, self.data
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

    def state(self) -> dict[str, Any]:
        """What the history needs to go on: its entries, and where the next ones start from."""
        packed = {"epochs": [_pack(stage) for stage in self.signs]}
        return {"history": asdict(self.history), "sums": self.sums, "signs": packed}

    def load(self, state: dict[str, Any]) -> None:
        """Take over from :meth:`state`."""
        known = {f.name for f in fields(History)}  # files of version 0.1 hold one more
        self.history = History(**{k: v for k, v in state["history"].items() if k in known})
        self.sums = state["sums"]
        pairs = zip(state["signs"]["epochs"], self.signs, strict=True)
        self.signs = [_unpack(bits, like) for bits, like in pairs]


def _pack(stage: Tensor) -> Tensor:
    """Eight signs a byte."""
    return torch.from_numpy(np.packbits((stage > 0).cpu().numpy()))


def _sample(stage: Tensor, n: int) -> str:
    n = min(n, stage.numel())
    return bytes(_pack(stage[torch.arange(n) * stage.numel() // max(n, 1)]).tolist()).hex()


def _unpack(bits: Tensor, like: Tensor) -> Tensor:
    found = np.unpackbits(bits.numpy(), count=like.numel()).astype(np.float32) * 2 - 1
    return torch.from_numpy(found).to(like)
