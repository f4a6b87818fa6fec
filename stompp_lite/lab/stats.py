r"""Means and 95 % intervals over seeds, with the test set's own sampling error included.

Two things make an accuracy uncertain: another seed would give another network, and another draw of
test images would give another score to the same network. More seeds shrink only the first. With
:math:`n` seeds (standard deviation :math:`s`) and :math:`N` test images, the half-width is

.. math::

    \sqrt{\bigl(t_{n-1} \, s / \sqrt n\bigr)^2 + \bigl(1.96 \, s_\text{img} / \sqrt N\bigr)^2},

where :math:`s_\text{img}` is the standard deviation over images of the seed-averaged score of an
image. Differences between methods use the same formula on scores paired by seed and by image.

The *p*-value of a difference is the level at which the interval of the same formula would just
reach zero, so a 95 % interval excludes zero exactly where :math:`p < 0.05`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stompp_lite.checks import count, number, share
from stompp_lite.errors import ConfigError, ShapeError
from stompp_lite.lab.record import Record

LARGEST = 2  # of a score: a difference of two differences of 0 and 1


@dataclass(frozen=True)
class Interval:
    """A mean with a 95 % interval, in percent or percentage points.

    Attributes:
        over_seeds, over_images: the two standard errors, where they are known.
    """

    mean: float
    half: float
    seeds: int
    over_seeds: float = 0.0
    over_images: float = 0.0

    def __post_init__(self) -> None:
        number(self.mean, "the mean of an interval")
        number(self.half, "the half-width of an interval", 0.0)
        count(self.seeds, "the number of seeds")

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
        number(bound, "the bound", 0.0)
        return max(abs(self.low), abs(self.high)) < bound

    @property
    def side(self) -> int:
        """1 if all of it lies above zero, -1 if below, 0 if it contains zero."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    @property
    def signed(self) -> str:
        """A difference in words, its sign included."""
        return f"{self.mean:+.1f} ± {self.half:.1f}"

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.half:.1f}"


def seeds_interval(values: Sequence[float]) -> Interval:
    """Interval of the mean of one number a seed, in the numbers' own unit.

    Raises:
        ConfigError: fewer than two seeds, or something that is not a finite number.
    """
    from scipy.stats import t

    values = [number(v, "the value of a seed") for v in _items(values, "values, one a seed")]
    n = len(values)
    if n < 2:
        raise ConfigError(f"an interval over seeds needs at least 2 seeds, got {n}")
    error = float(np.std(values, ddof=1)) / math.sqrt(n)
    return Interval(float(np.mean(values)), float(t.ppf(0.975, n - 1)) * error, n, error)


def interval(scores: np.ndarray) -> Interval:
    """Interval of a mean score.

    Args:
        scores: [seeds, images], whole numbers: for an accuracy 0 or 1, for a paired difference
            from -1 to 1, for a difference of two differences from -2 to 2.

    Raises:
        ConfigError: fewer than two seeds or images, or other scores, such as percentages.
        ShapeError: not two axes.
    """
    if not isinstance(scores, np.ndarray) or scores.dtype.kind not in "biuf":
        raise ConfigError(f"scores must be an array of numbers, got {scores!r}")
    if scores.ndim != 2:
        raise ShapeError(f"scores must have axes [seeds, images], got shape {scores.shape}")
    scores = scores.astype(float)
    bad = scores[~((np.abs(scores) <= LARGEST) & (scores == np.round(scores)))]
    if bad.size:
        raise ConfigError(
            f"a score is 0 or 1 for each image, or a difference of those, got {bad[0]:g}; give the "
            "scores of single images, not percentages"
        )
    if scores.shape[1] < 2:
        raise ConfigError(f"an interval needs at least 2 images, got {scores.shape[1]}")
    over_seeds, per_image = seeds_interval(scores.mean(1).tolist()), scores.mean(0)
    error = float(per_image.std(ddof=1)) / math.sqrt(len(per_image))
    half = math.hypot(over_seeds.half, 1.96 * error)
    return Interval(
        100 * float(scores.mean()), 100 * half, over_seeds.seeds,
        100 * over_seeds.over_seeds, 100 * error,
    )  # fmt: skip


def p_values(differences: Sequence[Interval]) -> np.ndarray:
    """Two-sided *p*-value of each difference: at which level its interval would reach zero.

    Raises:
        ConfigError: an interval whose standard errors are not known.
    """
    from scipy.stats import norm, t

    for d in _intervals(differences):
        if d.half > 0 and d.over_seeds == d.over_images == 0:
            raise ConfigError(f"the standard errors of {d} are not known, so it has no p-value")
    rows = [(abs(d.mean), d.over_seeds, d.over_images, d.seeds - 1) for d in differences]
    mean, seeds, images, freedom = np.array(rows, dtype=float).reshape(-1, 4).T
    low, high = np.zeros(len(rows)), np.ones(len(rows))
    for _ in range(60):  # bisection: the half-width falls as the level p rises
        p = (low + high) / 2
        reaches = np.hypot(t.isf(p / 2, freedom) * seeds, norm.isf(p / 2) * images) >= mean
        low, high = np.where(reaches, p, low), np.where(reaches, high, p)
    return high


def discoveries(p: Sequence[float] | np.ndarray, rate: float = 0.05) -> np.ndarray:
    """Which *p*-values survive the procedure of Benjamini and Hochberg, as bools.

    Of those that do, a share of at most ``rate`` is expected to be there by chance.

    Raises:
        ConfigError: a value outside [0, 1].
    """
    values = np.array([share(v, "a p-value") for v in _items(p, "p-values")])
    share(rate, "the rate of false discoveries")
    ranked = np.sort(values)
    passed = ranked[ranked <= rate * np.arange(1, len(values) + 1) / max(len(values), 1)]
    return values <= (passed[-1] if passed.size else -1.0)


def _items(values: Any, what: str) -> list[Any]:
    """The items of a sequence, which a text or a mapping is not."""
    if isinstance(values, str | bytes | dict) or not isinstance(values, Iterable):
        raise ConfigError(f"needs a list of {what}, got {values!r}")
    return list(values)


def _intervals(values: Any) -> list[Interval]:
    found = _items(values, "intervals")
    for value in found:
        if not isinstance(value, Interval):
            raise ConfigError(f"needs intervals, got {value!r}")
    return found


def checked_records(records: Any, what: str = "records") -> list[Record]:
    """``records`` as a list, if they are run records.

    Raises:
        ConfigError: something else, with the way to get them.
    """
    found = _items(records, what)
    for record in found:
        if not isinstance(record, Record):
            raise ConfigError(
                f"needs a list of {what}, got {record!r} in it; read them with "
                "stompp_lite.lab.record.read_all"
            )
    return found


def check_same_images(records: Sequence[Record]) -> None:
    """Raise ConfigError unless all runs were judged on the same images."""
    judged = {
        (r.config.get("data"), r.config.get("validation"), r.config.get("test_images"))
        for r in records
    }
    if len(judged) > 1:
        shown = "; ".join(
            f"{images} images of {data!r}{' held out of the training images' if held else ''}"
            for data, held, images in sorted(judged, key=str)
        )
        raise ConfigError(f"runs judged on different images cannot be compared: {shown}")


def _by_seed(records: Sequence[Record]) -> dict[int, np.ndarray]:
    """Which test images each seed got right.

    Raises:
        ConfigError: a seed that is there twice, or runs judged on different images.
    """
    records = checked_records(records)
    check_same_images(records)
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
    return interval(np.stack(scores) if scores else np.empty((0, 2)))


def paired_difference(first: Sequence[Record], second: Sequence[Record]) -> Interval:
    """Accuracy of ``first`` minus ``second``, in percentage points, paired by seed and image.

    Raises:
        ConfigError: the two do not have the same seeds, one is there twice, there are fewer than
            two, or the test images differ.
    """
    a, b = _by_seed(first), _by_seed(second)
    if a.keys() != b.keys():
        raise ConfigError(f"cannot pair runs with seeds {sorted(a)} and {sorted(b)}")
    check_same_images([*first, *second])
    return interval(np.stack([a[seed] - b[seed] for seed in a]) if a else np.empty((0, 2)))
