"""The landscape's places are those of the rules, and what cannot be a place is refused."""

import itertools

import pytest

from stompp_lite.errors import ConfigError
from stompp_lite.lab.config import METHODS
from stompp_lite.lab.recipes_landscape import FROM_FLOAT, FROM_SCRATCH
from stompp_lite.relatives import GUIDES, RELATIVES
from stompp_lite.relatives.axes import AXES, PLACES, Place, differences, neighbors, place
from stompp_lite.viz import landscape
from stompp_lite.viz.landscape import (
    CONTROL,
    BinaryShare,
    chart,
    in_words,
    landscape_table,
    reached,
    strips,
)
from tests.records import made


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


def runs(method, seconds, levels, **options):
    """Runs of a method, seed by seed."""
    options = {"recipe": "landscape"} | options
    found = [made(f"n06-minimal-{method}", k, level, **options) for k, level in enumerate(levels)]
    for record, wall in zip(found, seconds, strict=True):
        record.wall_s = wall
    return found


def test_only_methods_with_all_their_seeds_are_reached(monkeypatch):
    asked = []

    def runs_of(setting):
        asked.append(setting)
        full = {0: "a", 1: "b"}
        return (full if "bop" in setting or "fair/" in setting else {0: "a"}), {0, 1}

    monkeypatch.setattr(landscape, "runs_of", runs_of)
    assert set(reached()) == {"ste", "stompp", "stompp+ste", "bop"}
    assert "landscape-guided/n06-minimal-ste-attention" in asked
    assert "landscape/n06-minimal-inq-float-start" in asked
    assert set(reached("adam")) == {"ste", "stompp", "stompp+ste", "bop"}
    with pytest.raises(ConfigError, match="unknown arm 'adm'"):
        reached("adm")


def test_every_setting_that_is_asked_for_is_planned_and_the_table_says_what_has_not_run():
    found = reached()  # an unknown setting would be refused
    said = in_words()
    assert set(said) == set(PLACES) and {"ste", "stompp"} <= set(found)
    assert all((said[m] == "not run") == (m not in found) for m in PLACES)
    assert set(in_words("adam")) == set(PLACES)


def texts(ax):
    return {t.get_text(): t for t in ax.texts}


def test_the_map_shows_accuracy_and_cost_of_what_has_run_and_names_the_rest():
    found = {
        "ste": runs("ste", [9, 9, 9], [60, 61, 62]),
        "features": runs("ste-features", [9, 9, 9], [70, 71, 72]),
        CONTROL: runs(CONTROL, [100, 90, 500], [30, 31, 32]),
        "bop": runs("bop", [150, 160, 140], [88, 89, 90]),
        "xnor-net": runs("xnor-net", [100, 100, 100], [89, 89, 89]),
        "inq": runs("inq", [50, 60, 40], [10, 90, 50]),
    }
    for record in found["ste"] + found["features"]:
        record.machine = {"cpu": "another"}
    figure = chart({"small steps": found, "Adam": {}})
    left, right = figure.axes
    spots = [tuple(c.get_offsets()[0]) for c in left.collections]
    assert spots == [(1.0, pytest.approx(31)), (1.5, pytest.approx(89)), (1, 89)]
    assert texts(left)["Bop"].xy == pytest.approx((1.5, 89))
    assert [line.get_ydata()[0] for line in left.lines] == [61, pytest.approx(71)]  # no cost
    lacks = " ".join(left.get_xlabel().split())
    assert "INQ (runs split or diverged)" in lacks and "IR-Net" in lacks and "Bop" not in lacks
    assert "Bop" in right.get_xlabel() and not right.collections
    heights = [t.xyann[1] for t in left.texts]
    assert min(b - a for a, b in itertools.pairwise(sorted(heights))) > 5  # readable
    del found[CONTROL]
    assert "Bop (no cost yet)" in " ".join(chart({"x": found}).axes[0].get_xlabel().split())
    lost = {CONTROL: runs(CONTROL, [1, 1], [9, 9], outcome="diverged: NaN")}
    assert not chart({"x": lost}).axes[0].collections
    with pytest.raises(ConfigError, match="at least one arm"):
        chart({})
