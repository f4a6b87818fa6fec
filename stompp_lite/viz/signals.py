"""Five neurons that learn from local signals, as a figure that a reader can drive.

Used by chapter 18, *Learning without gradients*.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stompp_lite.checks import whole
from stompp_lite.errors import ConfigError, ShapeError
from stompp_lite.local.net import as_signs
from stompp_lite.viz.components import Component

#: Hidden integers of five neurons, an input, and the signs that the class asks for.
HIDDEN = (
    (3, -1, 7, 2, -5),
    (-4, 1, -1, 6, 3),
    (1, 5, -3, -2, 8),
    (-6, -2, 4, -1, -3),
    (2, 9, 1, -7, -1),
)
INPUT = (1, -1, 1, 1, -1)
DESIRED = (1, 1, -1, -1, 1)


def signals_explorer(
    hidden: Sequence[Sequence[int]] = HIDDEN,
    x: Sequence[int] = INPUT,
    wanted: Sequence[int] = DESIRED,
) -> Component:
    """A group of neurons: flip an input, see which neuron moves and why, and let it learn.

    Args:
        hidden: hidden integers, a row for each neuron. x: inputs, +1 or -1. wanted: desired signs.

    Raises:
        ConfigError: hidden integers that are none. DtypeError: something else than signs.
        ShapeError: sizes that do not fit each other.
    """
    rows = [[whole(v, "a hidden integer") for v in row] for row in hidden]
    signs, goal = as_signs(x).tolist(), as_signs(wanted).tolist()
    if not rows or np.shape(signs) != (len(signs),):
        raise ConfigError("there are no neurons" if not rows else f"inputs must be a list, got {x}")
    if len(goal) != len(rows) or any(len(row) != len(signs) for row in rows):
        raise ShapeError(
            f"{len(rows)} neurons of {len(rows[0])} integers do not fit {len(signs)} inputs and "
            f"{len(goal)} desired signs"
        )
    return Component("signals", {"hidden": rows, "x": signs, "wanted": goal})
