"""The draws against SplitMix64 in plain Python integers, and as random numbers."""

import torch

from stompp_lite import rng
from tests.oracle import MASK64, splitmix


def test_bits_equal_the_reference():
    for key in (0, 1, rng.make_key(7, "conv", "w"), MASK64):
        for step in (0, 1, 99_999):
            got = rng.bits(key, step, rng.counters([50])).tolist()
            assert [g & MASK64 for g in got] == [splitmix(key, step, i) for i in range(50)]


def test_same_key_same_numbers_whatever_was_drawn_before():
    entries = rng.counters([100])
    first, _ = rng.uniform_pair(5, 3, entries)
    rng.uniform_pair(5, 4, entries)
    torch.rand(3)
    assert torch.equal(first, rng.uniform_pair(5, 3, entries)[0])


def test_keys_separate_seed_tensor_and_kind():
    keys = {rng.make_key(s, t, k) for s in (0, 1) for t in ("a", "b") for k in ("w", "a")}
    assert len(keys) == 8
    assert rng.make_key(1, "ab") != rng.make_key(1, "a", "b")


def test_uniform_looks_uniform_and_independent():
    entries = rng.counters([200_000])
    high, low = rng.uniform_pair(rng.make_key(0, "x"), 0, entries)
    following, _ = rng.uniform_pair(rng.make_key(0, "x"), 1, entries)
    for u in (high, low):
        assert float(u.min()) >= 0 and float(u.max()) < 1
        counts = torch.histc(u, 20, 0, 1)
        expected = len(u) / 20
        chi2 = float(((counts - expected) ** 2 / expected).sum())
        assert chi2 < 43.8  # 99.9 % point of chi-square with 19 degrees of freedom
    pairs = torch.corrcoef(torch.stack([high, low, following, high.roll(1)]))
    off = pairs - torch.eye(4)
    assert float(off.abs().max()) < 4 / len(high) ** 0.5
