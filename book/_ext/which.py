"""The page "Which method for my network": questions to click, and what to do in the end.

``book/which.yaml`` holds the questions, the answers and the advice. The gaps to float are computed
from the records when the book is built. The questions are nested folds, so they work by keyboard,
without a script and on paper.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError
from stompp_lite.lab.claims import judge
from stompp_lite.lab.ledger import Comparison
from stompp_lite.lab.report import markdown

PATH = Path(__file__).resolve().parents[1] / "which.yaml"
FIELDS = (
    "network", "says", "why", "code", "method", "scale", "optimizer", "rate", "start", "cost",
    "sure", "run",
)  # fmt: skip
#: Heads of the table, and the fields below them.
TABLE = {
    "network": "network", "method": "method", "scale": "scale", "optimizer": "optimizer",
    "rate": "learning rate", "start": "start", "sure": "how sure we are",
}  # fmt: skip


def read(path: Path = PATH) -> dict[str, Any]:
    """The file, checked.

    Raises:
        ConfigError: an answer that leads nowhere, an advice without a field or that no answer leads
            to, or a circle of questions.
    """
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    questions, advice = data["questions"], data["advice"]
    reached = _reached(questions, advice, next(iter(questions)), ())
    for name, one in advice.items():
        missing = [field for field in FIELDS if field not in one]
        if missing:
            raise ConfigError(f"{path.name}: advice {name} lacks {', '.join(missing)}")
        if name not in reached:
            raise ConfigError(f"{path.name}: no answer leads to the advice {name}")
        if not one.get("gap") and not one.get("gap_says"):
            raise ConfigError(f"{path.name}: advice {name} does not say what it loses to float")
    return dict(data)


def _reached(
    questions: Mapping[str, Any], advice: Mapping[str, Any], name: str, before: tuple[str, ...]
) -> set[str]:
    """Names of the advice that a question leads to."""
    if name in before:
        raise ConfigError(f"{PATH.name}: the questions go in a circle: {' > '.join(before)}")
    found: set[str] = set()
    for answer in questions[name]["answers"]:
        where = f"{PATH.name}, question {name}, answer {answer['says']!r}"
        if "take" in answer:
            found.add(one_of(answer["take"], advice, f"{where}: advice"))
        else:
            ask = one_of(answer.get("ask"), questions, f"{where}: question")
            found |= _reached(questions, advice, ask, (*before, name))
    return found


def gaps(one: Mapping[str, Any]) -> str:
    """What an advice loses to float: from the records, and from the literature.

    Raises:
        ConfigError: runs that are not recorded, by name.
    """
    said = []
    for plus, minus, where in one.get("gap", []):
        d = judge(Comparison(where, plus, minus, "above")).interval
        if d is None:
            raise ConfigError(f"{PATH.name}: {plus} minus {minus} has no recorded difference")
        number = f"{d.mean:.1f} ± {d.half:.1f}".replace("-", "−")
        said.append(f"{number} points ({where}, {d.seeds} runs each)")
    own = f"Ours: {'; '.join(said)}." if said else ""
    return " ".join(filter(None, [own, one.get("gap_says", "").strip()]))


def _advice(name: str, one: Mapping[str, Any]) -> list[str]:
    """An advice as Markdown."""
    lines = [f'<div class="lbl-advice" id="advice-{name}">', "", f"**{one['says']}.** {one['why']}"]
    lines += ["", "```python", one["code"].strip(), "```", ""]
    facts = {
        "Expected gap to float": gaps(one), "Cost": one["cost"], "How sure we are": one["sure"]
    }  # fmt: skip
    lines += [f"- *{head}:* {text}" for head, text in facts.items() if text != "-"]
    if one["run"]:
        lines += ["", "A recipe that runs it, or something close to it:"]
        lines += ["", "```sh", one["run"], "```"]
    return [*lines, "", "</div>", ""]


def _question(data: Mapping[str, Any], name: str) -> list[str]:
    """A question with its answers, each a fold, as Markdown."""
    question = data["questions"][name]
    lines = [f'<p class="lbl-asked">{html.escape(question["says"])}</p>', ""]
    for answer in question["answers"]:
        lines += [
            f'<details class="answer" name="{name}">',
            f"<summary>{html.escape(answer['says'])}</summary>",
            "",
        ]
        if "take" in answer:
            lines += _advice(answer["take"], data["advice"][answer["take"]])
        else:
            lines += _question(data, answer["ask"])
        lines += ["</details>", ""]
    return lines


def tree() -> str:
    """All questions from the first, as Markdown."""
    data = read()
    body = _question(data, next(iter(data["questions"])))
    return "\n".join(['<div class="lbl-tree">', "", *body, "</div>"])


def table() -> str:
    """Each advice in one row."""
    rows: Sequence[list[str]] = [
        [str(one[field]) for field in TABLE] for one in read()["advice"].values()
    ]
    return markdown(list(TABLE.values()), rows)
