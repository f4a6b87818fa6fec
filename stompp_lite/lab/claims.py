"""What the recorded runs say of the claims in the ledger, by the rules in its head.

The ledger and its words are in :mod:`~stompp_lite.lab.ledger`. What its rules leave out (which of
them are younger than their runs, how many findings would be there by chance) is computed for the
ledger's page of the book.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError, NoRecordsError
from stompp_lite.lab import forest
from stompp_lite.lab.arms import setting, worded
from stompp_lite.lab.ledger import Claim, Comparison, parts, planned, read
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.record import Record, default_folder, read_all
from stompp_lite.lab.report import group, markdown, splits
from stompp_lite.lab.sawtooth import height
from stompp_lite.lab.stats import Interval, check_same_images, interval, seeds_interval
from stompp_lite.lab.verdict import NARROW, strength, weigh


@dataclass(frozen=True)
class Outcome:
    """What the runs say of a comparison.

    Attributes:
        said: how strong the difference is, with its direction where that is not the claim's.
        holds, against: whether the comparison does what the claim expects, or speaks against it.
        interval: the difference; None where runs split or are missing.
        pairs: the differences of single pairs of runs, where runs split.
        places: decimal places to tell it with: 1 for points of accuracy, 3 for a loss.
    """

    comparison: Comparison
    said: str
    holds: bool = False
    against: bool = False
    interval: Interval | None = None
    pairs: tuple[float, ...] = ()
    places: int = 1

    @property
    def numbers(self) -> str:
        """The difference, or the differences of single pairs, and the number of seeds."""
        if self.interval is not None:
            d, k = self.interval, self.places
            return f"{d.mean:+.{k}f} ± {d.half:.{k}f}, n = {d.seeds}"
        if self.pairs:
            return "runs split: " + ", ".join(f"{d:+.0f}" for d in self.pairs)
        return "no runs"

    def __str__(self) -> str:
        return f"{self.numbers}: {self.said}"


# ---- judging -------------------------------------------------------------------------------------
def _above(d: Interval, by: float) -> tuple[bool, bool]:
    return d.low > by, d.high < 0


def _same(d: Interval, by: float) -> tuple[bool, bool]:
    return d.within(NARROW), bool(d.side) and not d.within(NARROW)


def _apart(d: Interval, by: float) -> tuple[bool, bool]:
    return bool(d.side) and abs(d.mean) > NARROW, d.within(NARROW)


#: What a comparison can expect, and whether an interval holds or speaks against it then.
READERS = {"above": _above, "same": _same, "apart": _apart}
#: Numbers of a run that can be compared, each [images] or [1].
VALUES: dict[str, Callable[[Record], np.ndarray]] = {
    "accuracy": lambda record: record.correct_bits().astype(float),
    "tooth": lambda record: np.array([height(record)]),
}

_kept: dict[str, tuple[Any, dict[str, list[Record]]]] = {}


def _recipe(name: str) -> dict[str, list[Record]]:
    """The recorded groups of a recipe; read again when a file has changed."""
    now = files(name)
    if name not in _kept or _kept[name][0] != now:
        try:
            found = group(read_all(name))
        except NoRecordsError:
            found = {}
        _kept[name] = now, found
    return _kept[name][1]


def files(recipe: str) -> Any:
    """What tells whether a record was added, removed or written again."""
    folder = default_folder()
    if folder is None:
        return "the bundle"
    try:
        with os.scandir(folder / recipe) as entries:
            found = [(e.name, e.stat()) for e in entries if e.name.endswith(".json")]
    except FileNotFoundError:
        return ()
    return sorted((name, s.st_mtime_ns, s.st_size, s.st_ino) for name, s in found)


def runs_of(setting: str) -> tuple[dict[int, Record], set[int]]:
    """Runs of a group, or of groups joined by ``" & "``, by seed; and all planned seeds.

    Raises:
        ConfigError: an unknown recipe or group. RecordError: a damaged record.
    """
    seeds = planned(setting)
    found: dict[int, Record] = {}
    for recipe, name in parts(setting):
        found |= {r.seed: r for r in _recipe(recipe).get(name, [])}
    return found, seeds


def judge(comparison: Comparison, measure: str = "accuracy") -> Outcome:
    """What the recorded runs say of a comparison; nothing before all planned seeds are there.

    Raises:
        ConfigError: no comparison, an unknown measure, recipe or group, or runs that were judged on
            different images. RecordError: a damaged record.
    """
    if not isinstance(comparison, Comparison):
        raise ConfigError(f"needs a Comparison, got {comparison!r}")
    c, value = comparison, VALUES[one_of(measure, VALUES, "measure")]
    one_of(c.expect, READERS, "expectation")
    groups = [runs_of(name) for name in c.sides]
    sides = [found for found, _ in groups]
    seeds = sorted(set.intersection(*(seeds for _, seeds in groups)))
    if len(seeds) < 2 or not all(set(seeds) <= set(side) for side in sides):
        return Outcome(c, "not run")
    check_same_images([side[seed] for side in sides for seed in seeds])
    terms = zip((1, -1, -1, 1), sides, strict=False)
    scores = np.sum([s * np.stack([value(side[n]) for n in seeds]) for s, side in terms], axis=0)
    if measure != "accuracy":
        d = seeds_interval(scores[:, 0].tolist())
    elif any(splits([side[seed] for seed in seeds]) for side in sides):
        pairs = tuple(100 * float(s) for s in scores.mean(1))
        holds = c.expect == "above" and min(pairs) > c.by
        return Outcome(c, "hint" if holds else "undecided", holds, pairs=pairs)
    else:
        d = interval(scores)
    holds, against = READERS[c.expect](d, c.by)
    said = strength(d) if measure == "accuracy" or d.side else "undecided"
    if against:
        said += ", against the claim"
    elif said == "hint" and not holds:
        said += ", less than asked"
    elif said == "hint" and c.expect == "same":
        said += ", within 3 points"
    return Outcome(c, said, holds, against, d, places=1 if measure == "accuracy" else 3)


def difference(first: str, second: str) -> str:
    """One group of runs minus another, in words, for comparisons that decide no claim.

    Raises:
        ConfigError: an unknown recipe or group. RecordError: a damaged record.
    """
    found = judge(Comparison("", first, second, "apart"))
    said = found.said if found.interval is None else strength(found.interval)
    return f"`{first}` minus `{second}`: {found.numbers}: {said}."


def verdict(outcomes: Sequence[Outcome]) -> str:
    """The verdict of an arm from its comparisons.

    Returns:
        ``shown`` (all hold; ``no difference seen`` where all of them expect that), ``hint`` (some
        hold), ``shown against`` or ``hint against`` (none holds, and all or some speak against the
        claim), ``undecided`` (none of these) or ``not run``.

    Raises:
        ConfigError: not a list of outcomes.
    """
    if not isinstance(outcomes, list | tuple) or not all(isinstance(o, Outcome) for o in outcomes):
        raise ConfigError(f"needs the outcomes of an arm, as judged() gives them, got {outcomes!r}")
    if not outcomes or any(o.said == "not run" for o in outcomes):
        return "not run"
    said = weigh([o.holds for o in outcomes], [o.against for o in outcomes])
    same = all(o.comparison.expect == "same" for o in outcomes)
    return "no difference seen" if said == "shown" and same else said


def judged(claim: Claim) -> dict[str, list[Outcome]]:
    """Arm -> what the runs say of each comparison.

    Raises:
        ConfigError: it is no claim, or as from :func:`judge`. RecordError: a damaged record.
    """
    if not isinstance(claim, Claim):
        raise ConfigError(f"needs a Claim, one of the values of read(), got {claim!r}")
    return {arm: [judge(c, claim.measure) for c in rows] for arm, rows in claim.arms.items()}


def verdicts(claim: Claim, found: Mapping[str, Sequence[Outcome]]) -> dict[str, str]:
    """The verdict of each arm; ``not run`` where something else was run in the claim's place."""
    return {arm: "not run" if claim.instead else verdict(rows) for arm, rows in found.items()}


# ---- showing -------------------------------------------------------------------------------------
class Card(str):
    """A claim with its evidence as Markdown; a notebook shows its line and its plot."""

    html: str = ""
    rows: Sequence[forest.Row] = ()  # its comparisons, ready to be drawn
    notes: Sequence[str] = ()  # sentences below them, the source first

    def _repr_html_(self) -> str:
        return self.html


def claim(name: str) -> Card:
    """A claim with its evidence: what was said, our comparisons, the verdict of each arm.

    Raises:
        ConfigError: there is no such claim. RecordError: a damaged record or ledger.
    """
    ledger = read()
    found = ledger[one_of(name, ledger, "claim")]
    return card(found, judged(found), found.falls)


def card(
    claim: Claim, found: Mapping[str, Sequence[Outcome]], falls: Mapping[str, Sequence[str]]
) -> Card:
    """The card of a claim, from its outcomes and the names of the comparisons that fall."""
    theirs = f" Theirs: {claim.theirs}." if claim.theirs else ""
    source = f"{claim.source} ({claim.certainty or 'ours'}).{theirs}"
    lines = [f"**Claim {claim.id}.** {claim.says}", "", f"*{source}*", ""]
    said = verdicts(claim, found)
    notes = [f"Said by: {source}"]
    if not claim.arms:
        return _shown([*lines, "Not run at this scale."], claim, said, [], notes)
    if claim.instead:
        notes.append(f"Not run. In its place: {claim.instead}.")
        lines += [notes[-1], ""]
    rows, drawn = [], []
    for arm, outcomes in found.items():
        for k, outcome in enumerate(outcomes):
            first = [arm, said[arm]] if k == 0 else ["", ""]
            c = outcome.comparison
            asked = f" (more than {c.by:g} asked)" if c.by else ""
            survives = survival(outcome, c.name in falls.get(arm, ()))
            rows.append([*first, c.name + asked, str(outcome), survives])
            kept = {"yes": " (survives the correction)", "no": " (falls by the correction)"}
            says, d = str(outcome) + kept.get(survives, ""), outcome.interval
            numbers = (d.mean, d.half) if d else (None, None)
            told = setting(arm), worded(c.name) + asked, says, outcome.holds, outcome.against
            drawn.append(forest.Row(*told, *numbers))
    header = ["arm", "verdict", "comparison", "ours", "survives BH"]
    lines += [markdown(header, rows), ""]
    for arm, comparisons in claim.beside.items():
        for c in comparisons:
            outcome = judge(c, claim.measure)
            notes.append(f"Beside the rule, in {arm}: {c.name}, {outcome}. It decides nothing.")
            lines += [notes[-1], ""]
    cost = RECIPES[claim.recipe].cost
    again = f"Again: `python -m stompp_lite sweep {claim.recipe}` ({cost})."
    return _shown([*lines, again], claim, said, drawn, [*notes, again.replace("`", "")])


def _shown(
    lines: Sequence[str], claim: Claim, said: Mapping[str, str], rows: Sequence[forest.Row],
    notes: Sequence[str],
) -> Card:  # fmt: skip
    found = Card("\n".join(lines))
    found.rows, found.notes = rows, [worded(note) for note in notes]
    verdicts = [(setting(arm), word) for arm, word in said.items()]
    unit = "points" if claim.measure == "accuracy" else "units of the loss"
    found.html = forest.card(claim.id, claim.says, verdicts, rows, found.notes, unit)
    return found


def survival(outcome: Outcome, falls: bool) -> str:
    """Whether a difference from zero survives the correction; empty where none was found."""
    d = outcome.interval
    if d is None or not d.side or (outcome.holds and outcome.comparison.expect == "same"):
        return ""
    return "no" if falls else "yes"
