r"""Means and 95 % intervals over seeds, with the test set's own sampling error included.

Two things make an accuracy uncertain: another seed would give another network, and another draw of
test images would give another score to the same network. More seeds shrink only the first. With
:math:`n` seeds (standard deviation :math:`s`) and :math:`N` test images, the half-width is

.. math::

    \sqrt{\bigl(t_{n-1} \, s / \sqrt n\bigr)^2 + \bigl(1.96 \, s_\text{img} / \sqrt N\bigr)^2},

where :math:`s_\text{img}` is the standard deviation over images of the seed-averaged score of an
image. Differences between methods use the same formula on scores paired by seed and by image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stompp_lite.errors import ConfigError, ShapeError
from stompp_lite.lab.record import Record


@dataclass(frozen=True)
class Interval:
    """A mean with a 95 % interval, in percent or percentage points."""

    mean: float
    half: float
    seeds: int

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half

    def within(self, bound: float) -> bool:
        """Whether all of it lies less than ``bound`` from zero."""
        return max(abs(self.low), abs(self.high)) < bound

    @property
    def signed(self) -> str:
        """A difference in words, its sign included."""
        return f"{self.mean:+.1f} ± {self.half:.1f}"

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.half:.1f}"


def seeds_interval(values: Sequence[float]) -> Interval:
    """Interval of the mean of one number a seed, in the numbers' own unit.

    Raises:
        ConfigError: fewer than two seeds.
    """
    from scipy.stats import t

    n = len(values)
    if n < 2:
        raise ConfigError(f"an interval over seeds needs at least 2 seeds, got {n}")
    spread = float(np.std(values, ddof=1))
    return Interval(float(np.mean(values)), float(t.ppf(0.975, n - 1)) * spread / math.sqrt(n), n)


def interval(scores: np.ndarray) -> Interval:
    """Interval of a mean score.

    Args:
        scores: [seeds, images]; for an accuracy 0 or 1, for a paired difference -1, 0 or 1.

    Raises:
        ConfigError: fewer than two seeds. ShapeError: not two axes.
    """
    if scores.ndim != 2:
        raise ShapeError(f"scores must have axes [seeds, images], got shape {scores.shape}")
    over_seeds, per_image = seeds_interval(scores.mean(1).tolist()), scores.mean(0)
    image_half = 1.96 * per_image.std(ddof=1) / math.sqrt(len(per_image))
    half = math.hypot(over_seeds.half, image_half)
    return Interval(100 * float(scores.mean()), 100 * half, over_seeds.seeds)


def _same_images(records: Sequence[Record]) -> None:
    """Raise ConfigError unless all runs were judged on the same images."""
    judged = {
        (r.config.get("data"), r.config.get("validation"), r.config["test_images"]) for r in records
    }
    if len(judged) > 1:
        raise ConfigError(
            f"runs judged on different images cannot be compared: {sorted(judged, key=str)}"
        )


def _by_seed(records: Sequence[Record]) -> dict[int, np.ndarray]:
    """Which test images each seed got right.

    Raises:
        ConfigError: a seed that is there twice, or runs judged on different images.
    """
    _same_images(records)
    found: dict[int, np.ndarray] = {}
    for record in records:
        if record.seed in found:
            raise ConfigError(f"seed {record.seed} is there twice ({record.name}); count it once")
        found[record.seed] = record.correct_bits().astype(float)
    return found


def accuracy_interval(records: Sequence[Record]) -> Interval:
    """Test accuracy of runs that differ in their seed only, in percent.

    Raises:
        ConfigError: fewer than two seeds, one of them twice, or different test images.
    """
    scores = list(_by_seed(records).values())
    return interval(np.stack(scores) if scores else np.empty((0, 1)))


def paired_difference(first: Sequence[Record], second: Sequence[Record]) -> Interval:
    """Accuracy of ``first`` minus ``second``, in percentage points, paired by seed and image.

    Raises:
        ConfigError: the two do not have the same seeds, one is there twice, there are fewer than
            two, or the test images differ.
    """
    a, b = _by_seed(first), _by_seed(second)
    if a.keys() != b.keys():
        raise ConfigError(f"cannot pair runs with seeds {sorted(a)} and {sorted(b)}")
    _same_images([*first, *second])
    return interval(np.stack([a[seed] - b[seed] for seed in a]) if a else np.empty((0, 1)))
