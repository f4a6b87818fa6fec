"""The landscape's places are those of the rules, and what cannot be a place is refused."""

import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.lab.config import METHODS
from stompp_lite.lab.recipes_landscape import FROM_FLOAT, FROM_SCRATCH
from stompp_lite.relatives import GUIDES, RELATIVES
from stompp_lite.relatives.axes import AXES, PLACES, Place, differences, neighbors, place
from stompp_lite.viz.landscape import BinaryShare, landscape_table, strips


def test_every_method_of_the_landscape_has_a_place_and_each_answer_is_given():
    assert set(PLACES) == {"ste", "stompp", "stompp+ste", *FROM_SCRATCH, *FROM_FLOAT, *GUIDES}
    assert all(
        PLACES[guide] == Place(PLACES["ste"].what, start="a float network") for guide in GUIDES
    )
    for axis, (_, answers) in AXES.items():
        assert {getattr(spot, axis) for spot in PLACES.values()} == set(answers), axis


def test_places_are_what_the_rules_do():
    for method in (*FROM_SCRATCH, *FROM_FLOAT):
        spot, (weights, activations) = PLACES[method], METHODS[method]
        own = RELATIVES.get(weights) or RELATIVES.get(activations)
        if own is None:  # Bi-Real's surrogate: a setting
            assert "polynomial" in activations and spot.passes == "a slope of its own"
            continue
        assert own.gradual == (spot.grain != "everything, from the start"), method
        assert own.commits == (spot.grain != "everything, from the start" and method not in (
            "stochastic", "iterative",
        )), method  # fmt: skip
        assert (spot.scale == "a filter") == (method == "xnor-net")
        assert (spot.start == "a float network") == (method in FROM_FLOAT)
    assert differences(PLACES["stompp"], PLACES["stompp+ste"]) == ["passes"]
    assert differences(PLACES["bi-real"], PLACES["ir-net"]) == []


def test_neighbors_are_sorted_by_how_far_they_are():
    found = neighbors(PLACES["inq"], len(PLACES))
    assert found[0] == ("inq", []) and found[1] == ("rpr", ["who", "back"])
    counts = [len(axes) for _, axes in found]
    assert counts == sorted(counts)
    assert place({"grain": "filter"}) == Place(grain="filter")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"grian": "filter"}, "unknown axis 'grian'; did you mean 'grain'"),
        ({"grain": "filters"}, "did you mean 'filter'"),
        ("inq", "a dictionary, axis to answer, got 'inq'"),
    ],
)
def test_what_is_no_place_is_refused(answers, said):
    with pytest.raises(ConfigError, match=said):
        neighbors(answers)


def test_the_table_holds_what_the_places_say():
    data = landscape_table({"inq": "81.0"}).data
    assert [a["key"] for a in data["axes"]] == list(AXES)
    inq = next(row for row in data["rows"] if row["name"] == "INQ")
    assert inq["cells"]["who"] == "size" and inq["ours"] == "81.0" and inq["published"] == ""
    with pytest.raises(ConfigError, match="at least one place"):
        landscape_table({}, {})
    with pytest.raises(ConfigError, match="nothing to draw"):
        strips({})


def test_shares_are_counted_in_what_the_network_computes_with(tiny):
    from stompp_lite import fit
    from tests.conftest import lab_net

    watch = BinaryShare(every=6)
    fit(lab_net("layers", "ste:clip"), tiny, epochs=5, batch_size=8, callbacks=[watch])
    assert len(watch.rows) == 5 and len(watch.rows[0]) == 4
    assert watch.rows[-1] == [1.0] * 4 and watch.rows[0][-1] < 0.1
    assert all(row == sorted(row, reverse=True) for row in watch.rows)  # from the input
