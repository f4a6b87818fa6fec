"""The picture of the page "What we found": claims in plain words, against where they were asked.

``book/found.yaml`` names the comparisons of the ledger; their numbers come from the records, and
the rules that read them are the ledger's. Each bar is a link to the card of its claim. On a phone
the same table is four lists.
"""

from __future__ import annotations

import html
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from drawings import drawing

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError
from stompp_lite.lab import jobs
from stompp_lite.lab.arms import FIGHTERS, NAMES
from stompp_lite.lab.claims import Outcome, judge, verdicts
from stompp_lite.lab.ledger import EXPECTATIONS, Claim, read
from stompp_lite.lab.record import read_all
from stompp_lite.lab.report import by_arm, markdown
from stompp_lite.viz import figures, style

PATH = Path(__file__).resolve().parents[1] / "found.yaml"
FAR = 20.0  # points to either side of zero that a cell shows; an arrow leads farther
_WIDE, _LINE, _EDGE = 70, 8, 6  # pixels: width of a cell, height of a bar, margin
BAND = 3.0  # points: the ledger's "no difference" lies within them
#: What a bar says of its sentence -> how it is told.
WORDS = {"for": "speaks for it", "against": "speaks against it", "open": "cannot tell"}


@dataclass(frozen=True)
class Bar:
    """A comparison in a cell, read by the expectation of its row."""

    claim: Claim
    arm: str
    outcome: Outcome
    verdict: str

    @property
    def reading(self) -> str:
        """A key of :data:`WORDS`."""
        return "for" if self.outcome.holds else "against" if self.outcome.against else "open"

    @property
    def numbers(self) -> str:
        """The difference in points, and how many runs it rests on."""
        if self.outcome.interval is None:
            apart = ", ".join(f"{p:+.0f}" for p in self.outcome.pairs).replace("-", "−")
            return f"{len(self.outcome.pairs)} pairs of runs, too far apart for a mean: {apart}"
        return f"{self.short} points, {self.outcome.interval.seeds} pairs of runs"

    @property
    def short(self) -> str:
        """The difference alone."""
        d = self.outcome.interval
        return f"{d.mean:+.1f} ± {d.half:.1f}".replace("-", "−") if d else "runs split"


def bar(found: Sequence[str], expect: str, where: str, ledger: Mapping[str, Claim]) -> Bar:
    """The bar that an entry of the file names.

    Raises:
        ConfigError: no such claim, arm, comparison or expectation, or it has no recorded runs.
    """
    if not 3 <= len(found) <= 4 or found[3:] not in ([], ["turned"]):
        raise ConfigError(
            f"{where}: a bar is [claim, arm, comparison] or that with turned: {found}"
        )
    name, arm, said = found[:3]
    claim = ledger[one_of(name, ledger, f"{where}: claim")]
    named = {c.name: c for c in claim.arms[one_of(arm, claim.arms, f"{where}: arm of {name}")]}
    c = named[one_of(said, named, f"{where}: comparison of {name}, {arm}")]
    if found[3:]:
        c = replace(c, first=c.second, second=c.first)
    one_of(expect, EXPECTATIONS, f"{where}: expect")
    outcome = judge(replace(c, expect=expect, by=0.0), claim.measure)
    if outcome.interval is None and not outcome.pairs:
        raise ConfigError(
            f"{where}: {name}, {arm}, {said!r} has no recorded runs; make them with "
            f"python -m stompp_lite sweep {claim.recipe}, or leave the bar out of {PATH.name}"
        )
    rows = [judge(row, claim.measure) for row in claim.arms[arm]]
    return Bar(claim, arm, outcome, verdicts(claim, {arm: rows})[arm])


# ---- one cell ------------------------------------------------------------------------------------
def _x(points: float) -> float:
    inside = max(-FAR, min(FAR, points))
    return _WIDE / 2 + inside / FAR * (_WIDE / 2 - _EDGE)


def _mark(shown: Bar, y: float) -> str:
    """A bar at a height: its line, its dot, and arrows where it leads out of the cell."""
    d, pairs = shown.outcome.interval, shown.outcome.pairs
    low, high = (d.low, d.high) if d else (min(pairs), max(pairs))
    middle = d.mean if d else sorted(pairs)[len(pairs) // 2]
    dashed = "" if d else ' stroke-dasharray="2 2"'
    out = 1 if middle > FAR else -1 if middle < -FAR else 0  # the dot itself is outside
    parts = [f'<line x1="{_x(low):.1f}" x2="{_x(high):.1f}" y1="{y}" y2="{y}"{dashed}/>']
    for end, sign in ((high, 1), (low, -1)):
        if sign * end > FAR:
            wide = 8 if out == sign else 4
            tip = f"M{_x(end) + 5 * sign:.1f} {y}l{-wide * sign} -{wide / 2 + 1}v{wide + 2}z"
            parts.append(f'<path class="tip" d="{tip}"/>')
    if not out:
        parts.append(f'<circle cx="{_x(middle):.1f}" cy="{y}" r="2.8"/>')
    return f'<g class="{shown.reading}">{"".join(parts)}</g>'


def _cell(bars: Sequence[Bar], band: bool) -> str:
    tall = max(22, _LINE * len(bars) + 6)
    first = tall / 2 - _LINE * (len(bars) - 1) / 2
    marks = "".join(_mark(shown, first + _LINE * k) for k, shown in enumerate(bars))
    shaded = (
        f'<rect x="{_x(-BAND):.1f}" width="{_x(BAND) - _x(-BAND):.1f}" height="{tall}"/>'
        if band
        else ""
    )
    return (
        f'<svg viewBox="0 0 {_WIDE} {tall}" width="{_WIDE}" height="{tall}" aria-hidden="true">'
        f'{shaded}<line class="zero" x1="{_WIDE / 2}" x2="{_WIDE / 2}" y2="{tall}"/>{marks}</svg>'
    )


def _told(shown: Bar) -> str:
    """A bar in words, for a pointer, for a phone and for those who do not see it."""
    said = f"{NAMES[shown.arm]}: {shown.numbers}, {WORDS[shown.reading]}. Claim {shown.claim.id}"
    more = len(shown.claim.arms[shown.arm]) > 1
    return f"{said}, with all its comparisons: {shown.verdict}." if more else f"{said}."


def _short(shown: Bar, named: bool) -> str:
    """The same on a phone, where the column stands above it."""
    arm = f"{NAMES[shown.arm]}: " if named else ""
    return f"{arm}{shown.short}, {WORDS[shown.reading]}"


# ---- the page ------------------------------------------------------------------------------------
def rows(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str, dict[str, list[Bar]]]]:
    """Each row: its question, its sentence, what it expects, and the bars of its columns.

    Raises:
        ConfigError: as from :func:`bar`, or a column that the file does not have.
    """
    ledger, columns = read(), data["columns"]
    for question, asked in data["questions"].items():
        for row in asked:
            cells = {}
            for column, named in row["bars"].items():
                where = f"{PATH.name}, {row['says']!r}, column {column}"
                one_of(column, columns, f"{PATH.name}, {row['says']!r}: column")
                cells[column] = [bar(found, row["expect"], where, ledger) for found in named]
            yield question, row["says"], row["expect"], cells


def matrix() -> str:
    """The table as HTML: sentences under their questions, a cell for each column.

    Raises:
        ConfigError: as from :func:`rows`.
    """
    data = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    columns, body, before = data["columns"], [], ""
    tall = sum(map(len, data["questions"].values()))
    for question, says, expect, cells in rows(data):
        head = ""
        if question != before:
            head = (
                f'<th scope="rowgroup" class="ask" rowspan="{len(data["questions"][question])}">'
                f"{html.escape(question)}</th>"
            )
        before = question
        drawn = []
        for key, column in columns.items():
            name = html.escape(_called(column))
            if column.get("empty"):  # one cell for all rows
                if not body:
                    drawn.append(f'<td class="empty" rowspan="{tall}">{column["empty"]}</td>')
                continue
            bars = cells.get(key, [])
            if not bars:
                drawn.append('<td class="blank"></td>')
                continue
            told = html.escape(f"{_called(column)}. {says} " + " ".join(map(_told, bars)))
            words = "".join(f"<span>{html.escape(_short(b, len(bars) > 1))}</span>" for b in bars)
            to = f"ledger.html#claim-{bars[0].claim.id.lower()}"
            drawn.append(
                f'<td data-column="{name}"><a href="{to}" title="{told}" aria-label="{told}">'
                f'{_cell(bars, expect == "same")}<span class="words">{words}</span></a></td>'
            )
        first = ' class="first"' if head else ""
        body.append(
            f'<tr{first}>{head}<th scope="row">{html.escape(says)}</th>{"".join(drawn)}</tr>'
        )
    groups: dict[str, int] = {}
    for column in columns.values():
        groups[column["of"]] = groups.get(column["of"], 0) + 1
    over = "".join(f'<th colspan="{n}" scope="colgroup">{of}</th>' for of, n in groups.items())
    names = "".join(
        f'<th scope="col" title="{html.escape(_called(c))}">{html.escape(c["says"])}</th>'
        for c in columns.values()
    )
    return (
        '<div class="lbl-findings"><table><colgroup><col class="ask"><col class="says"></colgroup>'
        "<thead>"
        f'<tr><td colspan="2" rowspan="2">{_legend()}</td>{over}</tr><tr>{names}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _called(column: Mapping[str, str]) -> str:
    what = f" ({column['what']})" if column.get("what") else ""
    of = f"{column['of']}, " if column["of"] != "elsewhere" else ""
    return f"{of}{column['says']}{what}"


def _legend() -> str:
    """What the dots mean, and the axis of every cell."""
    keys = "".join(
        f'<span class="key"><svg viewBox="0 0 24 10" width="24" height="10" aria-hidden="true">'
        f'<g class="{reading}"><line x1="1" x2="23" y1="5" y2="5"/><circle cx="12" cy="5" '
        f'r="2.8"/></g></svg> {says}</span> '
        for reading, says in WORDS.items()
    )
    axis = f"axis: −{FAR:.0f} to +{FAR:.0f} points; ▸ farther out; gray band: within {BAND:.0f}"
    return f'{keys}<span class="key">{axis}</span>'


def runs() -> str:
    """Runs that would change our mind, with their costs, as a table.

    Raises:
        ConfigError: a recipe or runs that are not there.
    """
    data = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    lines = []
    for recipe, only, what, news in data["runs"]:
        card = jobs.job_card(recipe, only)
        many = f"{card.runs} runs" if card.runs > 1 else "one run"
        part = f" --only {only}" if only else ""
        cost = f"{many}, about {jobs.told(card.hours[0])}"
        lines.append([f"{what}: `sweep {recipe}{part}`", cost, news])
    return markdown(["the run", "its cost on one GPU", "what would be news"], lines)


ALT = (
    "Test accuracy of five methods at 36 binary convolutions, a dot for each run. Small steps: STE "
    "near 10 percent, StoMPP 80, hybrid 85, StoMPP plus STE 88. Fitted steps: StoMPP near 78, the "
    "others and STE from 92 to 94. Adam: StoMPP near 88, the others and STE from 93 to 95. Float "
    "is near 97."
)


def strip() -> str:
    """Five methods in three settings at 36 binary convolutions: a figure, from the records."""
    fight = by_arm(read_all("fair"))
    colors = {style.look(m).label: style.look(m).color for m in FIGHTERS}
    panels = {}
    for arm, title in (("minimal", "small steps"), ("scale", "fitted steps"), ("adam", "Adam")):
        methods = fight[arm] | ({"float": fight["sgd"]["float"]} if arm == "scale" else {})
        panels[title] = {style.look(m).label: methods[m][36] for m in FIGHTERS}
    style.use()
    fig = figures.dots(panels, colors)
    fig.set_size_inches(5.2, 2.0)
    svg = io.StringIO()
    fig.savefig(svg, format="svg", bbox_inches="tight")
    return drawing(svg.getvalue(), "five", ALT, "")
