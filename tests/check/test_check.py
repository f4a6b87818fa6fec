"""Exercises answer back: the right answer passes, each wrong one gets its own hint."""

import re

import numpy as np
import pytest
import torch

from stompp_lite.check import EXERCISES, check, examine, passes
from stompp_lite.check.desk import WIDTH
from stompp_lite.errors import ConfigError
from tests.check.answers import RIGHT, WRONG

LEAST = {"code": 12, "understand": 9, "explore": 5}


def test_enough_exercises_answer_back_and_each_is_tried():
    kinds = [one.kind for one in EXERCISES.values()]
    assert all(kinds.count(kind) >= least for kind, least in LEAST.items()), kinds
    assert {name.split(".")[0] for name in EXERCISES} == {*map(str, range(1, 20)), "plan"}
    assert set(RIGHT) == set(WRONG) == set(EXERCISES)
    few = [n for n, one in EXERCISES.items() if one.kind == "code" and len(WRONG[n]) < 2]
    assert not few


@pytest.mark.parametrize("name", EXERCISES)
def test_a_right_answer_passes(name):
    report = examine(name, RIGHT[name])
    assert report.passed, str(report)
    count = len(report.found)
    assert str(report).endswith(f"All {count} properties hold." if count > 1 else "That is all.")


@pytest.mark.parametrize(
    ("name", "answer", "hint"),
    [(name, *pair) for name, pairs in WRONG.items() for pair in pairs],
    ids=[f"{name}-{hint}" for name, pairs in WRONG.items() for _, hint in pairs],
)
def test_a_wrong_answer_gets_its_own_hint(name, answer, hint):
    report = examine(name, answer)
    assert not report.passed
    assert hint in report.found[-1].hint, str(report)
    assert [one.holds for one in report.found] == [True] * (len(report.found) - 1) + [False]
    assert all(len(line) <= WIDTH for line in str(report).splitlines())


def function(x, w):
    """Nothing yet."""
    ...


class Empty(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u): ...

    @staticmethod
    def backward(ctx, grad): ...


@pytest.mark.parametrize(
    ("name", "stub"),
    [
        ("7.2", ...), ("5.1", (..., ..., ..., ...)), ("1.2", function), ("2.2", Empty),
        ("6.1", {"act1": ..., "both": ...}), ("4.2", {"one": function, "alpha": function}),
        ("1.2", lambda x, rows, n: None), ("1.1", [...]),
    ],
)  # fmt: skip
def test_a_stub_is_no_answer_and_no_error(name, stub, capsys):
    check(name, stub)
    assert "nothing to check yet" in capsys.readouterr().out
    assert not passes(name, stub)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("7.9", 1), r"exercise '7\.9' does not answer back; .* chapter 7 that do: 7\.1, 7\.2"),
        (("plan.1", 1), r"'plan\.1' does not answer back; those of that page that do: plan\.2"),
        (("27.1", 1), r"unknown exercise '27\.1'.*for example check\("),
        ((7.2, 1), r"unknown exercise 7\.2; write chapter and number as text"),
        ((None, 1), "unknown exercise None"),
        (("7.2",), r"7\.2 needs your answer: .* a function freeze_reversed\(model, epochs\)"),
        (("7.2", 3), r"7\.2: it cannot be called, got 3; write check\('7\.2', answer\)"),
        (("2.2", len), r"2\.2: it is not a class"),
        (("3.1", "nine"), r"3\.1: it is 'nine', not a finite number"),
        (("3.1", True), "not a finite number"),
        (("3.1", float("nan")), "not a finite number"),
        (("5.1", [1, 2]), r"5\.1: it has 2 entries, got \[1, 2\].*4 numbers in a row: τ at 5 %"),
        (("5.1", 0.4), "it is not a list"),
        (("6.1", {"act1": {"conv2"}}), "it has no entry 'both'"),
        (("7.1", {"clasifier"}), "'clasifier' is not one of the names stem, blocks, classifier"),
        (("1.3", [11, 15, 4]), "it is not a dictionary"),
        (("1.1", None), r"1\.1: it is not a list, got None"),
    ],
)
def test_what_is_no_answer_is_named_with_the_way_out(arguments, said):
    with pytest.raises(ConfigError, match=said):
        check(*arguments)


def test_an_error_in_an_answer_is_a_finding(capsys):
    def many(x_bits, rows, n):
        raise IndexError("no such row")

    check("1.2", many)
    told = " ".join(capsys.readouterr().out.split())
    assert "FAILS your code runs to its end" in told and "IndexError: no such row" in told
    assert "a function many(x_bits, rows, n)" in told
    report = examine("10.2", lambda steps, rho: steps)
    assert "TypeError" in report.found[-1].hint and not report.passed


def test_numbers_of_numpy_and_torch_are_numbers():
    assert examine("3.1", np.float32(901)).passed
    assert examine("3.1", torch.tensor([901])).passed
    assert examine("5.1", torch.tensor(RIGHT["5.1"])).passed


def test_a_look_changes_no_draw_and_gives_the_same_report_twice():
    torch.manual_seed(3), np.random.seed(3)
    expected = torch.rand(2), np.random.rand(2)
    torch.manual_seed(3), np.random.seed(3)
    first, second = (str(examine("10.2", RIGHT["10.2"])) for _ in range(2))
    assert first == second
    assert torch.equal(torch.rand(2), expected[0])
    assert np.array_equal(np.random.rand(2), expected[1])
    with torch.no_grad():
        assert examine("2.2", RIGHT["2.2"]).passed


def test_no_hint_and_no_property_tells_a_number_that_is_asked_for():
    """A report on a wrong answer never holds the right one."""
    for name, numbers in {
        "3.1": ("901", "900"), "9.1": ("20", " 4"), "14.1": ("32", "256"), "15.1": ("16", "8"),
        "5.1": ("0.37", "0.79", "0.40"), "13.1": ("60", "7", "1.4"), "11.1": ("0.33", "3.75"),
    }.items():  # fmt: skip
        for answer, _ in WRONG[name]:
            hint = examine(name, answer).found[-1].hint
            assert not [n for n in numbers if re.search(rf"(?<![\d.,]){n.strip()}(?![\d,])", hint)]
