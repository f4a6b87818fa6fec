"""Goals of packed networks: what a measurement must have to meet them."""

import copy

import pytest

from stompp_lite.errors import RecordError
from stompp_lite.tools import measured
from tests.conftest import ROOT

KEPT = [ROOT / "data" / file for file in measured.FILES]


@pytest.fixture
def result():
    return copy.deepcopy(measured.read(KEPT[0]))


def verdict(name, result):
    return measured.GOALS[name].judge(result)[0]


def test_a_goal_follows_the_measurement(result):
    assert {name: verdict(name, result) for name in measured.GOALS} == dict.fromkeys(
        measured.GOALS, "shown"
    )
    resnet = next(n for n in result["networks"] if n["network"].startswith("ResNet-18"))
    resnet["over_float32"] = {"min": 2.9, "median": 3.1, "max": 3.3}
    assert verdict("P5", result) == "hint"
    resnet["over_float32"]["median"] = 2.95
    assert verdict("P5", result) == "shown against"
    resnet["equal"] -= 1
    assert verdict("P3", result) == "shown against"
    for size, told in ((2_200_000, "shown"), (2_300_000, "shown against")):  # at most 2.2 MB
        resnet["file_bytes"] = size
        assert measured.GOALS["P1"].judge(result) == (told, f"{size / 1e6:.4g} MB")
    resnet["binary_bytes"] *= 2
    assert verdict("P2", result) == "shown against"
    for product in result["products"]:
        product["over_float32"] = {"min": 3.0, "median": 4.0, "max": 9.0}
    assert verdict("P4", result) == "shown against"
    result["vector_popcount"] = False  # single words have to be 2.5 times as fast
    assert verdict("P4", result) == "shown"


def test_the_table_names_verdict_numbers_and_machine(result):
    text = measured.table([measured.read(file) for file in KEPT])
    assert text.count("| shown |") == len(measured.GOALS)
    assert "AMD EPYC, family 25, model 17 | AMD EPYC, family 26, model 2 |" in text
    assert " MB | 2.146 MB |" in text
    result["networks"][0]["equal"] = 0  # of two measurements the worse one counts
    assert measured.table([measured.read(KEPT[1]), result]).count("| shown against |") == 1


def test_another_file_is_refused_by_name(tmp_path):
    other = tmp_path / "other.json"
    with pytest.raises(RecordError, match=r"other\.json is no measurement .*FileNotFoundError"):
        measured.read(other)
    other.write_text('{"products": []}')
    with pytest.raises(RecordError, match=r"KeyError: 'networks'"):
        measured.read(other)
    with pytest.raises(RecordError, match="no row for 'ResNet-18' with a batch of 1"):
        measured.GOALS["P5"].judge({"networks": []})
