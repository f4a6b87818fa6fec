"""The bank of questions, and what a notebook shows of them."""

import base64
import json
from collections import Counter

import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.viz import components
from stompp_lite.viz.bank import bank, encoded, parse
from stompp_lite.viz.questions import predict, predict_curve

X, RUNS = [4, 8, 36], [[95, 97], [90, 94], [10, 10]]
CHOICE = """
choices:
  a:
    - {ask: Which?, options: [one, two, three], right: two, why: Because.%s}
curves: {}
"""


def asked(source):
    return parse(source)["choices"]["a"][0]


def test_the_right_option_stands_at_no_place_in_most_questions():
    questions = [q for some in bank()["choices"].values() for q in some]
    places = Counter(q["right"] for q in questions)
    assert sum(places.values()) == len(questions) > 30
    assert max(places.values()) <= 0.4 * len(questions), places


def test_every_question_has_a_reason_that_is_short_and_whole():
    everything = [q for some in bank()["choices"].values() for q in some]
    everything += bank()["curves"].values()
    for q in everything:
        assert 30 < len(q["why"]) < 260 and q["why"].endswith("."), q["ask"]
        assert q["ask"][-1] in "?." and "\n" not in q["ask"] + q["why"], q["ask"]


def test_options_are_mixed_in_the_same_way_each_time_and_what_is_ordered_stays_so():
    questions = [q for some in bank()["choices"].values() for q in some]
    mixed = {tuple(q["was"]) for q in questions}
    assert len(mixed) > 4 and (0, 1, 2) in mixed and (2, 1, 0) in mixed
    assert asked(CHOICE % "") == asked(CHOICE % "")
    ordered = asked(CHOICE % ", ordered: true")["options"]
    assert ordered in (["one", "two", "three"], ["three", "two", "one"])


def test_a_version_is_one_of_the_wording_and_not_of_the_reason_or_the_order():
    one = asked(CHOICE % "")["version"]
    assert one == asked(CHOICE.replace("Because", "So") % ", ordered: true")["version"]
    assert one != asked(CHOICE.replace("Which", "What") % "")["version"]
    assert one != asked(CHOICE.replace("three", "four") % "")["version"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("choices: [", "must be YAML with choices and curves"),
        ("[]", "must be YAML with choices and curves"),
        ("choices: {}", "must be YAML with choices and curves: 'curves'"),
        (CHOICE.replace("right: two", "right: four") % "", "'Which.' of 'a' has no option 'four'"),
        (CHOICE.replace("one, two, three", "two, two") % "", "two different texts as options"),
        (CHOICE.replace("one, two, three", "two, 3") % "", "two different texts as options"),
        (CHOICE.replace(", why: Because.", "") % "", "'a' must have ask, options, right, why"),
        (CHOICE % ", wy: So.", "'a' must have ask, options, right, why"),
        (
            "choices: {}\ncurves: {b: {ask: A, x: x, y: y, range: [1, 1], unit: '', why: W}}",
            r"range of the question 'A' of 'b' must grow, got \[1, 1\]",
        ),
    ],
)
def test_a_question_that_cannot_be_asked_is_named(source, message):
    with pytest.raises(ConfigError, match=message):
        parse(source)


def test_a_name_that_the_bank_lacks_is_told_with_the_names_that_there_are():
    with pytest.raises(ConfigError, match=r"unknown question '99'.*\(valid: 1, 2, 3"):
        predict("99")
    with pytest.raises(ConfigError, match="unknown question 9"):
        predict(9)
    with pytest.raises(ConfigError, match=r"unknown curve '8'.*4, 5, 9"):
        predict_curve("8", X, RUNS)


@pytest.mark.parametrize(
    ("x", "runs", "more", "message"),
    [
        ([4], [[95]], {}, r"two or more growing numbers or different texts, got \[4.0\]"),
        ([4, 36, 8], RUNS, {}, "two or more growing numbers"),
        (["a", "b", "a"], RUNS, {}, "different texts, got"),
        (["a", 2, 3], RUNS, {}, "a position must be of type float, got 'a'"),
        (X, RUNS[:2], {}, "x has 3 positions, and there are runs at 2"),
        (X, [*RUNS[:2], []], {}, "no run at 36.0; leave the position out"),
        (X, [*RUNS[:2], [float("nan")]], {}, "a run at 36.0 must be of type float, got nan"),
        (X, [*RUNS[:2], [101]], {}, "a run at 36.0 is 101, outside of 0 to 100"),
        (X, RUNS, {"middle": "mode"}, "unknown middle 'mode'"),
        (X, RUNS, {"note": 3}, "note must be of type str"),
    ],
)
def test_what_a_curve_is_given_is_checked(x, runs, more, message):
    with pytest.raises(ConfigError, match=message):
        predict_curve("4", x, runs, **more)


def test_the_recorded_curve_is_the_middle_of_the_runs():
    def truth(**more):
        data = predict_curve("4", ["a", "b"], [[90, 91, 98], [10, 10, 10]], **more).data
        return json.loads(base64.b64decode(data["truth"]))

    assert truth()["curve"] == [93, 10] and truth(middle="median")["curve"] == [91, 10]
    assert truth()["runs"] == [[90, 91, 98], [10, 10, 10]]


def test_no_answer_stands_in_plain_words_in_what_a_notebook_stores_or_a_page_brings():
    stored = predict("8").html(script=False)
    assert '{"id":"8"}' in stored and "reverse" not in stored
    drawn = predict_curve("4", X, [[95.25], [90.5], [10.75]]).html(script=False)
    assert not any(number in drawn for number in ("95.25", "90.5", "10.75"))
    for script in (components.page_script(), components.esm("predict")):
        assert encoded() in script and "no gradient passes it" not in script
    assert encoded() not in components.esm("bits")
    assert json.loads(base64.b64decode(encoded())) == bank()
