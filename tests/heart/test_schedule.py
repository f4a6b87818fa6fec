"""The schedule against its definition, evaluated slowly with exact fractions."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.method import ORDERS, SHAPES
from stompp_lite.schedule import Schedule, pair
from tests.oracle import shape_of, turns


def oracle(stages, steps, order, shape, stage, step, seed=0):
    """p_l(t) straight from the definition in the module's docstring, in exact arithmetic."""
    taken = turns(order, stages, seed)
    tau = Fraction((max(taken) + 1) * (step + 1), steps) - taken[stage]
    return shape_of(shape, float(min(max(tau, Fraction(0)), Fraction(1))))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_fraction_follows_the_definition(order, shape):
    for stages, steps in [(1, 1), (3, 3), (4, 10), (5, 23), (7, 64)]:
        s = Schedule(stages, steps, order, shape, seed=3)
        for stage in range(stages):
            for step in range(steps + 3):
                want = oracle(stages, steps, order, shape, stage, min(step, steps - 1), seed=3)
                assert s.fraction(stage, step) == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_monotone_from_zero_to_exactly_one(order):
    s = Schedule(6, 50, order)
    for stage in range(6):
        p = [s.fraction(stage, t) for t in range(-1, 50)]
        assert p[0] == 0.0 and p[-1] == 1.0
        assert p == sorted(p)


@pytest.mark.parametrize("order", ["forward", "reverse", "random"])
def test_one_stage_at_a_time(order):
    s = Schedule(5, 40, order)
    for t in range(40):
        assert sum(0 < p < 1 for p in s.fractions(t)) <= 1
    turns = sorted(range(5), key=lambda k: s.window(k)[0])
    assert turns == {"forward": [0, 1, 2, 3, 4], "reverse": [4, 3, 2, 1, 0]}.get(order, turns)


def test_stages_of_a_group_freeze_together():
    assert Schedule(7, 70, "forward-2").turns == (0, 0, 0, 0, 1, 1, 1)
    assert Schedule(25, 250, "forward-5").turns == tuple(k for k in range(5) for _ in range(5))
    assert Schedule(3, 30, "forward-5").turns == (0, 1, 2)  # no more groups than stages


def test_window_is_where_p_moves():
    for steps in (7, 20, 33):
        s = Schedule(6, steps, "random", "linear", seed=1)
        for stage in range(6):
            first, whole = s.window(stage)
            assert s.fraction(stage, first) > 0 and s.fraction(stage, first - 1) == 0
            assert s.fraction(stage, whole) == 1 and s.fraction(stage, whole - 1) < 1


def test_random_order_is_a_fixed_permutation():
    def of(seed):
        return Schedule(9, 9, "random", seed=seed).turns

    assert of(4) == of(4) and sorted(of(4)) == list(range(9)) != list(of(4))
    assert of(4) != of(5)


def test_shapes_differ_in_the_middle_and_meet_at_the_ends():
    assert {SHAPES[s](0.0) for s in SHAPES} == {0.0}
    assert {round(SHAPES[s](1.0), 12) for s in SHAPES} == {1.0}
    assert SHAPES["cubic"](0.5) == 0.125
    assert SHAPES["flipped-quadratic"](0.5) == 0.75


@pytest.mark.parametrize("lead", [-3, 0, 2])
def test_lead_puts_weights_ahead_of_activations(lead):
    w, a = pair(4, 120, lead=lead)
    assert w.windows == a.windows == 4 + abs(lead)
    for stage in range(4):
        gap = a.window(stage)[0] - w.window(stage)[0]
        assert gap == pytest.approx(lead * 120 / w.windows, abs=1)
    assert w.fractions(119) == a.fractions(119) == [1.0] * 4


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Schedule(0, 5), "stages must be an integer of at least 1, got 0"),
        (lambda: Schedule(3, 2), "2 progression steps for 3 windows"),
        (lambda: Schedule(3, 9, order="foward"), "did you mean 'forward'"),
        (lambda: Schedule(3, 9, shape="cubik"), "did you mean 'cubic'"),
        (lambda: Schedule(3, 9, ahead=-1), "ahead must be .* got -1"),
        (lambda: Schedule(3, 9, order="global", ahead=1), "cannot be moved"),
        (lambda: Schedule(3, 4, behind=2), "4 progression steps for 5 windows"),
        (lambda: Schedule(float("nan"), 5), "got nan"),
        (lambda: Schedule(2.5, 5), "got 2.5"),
        (lambda: Schedule(True, 5), "got True"),
        (lambda: Schedule(3, 9, seed=1.5), "seed must be of type int, got 1.5"),
        (lambda: Schedule(3, 9).fraction(0.5, 0), "got 0.5"),
        (lambda: Schedule(3, 9).fraction(0, 0.5), "got 0.5"),
        (lambda: pair(3, 9, lead=1.5), "the lead must be of type int, got 1.5"),
        (lambda: pair(3, 9, lead=True), "got True"),
        (lambda: pair(3, 9, lead=float("nan")), "got nan"),
        (lambda: Schedule(3, 9).fraction(3, 0), "stage 3 does not exist"),
        (lambda: pair(3, 9, weights="global", lead=1), "needs two layerwise orders"),
    ],
)
def test_bad_input_names_the_value(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


def test_a_schedule_can_be_changed_in_one_field():
    s = Schedule(4, 40, "reverse", "linear", ahead=1)
    assert (s.windows, replace(s, stages=6).windows, replace(s, behind=2).windows) == (5, 7, 7)
    assert replace(s, stages=6) == Schedule(6, 40, "reverse", "linear", ahead=1)
    assert replace(s, stages=6).fractions(20) == Schedule(6, 40, "reverse", "linear", 1).fractions(
        20
    )
    whole = Schedule(np.int64(4), np.int32(40))
    assert whole == Schedule(4, 40) and type(whole.stages) is int
