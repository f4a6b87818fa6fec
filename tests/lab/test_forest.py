"""A claim's plot: where its dots stand, and how they tell what they say."""

import re

from stompp_lite.lab.forest import MANY, Row, card, differences, span

ROWS = [
    Row("Adam", "above", "+4.0 ± 1.0: hint", True, False, 4.0, 1.0),
    Row("Adam", "below", "−2.0 ± 1.0: hint", False, True, -2.0, 1.0),
    Row("Adam", "open <1>", "+0.5 ± 1.0: undecided", False, False, 0.5, 1.0),
    Row("SGD", "missing", "not run", False, False, None, None),
]


def test_dots_stand_in_the_order_of_their_means_and_tell_what_they_support():
    drawn = differences("C1", ROWS)
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawn)]
    assert len(places) == 3 and places[1] < places[2] < places[0]
    groups = re.findall(r"<g.*?</g>", drawn)
    assert 'fill="none"' in groups[1] and 'fill="none"' not in groups[0] + groups[2]
    assert ["opacity" in g for g in groups] == [False, False, True]
    assert drawn.count('class="arm"') == 2  # one line for each setting
    assert "open &lt;1&gt;" in drawn and ">not run<" in drawn
    assert 'aria-label="Differences of claim C1: Adam, above: +4.0 ± 1.0: hint; ' in drawn


def test_the_axis_spans_the_differences_and_zero():
    assert span(ROWS) == (-3.0, 5.0)
    assert span(ROWS[:1]) == (0.0, 5.0) and span(ROWS[3:]) is None
    assert span([Row("a", "b", "c", False, True, -20.0, 1.0)]) == (-21.0, 0.0)
    drawn = differences("C1", ROWS)
    ends = [float(x) for x in re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="10', drawn)[0]]
    assert ends[1] == 288 and ">+5 points</text>" in drawn and ">−3</text>" in drawn
    one_sided = differences("C1", ROWS[:1])
    assert ">0</text>" in one_sided and "−" not in re.sub("aria-label.*?>", "", one_sided)


def test_single_pairs_are_left_to_the_table():
    rows = [ROWS[0], Row("SGD", "split", "runs split: +21, +20: hint", True, False, None, None)]
    assert ">runs split<" in differences("L1", rows)
    assert "runs split: +21" in card("L1", "", [], rows, [])


def test_of_many_differences_those_of_the_first_setting_stand_open():
    few = [
        Row(arm, str(k), "c", True, False, 4.0, 1.0) for arm in ("a", "b") for k in range(MANY // 2)
    ]
    assert "<details" not in differences("C1", few)
    more = [*few, Row("b", "one more", "c", True, False, 9.0, 1.0)]
    open_part, folded = differences("C1", more).split("<details")
    assert open_part.count("<circle") == MANY // 2 and folded.count("<circle") == MANY // 2 + 1
    assert f"In the other settings: {MANY // 2 + 1} differences" in folded
    assert ">+10 points<" in open_part and ">+10 points<" in folded  # one axis


def test_a_loss_has_an_axis_of_its_own_size():
    loss = [Row("a", "b", "c", True, False, 0.02, 0.01)]
    assert "+0.03 units of the loss" in differences("C6", loss, "units of the loss")
    for mean in (1.0, 0.02):  # a small difference of accuracies is still one in points
        assert "+3 points" in differences("C1", [Row("a", "b", "c", True, False, mean, mean / 2)])


def test_without_an_interval_there_is_no_plot_but_the_table_stays():
    page = card("L1", "It <works>.", [("Adam", "not run")], ROWS[3:], ["Said by: us"])
    assert "<svg" not in page and "<td>missing</td>" in page and "It &lt;works&gt;." in page
    assert "Adam – not run" in page and "<p>Said by: us</p>" in page
    assert "Not run at this scale." in card("L2", "Nobody looked.", [], [], [])
