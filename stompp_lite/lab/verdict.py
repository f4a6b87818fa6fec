"""The rules for a verdict, as the protocol of the fair fight states them, applied to the records.

Taught in chapter 12, *A fair fight*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stompp_lite.lab.arms import DEPTHS
from stompp_lite.lab.record import Record
from stompp_lite.lab.report import Depths, common_seeds, group, splits
from stompp_lite.lab.stats import Interval, paired_difference

ALL_DEPTHS = (*DEPTHS, 12)  # in which neighbors are counted
NARROW = 3.0  # points to either side of zero: "no difference seen" is not said of wider intervals
FALL = 10.0  # points that STE may lose from 4 to 36 convolutions if it was the size of the step


def differences(
    first: Mapping[int, list[Record]], second: Mapping[int, list[Record]]
) -> dict[int, Interval]:
    """``first`` minus ``second`` at each depth that both have, in points, paired.

    Depths with fewer than two common seeds are left out. (A run that diverged is judged by what
    was left of its network, which is chance.)
    """
    found = {}
    for n in sorted(first.keys() & second.keys()):
        a, b = common_seeds(first[n], second[n])
        if len(a) > 1:
            found[n] = paired_difference(a, b)
    return found


def read(found: Mapping[int, Interval]) -> dict[int, str]:
    """Rule 1: what the interval at each depth says.

    An interval that excludes zero is a ``hint``; if that of a neighboring depth does so with the
    same sign, it is ``above`` or ``below``. Others are ``no difference seen`` or ``undecided``.
    """
    sides = {n: 1 if d.low > 0 else -1 if d.high < 0 else 0 for n, d in found.items()}
    said = {}
    for n, d in found.items():
        place = ALL_DEPTHS.index(n)
        neighbors = [sides.get(m) for m in ALL_DEPTHS[max(place - 1, 0) : place + 2] if m != n]
        if not sides[n]:
            said[n] = "no difference seen" if d.within(NARROW) else "undecided"
        elif sides[n] in neighbors:
            said[n] = "above" if sides[n] > 0 else "below"
        else:
            said[n] = "hint"
    return said


@dataclass(frozen=True)
class Verdict:
    """The answer to one question, with the intervals that it rests on."""

    question: str
    answer: str
    evidence: str


def _all(found: Mapping[int, Interval], depths: Sequence[int], side: str) -> bool:
    said = read({n: d for n, d in found.items() if n in depths})
    return [said.get(n) for n in depths] == [side] * len(depths)


def _told(
    found: Mapping[int, Interval], depths: Sequence[int], *sides: Mapping[int, list[Record]]
) -> str:
    """The differences at these depths in words; rule 2: no mean where the runs of a side split."""
    shown = []
    for n in depths:
        if n in found:
            split = any(splits(side[n]) for side in sides)
            shown.append(f"{'runs split' if split else found[n].signed} at {4 * n}")
    return ", ".join(shown)


FAIR = ("scale", "adam")


def is_it_the_size(arms: Mapping[str, Depths]) -> Verdict:
    """Rule 3: does a step of another size lift STE, and end its fall with depth?"""
    minimal, lifted, told = arms["minimal"]["ste"], [], []
    for arm in FAIR:
        ste = arms[arm]["ste"]
        gain = differences(ste, minimal)
        fall = differences({9: ste[1]}, {9: ste[9]})[9]
        lifted.append(_all(gain, (6, 9), "above") and fall.mean < FALL)
        told.append(f"{arm}: STE against minimal {_told(gain, (6, 9), ste, minimal)}")
        if not splits(ste[9]):
            told[-1] += f", its fall from 4 to 36 is {fall}"
    answer = "yes" if all(lifted) else "in one arm" if any(lifted) else "not shown"
    return Verdict("Is it the size of the step?", answer, "; ".join(told))


def is_there_more(arms: Mapping[str, Depths]) -> Verdict:
    """Rule 3: is StoMPP above STE where both have a step that suits them?"""
    found = {arm: differences(arms[arm]["stompp"], arms[arm]["ste"]) for arm in FAIR}
    above = [_all(d, (6, 9), "above") for d in found.values()]
    below = [_all(d, (6, 9), "below") for d in found.values()]
    answer = "yes" if all(above) else "no, it is below" if all(below) else "not shown"
    told = (
        f"{arm}: StoMPP minus STE {_told(d, (6, 9), arms[arm]['stompp'], arms[arm]['ste'])}"
        for arm, d in found.items()
    )
    return Verdict("Is there more to it, so that freezing is ahead?", answer, "; ".join(told))


def when_it_hardens(adam: Depths) -> Verdict:
    """Rule 4: with STE's own backward pass, is it better to harden progressively?"""
    found = differences(adam["hybrid"], adam["ste"])
    said = read(found)
    answer = "yes" if _all(found, (9, 12), "above") else "not shown"
    if [said.get(n) for n in (9, 12)] == ["no difference seen"] * 2:
        answer = "no difference seen"
    told = _told(found, (9, 12), adam["hybrid"], adam["ste"])
    return Verdict("Does it help when activations harden late?", answer, told)


def what_comes_back(arm: Depths) -> Verdict:
    """Rule 5: does it matter what frozen entries pass back?"""
    found = differences(arm["stompp+ste"], arm["stompp"])
    said = read(found)
    sides = {side for side in said.values() if side in ("above", "below")}
    answer = "it depends on the depth" if sides else "not shown"
    if len(sides) == 1:
        answer = f"yes, {'a surrogate' if 'above' in sides else 'nothing'} is better"
    told = _told(found, list(found), arm["stompp+ste"], arm["stompp"])
    return Verdict("Does it matter what frozen entries pass back?", answer, told)


def own_rates(runs: Sequence[Record]) -> dict[tuple[str, str], dict[int, float]]:
    """The learning rate that the protocol's rule picks from the tuning runs.

    The best mean validation accuracy over the seeds, the smaller rate on a tie; a run that
    diverged counts as 0.

    Returns:
        (arm, method) -> blocks -> rate.
    """
    means: dict[tuple[str, str], dict[int, dict[float, float]]] = {}
    for name, same in group(list(runs)).items():
        _, arm, method = name.rpartition("-lr")[0].split("-", 2)
        score = sum(0.0 if r.diverged else r.final["test_acc"] for r in same) / len(same)
        config = same[0].config
        found = means.setdefault((arm, method), {}).setdefault(config["blocks"][0], {})
        found[config["lr"]] = score
    return {
        key: {n: min(found, key=lambda lr: (-found[lr], lr)) for n, found in sorted(depths.items())}
        for key, depths in means.items()
    }
