"""The rules for a verdict, as the protocol of the fair fight states them, applied to the records.

Taught in chapter 12, *A fair fight*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stompp_lite.lab.record import Record
from stompp_lite.lab.report import Depths, common_seeds, group
from stompp_lite.lab.stats import Interval, accuracy_interval, paired_difference

NARROW = 3.0  # points to either side of zero: "no difference seen" is not said of wider intervals
KEPT = 0.25  # share of its fall with depth that STE may keep if it was the size of the step


def differences(
    first: Mapping[int, list[Record]], second: Mapping[int, list[Record]]
) -> dict[int, Interval]:
    """``first`` minus ``second`` at each depth that both have, in points, paired.

    Depths with fewer than two common seeds, or in which a run diverged, are left out.
    """
    found = {}
    for n in sorted(first.keys() & second.keys()):
        a, b = common_seeds(first[n], second[n])
        if len(a) > 1 and not any(r.diverged for r in [*first[n], *second[n]]):
            found[n] = paired_difference(a, b)
    return found


def read(found: Mapping[int, Interval]) -> dict[int, str]:
    """Rule 1: what the interval at each depth says.

    An interval that excludes zero is a ``hint``; if that of a neighboring depth does so with the
    same sign, it is ``above`` or ``below``. Others are ``no difference seen`` or ``undecided``.
    """
    depths = list(found)
    sides = [1 if found[n].low > 0 else -1 if found[n].high < 0 else 0 for n in depths]
    said = {}
    for i, n in enumerate(depths):
        neighbors = [sides[j] for j in (i - 1, i + 1) if 0 <= j < len(depths)]
        if not sides[i]:
            narrow = max(abs(found[n].low), abs(found[n].high)) < NARROW
            said[n] = "no difference seen" if narrow else "undecided"
        elif sides[i] in neighbors:
            said[n] = "above" if sides[i] > 0 else "below"
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


def _told(found: Mapping[int, Interval], depths: Sequence[int]) -> str:
    shown = (f"{found[n].mean:+.1f} ± {found[n].half:.1f} at {4 * n}" for n in depths if n in found)
    return ", ".join(shown)


def size_or_direction(arms: Mapping[str, Depths]) -> Verdict:
    """Rule 3: is STE's fall with depth the size of its step, or its direction?"""
    minimal = arms["minimal"]["ste"]
    fall = {
        arm: accuracy_interval(methods["ste"][1]).mean - accuracy_interval(methods["ste"][9]).mean
        for arm, methods in arms.items()
        if arm in ("minimal", "scale", "adam")
    }
    lifted, beaten, told = [], [], []
    for arm in ("scale", "adam"):
        gain = differences(arms[arm]["ste"], minimal)
        lead = differences(arms[arm]["stompp"], arms[arm]["ste"])
        kept = fall[arm] < KEPT * fall["minimal"]
        lifted.append(_all(gain, (6, 9), "above") and kept)
        beaten.append(_all(lead, (6, 9), "above"))
        told.append(
            f"{arm}: STE gains {_told(gain, (6, 9))}; falls by {fall[arm]:.1f} points from 4 to 36 "
            f"(minimal: {fall['minimal']:.1f}); StoMPP minus STE {_told(lead, (6, 9))}"
        )
    answer = "the size" if all(lifted) else "the direction" if all(beaten) else "undecided"
    return Verdict("Is it the size or the direction?", answer, ". ".join(told))


def when_it_hardens(adam: Depths) -> Verdict:
    """Rule 4: with STE's own backward pass, is it better to harden progressively?"""
    found = differences(adam["hybrid"], adam["ste"])
    answer = "yes" if _all(found, (9, 12), "above") else "not shown"
    return Verdict("Does it matter when a network hardens?", answer, _told(found, (9, 12)))


def what_comes_back(arm: Depths) -> Verdict:
    """Rule 5: does it matter what frozen entries pass back?"""
    found = differences(arm["stompp+ste"], arm["stompp"])
    said = read(found)
    sides = {side for side in said.values() if side in ("above", "below")}
    told = "it depends on the depth" if sides else "not shown"
    if len(sides) == 1:
        told = f"yes, {'a surrogate' if 'above' in sides else 'nothing'} is better"
    return Verdict("Does it matter what frozen entries pass back?", told, _told(found, list(found)))


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
