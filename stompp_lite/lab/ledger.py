"""The ledger as it is written down: claims, the comparisons that decide them, and what is asked.

The ledger is ``data/claims.yaml``; its head states the rules. Reading it refuses whatever could not
be judged. The judging is in :mod:`~stompp_lite.lab.claims`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import lru_cache
from importlib import resources
from typing import Any

from stompp_lite.checks import number, one_of
from stompp_lite.errors import ConfigError, RecordError
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.record import default_folder
from stompp_lite.lab.verdict import STRENGTHS

#: What a comparison can ask of its interval; see the head of the ledger.
EXPECTATIONS = ("above", "same", "apart")
#: Numbers of a run that can be compared, its test accuracy or the height of a tooth in its loss.
MEASURES = ("accuracy", "tooth")
#: What the runs of an arm can say of a claim.
VERDICTS = (*STRENGTHS, "hint against", "shown against")
#: What a claim can be about, as a key in the ledger and as a question in words.
QUESTIONS = {
    "ste": "Why does STE fail?", "freezing": "What does freezing buy?",
    "order": "Does order matter?", "knobs": "Which knobs matter?", "larger": "Towards full scale",
    "signals": "Without gradients",
}  # fmt: skip
_MARKUP = set("<>|`*[]$\\#{}")


@dataclass(frozen=True)
class Comparison:
    """``first`` minus ``second``, less ``minus_first`` minus ``minus_second`` where given.

    Attributes:
        expect: one of :data:`EXPECTATIONS`. by: what ``above`` asks for, in points.
    """

    name: str
    first: str
    second: str
    expect: str
    by: float = 0.0
    minus_first: str | None = None
    minus_second: str | None = None

    @property
    def sides(self) -> list[str]:
        """The two or four groups of runs; the first and the last count as plus."""
        names = (self.first, self.second, self.minus_first, self.minus_second)
        return [name for name in names if name is not None]


@dataclass(frozen=True)
class Claim:
    """A statement, where it is from, and the comparisons that decide it in each arm.

    Attributes:
        question: what it is about, keys of :data:`QUESTIONS`.
        written: when its comparisons, as they stand, were first committed (ISO 8601).
        instead: what was run in place of the claim's own experiment, which was not run.
        beside: comparisons of an arm that decide nothing, and are shown with the others.
        verdict: of each arm, as of the last time that all of its runs were in.
        falls: names of comparisons of an arm whose interval excludes zero, but which do not survive
            when all comparisons of the ledger are taken together.
    """

    id: str
    says: str
    source: str
    question: Sequence[str] = ()
    certainty: str = ""
    theirs: str = ""
    recipe: str = ""
    seeds: str = ""
    measure: str = "accuracy"
    written: str = ""
    instead: str = ""
    arms: Mapping[str, Sequence[Comparison]] = field(default_factory=dict)
    beside: Mapping[str, Sequence[Comparison]] = field(default_factory=dict)
    verdict: Mapping[str, str] = field(default_factory=dict)
    falls: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def comparisons(self) -> list[tuple[str, Comparison]]:
        """The arm and each of its comparisons, without those that decide nothing."""
        return [(arm, row) for arm, rows in self.arms.items() for row in rows]


def planned(setting: str) -> set[int]:
    """All seeds that the recipes plan for a group, or for groups joined by ``" & "``.

    Raises:
        ConfigError: an unknown recipe or group.
    """
    seeds: set[int] = set()
    for recipe, name in parts(setting):
        groups = groups_of(recipe)
        seeds |= groups[one_of(name, groups, f"group of recipe {recipe!r}:")]
    return seeds


def parts(setting: Any) -> list[tuple[str, str]]:
    """The recipe and the group of each part of a setting such as ``"fair/a & orders/b"``.

    Raises:
        ConfigError: it is not written so.
    """
    if not isinstance(setting, str):
        raise ConfigError(f"a group is written recipe/name, got {setting!r}")
    found = []
    for part in setting.split(" & "):
        recipe, slash, name = part.partition("/")
        if not (recipe and slash and name):
            raise ConfigError(f"a group is written recipe/name, got {part!r}")
        found.append((recipe, name))
    return found


@lru_cache(maxsize=64)
def groups_of(recipe: str) -> dict[str, set[int]]:
    """The groups of a recipe, each with the seeds that are planned.

    Raises:
        ConfigError: an unknown recipe.
    """
    seeds: dict[str, set[int]] = {}
    for run in RECIPES[one_of(recipe, RECIPES, "recipe")].runs.values():
        seeds.setdefault(run.setting, set()).add(run.config.seed)
    return seeds


# ---- reading -------------------------------------------------------------------------------------
def _file() -> Any:
    """The repository's ledger, or the one that an installed package carries."""
    runs = default_folder()
    return (runs.parent if runs else resources.files("stompp_lite")) / "claims.yaml"


def read() -> dict[str, Claim]:
    """The claims of this project's ledger.

    Raises:
        RecordError: it is missing or damaged.
    """
    file = _file()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise RecordError(f"the ledger {file} cannot be read: {err}") from err
    return parse(text)


def parse(text: str) -> dict[str, Claim]:
    """The claims of a ledger, by id. ``ARM`` in a group's name stands for the arm.

    Raises:
        RecordError: it is no ledger, or holds something that could not be judged; the claim and the
            field are named.
    """
    import yaml

    if not isinstance(text, str):
        raise RecordError(f"a ledger is a text, got {text!r}")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is ten times as fast
    try:
        content = yaml.load(text, loader)
    except (yaml.YAMLError, RecursionError, ValueError) as err:
        raise RecordError(f"the ledger is not YAML: {err}") from err
    if not content:
        raise RecordError("the ledger is empty: it must be a list of claims")
    found: dict[str, Claim] = {}
    for i, entry in enumerate(content if isinstance(content, list) else [content]):
        known = isinstance(entry, dict) and "id" in entry
        where = f"claim {entry['id']}" if known else f"entry {i}"
        try:
            claim = _claim(entry)
        except (ConfigError, RecursionError) as err:
            raise RecordError(f"{where}: {err}") from err
        if claim.id in found:
            raise RecordError(f"{where}: a second one of that id")
        found[claim.id] = claim
    return found


def _claim(entry: Any) -> Claim:
    claim: Claim = _build(Claim, entry, "a claim")
    seeds = claim.seeds if isinstance(claim.seeds, str) else str(number(claim.seeds, "seeds", 2))
    claim = replace(claim, seeds=seeds.removesuffix(".0"))
    for name in ("id", "says", "source", "certainty", "theirs", "recipe", "seeds", "instead"):
        _words(getattr(claim, name), name, empty=name not in ("id", "says", "source"))
    asked = [claim.question] if isinstance(claim.question, str) else claim.question
    if not isinstance(asked, list) or not asked:
        raise ConfigError(f"'question' must be one or more of {', '.join(QUESTIONS)}")
    claim = replace(claim, question=tuple(one_of(n, QUESTIONS, "question") for n in asked))
    one_of(claim.measure, MEASURES, "measure")
    written: Any = claim.written
    if isinstance(written, datetime.datetime) and written.tzinfo is not None:
        claim = replace(claim, written=written.isoformat())
    elif written != "":
        raise ConfigError(f"'written' must be a date and a time with its zone, got {written!r}")
    arms, beside = _rows(claim.arms, "arms"), _rows(claim.beside, "beside")
    if arms:
        one_of(claim.recipe, RECIPES, "recipe")
    for name in ("verdict", "falls"):
        if not isinstance(getattr(claim, name), dict):
            raise ConfigError(f"{name!r} must be a mapping, got {getattr(claim, name)!r}")
    for arm, said in claim.verdict.items():
        one_of(arm, arms, "arm of a verdict:")
        one_of(said, VERDICTS, "verdict")
    for arm, names in claim.falls.items():
        if not isinstance(names, list):
            raise ConfigError(f"'falls' must list names of comparisons, got {names!r}")
        for name in names:
            one_of(name, [row.name for row in arms.get(arm, ())], f"comparison in arm {arm!r}:")
    return replace(claim, arms=arms, beside=beside)


def _rows(content: Any, what: str) -> dict[str, list[Comparison]]:
    if not isinstance(content, dict):
        raise ConfigError(f"{what!r} must be a mapping from arms to comparisons, got {content!r}")
    found: dict[str, list[Comparison]] = {}
    for arm, rows in content.items():
        _words(arm, "an arm")
        if not isinstance(rows, list) or not rows:
            raise ConfigError(f"{arm}: a list of comparisons is missing, got {rows!r}")
        try:
            found[arm] = [_comparison(row, arm) for row in rows]
        except ConfigError as err:
            raise ConfigError(f"{arm}: {err}") from err
    return found


def _comparison(row: Any, arm: str) -> Comparison:
    found: Comparison = _build(Comparison, row, "a comparison")
    one_of(found.expect, EXPECTATIONS, "expectation")
    _words(found.name, "name")
    for name in ("first", "second", "minus_first", "minus_second"):
        value = getattr(found, name)
        if value is not None or name in ("first", "second"):
            _words(value, name)
    if (found.minus_first is None) != (found.minus_second is None):
        raise ConfigError("'minus_first' and 'minus_second' go together; one of them is missing")
    if number(found.by, "'by'", 0.0) and found.expect != "above":
        raise ConfigError(f"'by' belongs to the expectation 'above', not to {found.expect!r}")
    texts: dict[str, Any] = {
        k: v.replace("ARM", arm) for k, v in vars(found).items() if isinstance(v, str)
    }
    found = replace(found, **texts)
    for side in found.sides:
        planned(side)
    return found


def _build(cls: type, content: Any, what: str) -> Any:
    if not isinstance(content, dict):
        raise ConfigError(f"{what} must be a mapping, got {content!r}")
    for name in content:
        one_of(name, [f.name for f in fields(cls)], f"field of {what}:")
    for f in fields(cls):
        if f.default is MISSING and f.default_factory is MISSING and f.name not in content:
            raise ConfigError(f"the field {f.name!r} is missing")
    return cls(**content)


def _words(value: Any, what: str, empty: bool = False) -> None:
    """Words reach tables and pages: one printable line without markup."""
    if not isinstance(value, str) or not (value or empty):
        raise ConfigError(f"{what!r} must be a text, got {value!r}")
    if not value.isprintable() or set(value) & _MARKUP:
        raise ConfigError(
            f"{what!r} is {value!r}; line breaks, control characters and "
            f"{''.join(sorted(_MARKUP))} are not allowed"
        )
