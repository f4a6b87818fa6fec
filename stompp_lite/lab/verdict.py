"""How strong a finding is, in the words of the whole book, and the rules of the fair fight.

The rules stand in the book, on the page *Protocol of the fair fight*. They are applied to the
records here. Taught in chapter 12, *A fair fight*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError, NoRecordsError
from stompp_lite.lab.arms import DEPTHS, variant
from stompp_lite.lab.recipes import RECIPES, run_of
from stompp_lite.lab.record import Record, read_all
from stompp_lite.lab.report import Depths, common_seeds, group, splits
from stompp_lite.lab.stats import Interval, checked_records, paired_difference

#: How strong a finding is, from the strongest to the one that nobody looked for.
STRENGTHS = ("shown", "hint", "no difference seen", "undecided", "not run")
ALL_DEPTHS = (*DEPTHS, 48)  # in which neighbors are counted
NARROW = 3.0  # points to either side of zero: "no difference seen" is not said of wider intervals
FALL = 10.0  # points that STE may lose from 4 to 36 convolutions if it was the size of the step
_SIDES = {1: "above", -1: "below"}


def strength(d: Interval) -> str:
    """How strong one difference is by itself: a hint, no difference seen, or undecided.

    Raises:
        ConfigError: it is no interval.
    """
    if not isinstance(d, Interval):
        raise ConfigError(f"a difference is an Interval, got {d!r}")
    if d.side:
        return "hint"
    return "no difference seen" if d.within(NARROW) else "undecided"


def differences(
    first: Mapping[int, list[Record]], second: Mapping[int, list[Record]]
) -> dict[int, Interval]:
    """``first`` minus ``second`` at each depth that both have, in points, paired.

    Depths with fewer than two common seeds are left out. (A run that diverged is judged by what
    was left of its network, which is chance.)

    Raises:
        ConfigError: not depths with their runs, or runs judged on different images.
    """
    first, second = _depths(first), _depths(second)
    found = {}
    for n in sorted(first.keys() & second.keys()):
        a, b = common_seeds(first[n], second[n])
        if len(a) > 1:
            found[n] = paired_difference(a, b)
    return found


def read(found: Mapping[int, Interval]) -> dict[int, str]:
    """Rule 1: how strong the difference at each depth is, with its direction.

    An interval that excludes zero is a ``hint``. It is ``shown`` if that of a neighboring depth
    excludes zero with the same sign. Others are ``no difference seen`` or ``undecided``.

    Raises:
        ConfigError: a depth that the fair fight does not have, or something that is no interval.
    """
    if not isinstance(found, Mapping):
        raise ConfigError(f"needs the difference at each depth, got {found!r}")
    for n in found:
        if n not in ALL_DEPTHS:
            raise ConfigError(
                f"unknown depth {n!r}; the fight has {ALL_DEPTHS} binary convolutions"
            )
    said = {n: strength(d) for n, d in found.items()}
    for n, d in found.items():
        if d.side:
            place = ALL_DEPTHS.index(n)
            neighbors = [m for m in ALL_DEPTHS[max(place - 1, 0) : place + 2] if m != n]
            repeated = any(m in found and found[m].side == d.side for m in neighbors)
            said[n] = f"{'shown' if repeated else 'hint'}, {_SIDES[d.side]}"
    return said


@dataclass(frozen=True)
class Verdict:
    """The answer to one question, with the differences that it rests on.

    Attributes:
        answer: ``shown`` if the protocol's rule says yes; ``hint`` if only a part of what the rule
            asks for holds; ``hint against`` or ``shown against`` if nothing of it holds, and some
            or all speaks against it; else ``undecided`` or ``no difference seen``.
    """

    question: str
    answer: str
    evidence: str


def weigh(holds: Sequence[bool], against: Sequence[bool]) -> str:
    """One answer from several parts: which of them hold, and which speak against the claim."""
    if any(holds):
        return "shown" if all(holds) else "hint"
    if any(against):
        return "shown against" if all(against) else "hint against"
    return "undecided"


def _sides(found: Mapping[int, Interval], depths: Sequence[int]) -> list[str]:
    """What rule 1 says at these depths alone, ``undecided`` where there are no runs."""
    said = read({n: d for n, d in found.items() if n in depths})
    return [said.get(n, "undecided") for n in depths]


def _words(
    found: Mapping[int, Interval], depths: Sequence[int], *sides: Mapping[int, list[Record]]
) -> str:
    """The differences at these depths in words; rule 2: no mean where the runs of a side split."""
    words = []
    for n in depths:
        if n in found:
            split = any(splits(side[n]) for side in sides)
            words.append(f"{'runs split' if split else found[n].signed} at {n}")
    return ", ".join(words)


FAIR = ("scale", "adam")


def is_it_the_size(arms: Mapping[str, Depths]) -> Verdict:
    """Rule 3: does a step of another size lift STE, and end its fall with depth?

    Raises:
        ConfigError: runs of STE are missing in an arm.
    """
    (minimal,) = _methods(arms, "minimal", ("ste",), (24, 36))
    holds, against, words = [], [], []
    for arm in FAIR:
        (ste,) = _methods(arms, arm, ("ste",), (4, 24, 36))
        gain = differences(ste, minimal)
        fall = differences({36: ste[4]}, {36: ste[36]}).get(36)
        sides = _sides(gain, (24, 36))
        holds.append(sides == ["shown, above"] * 2 and fall is not None and fall.mean < FALL)
        against.append(sides == ["shown, below"] * 2)
        words.append(f"{arm}: STE minus STE in minimal {_words(gain, (24, 36), ste, minimal)}")
        if fall is not None and not splits(ste[36]):
            words[-1] += f", its fall from 4 to 36 is {fall}"
    return Verdict("Is it the size of the step?", weigh(holds, against), "; ".join(words))


def is_there_more(arms: Mapping[str, Depths]) -> Verdict:
    """Rule 3: is StoMPP above STE where both have a step that suits them?

    Raises:
        ConfigError: runs of one of the two are missing in an arm.
    """
    sides, words = [], []
    for arm in FAIR:
        stompp, ste = _methods(arms, arm, ("stompp", "ste"), (24, 36))
        found = differences(stompp, ste)
        sides += _sides(found, (24, 36))
        words.append(f"{arm}: StoMPP minus STE {_words(found, (24, 36), stompp, ste)}")
    answer = weigh([s == "shown, above" for s in sides], [s.endswith("below") for s in sides])
    return Verdict("Is there more to it, so that freezing is ahead?", answer, "; ".join(words))


def when_it_hardens(adam: Depths) -> Verdict:
    """Rule 4: with STE's own backward pass, is it better to harden progressively?

    Raises:
        ConfigError: runs of one of the two are missing.
    """
    hybrid, ste = _methods({"adam": adam}, "adam", ("hybrid", "ste"), (36, 48))
    found = differences(hybrid, ste)
    sides = _sides(found, (36, 48))
    answer = weigh([s.endswith("above") for s in sides], [s.endswith("below") for s in sides])
    if sides == ["no difference seen"] * 2:
        answer = "no difference seen"
    words = _words(found, (36, 48), hybrid, ste)
    return Verdict("Does it help when activations harden late?", answer, words)


def what_comes_back(arm: Depths) -> Verdict:
    """Rule 5: does it matter what frozen entries pass back?

    Raises:
        ConfigError: runs of one of the two are missing.
    """
    passing, silent = _methods({"this": arm}, "this", ("stompp+ste", "stompp"), ())
    found = differences(passing, silent)
    said = list(read(found).values())
    better = {"above": "a surrogate is better", "below": "nothing is better"}
    shown = [side for side in better if f"shown, {side}" in said]
    if len(shown) == 1:
        answer = f"shown, {better[shown[0]]}"
    elif shown:
        answer = "shown, and it depends on the depth"
    elif any(s.startswith("hint") for s in said):
        answer = "hint"
    else:
        same = said and set(said) == {"no difference seen"}
        answer = "no difference seen" if same else "undecided"
    words = _words(found, list(found), passing, silent)
    return Verdict("Does it matter what frozen entries pass back?", answer, words)


def own_rates(runs: Sequence[Record]) -> dict[tuple[str, str], dict[int, float]]:
    """The learning rate that the protocol's rule picks from the tuning runs.

    The best mean validation accuracy over the seeds, the smaller rate on a tie; a run that
    diverged counts as 0.

    Returns:
        (arm, method) -> binary layers -> rate. An order other than forward follows the method,
        and so does a guide: ``"stompp reverse"``, ``"ste features"``.

    Raises:
        ConfigError: runs that do not belong to a choice of learning rates.
    """
    means: dict[tuple[str, str], dict[int, dict[float, float]]] = {}
    for name, same in group(checked_records(runs)).items():
        run = run_of(same[0])
        if "lr" not in run.factors:
            raise ConfigError(f"run {name!r} belongs to no choice of a learning rate")
        score = sum(0.0 if r.diverged else r.final["test_acc"] for r in same) / len(same)
        key = run.arm, f"{run.method} {variant(run.config)}".removesuffix(" forward")
        found = means.setdefault(key, {}).setdefault(run.layers, {})
        found[run.config.lr] = score
    return {
        key: {n: min(found, key=lambda lr: (-found[lr], lr)) for n, found in sorted(depths.items())}
        for key, depths in means.items()
    }


def check_chosen(recipe: str, folder: str | Path | None = None) -> None:
    """Refuse a recipe whose rates are not those that the records of another one choose.

    Args:
        recipe: a key of :data:`~stompp_lite.lab.recipes.RECIPES`; one that waits for no other
            passes.
        folder: of the records, as for :func:`~stompp_lite.lab.record.read_all`.

    Raises:
        ConfigError: records of the other recipe are missing, or choose other rates.
        RecordError: a damaged record.
    """
    asked = RECIPES[one_of(recipe, RECIPES, "recipe")]
    if not asked.chosen_by:
        return
    try:
        found = read_all(asked.chosen_by, folder)
    except NoRecordsError:
        found = []
    missing = len(RECIPES[asked.chosen_by].runs.keys() - {r.name for r in found})
    if missing:
        raise ConfigError(
            f"recipe {recipe!r} takes the learning rates that {asked.chosen_by!r} chooses, and "
            f"{missing} of its runs are not recorded; make them first: python -m stompp_lite "
            f"sweep {asked.chosen_by}"
        )
    for (arm, method), rates in own_rates(found).items():
        (best,) = set(rates.values())
        now = asked.rates[arm, method][0]
        if now != best:
            raise ConfigError(
                f"recipe {recipe!r} has a rate of {now:g} for {method!r} in arm {arm!r}, and the "
                f"records of {asked.chosen_by!r} choose {best:g}; write that into its rates"
            )


def _depths(runs: Any) -> Mapping[int, list[Record]]:
    if not isinstance(runs, Mapping):
        raise ConfigError(f"needs the runs at each depth, got {runs!r}")
    for same in runs.values():
        checked_records(same)
    return runs


def _methods(
    arms: Any, arm: str, methods: Sequence[str], depths: Sequence[int]
) -> list[Mapping[int, list[Record]]]:
    """The runs of some methods of an arm, at least at these depths."""
    if not isinstance(arms, Mapping) or not isinstance(arms.get(arm), Mapping):
        raise ConfigError(
            f"needs the runs of arm {arm!r} by method and depth, as by_arm gives them"
        )
    found = []
    for method in methods:
        runs = _depths(arms[arm].get(method, {}))
        missing = [n for n in depths if n not in runs]
        if missing or not runs:
            raise ConfigError(
                f"arm {arm!r} has no runs of {method!r} at {missing or 'any'} binary convolutions"
            )
        found.append(runs)
    return found
