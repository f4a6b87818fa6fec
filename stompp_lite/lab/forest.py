"""A claim on a page: one line with its verdicts, a small forest plot, and the table in a fold.

The plot is one SVG for both themes, because all of it is drawn in the color of the text. What it
shows stands as a table in the fold, for those who do not see it.
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
_ROW, _WIDE, _LEFT, _RIGHT = 20, 700, 370, 24  # pixels: height of a row, width, margins
_LONG = 60  # letters: a longer name is squeezed into its column
_EDGE = 3.0  # at least so far does the axis reach to either side, in points


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


def plot(rows: Sequence[Row], label: str, unit: str = "points") -> str:
    """The differences as dots with their intervals on one axis, and what the dots mean (SVG).

    Args:
        label: alternative text. unit: of the differences; an axis in points reaches 3 at least.
    """
    ends = [abs(r.mean) + (r.half or 0.0) for r in rows if r.mean is not None]
    if not ends:
        return ""
    far = max(*ends, _EDGE if unit == "points" else 0.0)
    first = [k for k, r in enumerate(rows) if k == 0 or rows[k - 1].arm != r.arm]
    tall = _ROW * (len(rows) + len(first)) + 26

    def x(value: float) -> float:
        return _LEFT + (value + far) / (2 * far) * (_WIDE - _LEFT - _RIGHT)

    parts = [
        f'<svg class="lbl-forest" viewBox="0 0 {_WIDE} {tall}" role="img" '
        f'aria-label="{html.escape(label)}" font-size="12" fill="currentColor" '
        'stroke="currentColor">',
        f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="2" y2="{tall - 20}" stroke-dasharray="3 3"/>',
    ]
    y = 2 - _ROW / 2
    for k, r in enumerate(rows):
        if k in first:  # a line of its own says the setting
            y += _ROW
            parts.append(
                f'<text x="0" y="{y + 4:.0f}" stroke="none" font-weight="600">'
                f"{html.escape(r.arm)}</text>"
            )
        y += _ROW
        squeezed = f' textLength="{_LEFT - 12}"' if len(r.name) > _LONG else ""
        parts.append(
            f'<text x="{_LEFT - 10}" y="{y + 4:.0f}" text-anchor="end" stroke="none"{squeezed} '
            f'lengthAdjust="spacingAndGlyphs">{html.escape(r.name)}</text>'
        )
        if r.mean is None or r.half is None:  # the single pairs stand in the table
            said = r.says.split(":")[0]
            parts.append(f'<text x="{x(0) + 6:.1f}" y="{y + 4:.0f}" stroke="none">{said}</text>')
            continue
        pale = "" if r.holds or r.against else ' opacity="0.5"'
        fill = 'fill="none"' if r.against else ""
        parts.append(
            f'<g{pale}><line x1="{x(r.mean - r.half):.1f}" x2="{x(r.mean + r.half):.1f}" '
            f'y1="{y}" y2="{y}" stroke-width="2"/>'
            f'<circle cx="{x(r.mean):.1f}" cy="{y}" r="4.5" stroke-width="2" {fill}/></g>'
        )
    shown = f"{far:.0f}" if unit == "points" else f"{far:.2g}"
    for value, text in ((-far, f"−{shown}"), (0.0, "0"), (far, f"+{shown} {unit}")):
        anchor = "middle" if value <= 0 else "end"
        at = x(value) if value <= 0 else _WIDE
        parts.append(
            f'<text x="{at:.1f}" y="{tall - 5}" text-anchor="{anchor}" stroke="none">{text}</text>'
        )
    meaning = "● for the claim, ○ against it, pale: decides nothing"
    parts.append(f'<text x="0" y="{tall - 5}" stroke="none">{meaning}</text>')
    return "".join([*parts, "</svg>"])


def card(
    id: str,
    says: str,
    verdicts: Sequence[tuple[str, str]],
    rows: Sequence[Row],
    notes: Sequence[str],
    unit: str = "points",
) -> str:
    """A claim as HTML: its line, its plot, and its table in a fold.

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
    label = f"Differences of claim {id}: " + "; ".join(f"{r.arm}, {r.name}: {r.says}" for r in rows)
    return (
        f'<div class="lbl-claim"><p><strong data-claim="{id}">Claim {id}</strong> '
        f"{html.escape(says)} <span>{told or 'Not run at this scale.'}</span></p>"
        f'{plot(rows, label, unit)}<details class="know"><summary>How we know</summary>'
        f"{table}{under}</details></div>"
    )
