"""Predict, then read on: questions to answer before a page goes on, and curves to draw.

What is asked and what is right stands in the bank (:mod:`~stompp_lite.viz.bank`); a notebook names
it. Answers stay in the reader's browser and can be saved as a file.

On a page of the book everything from the question to ``<a id="revealed-NAME"></a>``, which begins a
cell of text, waits for the answer; and so do, from the question on, the sections "What surprised
us" and what has the class ``lbl-spoiler``. Without that mark the rest of the question's section
waits, or the next section if nothing is left of it. In a running notebook nothing waits.
"""

from __future__ import annotations

import base64
import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from stompp_lite.checks import number, one_of, text
from stompp_lite.errors import ConfigError
from stompp_lite.viz.bank import bank
from stompp_lite.viz.components import Component

_MIDDLES: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": statistics.fmean,
    "median": statistics.median,
}


def predict(name: str) -> Component:
    """Questions to answer before reading on: choose, commit, and what follows appears.

    Args:
        name: of the questions in the bank, like "9".

    Raises:
        ConfigError: the bank has no such questions.
    """
    return Component("predict", {"id": one_of(name, bank()["choices"], "question")})


def predict_curve(
    name: str, x: Sequence[float | str], runs: Sequence[Sequence[float]], *,
    middle: str = "mean", note: str = "",
) -> Component:  # fmt: skip
    """A curve to draw before reading on; then the recorded one is drawn over it.

    Args:
        name: of the curve in the bank, like "4".
        x: its positions, growing numbers, or texts.
        runs: the recorded values at each position, one for each run.
        middle: of the runs, which is the curve: ``mean`` or ``median``.
        note: what else to say once it is shown.

    Raises:
        ConfigError: no such curve, fewer than two positions, another number of lists of runs, or a
            value that is no number or outside of the curve's range.
    """
    low, high = bank()["curves"][one_of(name, bank()["curves"], "curve")]["range"]
    named = all(isinstance(at, str) for at in x)
    at: list[Any] = list(x) if named else [number(one, "a position") for one in x]
    if len(at) < 2 or len({*at}) < len(at) or not (named or at == sorted(at)):
        raise ConfigError(f"x must be two or more growing numbers or different texts, got {at}")
    if len(runs) != len(at):
        raise ConfigError(f"x has {len(at)} positions, and there are runs at {len(runs)}")
    values = [[number(run, f"a run at {p!r}") for run in some] for p, some in zip(at, runs)]
    for p, some in zip(at, values):
        if not some:
            raise ConfigError(f"there is no run at {p!r}; leave the position out")
        if wrong := [run for run in some if not low <= run <= high]:
            raise ConfigError(f"a run at {p!r} is {wrong[0]:g}, outside of {low:g} to {high:g}")
    middles = map(_MIDDLES[one_of(middle, _MIDDLES, "middle")], values)
    told = {"curve": [round(m, 5) for m in middles], "runs": values}
    truth = base64.b64encode(json.dumps(told).encode()).decode()
    return Component(
        "predict_curve", {"id": name, "x": at, "truth": truth, "note": text(note, "note")}
    )
