"""The ledger of claims: what was said, what our runs say, and the rule between the two.

The ledger is ``data/claims.yaml``. Its head states the rules that this module applies; claims,
comparisons, seed counts and rules were committed before the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from stompp_lite.checks import one_of
from stompp_lite.errors import NoRecordsError, RecordError
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.record import Record, default_folder, read_all
from stompp_lite.lab.report import group, markdown, splits
from stompp_lite.lab.sawtooth import height
from stompp_lite.lab.stats import Interval, interval, seeds_interval
from stompp_lite.lab.verdict import NARROW

#: What the runs of an arm can say of a claim.
VERDICTS = ("reproduced", "partly", "not reproduced", "inconclusive")


@dataclass(frozen=True)
class Comparison:
    """``first`` minus ``second``, less ``minus_first`` minus ``minus_second`` where given."""

    name: str
    first: str
    second: str
    expect: str
    by: float = 0.0
    minus_first: str | None = None
    minus_second: str | None = None


@dataclass(frozen=True)
class Claim:
    """A statement, where it is from, and the comparisons that decide it in each arm."""

    id: str
    says: str
    source: str
    certainty: str = ""
    theirs: str = ""
    recipe: str = ""
    seeds: str = ""
    measure: str = "accuracy"
    arms: Mapping[str, Sequence[Comparison]] = field(default_factory=dict)
    verdict: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What the runs say of a comparison: ``holds``, ``against``, ``undecided``, ``not run``.

    (Not run: not with all the seeds that its recipes plan.)

    Attributes:
        interval: the difference, None where runs split or are missing.
        pairs: the differences of single pairs of runs, where runs split.
    """

    comparison: Comparison
    said: str
    interval: Interval | None = None
    pairs: tuple[float, ...] = ()

    def __str__(self) -> str:
        if self.interval is not None:
            d = self.interval
            places = 1 if d.half > 0.5 else 3  # points of accuracy, or a loss
            shown = f"{d.mean:+.{places}f} ± {d.half:.{places}f}, n = {d.seeds}"
        elif self.pairs:
            shown = "runs split: " + ", ".join(f"{d:+.0f}" for d in self.pairs)
        else:
            shown = "no runs"
        return f"{shown}: {self.said}"


# ---- reading -------------------------------------------------------------------------------------
def _file() -> Any:
    """The repository's ledger, or the one that an installed package carries."""
    runs = default_folder()
    return (runs.parent if runs else resources.files("stompp_lite")) / "claims.yaml"


def _build(cls: type, content: Any, where: str) -> Any:
    names = [f.name for f in fields(cls)]
    if not isinstance(content, dict):
        raise RecordError(f"{where} must be a mapping, got {content!r}")
    for name in content:
        if name not in names:
            raise RecordError(f"{where}: unknown field {name!r}; there are {', '.join(names)}")
    try:
        return cls(**content)
    except TypeError as err:
        raise RecordError(f"{where}: {str(err).partition(') ')[2] or err}") from err


def _comparison(row: Any, arm: str, where: str) -> Comparison:
    found: Comparison = _build(Comparison, row, where)
    if found.expect not in READERS:
        raise RecordError(f"{where}: cannot expect {found.expect!r}")
    texts: dict[str, Any] = {
        k: v.replace("ARM", arm) for k, v in vars(found).items() if isinstance(v, str)
    }
    return replace(found, **texts)


def parse(text: str) -> dict[str, Claim]:
    """The claims of a ledger, by id. ``ARM`` in a group's name stands for the arm.

    Raises:
        RecordError: it is no ledger, naming the claim and the field.
    """
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as err:
        raise RecordError(f"the ledger is not YAML: {err}") from err
    found: dict[str, Claim] = {}
    for i, entry in enumerate(content if isinstance(content, list) else [content]):
        where = (
            f"claim {entry['id']}" if isinstance(entry, dict) and "id" in entry else f"entry {i}"
        )
        claim = _build(Claim, entry, where)
        arms = {
            arm: [_comparison(row, arm, f"{where}, {arm}") for row in rows]
            for arm, rows in claim.arms.items()
        }
        for arm, said in claim.verdict.items():
            if said not in VERDICTS or arm not in arms:
                raise RecordError(f"{where}: no verdict {said!r} for an arm {arm!r}")
        if claim.id in found:
            raise RecordError(f"{where}: a second one of that id")
        if claim.measure not in MEASURES:
            raise RecordError(f"{where}: unknown measure {claim.measure}")
        found[claim.id] = replace(claim, arms=arms, seeds=str(claim.seeds))
    return found


def read() -> dict[str, Claim]:
    """The claims of this project's ledger.

    Raises:
        RecordError: it is damaged.
    """
    return parse(_file().read_text(encoding="utf-8"))


# ---- judging -------------------------------------------------------------------------------------
def _above(d: Interval, by: float) -> str:
    return "holds" if d.low > by else "against" if d.high < 0 else "undecided"


def _same(d: Interval, by: float) -> str:
    return "holds" if d.within(NARROW) else "undecided" if d.low <= 0 <= d.high else "against"


def _apart(d: Interval, by: float) -> str:
    if d.within(NARROW):
        return "against"
    return "holds" if abs(d.mean) > NARROW and not d.low <= 0 <= d.high else "undecided"


#: What a comparison can expect, and how an interval is read then.
READERS = {"above": _above, "same": _same, "apart": _apart}
#: Numbers of a run that can be compared, each [images] or [1].
MEASURES: dict[str, Callable[[Record], np.ndarray]] = {
    "accuracy": lambda record: record.correct_bits().astype(float),
    "tooth": lambda record: np.array([height(record)]),
}


@lru_cache(maxsize=32)
def _recipe(name: str) -> dict[str, list[Record]]:
    try:
        return group(read_all(name))
    except NoRecordsError:
        return {}


@lru_cache(maxsize=32)
def _planned(name: str) -> dict[str, set[int]]:
    seeds: dict[str, set[int]] = {}
    for run in RECIPES[name].runs.values():
        seeds.setdefault(run.setting, set()).add(run.config.seed)
    return seeds


def runs_of(setting: str) -> tuple[dict[int, Record], set[int]]:
    """Runs of a group, or of groups joined by ``" & "``, by seed; and all planned seeds."""
    found: dict[int, Record] = {}
    planned: set[int] = set()
    for part in setting.split(" & "):
        recipe, _, name = part.partition("/")
        found |= {r.seed: r for r in _recipe(recipe).get(name, [])}
        planned |= _planned(recipe).get(name, set())
    return found, planned


def judge(comparison: Comparison, measure: str = "accuracy") -> Outcome:
    """What the recorded runs say of a comparison.

    Raises:
        RecordError: a damaged record.
    """
    c = comparison
    names = [c.first, c.second, c.minus_first, c.minus_second]
    groups = [runs_of(name) for name in names if name is not None]
    sides = [found for found, _ in groups]
    seeds = sorted(set.intersection(*(planned for _, planned in groups)))
    if len(seeds) < 2 or not all(set(seeds) <= set(side) for side in sides):
        return Outcome(c, "not run")
    terms = zip((1, -1, -1, 1), sides, strict=False)
    scores = np.zeros((len(seeds), 1))
    for sign, side in terms:
        scores = scores + sign * np.stack([MEASURES[measure](side[seed]) for seed in seeds])
    if measure != "accuracy":
        d = seeds_interval(scores[:, 0].tolist())
    elif any(splits([side[seed] for seed in seeds]) for side in sides):
        pairs = tuple(100 * float(s) for s in scores.mean(1))
        held = c.expect == "above" and min(pairs) > c.by
        return Outcome(c, "holds" if held else "undecided", pairs=pairs)
    else:
        d = interval(scores)
    return Outcome(c, READERS[c.expect](d, c.by), d)


def verdict(outcomes: Sequence[Outcome]) -> str:
    """The verdict of an arm from its comparisons: one of :data:`VERDICTS`, or ``not run``."""
    said = [o.said for o in outcomes]
    if not said or "not run" in said:
        return "not run"
    if "holds" in said:
        return "reproduced" if set(said) == {"holds"} else "partly"
    return "not reproduced" if "against" in said else "inconclusive"


def judged(claim: Claim) -> dict[str, list[Outcome]]:
    """Arm -> what the runs say of each comparison."""
    return {
        arm: [judge(c, claim.measure) for c in comparisons]
        for arm, comparisons in claim.arms.items()
    }


# ---- showing -------------------------------------------------------------------------------------
class Card(str):
    """Markdown that a notebook shows as such."""

    def _repr_markdown_(self) -> str:
        return str(self)


def claim(name: str) -> Card:
    """A claim with its evidence: what was said, our comparisons, the verdict of each arm.

    Raises:
        ConfigError: there is no such claim. RecordError: a damaged record or ledger.
    """
    ledger = read()
    found = ledger[one_of(name, ledger, "claim")]
    return _card(found, judged(found))


def _card(claim: Claim, found: Mapping[str, Sequence[Outcome]]) -> Card:
    lines = [f"**Claim {claim.id}.** {claim.says}", ""]
    theirs = f" Theirs: {claim.theirs}." if claim.theirs else ""
    lines += [f"*{claim.source}* ({claim.certainty or 'ours'}).{theirs}", ""]
    if not claim.arms:
        return Card("\n".join([*lines, "Not run at this scale."]))
    rows = []
    for arm, outcomes in found.items():
        for k, outcome in enumerate(outcomes):
            first = [arm, verdict(outcomes)] if k == 0 else ["", ""]
            c = outcome.comparison
            asked = f" (more than {c.by:g} asked)" if c.by else ""
            rows.append([*first, c.name + asked, str(outcome)])
    lines += [markdown(["arm", "verdict", "comparison", "ours"], rows), ""]
    cost = RECIPES[claim.recipe].cost
    again = f"Again: `python -m stompp_lite sweep {claim.recipe}` ({cost})."
    return Card("\n".join([*lines, again]))


def page() -> str:
    """The whole ledger: a table of verdicts, then every card (Markdown)."""
    ledger = read()
    arms = list(dict.fromkeys(arm for claim in ledger.values() for arm in claim.arms))
    rows, cards = [], []
    for claim in ledger.values():
        found = judged(claim)
        verdicts = (verdict(found[arm]) if arm in found else "" for arm in arms)
        link = f'<a href="#{claim.id.lower()}">{claim.id}</a>'
        rows.append([link, claim.says, *verdicts])
        cards.append(f"(claim-{claim.id.lower()})=\n## {claim.id}\n\n{_card(claim, found)}")
    return "\n\n".join([markdown(["", "claim", *arms], rows), *cards])
