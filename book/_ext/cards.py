"""The cards of the ledger's page, and the buttons that choose among them.

A card is a section: the claim in words, a chip for each setting, its differences as dots with their
intervals, the chapters that use it, and the table in a fold. The words are Markdown, so that the
search finds them. Without a script the buttons are not there, and every card is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from stompp_lite.lab import forest
from stompp_lite.lab.arms import NAMES
from stompp_lite.lab.claims import Outcome, card, verdicts
from stompp_lite.lab.ledger import QUESTIONS, VERDICTS, Claim

#: What the second row of buttons chooses by -> the verdicts that it means.
STRENGTHS = {said: (said,) for said in VERDICTS if "against" not in said} | {
    "speaks against the claim": ("hint against", "shown against")
}
LEGEND = "● for the claim, ○ against it, pale: decides nothing"
_WIDE, _TALL, _EDGE = 300, 20, 12  # pixels: the space for one difference, and its margin
_LEAST = 3.0  # at least so far does the axis reach to either side, in points
_ARMS = re.compile(rf"\b[Ii]n ({'|'.join(map(re.escape, sorted(NAMES, key=len)[::-1]))})(?![\w+])")


def setting(arm: str, short: bool = False) -> str:
    """What an arm is called on the page; ``short`` leaves out what stands in parentheses."""
    name = NAMES.get(arm, arm)
    return name.split(" (")[0] if short else name


def worded(text: str) -> str:
    """A text of the ledger with names in place of the short keys of arms."""
    return _ARMS.sub(lambda m: f"with {setting(m[1], short=True)}", text)


# ---- the differences -----------------------------------------------------------------------------
def _mark(row: forest.Row, far: float) -> str:
    """One difference on its piece of the axis."""

    def x(value: float) -> float:
        return _WIDE / 2 + value / far * (_WIDE / 2 - _EDGE)

    zero = f'<line class="zero" x1="{_WIDE / 2}" x2="{_WIDE / 2}" y1="0" y2="{_TALL}"/>'
    if row.mean is None or row.half is None:  # the single pairs stand in the table
        said = html.escape(row.says.split(":")[0])
        return f'{zero}<text x="{_WIDE / 2 + 6}" y="14">{said}</text>'
    kind = "against" if row.against else "for" if row.holds else "open"
    low, high, y = x(row.mean - row.half), x(row.mean + row.half), _TALL / 2
    return (
        f'{zero}<g class="{kind}"><line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
        f'<circle cx="{x(row.mean):.1f}" cy="{y}" r="4.5"/></g>'
    )


def _svg(inside: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDE} {_TALL}" width="{_WIDE}" height="{_TALL}" aria-hidden="true">'
        f"{inside}</svg>"
    )


def differences(id: str, rows: Sequence[forest.Row], unit: str = "points") -> str:
    """The differences of a claim on one axis (HTML): a name and its dot, one below the other.

    Args:
        unit: of the differences; an axis in points reaches 3 at least.
    """
    ends = [abs(r.mean) + (r.half or 0.0) for r in rows if r.mean is not None]
    if not ends:
        return ""
    far = max(*ends, _LEAST if unit == "points" else 0.0)
    lines, before = [], ""
    for row in rows:
        if row.arm != before:  # a line of its own says the setting
            lines.append(f'<p class="arm">{html.escape(row.arm)}</p>')
        before = row.arm
        lines.append(f"<p>{html.escape(worded(row.name))}</p>{_svg(_mark(row, far))}")
    shown = f"{far:.0f}" if unit == "points" else f"{far:.2g}"
    axis = (
        f'<text x="0" y="14">−{shown}</text>'
        f'<text x="{_WIDE / 2}" y="14" text-anchor="middle">0</text>'
        f'<text x="{_WIDE}" y="14" text-anchor="end">+{shown} {unit}</text>'
    )
    told = "; ".join(f"{r.arm}, {worded(r.name)}: {r.says}" for r in rows)
    return (
        f'<div class="lbl-differences" role="img" aria-label="Differences of claim {id}: '
        f'{html.escape(told)}">{"".join(lines)}<p class="key">{LEGEND}</p>{_svg(axis)}</div>'
    )


def _fold(rows: Sequence[forest.Row], notes: Sequence[str]) -> str:
    body = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(c)}</td>" for c in (r.arm, worded(r.name), r.says))
        + "</tr>"
        for r in rows
    )
    table = (
        '<div class="pst-scrollable-table-container"><table class="table"><thead><tr><th>setting'
        f"</th><th>comparison</th><th>difference</th></tr></thead><tbody>{body}</tbody></table>"
        "</div>"
        if rows
        else ""
    )
    under = "".join(f"<p>{html.escape(worded(note))}</p>" for note in notes)
    return f'<details class="know"><summary>How we know</summary>{table}{under}</details>'


# ---- one card ------------------------------------------------------------------------------------
def whole(
    claim: Claim, found: Mapping[str, Sequence[Outcome]], falls: Mapping[str, Sequence[str]],
    where: str = "",
) -> str:  # fmt: skip
    """The card of a claim as a section of the page (Markdown).

    Args:
        found, falls: as for :func:`~stompp_lite.lab.claims.card`. where: the chapters that use it.
    """
    made, said = card(claim, found, falls), verdicts(claim, found)
    chips = (
        "".join(
            f'<li data-verdict="{word}">{html.escape(setting(arm))}: '
            f"<b>{forest.SIGNS[word]} {word}</b></li>"
            for arm, word in said.items()
        )
        or f'<li data-verdict="not run"><b>{forest.SIGNS["not run"]} not run</b> at this scale</li>'
    )
    data = (
        f'data-questions="{" ".join(claim.question)}" '
        f'data-verdicts="{";".join(dict.fromkeys(said.values())) or "not run"}"'
    )
    notes = list(made.notes[1:])  # the first one is the source, which stands in the open
    if claim.seeds:
        notes.append(f"Seeds: {claim.seeds}.")
    unit = "points" if claim.measure == "accuracy" else "units of the loss"
    source = f"From {claim.source}{f' ({claim.certainty})' if claim.certainty else ''}."
    source += f" Theirs: {worded(claim.theirs)}." if claim.theirs else ""
    source += f" Question: *{' · '.join(QUESTIONS[name] for name in claim.question)}*"
    parts = [
        f"(claim-{claim.id.lower()})=\n### {claim.id}",
        f":::{{div}} lbl-says\n{claim.says}\n:::",
        f'```{{raw}} html\n<ul class="lbl-chips" {data} aria-label="Verdict by setting">{chips}'
        f"</ul>\n{differences(claim.id, made.rows, unit)}\n```",
        f":::{{div}} lbl-from\n{f'Told {where}. ' if where else ''}{source}\n:::",
        f"```{{raw}} html\n{_fold(made.rows, notes)}\n```",
    ]
    return "\n\n".join(parts)


def filters(count: int) -> str:
    """Two rows of buttons, by question and by strength (HTML); a script shows them."""

    def group(label: str, kind: str, choices: Mapping[str, str]) -> str:
        buttons = "".join(
            f'<button type="button" data-{kind}="{html.escape(value)}" '
            f'aria-pressed="{"false" if value else "true"}">{html.escape(words)}</button>'
            for value, words in {"": "all", **choices}.items()
        )
        return f'<div role="group" aria-label="{label}"><span>{label}</span>{buttons}</div>'

    strengths = {";".join(meant): words for words, meant in STRENGTHS.items()}
    return (
        f'<div class="lbl-filters" hidden>{group("Question", "question", QUESTIONS)}'
        f"{group('Strength in any setting', 'strength', strengths)}"
        f'<p role="status">All {count} claims.</p></div>'
    )
