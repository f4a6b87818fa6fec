"""The tooth of a training curve: how the loss goes up and down within a window.

Taught in chapter 9.
"""

from __future__ import annotations

import numpy as np

from stompp_lite.errors import RecordError
from stompp_lite.lab.config import binary_layers_of, config_of
from stompp_lite.lab.record import Record

PARTS = 10  # of a window


def by_phase(record: Record) -> np.ndarray:
    """Mean training loss in each tenth of a window, from the third window on: [10].

    Of a run without windows, such as STE's, the same steps are taken.

    Args:
        record: with ``history="step"``, of a network that has a stage for each binary layer and
            one for the stem.

    Raises:
        RecordError: the losses of single steps were not recorded.
    """
    if "loss" not in record.steps:
        raise RecordError(f"{record.name}: the losses of single steps were not recorded")
    config, losses = config_of(record), np.array(record.steps["loss"], float)
    stages = binary_layers_of(config) + 1
    schedule = config.plan.schedules(stages, len(losses))["weight"]
    tau = schedule.windows * (np.arange(schedule.steps) + 1) / schedule.steps  # time in windows
    late, part = tau > 2, (PARTS * (tau % 1)).astype(int)
    return np.array([losses[: schedule.steps][late & (part == k)].mean() for k in range(PARTS)])


def height(record: Record) -> float:
    """Highest minus lowest tenth of a window, in units of the loss."""
    means = by_phase(record)
    return float(means.max() - means.min())
