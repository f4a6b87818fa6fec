"""What the figures draw, where it can be wrong without being seen."""

import matplotlib.pyplot as plt
import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.lab.stats import Interval
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


def test_a_forest_has_a_line_for_each_row_and_group_and_is_hollow_where_zero_is_inside():
    rows = [
        ("time", "15 epochs", Interval(-8.0, 2.0, 5)), ("time", "120", Interval(1.0, 2.0, 5)),
        ("order", "reverse", None), ("", "alone", Interval(4.0, 3.0, 5)),
    ]  # fmt: skip
    fig = figures.forest(rows, xlabel="points")
    (ax,) = fig.axes
    ticks = dict(zip(ax.get_yticks(), (t.get_text() for t in ax.get_yticklabels()), strict=True))
    assert ticks == {1: "15 epochs", 2: "120", 4.4: "reverse", 5.4: "alone"}
    words = {t.get_text().strip(): t.get_position()[1] for t in ax.texts}
    assert words == {"time": 0, "order": 3.4, "runs split": 4.4}
    assert [c[0].get_ydata()[0] for c in ax.containers] == [1, 2, 5.4]
    holes = [line.get_ydata()[0] for line in ax.lines if line.get_color() == "white"]
    assert holes == [2]
    bar = ax.containers[0][2][0].get_segments()[0]
    assert bar[:, 0] == pytest.approx([-10, -6])
    assert ax.get_ylim()[0] > 5.4 > 0 > ax.get_ylim()[1] and ax.get_xlabel() == "points"
    plt.close(fig)
    with pytest.raises(ConfigError, match="no differences to draw"):
        figures.forest([])
    with pytest.raises(
        ConfigError, match=r"\(group, name, Interval or None\), got \('a', 'b', 3\)"
    ):
        figures.forest([("a", "b", 3)])
