"""Networks of hidden integers and signs: layers in a row, and one layer that reads a sequence.

A network holds hidden integers (its memory), the signs that it reads from them, and fixed random
classifiers. It learns a batch at a time with :meth:`LocalNet.learn_batch`. Two engines compute the
same numbers: ``"numpy"`` (:mod:`stompp_lite.local.slow`) and ``"packed"``
(:mod:`stompp_lite.local.packed`, which needs numba).

Taught in chapter 18, *Learning without gradients*.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stompp_lite.checks import count, one_of
from stompp_lite.errors import ConfigError, DtypeError, ShapeError
from stompp_lite.local.signals import SPREAD, Signals, chance
from stompp_lite.rng import make_key

#: What computes. ``auto`` is the packed engine where numba is installed, else NumPy.
ENGINES = ("auto", "numpy", "packed")
_AT_ONCE = 2000  # samples that are answered in one go


class LocalNet:
    """A perceptron of signs that learns from local binary signals.

    Args:
        widths: numbers of inputs, and of neurons of each hidden layer: ``(64, 525, 525)``.
        classes: number of classes.
        signals: how it learns; default ``Signals()``.
        seed: of the hidden integers, the classifiers and the reinforcement.
        engine: one of :data:`ENGINES`.
        **changes: fields of :class:`~stompp_lite.local.signals.Signals`, such as ``group=25``.

    Attributes:
        memories: of each layer, with ``hidden``, int32 [neurons, inputs].
        readouts: of each layer that has one, a fixed random classifier, int32 [classes, neurons],
            as the ``hidden`` of a memory that never changes.

    Raises:
        ConfigError: an impossible width, setting or engine, or groups that do not fill a layer.
    """

    def __init__(
        self, widths: Sequence[int], classes: int, signals: Signals | None = None, *,
        seed: int = 0, engine: str = "auto", **changes: Any,
    ) -> None:  # fmt: skip
        if isinstance(widths, str) or not isinstance(widths, Sequence) or len(widths) < 2:
            raise ConfigError(
                f"widths are the number of inputs and of neurons of each layer, such as "
                f"(64, 525, 525), got {widths!r}"
            )
        self.widths = tuple(count(w, "a width") for w in widths)
        self.classes = count(classes, "the number of classes", 2)
        if signals is not None and not isinstance(signals, Signals):
            raise ConfigError(f"signals must be a Signals, such as Signals(group=25): {signals!r}")
        for name in changes:
            one_of(name, Signals.__dataclass_fields__, "setting of local signals")
        self.signals = replace(signals or Signals(), **changes)
        for width in self.widths[1:]:
            self.signals.check_groups(width)
        self.seed, self.engine = count(seed, "the seed", 0), _engine(engine)
        self._rules = importlib.import_module(
            f"stompp_lite.local.{'packed' if self.engine == 'packed' else 'slow'}"
        )
        self._build()

    def _build(self) -> None:
        sizes = list(zip(self.widths[1:], self.widths[:-1], strict=True))
        self.memories = [self._memory(i, *size) for i, size in enumerate(sizes)]
        self._keys = [
            make_key(self.seed, "local signals", i, "reinforcement") for i in range(len(sizes))
        ]
        with_one = range(len(sizes)) if self.signals.rule == "local" else [len(sizes) - 1]
        self.readouts = {i: self._readout(i, sizes[i][0]) for i in with_one}

    def _memory(self, layer: int, neurons: int, inputs: int) -> Any:
        generator = np.random.default_rng(make_key(self.seed, "local signals", layer, "hidden"))
        start = generator.standard_normal((neurons, inputs)) * SPREAD
        hidden = np.rint(start).astype(np.int32)
        if self.signals.clip is not None:
            np.clip(hidden, -self.signals.clip, self.signals.clip, out=hidden)
        return self._rules.Memory(hidden)

    def _readout(self, layer: int, neurons: int) -> Any:
        generator = np.random.default_rng(make_key(self.seed, "local signals", layer, "readout"))
        bits = generator.integers(0, 2, (self.classes, neurons), dtype=np.int32)
        return self._rules.Memory(2 * bits - 1)

    @property
    def hidden(self) -> list[NDArray[np.int32]]:
        """The hidden integers of each layer, int32 [neurons, inputs]."""
        return [memory.hidden for memory in self.memories]

    def load(self, hidden: Sequence[NDArray[np.int32]]) -> None:
        """Take over hidden integers.

        Raises:
            ShapeError: they belong to another network.
        """
        have, want = [tuple(h.shape) for h in hidden], [h.shape for h in self.hidden]
        if have != want:
            raise ShapeError(f"hidden integers of shapes {have} do not fit a network of {want}")
        self.memories = [self._rules.Memory(np.array(h, dtype=np.int32)) for h in hidden]

    # ---- forward ---------------------------------------------------------------------------------
    def _forward(self, x: NDArray[np.int8]) -> tuple[list[tuple[int, Any, Any]], list[Any]]:
        """Of each layer in turn: which it is, its inputs and pre-activations; and its signs."""
        rules, passed, signs = self._rules, [], [self._rules.Inputs(x)]
        for layer, memory in enumerate(self.memories):
            z = rules.products(signs[-1], memory)
            passed.append((layer, signs[-1], z))
            signs.append(rules.Inputs(rules.sign(z)))
        return passed, signs[1:]

    def scores(self, x: NDArray[np.int8], layer: int = -1) -> NDArray[np.int32]:
        """How much a layer's signs agree with each class: int32 [N, C].

        Args:
            x: int8 [N, ...], +1 or -1. layer: whose classifier answers; default the last.

        Raises:
            DtypeError, ShapeError: inputs that are not signs, or of another size.
            ConfigError: a layer without a classifier.
        """
        at = len(self.memories) - 1 if layer == -1 else layer
        if at not in self.readouts:
            known = ", ".join(map(str, self.readouts))
            raise ConfigError(f"layer {layer} has no classifier; there are classifiers at: {known}")
        return self.all_scores(x)[at]

    def all_scores(self, x: NDArray[np.int8]) -> dict[int, NDArray[np.int32]]:
        """Of each layer that has a classifier its scores, int32 [N, C], from one forward pass.

        Args:
            x: int8 [N, ...], +1 or -1.
        """
        x, parts = self.check_inputs(x), []
        for first in range(0, len(x), _AT_ONCE):
            passed, signs = self._forward(x[first : first + _AT_ONCE])
            last = {layer: place for place, (layer, _, _) in enumerate(passed)}
            parts.append([self._rules.scores(signs[last[k]], r) for k, r in self.readouts.items()])
        columns = zip(*parts, strict=True)
        return {k: np.concatenate(found) for k, found in zip(self.readouts, columns, strict=True)}

    def predict(self, x: NDArray[np.int8], layer: int = -1) -> NDArray[np.int64]:
        """The class of each sample: int64 [N]; of classes that tie, the one with the lower number.

        Args:
            x: int8 [N, ...], +1 or -1. layer: whose classifier answers; default the last.
        """
        found: NDArray[np.int64] = self.scores(x, layer).argmax(axis=1)
        return found

    def check_inputs(self, x: Any) -> NDArray[np.int8]:
        """Signs as the network computes with them: int8 [N, inputs].

        Raises:
            DtypeError: something else than +1 and -1. ShapeError: another number of inputs.
        """
        signs = as_signs(x)
        if signs.ndim < 2 or signs[0].size != self.widths[0]:
            raise ShapeError(
                f"inputs have shape {signs.shape}; this network reads [N, {self.widths[0]}]"
            )
        return signs.reshape(len(signs), -1)

    # ---- learning --------------------------------------------------------------------------------
    def learn_batch(
        self, x: NDArray[np.int8], y: NDArray[np.int64], step: int, accuracy: float
    ) -> tuple[int, int]:
        """Learn from a batch.

        Args:
            x: int8 [B, inputs], +1 or -1. y: int64 [B]. step: number of the batch in the run, which
                decides the draws. accuracy: of the training samples in the epoch before, 0 ... 1.

        Returns:
            Samples that were right before the batch was learned, and samples that asked the last
            layer to learn.
        """
        rules, s = self._rules, self.signals
        passed, signs = self._forward(x)
        last = len(passed) - 1
        asks = {}
        for at in range(last + 1) if s.rule == "local" else [last]:
            readout = self.readouts[passed[at][0]]
            margin = s.margin(readout.hidden.shape[1])
            asks[at] = rules.ask(rules.scores(signs[at], readout), y, margin)
        asked, hits = asks[last]
        wanted = self._wanted_signs(passed, asks, y)
        for at, (layer, inputs, z) in enumerate(passed):
            rules.learn(
                self.memories[layer], inputs, z, wanted[at], asks.get(at, asks[last])[0], s.group
            )
        for layer, memory in enumerate(self.memories):
            rules.reinforce(
                memory, self._keys[layer], step, chance(s, accuracy, memory.hidden.shape[1])
            )
            if s.clip is not None:
                rules.clip(memory, s.clip)
            memory.read()
        return hits, int(asked.sum())

    def _wanted_signs(self, passed: list[Any], asks: dict[int, Any], y: NDArray[np.int64]) -> Any:
        """The desired signs of each layer: its class's pattern, or what the next one votes for."""
        rules, wanted = self._rules, list[Any]([None] * len(passed))
        for at in range(len(passed) - 1, -1, -1):
            if at in asks:
                wanted[at] = rules.desired_by_class(self.readouts[passed[at][0]], y)
            else:
                layer, _, z = passed[at + 1]
                above = self.memories[layer]
                reach = self.signals.reach(above.hidden.shape[1])
                wanted[at] = self._passed_back(
                    rules.desired_from_above(wanted[at + 1], z, above, reach)
                )
        return wanted

    def _passed_back(self, votes: NDArray[np.int8]) -> NDArray[np.int8]:
        """What of the votes on a layer's inputs concerns the layer before."""
        return votes


class RecurrentNet(LocalNet):
    """One layer of signs that reads a sequence step by step, and its own signs of the step before.

    ``h_t = sign(W [x_t, h_(t-1)])``, with ``h_0`` all +1. The classifier reads the last state. With
    ``"bep"`` desired signs travel back through time; with ``"local"`` every state has the pattern
    of the class as its goal.

    Args:
        inputs: signs in a step. width: neurons. The others are as in :class:`LocalNet`.
    """

    def __init__(self, inputs: int, width: int, classes: int, **options: Any) -> None:
        self.inputs = count(inputs, "the number of inputs")
        super().__init__((self.inputs + count(width, "a width"), width), classes, **options)

    def _forward(self, x: NDArray[np.int8]) -> tuple[list[tuple[int, Any, Any]], list[Any]]:
        rules, passed, signs = self._rules, [], []
        state = np.ones((len(x), self.widths[1]), dtype=np.int8)
        for t in range(x.shape[1]):
            inputs = rules.Inputs(np.concatenate([x[:, t], state], axis=1))
            z = rules.products(inputs, self.memories[0])
            state = rules.sign(z)
            passed.append((0, inputs, z))
            signs.append(rules.Inputs(state))
        return passed, signs

    def _passed_back(self, votes: NDArray[np.int8]) -> NDArray[np.int8]:
        return np.ascontiguousarray(votes[:, self.inputs :])

    def check_inputs(self, x: Any) -> NDArray[np.int8]:
        """Signs as the network computes with them: int8 [N, T, inputs].

        Raises:
            DtypeError: something else than +1 and -1. ShapeError: another number of inputs.
        """
        signs = as_signs(x)
        if signs.ndim != 3 or signs.shape[2] != self.inputs or signs.shape[1] == 0:
            raise ShapeError(
                f"inputs have shape {signs.shape}; this network reads [N, T, {self.inputs}]"
            )
        return signs


def as_signs(x: Any) -> NDArray[np.int8]:
    """An array of +1 and -1 as int8, whatever it was stored in.

    Raises:
        DtypeError: anything else, with the first value that is neither.
    """
    values = np.asarray(x)
    if values.dtype.kind not in "iuf":
        raise DtypeError(f"inputs must be an array of +1 and -1, got {values.dtype}")
    wrong = (values != 1) & (values != -1)
    if wrong.any():
        raise DtypeError(
            f"inputs must be +1 or -1, got {values[wrong][0]}; make signs of images with "
            "stompp_lite.local.as_bits(data)"
        )
    return values.astype(np.int8)


def _engine(name: str) -> str:
    found = importlib.util.find_spec("numba") is not None
    if one_of(name, ENGINES, "engine") == "packed" and not found:
        raise ConfigError(
            "engine='packed' needs numba; run: pip install numba, or use engine='numpy' (slow)"
        )
    return ("packed" if found else "numpy") if name == "auto" else name
