"""What a verdict does not tell: rules younger than their runs, chance, and chosen rates.

All of it is computed from the ledger and the records, for the ledger's page in the book.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import cards
from course import heading, numbered

from stompp_lite.checks import one_of
from stompp_lite.lab.claims import (
    Outcome,
    files,
    judge,
    judged,
    runs_of,
    survival,
    verdicts,
)
from stompp_lite.lab.ledger import Claim, parts, read
from stompp_lite.lab.stats import discoveries, p_values
from stompp_lite.tools.measured import FILES, table
from stompp_lite.tools.measured import read as measured

ROOT = Path(__file__).resolve().parents[2]
RATE = 0.05  # share of the findings that may be there by chance
# The outcomes of every claim: id -> arm -> one for each comparison.
Judged = Mapping[str, Mapping[str, list[Outcome]]]
_USED = {
    "lab": "the lab's network", "bireal": "Bi-Real", "mobilenet": "MobileNetV2",
    "transformer": "a small transformer", "digits": "digits", "cifar10-small": "reduced CIFAR-10",
    "sst2-small": "SST-2", "topics": "pages of Python's help",
}  # fmt: skip


def falls(found: Judged) -> dict[str, dict[str, list[str]]]:
    """Findings that do not survive the procedure of Benjamini and Hochberg: id -> arm -> names.

    It is applied to all differences of the ledger that have an interval. A finding is one whose
    interval excludes zero, unless the claim expects no difference and all of it is within 3 points.
    """
    rows = [
        (name, arm, outcome, outcome.interval)
        for name, arms in found.items()
        for arm, outcomes in arms.items()
        for outcome in outcomes
        if outcome.interval is not None
    ]
    kept = discoveries(p_values([d for *_, d in rows]), RATE)
    out: dict[str, dict[str, list[str]]] = {}
    for (name, arm, outcome, _), survives in zip(rows, kept, strict=True):
        if survival(outcome, not survives) == "no":
            out.setdefault(name, {}).setdefault(arm, []).append(outcome.comparison.name)
    return out


def ages(claim: Claim) -> list[tuple[int, int]]:
    """For each comparison, how many of its runs are older than it, and how many it has."""
    out = []
    for _, row in claim.comparisons:
        runs = {r.name: r for side in row.sides for r in runs_of(side)[0].values()}
        started = [datetime.fromisoformat(r.started) for r in runs.values()]
        since = datetime.fromisoformat(claim.written) if claim.written else None
        out.append((sum(since is None or s < since for s in started), len(started)))
    return out


# ---- the parts of the page -----------------------------------------------------------------------
def page(part: str = "all") -> str:
    """A part of the ledger's page, in Markdown: one of the keys of :data:`PARTS`.

    Raises:
        ConfigError: an unknown part. RecordError: a damaged record or ledger.
    """
    make = PARTS[one_of(part, PARTS, "part of the ledger's page")]
    ledger = read()
    recipes = {
        recipe
        for claim in ledger.values()
        for _, row in claim.comparisons
        for side in row.sides
        for recipe, _ in parts(side)
    }
    now = ledger, {recipe: files(recipe) for recipe in recipes}
    if _judged.get("when") != now:  # the parts of one page share the work
        found = {name: judged(claim) for name, claim in ledger.items()}
        _judged.update(when=now, found=found)
    return make(ledger, _judged["found"])


_judged: dict[str, Any] = {}


def _link(name: str) -> str:
    return f"[{name}](#claim-{name.lower()})"


def told_in(notebook: str) -> set[str]:
    """The claims that a notebook shows or names, from its file's text."""
    linked = {m.upper() for m in re.findall(r"#claim-([cl]\d+)\b", notebook)}
    return linked | set(re.findall(r'(?:claim\(\\"|\[claim )([CL]\d+)', notebook))


def chapters_of(ledger: Mapping[str, Claim]) -> dict[str, str]:
    """Claim -> where it is shown or named: in which chapters, and on which other page."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        told = told_in(text)
        number, title = numbered(path.stem), heading(path)
        kind, words = ("in", f"chapter {number}") if number else ("on the page", f"*{title}*")
        for name in sorted(told & ledger.keys()):
            link = f"[{words}](../notebooks/{path.name})"
            found.setdefault(name, {}).setdefault(kind, []).append(link)
    return {
        name: " and ".join(f"{kind} {', '.join(links)}" for kind, links in kinds.items())
        for name, kinds in found.items()
    }


def _natural(name: str) -> tuple[str, int]:
    return name[0], int(name[1:])


def _all(ledger: Mapping[str, Claim], found: Judged) -> str:
    """Every card, the papers' claims first."""
    fallen, where = falls(found), chapters_of(ledger)
    return "\n\n".join(
        cards.whole(ledger[name], found[name], fallen.get(name, {}), where.get(name, ""))
        for name in sorted(ledger, key=_natural)
    )


def _filters(ledger: Mapping[str, Claim], found: Judged) -> str:
    """The buttons that choose among the cards."""
    return f"```{{raw}} html\n{cards.filters(len(ledger))}\n```"


def _counts(ledger: Mapping[str, Claim], found: Judged) -> str:
    """How many claims there are, and which of them reach beyond one network on the digits."""
    theirs = [name for name in ledger if name.startswith("C")]
    ours = [name for name in ledger if name.startswith("L")]
    small, other = [], []
    for name, claim in ledger.items():
        used = set()
        for _, row in claim.comparisons:
            for run in (r for side in row.sides for r in runs_of(side)[0].values()):
                used.add((run.config["model"], run.config["data"]))
        if used - {("lab", "digits")}:
            where = sorted(f"{_USED.get(m, m)} on {_USED.get(d, d)}" for m, d in used)
            other.append(f"{_link(name)} ({' and '.join(where)})")
        elif used:
            small.append(name)
    lone = [
        f"{_link(name)} ({cards.setting(arm, short=True)})"
        for name, claim in ledger.items()
        for arm, said in verdicts(claim, found[name]).items()
        if said in ("shown", "shown against") and len(found[name][arm]) == 1
    ]
    return (
        f"The ledger has {len(theirs)} claims of the two StoMPP papers (names with C) and "
        f"{len(ours)} of this course (names with L). The runs of {len(small)} claims are of one "
        f"small residual network on 8 × 8 digits. The others use another network or other data: "
        f"{', '.join(other)}. In {len(lone)} settings *shown* rests on a single comparison, and so "
        f"on a single interval: {', '.join(lone)}."
    )


def _older(ledger: Mapping[str, Claim], found: Judged) -> str:
    """Rules that are younger than their runs, by name."""
    every, whole, some = [], [], []
    for name, claim in ledger.items():
        counts = [(old, n) for old, n in ages(claim) if n]
        full = sum(old == n for old, n in counts)
        link = _link(name)
        if counts and full == len(counts):
            every.append(link)
        elif full:
            whole.append(f"{link} ({full} of {len(counts)} comparisons)")
        elif any(old for old, _ in counts):
            some.append(link)
    return (
        f"- *All runs are older than the rule*: {', '.join(every)}.\n"
        f"- *All runs of a comparison are older than the rule*: {', '.join(whole) or 'none'}.\n"
        f"- *Some runs are older than the rule*, for example those of one side that other claims "
        f"use too: {', '.join(some)}."
    )


def _chance(ledger: Mapping[str, Claim], found: Judged) -> str:
    """How many findings survive when all comparisons are taken together, and which do not."""
    outcomes = [o for arms in found.values() for rows in arms.values() for o in rows]
    intervals = [o for o in outcomes if o.interval is not None]
    fallen = falls(found)
    findings = [o for o in intervals if survival(o, False)]
    names = [
        f"{_link(name)}, {cards.setting(arm, short=True)}: {cards.worded(row)}"
        for name, arms in fallen.items()
        for arm, rows in arms.items()
        for row in rows
    ]
    return (
        f"Of the {len(intervals)} differences in this ledger that have an interval, "
        f"{len(findings)} are findings: they exclude zero. By the procedure of Benjamini and "
        f"Hochberg at {100 * RATE:g} %, {len(findings) - len(names)} of these survive. These "
        f"{len(names)} do not:\n\n" + "\n".join(f"- {row}" for row in names)
    )


def _choice(ledger: Mapping[str, Claim], found: Judged) -> str:
    """Comparisons beside the rules: what a chosen learning rate can be worth."""
    lines = []
    for name, claim in ledger.items():
        for arm, rows in claim.beside.items():
            for row in rows:
                like = [o for o in found[name][arm] if o.comparison.first == row.first]
                if like:  # the same method against the other one's untuned rate
                    lines.append(
                        f"- {_link(name)}, {cards.setting(arm, short=True)}. By the rule, "
                        f"{like[0].comparison.name}: {like[0]}. Beside it, {row.name}: "
                        f"{judge(row, claim.measure)}."
                    )
    return "\n".join(lines)


#: What the ledger's page can be asked for.
def _measured(ledger: Mapping[str, Claim], found: Judged) -> str:
    """What was measured of packed networks."""
    return table([measured(ROOT / "data" / file) for file in FILES])


PARTS = {
    "all": _all, "measured": _measured, "filters": _filters, "counts": _counts, "older": _older,
    "chance": _chance, "choice": _choice,
}  # fmt: skip
