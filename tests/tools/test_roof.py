"""The roofline: its arithmetic by hand, and that a machine's roof can be measured."""

import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.tools.roof import BYTES, bounds, measure_roof

ROOF = {"float32": 10.0, "int8": 40.0, "bits": 200.0, "bandwidth": 5.0}


def test_a_product_of_many_rows_waits_for_arithmetic_and_one_of_a_row_for_memory():
    many = bounds(ROOF, 256, 1024, 256)
    assert {name: one["bound"] for name, one in many.items()} == dict.fromkeys(BYTES, "arithmetic")
    assert many["bits"]["faster"] == pytest.approx(20) and many["int8"]["speed"] == 40
    one = bounds(ROOF, 1, 1024, 256)
    assert {name: x["bound"] for name, x in one.items()} == dict.fromkeys(BYTES, "memory")
    bits = one["bits"]
    assert bits["operations"] == 1024 * 256 and bits["bytes"] == 257 * 128 + 4 * 256
    assert bits["seconds"] == pytest.approx(bits["bytes"] / 5e9)
    assert one["float32"]["bytes"] == 257 * 4096 + 4 * 256


def test_packing_reads_floats_and_writes_bits_and_floats_are_as_they_were():
    ready, packing = (bounds(ROOF, 64, 100, 8, packed=p) for p in (True, False))
    assert packing["float32"] == ready["float32"]
    assert packing["bits"]["bytes"] - ready["bits"]["bytes"] == 64 * (400 + 16)  # two words a row
    assert packing["int8"]["bytes"] - ready["int8"]["bytes"] == 64 * (400 + 100)
    assert packing["bits"]["faster"] < ready["bits"]["faster"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": 0}, "rows must be an integer of at least 1, got 0"),
        ({"outputs": 1.5}, "outputs must be an integer"),
        ({"packed": 1}, "packed must be of type bool"),
        ({"roof": {**ROOF, "bits": -1.0}}, "'bits' of the roof must be above 0, got -1.0"),
        ({"roof": {"bits": 1.0}}, "the roof has no 'float32'; give what measure_roof"),
    ],
)
def test_what_is_no_product_or_no_roof_is_refused(change, said):
    with pytest.raises(ConfigError, match=said):
        bounds(**{"roof": ROOF, "rows": 1, "length": 64, "outputs": 1, **change})


def test_the_roof_of_this_machine_can_be_measured():
    roof = measure_roof(repeats=1)
    assert set(roof) == {*BYTES, "bandwidth"} and all(value > 0 for value in roof.values())
    assert bounds(roof, 256, 1024, 256)["bits"]["seconds"] > 0
    with pytest.raises(ConfigError, match="repeats"):
        measure_roof(0)
