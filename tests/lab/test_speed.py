"""What a sweep says of a run: seconds, memory, ratios to STE, draws that a device shares."""

from stompp_lite import rng
from stompp_lite.lab import speed
from tests.records import made


def test_a_line_says_accuracy_seconds_and_memory():
    record = made("n06-minimal-ste", 0, 90.0, {"epochs": 4})
    record.wall_s = 6.0
    assert speed.line(record) == "n06-minimal-ste-s0: 90.0 %, 1.5 s an epoch"
    record.machine["memory_mb"] = 3 * 1024
    assert speed.line(record).endswith("1.5 s an epoch, 3 GiB")
    lost = made("n06-minimal-ste", 0, 10.0, {"epochs": 4}, outcome="diverged: NaN")
    assert "diverged" in speed.line(lost)


def test_ratios_compare_runs_of_one_setting_with_its_ste():
    ste = made("n06-minimal-ste", 0, 90.0, {"epochs": 4})
    stompp = made("n06-minimal-stompp", 0, 90.0, {"epochs": 4})
    other = made("n06-minimal-stompp", 0, 90.0, {"epochs": 5})
    ste.wall_s, stompp.wall_s = 10.0, 7.0
    assert speed.ratios([ste, stompp, other]) == ["n06-minimal-stompp-s0: 0.70 of the time of STE"]
    assert speed.ratios([stompp]) == []


def test_draws_agree_only_where_every_bit_does(monkeypatch):
    assert speed.draws_agree("cpu")
    right, calls = rng.bits, []

    def wrong(key, step, entries):
        found = right(key, step, entries)
        calls.append(step)
        return found ^ 1 if len(calls) == 3 else found

    monkeypatch.setattr(rng, "bits", wrong)
    assert not speed.draws_agree("cpu")
