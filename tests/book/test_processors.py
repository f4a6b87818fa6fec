"""Another processor beside another seed, on made-up records whose answers are known."""

import sys

import pytest

from stompp_lite.errors import NoRecordsError
from tests.conftest import ROOT
from tests.records import made

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import processors

EPYC = {"cpu": "AMD EPYC"}
XEON = {"cpu": "Intel Xeon", "family": "6", "model": "167", "capability": "AVX512"}


def on(machine, name, seed, accuracy):
    run = made(name, seed, accuracy)
    run.machine = machine
    return run


def recorded():
    scores = {"n02-minimal-ste": (90, 91, 88), "n06-adam-ste": (50, 60, 50)}
    return [on(EPYC, n, s, a) for n, found in scores.items() for s, a in enumerate(found)]


def test_differences_are_taken_to_the_recorded_run_of_the_same_seed():
    again = [on(XEON, "n02-minimal-ste", 0, 90), on(XEON, "n06-adam-ste", 0, 46)]
    found = processors.compare(again, recorded())
    assert found.processor == pytest.approx((0, -4)) and found.equal == 1
    assert found.seeds == pytest.approx((1, -2, 10, 0))
    assert found.there == ("AMD EPYC",)
    assert found.here == ("Intel Xeon, family 6, model 167, capability AVX512",)


def test_what_is_missing_is_said(monkeypatch):
    def none(recipe):
        raise NoRecordsError(recipe)

    monkeypatch.setattr(processors, "read_all", none)
    assert processors.table() == "*Not run.*"
    again = [on(XEON, "n02-minimal-ste", 0, 93), on(XEON, "n06-adam-ste", 0, 49)]
    monkeypatch.setattr(
        processors, "read_all", lambda r: again if r == "processors" else recorded()
    )
    table = processors.table()
    assert "| same seed, another kind of processor | 2 | 2.0 | 3.0 | 2.8 |" in table
    assert "| another seed, same kind of processor | 4 | 3.2 | 10.0 | 5.3 |" in table
    assert "18 of the 20 planned repetitions are missing" in table
    lost = made("n02-minimal-ste", 0, 90, outcome="diverged: NaN")
    assert processors.compare([lost], recorded()) == processors.Moves()
    assert processors.compare([made("n09-minimal-ste", 0, 90)], recorded()) == processors.Moves()


def test_the_films_repeat_recorded_runs():
    text = processors.films()
    assert text.startswith("Of the 48 runs, 32 have a counterpart") and "; 32 of these" in text
