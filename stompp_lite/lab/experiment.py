"""Experiments are data: a recipe is a question, its cost, and rows of factors.

A row says what is run, by name. A tuple (or a range) is an axis: the row stands for every
combination of its axes. So ::

    row(method=("ste", "stompp"), blocks=(6, 9), seed=range(5))

is twenty runs. From its factors a run gets its configuration, its name, and what it is called in
tables and figures; nothing has to be read out of a name again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from stompp_lite.lab.arms import ARMS, RATES, Rates, configuration
from stompp_lite.lab.config import Config, binary_layers_of

Factors = Mapping[str, Any]
#: Templates of a run's name, which ends in its seed.
NAME = {"head": "n{blocks:02d}-{arm}-{method}", "label": ""}
#: Settings of all runs of the lab, unless a recipe says otherwise.
LAB: dict[str, Any] = {
    "arm": "minimal", "method": "stompp", "blocks": 6, "eval_every": 4, "history": "epoch",
}  # fmt: skip
#: What a factor is called in words, where its value alone would not say it.
WORDS = {
    "activation_order": "activations {}",
    "activation_mask_rule": "{} masks",
    "data": "{}",
    "epochs": "{} epochs",
    "clip": "clip {}",
    "frozen_momentum": "momentum moves what is frozen",
    "group": "groups of {}",
    "guide": "a loss on {}",
    "lead": "lead {:+d}",
    "lr": "rate {:g}",
    "lr_schedule": "{} learning rate",
    "mask_rule": "{}",
    "order": "{}",
    "pretrain": "from a float network",
    "refresh": "refresh {:g}",
    "robustness": "robustness {:g}",
    "shape": "{}",
    "tail": "tail {:g}",
}


def in_words(factor: str, value: Any) -> str:
    """A factor and its value as a table says it."""
    shown = value.replace("-", " ") if isinstance(value, str) else value
    return WORDS[factor].format(shown).replace("-", "−")


def row(**factors: Any) -> Factors:
    """Factors of runs; a tuple or a range is an axis, a list is one value.

    Beside what :func:`~stompp_lite.lab.arms.configuration` takes: ``head`` and ``label``, templates
    of the name.
    """
    return factors


@dataclass(frozen=True)
class Run:
    """One run of a recipe.

    Attributes:
        setting: its name without the seed.
        series: its method and its label: what stays the same along depths, arms and seeds.
        factors: arm, method, and what its row sets.
    """

    name: str
    setting: str
    series: str
    factors: Factors
    config: Config

    @property
    def arm(self) -> str:
        """The arm; ``minimal`` in a recipe that has none."""
        return str(self.factors.get("arm", "minimal"))

    @property
    def method(self) -> str:
        """The method, a key of :data:`~stompp_lite.lab.config.METHODS`."""
        return str(self.factors.get("method", "stompp"))

    @property
    def layers(self) -> int:
        """Number of binary layers."""
        return binary_layers_of(self.config)

    @property
    def words(self) -> str:
        """What distinguishes the setting beside method, arm and depth; empty for the usual one."""
        return ", ".join(in_words(key, v) for key, v in self.factors.items() if key in WORDS)


@dataclass(frozen=True)
class Recipe:
    """A list of runs.

    Attributes:
        question: what the runs are to answer.
        cost: expected time, with the processor it was measured on.
        rows: factors of the runs, from :func:`row`.
        usual: factors of every row that does not name them.
        arms, rates: settings of the arms, and each method's own rates in them.
        chosen_by: the recipe whose records choose ``rates``; before it is complete, and before
            ``rates`` are what they choose, this one is not to be run.
        missing: which of the runs are not recorded, and why.
        full: of full size: for a GPU, and not recorded here.
        expect: of one of full size: what to expect, and what would change our mind.
    """

    name: str
    question: str
    cost: str
    rows: Sequence[Factors]
    usual: Factors = field(default_factory=LAB.copy)
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: ARMS)
    rates: Rates = field(default_factory=lambda: RATES)
    chosen_by: str = ""
    missing: str = ""
    full: bool = False
    expect: str = ""

    @cached_property
    def runs(self) -> dict[str, Run]:
        """The runs by name, the seeds in turn, so that a sweep can stop between them."""
        found = [run for given in self.rows for run in self._runs(given)]
        return {run.name: run for run in sorted(found, key=lambda run: run.config.seed)}

    @cached_property
    def settings(self) -> dict[str, Run]:
        """One run of each setting, by its name without the seed."""
        return {run.setting: run for run in self.runs.values()}

    def _runs(self, given: Factors) -> Iterator[Run]:
        for factors in combinations({**self.usual, **given}):
            settings = dict(factors)
            head, label = (settings.pop(k, v).format(**factors) for k, v in NAME.items())
            config = configuration(settings, self.arms, self.rates)
            setting, series = _joined(head, label), _joined(settings.get("method", "stompp"), label)
            said = {k: v for k, v in settings.items() if k in given or k in ("arm", "method")}
            if "{epochs" not in factors.get("label", ""):
                said.pop("epochs", None)  # belongs to the data, and distinguishes nothing
            yield Run(f"{setting}-s{config.seed}", setting, series, said, config)


def _joined(*parts: str) -> str:
    return "-".join(filter(None, parts))


def combinations(factors: Factors) -> Iterator[dict[str, Any]]:
    """One dictionary for each combination of the axes, the last axis first."""
    axes = [v if isinstance(v, tuple | range) else (v,) for v in factors.values()]
    for values in product(*axes):
        yield dict(zip(factors, values, strict=True))
