"""The cards of the ledger's page, and the buttons that choose among them.

A card is a section: the claim in words, a chip for each setting, its differences as dots with their
intervals, the chapters that use it, and the table in a fold. The words are Markdown, so that the
search finds them. Without a script the buttons are not there, and every card is.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

from stompp_lite.lab import forest
from stompp_lite.lab.arms import setting, worded
from stompp_lite.lab.claims import Outcome, card, verdicts
from stompp_lite.lab.ledger import QUESTIONS, VERDICTS, Claim

#: What the second row of buttons chooses by -> the verdicts that it means.
STRENGTHS = {said: (said,) for said in VERDICTS if "against" not in said} | {
    "speaks against the claim": ("hint against", "shown against")
}
#: What the verdict of a setting means; the ledger's page has the same words.
MEANS = {
    "shown": "all comparisons hold",
    "no difference seen": "all comparisons hold, and all of them expect no difference",
    "hint": "some comparisons hold",
    "hint against": "none holds, and some speak against the claim",
    "shown against": "none holds, and all speak against the claim",
    "undecided": "none holds, and none speaks against the claim",
    "not run": "not all of the planned runs were made, or something else was run in place of the "
    "claim's own experiment",
}


def chips(told: Iterable[tuple[str, str]], claim: Claim | None = None, data: str = "") -> str:
    """The verdict of each setting, in words (HTML); a pointer shows what the word means.

    A star marks settings with a finding that falls by the correction for many comparisons.

    Args:
        told: a setting and its verdict. claim: the claim they are of. data: further attributes.
    """
    weak = {setting(arm) for arm in claim.falls} if claim else set()
    items = "".join(
        f'<li data-verdict="{said}" title="{said.capitalize()}: {MEANS[said]}.">'
        f"{html.escape(where)}: <b>{said}{' *' if where in weak else ''}</b></li>"
        for where, said in told
    )
    star = "* Here a finding does not survive the correction for many comparisons."
    under = f'<p class="lbl-star">{star}</p>' if weak else ""
    return f'<ul class="lbl-chips" {data} aria-label="Verdict by setting">{items}</ul>{under}'


def words(said: Iterable[str]) -> str:
    """What the words on a card mean, for its fold (HTML)."""
    return " ".join(f"<i>{w.capitalize()}</i>: {MEANS[w]}." for w in dict.fromkeys(said))


def _fold(rows: Sequence[forest.Row], notes: Sequence[str]) -> str:
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in (r.arm, r.name, r.says)) + "</tr>"
        for r in rows
    )
    table = (
        '<div class="pst-scrollable-table-container"><table class="table"><thead><tr><th>setting'
        f"</th><th>comparison</th><th>difference</th></tr></thead><tbody>{body}</tbody></table>"
        "</div>"
        if rows
        else ""
    )
    under = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
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
    told = [(setting(arm), word) for arm, word in said.items()]
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
        f"```{{raw}} html\n{chips(told or [('at this scale', 'not run')], claim, data)}\n"
        f"{forest.differences(claim.id, made.rows, unit)}\n```",
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
