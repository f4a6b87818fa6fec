"""What the figures draw, where it can be wrong without being seen."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.viz import figures
from tests.records import made


def test_dots_show_every_run_and_a_mean_only_where_runs_do_not_split():
    close = [made("n06-a", seed, 90 + seed) for seed in range(3)]
    apart = [made("n06-b", seed, score) for seed, score in enumerate((10, 80, 85))]
    fig = figures.dots({"left": {"a": close, "b": apart}, "right": {"b": apart}})
    left, right = fig.axes
    drawn = [
        [len(line.get_xdata()) for line in ax.lines if line.get_marker() == "o"] for ax in fig.axes
    ]
    assert drawn == [[3, 3], [3]]
    assert (len(left.containers), len(right.containers)) == (1, 0)  # one mean with its bar
    assert [t.get_text() for t in left.get_yticklabels()] == ["a", "b"]
    assert right.lines[0].get_ydata()[0] > 1  # b stays in the second row
    plt.close(fig)
    with pytest.raises(ConfigError, match="no settings to draw"):
        figures.dots({"empty": {}})


def test_differences_are_paired_by_seed_and_have_no_mean_where_runs_split():
    usual = [made("n06-a", seed, 90 - seed) for seed in (2, 0, 1, 3)]
    less = [made("n06-b", seed, 80 - seed) for seed in range(3)]
    apart = [made("n06-c", seed, score) for seed, score in enumerate((10, 80, 85))]
    fig = figures.differences({"less": (less, usual), "apart": (apart, usual)})
    (ax,) = fig.axes
    points = [line.get_xdata() for line in ax.lines if line.get_marker() == "o"]
    assert points[0] == pytest.approx([-10] * 3, abs=0.3)
    assert points[1] == pytest.approx([-80, -9, -3], abs=0.3)
    assert len(ax.containers) == 1
    plt.close(fig)
    lost = replace(less[2], outcome="diverged: NaN", final={})
    (ax,) = figures.differences({"lost": ([*less[:2], lost], usual)}).axes
    assert [len(line.get_xdata()) for line in ax.lines if line.get_marker() == "o"] == [2]
    assert not ax.containers  # no mean of what is left
    plt.close(ax.figure)
    with pytest.raises(ConfigError, match="no differences to draw"):
        figures.differences({})
    with pytest.raises(ConfigError, match="at least 2 seeds"):
        figures.differences({"lone": (less[:1], usual)})
