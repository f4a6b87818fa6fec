"""A claim's plot: where its dots stand, and how they tell what they say."""

import re

from stompp_lite.lab.forest import Row, card, plot

ROWS = [
    Row("Adam", "above", "+4.0 ± 1.0: hint", True, False, 4.0, 1.0),
    Row("Adam", "below", "−2.0 ± 1.0: hint", False, True, -2.0, 1.0),
    Row("Adam", "open <1>", "+0.5 ± 1.0: undecided", False, False, 0.5, 1.0),
    Row("SGD", "missing", "not run", False, False, None, None),
]


def test_dots_stand_in_the_order_of_their_means_and_tell_what_they_support():
    drawn = plot(ROWS, "four differences")
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawn)]
    assert len(places) == 3 and places[1] < places[2] < places[0]
    groups = re.findall(r"<g.*?</g>", drawn)
    assert 'fill="none"' in groups[1] and 'fill="none"' not in groups[0] + groups[2]
    assert ["opacity" in g for g in groups] == [False, False, True]
    assert drawn.count('font-weight="600"') == 2  # one line for each setting
    assert "open &lt;1&gt;" in drawn and ">not run<" in drawn


def test_a_long_name_is_squeezed_and_single_pairs_are_left_to_the_table():
    rows = [ROWS[0], Row("SGD", "n" * 80, "runs split: +21, +20: hint", True, False, None, None)]
    short, long, _ = re.findall(r'<text [^>]*text-anchor="end"[^>]*>', plot(rows, "x"))
    assert "textLength" in long and "textLength" not in short
    assert ">runs split<" in plot(rows, "x") and "runs split: +21" in card("L1", "", [], rows, [])


def test_a_loss_has_an_axis_of_its_own_size():
    assert "+0.03 units of the loss" in plot(
        [Row("a", "b", "c", True, False, 0.02, 0.01)], "x", "units of the loss"
    )
    for mean in (1.0, 0.02):  # a small difference of accuracies is still one in points
        assert "+3 points" in plot([Row("a", "b", "c", True, False, mean, mean / 2)], "x")


def test_without_an_interval_there_is_no_plot_but_the_table_stays():
    page = card("L1", "It <works>.", [("Adam", "not run")], ROWS[3:], ["Said by: us"])
    assert "<svg" not in page and "<td>missing</td>" in page and "It &lt;works&gt;." in page
    assert "Adam – not run" in page and "<p>Said by: us</p>" in page
    assert "Not run at this scale." in card("L2", "Nobody looked.", [], [], [])
