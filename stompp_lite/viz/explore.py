"""The interactive figures of the chapters, each from what it is about: records, plans, questions.

They compute and draw in the browser (:mod:`stompp_lite.viz.components`); what these functions do is
to collect compact data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stompp_lite import checks, rng
from stompp_lite.checks import count, number, one_of, share, whole
from stompp_lite.errors import ConfigError
from stompp_lite.method import MASK_RULES, ORDERS, SHAPES
from stompp_lite.viz.components import Component
from stompp_lite.viz.drawn import (
    blockade_explorer,
    commitment_explorer,
    film,
    freezing,
    gradient_explorer,
)
from stompp_lite.viz.results import results

__all__ = [
    "bit_calculator", "blockade_explorer", "commitment_explorer", "film", "freezing",
    "gradient_explorer", "plans", "predict", "question", "results", "schedule_explorer",
    "smoothing_explorer", "step_explorer",
]  # fmt: skip

MOST_STAGES = 37  # of the schedule explorer: the lab's network with 36 binary convolutions
REFRESH = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # the slider's values of rho
RATES = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # the step explorer's
_POINTS = 200  # of a shape's table


def bit_calculator(x: Sequence[int], w: Sequence[int], shown: int = 12) -> Component:
    """Click signs; see XNOR, popcount and the dot product (chapter 1).

    Args:
        x: input, sixteen of +1 and -1.
        w: weights, as many.
        shown: how many of them are shown at first: 4, 8, 12 or 16.

    Raises:
        ConfigError: other signs, or another number of them.
    """
    for name, row in {"x": x, "w": w}.items():
        if len(row) != 16 or any(sign not in (1, -1) for sign in row):
            raise ConfigError(f"{name} must be sixteen of +1 and -1, got {list(row)}")
    if shown not in (4, 8, 12, 16):
        raise ConfigError(f"shown must be 4, 8, 12 or 16, got {shown!r}")
    return Component("bits", {"x": list(map(int, x)), "w": list(map(int, w)), "n": int(shown)})


def smoothing_explorer(scale: float = 0.8, loss: str = "curved") -> Component:
    """One or two weights, their loss, the loss blurred by noise, and what STE says (chapter 2).

    Args:
        scale: the input x that the weight is multiplied by, between 0.1 and 1.6.
        loss: at first ``curved``, (x · sign(w) - 1)², or ``straight``, 1 - x · sign(w).

    Raises:
        ConfigError: another scale or loss.
    """
    data = {"scale": _within(scale, "the scale", 0.1, 1.6)}
    return Component("smoothing", {**data, "loss": one_of(loss, ("curved", "straight"), "loss")})


def step_explorer(rate: float = 0.1) -> Component:
    """Latent weights that drift and flip: a toy with random gradients (chapter 4).

    Args:
        rate: the learning rate at first, between 0.001 and 10.

    Raises:
        ConfigError: another rate.
    """
    rate = _within(rate, "the learning rate", 0.001, 10.0)
    return Component("step", {"rate": rate, "rates": sorted({*RATES, rate})})


def schedule_explorer(
    order: str = "forward", shape: str = "cubic", rule: str = "threshold", rho: float = 0.01,
    stages: int = 9, window: int = 50, t: int = 0,
) -> Component:  # fmt: skip
    """Curves p_l(t) of a plan, and masks that breathe (chapters 7, 8 and 11).

    It offers all that :data:`~stompp_lite.method.ORDERS` and :data:`~stompp_lite.method.SHAPES`
    hold when it is made: an order or a shape of your own, too. It draws that from a table.

    Args:
        order: a key of ``ORDERS``; shape: of ``SHAPES``; rule: of ``MASK_RULES``.
        rho: soft refresh, in [0, 1].
        stages: 1 to 37; window: steps for each stage, 10 to 200; t: the step that is shown.

    Raises:
        ConfigError: a value that it cannot show; a shape of your own that does not grow from 0
            to 1, or an order that gives a stage no window.
    """
    start: dict[str, Any] = {
        "order": one_of(order, ORDERS, "order"),
        "shape": one_of(shape, SHAPES, "shape"),
        "rule": one_of(rule, MASK_RULES, "mask rule"),
        "rho": share(rho, "rho"),
        "stages": int(_within(count(stages, "the number of stages"), "stages", 1, MOST_STAGES)),
        "window": int(_within(count(window, "the window"), "the window", 10, 200)),
    }
    start["t"] = int(_within(count(t, "t", 0), "t", 0, start["stages"] * start["window"]))
    keys = [rng.make_key(0, f"stage {k}", "weight") for k in range(MOST_STAGES)]
    return Component(
        "schedule",
        {
            "start": start,
            "keys": [[key >> 32, key & 0xFFFFFFFF] for key in keys],
            **plans(MOST_STAGES),
            "rules": list(MASK_RULES),
            "refresh": sorted({*REFRESH, start["rho"]}),
        },
    )


def plans(most: int) -> dict[str, Any]:
    """Orders and shapes as tables for the browser.

    An order's table holds the windows of the stages for 1 to ``most`` stages; a shape's holds its
    values at equal distances.

    Raises:
        ConfigError: an order or a shape of the reader's own that is none.
    """
    orders = {name: [turns(n, 0) for n in range(1, most + 1)] for name, turns in ORDERS.items()}
    for name, table in orders.items():
        for n, row in enumerate(table, 1):
            if len(row) != n or any(whole(turn, f"a window of order {name!r}") < 0 for turn in row):
                raise ConfigError(f"order {name!r} must give {n} stages a window each, got {row}")
    shapes = {
        name: [float(f"{grow(k / _POINTS):.4g}") for k in range(_POINTS + 1)]
        for name, grow in SHAPES.items()
    }
    for name, values in shapes.items():
        if (values[0], values[-1]) != (0, 1) or values != sorted(values):
            raise ConfigError(
                f"the shape {name!r} must grow from 0 at 0 to 1 at 1, without a step back; it goes "
                f"from {values[0]:g} to {values[-1]:g}"
            )
    return {"orders": orders, "shapes": shapes}


def _within(value: Any, what: str, low: float, high: float) -> float:
    if not low <= number(value, what) <= high:
        raise ConfigError(f"{what} must lie between {low:g} and {high:g}, got {value!r}")
    return float(value)


# ---- questions -----------------------------------------------------------------------------------
def question(text: str, options: Sequence[str], answer: int) -> dict[str, Any]:
    """A question with its options; ``answer`` is the index of the right one.

    Raises:
        ConfigError: fewer than two options, two that are alike, or no option of that index.
    """
    told = [checks.text(option, f"an option of the question {text!r}") for option in options]
    if len(set(told)) < max(len(told), 2):
        raise ConfigError(f"the question {text!r} needs at least two different options, got {told}")
    if count(answer, "the answer", 0) >= len(told):
        raise ConfigError(f"the question {text!r} has {len(told)} options, so no {answer}")
    return {"text": checks.text(text, "a question"), "options": told, "answer": int(answer)}


def predict(name: str, *questions: Mapping[str, Any], hides: int = 1) -> Component:
    """Questions to answer before reading on: choose, commit, and what follows appears.

    Answers stay in the reader's browser and can be saved as a file.

    Args:
        name: of the answers, like "9": a chapter has one set of them.
        questions: from :func:`question`.
        hides: how many blocks of a page after this one wait for the answers.

    Raises:
        ConfigError: no question, or one that :func:`question` would refuse.
    """
    if not questions:
        raise ConfigError("no question to ask; give at least one")
    try:
        asked = [question(**q) for q in questions]
    except TypeError as error:
        raise ConfigError("each question must come from question(text, options, answer)") from error
    name = checks.text(name, "the name of the answers")
    hides = count(hides, "the number of blocks that wait", 0)
    return Component("predict", {"id": name, "questions": asked, "hides": hides})
