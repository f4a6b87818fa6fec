"""A claim on a page: one line with its verdicts, its differences as dots, and a table in a fold.

Each difference has a name and a small SVG beside it, or below it on a narrow page. All of them have
one axis. They are drawn in the color of the text, for both themes; the book colors them further.
What they show stands as a table in the fold, for those who do not see it.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

#: How a verdict is drawn in a line of text.
SIGNS = {
    "shown": "●", "hint": "◐", "no difference seen": "≈", "undecided": "?", "not run": "–",
    "hint against": "◑", "shown against": "○",
}  # fmt: skip
LEGEND = "● for the claim, ○ against it, pale: decides nothing"
MANY = 6  # a claim with more differences shows those of its first setting, and folds the others
_WIDE, _TALL, _EDGE = 300, 20, 12  # pixels: the space for one difference, and its margin
_LEAST = 3.0  # at least so far does the axis reach from zero to one side, in points
_NEAR = 44  # pixels: a label that is closer to that of zero is left out


@dataclass(frozen=True)
class Row:
    """A comparison, ready to be drawn.

    Attributes:
        says: how strong it is, in words. holds, against: as of an outcome.
        mean, half: the difference; None where there is no interval.
    """

    arm: str
    name: str
    says: str
    holds: bool
    against: bool
    mean: float | None
    half: float | None


def span(rows: Sequence[Row], unit: str = "points") -> tuple[float, float] | None:
    """The ends of the axis: all intervals and zero; None where no difference has an interval.

    Args:
        unit: of the differences; an axis in points reaches 3 to one side at least.
    """
    known = [
        r.mean + side * r.half
        for r in rows
        for side in (-1, 1)
        if r.mean is not None and r.half is not None
    ]
    if not known:
        return None
    low, high = min(0.0, *known), max(0.0, *known)
    least = _LEAST if unit == "points" else 0.0
    if -low > high:
        return min(low, -least), high
    return low, max(high, least)


def _place(value: float, ends: tuple[float, float]) -> float:
    """Where a value stands, in pixels."""
    low, high = ends
    return _EDGE + (value - low) / (high - low or 1.0) * (_WIDE - 2 * _EDGE)


def _svg(inside: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDE} {_TALL}" width="{_WIDE}" height="{_TALL}" aria-hidden="true" '
        f'font-size="12" fill="currentColor" stroke="currentColor" stroke-width="2">{inside}</svg>'
    )


def _mark(row: Row, ends: tuple[float, float]) -> str:
    """One difference on its piece of the axis."""
    at, y = _place(0.0, ends), _TALL / 2
    zero = (
        f'<line class="zero" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{_TALL}" stroke-width="1" '
        'stroke-dasharray="3 3"/>'
    )
    if row.mean is None or row.half is None:  # the single pairs stand in the table
        said, right = html.escape(row.says.split(":")[0]), at > _WIDE / 2
        side = f'x="{at - 6:.1f}" text-anchor="end"' if right else f'x="{at + 6:.1f}"'
        return f'{zero}<text {side} y="14" stroke="none">{said}</text>'
    kind = "against" if row.against else "for" if row.holds else "open"
    pale = ' opacity="0.5"' if kind == "open" else ""
    fill = ' fill="none"' if kind == "against" else ""
    low, high = (_place(row.mean + side * row.half, ends) for side in (-1, 1))
    middle, r = _place(row.mean, ends), 4.5
    lines = [(low, middle - r), (middle + r, high)] if kind == "against" else [(low, high)]
    drawn = "".join(
        f'<line x1="{a:.1f}" x2="{b:.1f}" y1="{y}" y2="{y}"/>' for a, b in lines if b > a
    )
    dot = f'<circle cx="{middle:.1f}" cy="{y}" r="{r}"{fill}/>'
    return f'{zero}<g class="{kind}"{pale}>{drawn}{dot}</g>'


def _axis(ends: tuple[float, float], unit: str) -> str:
    """The labels of the axis: its ends, and zero."""
    zero, parts = _place(0.0, ends), []
    for value, anchor, edge in ((ends[0], "start", 0), (ends[1], "end", _WIDE)):
        if abs(_place(value, ends) - zero) < _NEAR:
            continue
        size = f"{abs(value):.0f}" if unit == "points" else f"{abs(value):.2g}"
        text = f"{'−' if value < 0 else '+'}{size}" + (
            f" {unit}" if value == max(ends, key=abs) else ""
        )
        parts.append(f'<text x="{edge}" y="14" text-anchor="{anchor}" stroke="none">{text}</text>')
    parts.append(f'<text x="{zero:.1f}" y="14" text-anchor="middle" stroke="none">0</text>')
    return "".join(parts)


def _line(name: str, drawn: str, kind: str = "", indent: str = "0.8rem") -> str:
    """A name and what is drawn beside it, or below it where the page is narrow."""
    return (
        f'<div{kind} style="display:flex;flex-wrap:wrap;gap:0 1rem;align-items:stretch">'
        f'<span style="flex:1 1 11rem;padding-left:{indent}">{html.escape(name)}</span>'
        f"{drawn}</div>"
    )


def _lines(rows: Sequence[Row], ends: tuple[float, float], unit: str) -> str:
    parts, before = [], ""
    for row in rows:
        if row.arm != before:  # a line of its own says the setting
            parts.append(f'<div class="arm"><b>{html.escape(row.arm)}</b></div>')
        before = row.arm
        parts.append(_line(row.name, _svg(_mark(row, ends))))
    return "".join([*parts, _line(LEGEND, _svg(_axis(ends, unit)), ' class="key"', "0")])


def differences(id: str, rows: Sequence[Row], unit: str = "points") -> str:
    """The differences of a claim on one axis (HTML): a name and its dot, one below the other.

    Of more than ``MANY`` only those of the first setting stand open.

    Args:
        id: of the claim. unit: of the differences, for the axis.
    """
    ends = span(rows, unit)
    if ends is None:
        return ""
    first = [r for r in rows if len(rows) <= MANY or r.arm == rows[0].arm]
    others = [r for r in rows if r not in first]
    parts = []
    for shown in filter(None, (first, others)):
        told = "; ".join(f"{r.arm}, {r.name}: {r.says}" for r in shown)
        parts.append(
            f'<div class="lbl-differences" role="img" style="max-width:43rem" '
            f'aria-label="Differences of claim {id}: {html.escape(told)}">'
            f"{_lines(shown, ends, unit)}</div>"
        )
    if others:
        many = f"{len(others)} differences" if len(others) > 1 else "one difference"
        title = f"In the other settings: {many}"
        parts[1] = f'<details class="more"><summary>{title}</summary>{parts[1]}</details>'
    return "".join(parts)


def card(
    id: str,
    says: str,
    verdicts: Sequence[tuple[str, str]],
    rows: Sequence[Row],
    notes: Sequence[str],
    unit: str = "points",
) -> str:
    """A claim as HTML: its line, its differences, and its table in a fold.

    Args:
        verdicts: of each setting, in words. notes: sentences that stand under the table.
        unit: of the differences.
    """
    told = " · ".join(f"{html.escape(arm)} {SIGNS[said]} {said}" for arm, said in verdicts)
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in (r.arm, r.name, r.says)) + "</tr>"
        for r in rows
    )
    table = (
        "<table><thead><tr><th>setting</th><th>comparison</th><th>difference</th></tr></thead>"
        f"<tbody>{cells}</tbody></table>"
        if rows
        else ""
    )
    under = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return (
        f'<div class="lbl-claim"><p><strong data-claim="{id}">Claim {id}</strong> '
        f"{html.escape(says)} <span>{told or 'Not run at this scale.'}</span></p>"
        f'{differences(id, rows, unit)}<details class="know"><summary>How we know</summary>'
        f"{table}{under}</details></div>"
    )
