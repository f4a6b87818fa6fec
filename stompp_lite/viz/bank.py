"""The bank of questions: what the chapters ask, which option is right, and why.

It is ``questions.yaml`` beside this module. A notebook holds the name of a question alone; what
draws it in the browser brings the bank, so that no answer can be read in a cell or in its output.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from importlib import resources
from typing import Any

from stompp_lite.errors import ConfigError

_CHOICE, _CURVE = ("ask", "options", "right", "why"), ("ask", "x", "y", "range", "unit", "why")
_MIX = 21  # another number mixes the options of all questions anew


@lru_cache
def bank() -> dict[str, dict[str, Any]]:
    """All questions, ``choices`` and ``curves``: name -> what the browser needs."""
    return parse((resources.files("stompp_lite.viz") / "questions.yaml").read_text("utf-8"))


def encoded() -> str:
    """The bank as base64 of its JSON: not to be read at a glance. A courtesy, and no secret."""
    return base64.b64encode(json.dumps(bank(), separators=(",", ":")).encode()).decode()


def parse(source: str) -> dict[str, dict[str, Any]]:
    """The questions of a file like ``questions.yaml``, with versions, and options in mixed order.

    Raises:
        ConfigError: it is no such file; the question and what is wrong with it are named.
    """
    import yaml

    try:
        content = yaml.load(source, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        parts = {kind: dict(content[kind]) for kind in ("choices", "curves")}
    except (yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"the questions must be YAML with choices and curves: {error}") from error
    choices = {name: [_choice(name, q) for q in asked] for name, asked in parts["choices"].items()}
    return {"choices": choices, "curves": {n: _curve(n, q) for n, q in parts["curves"].items()}}


def _complete(name: str, entry: Any, fields: tuple[str, ...]) -> str:
    """What messages call a question that has all of its fields."""
    if not isinstance(entry, dict) or {*entry} - {"ordered"} != {*fields}:
        raise ConfigError(f"a question of {name!r} must have {', '.join(fields)}; it is {entry!r}")
    return f"the question {entry['ask']!r} of {name!r}"


def _digest(*texts: Any) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:8]


def _choice(name: str, entry: Any) -> dict[str, Any]:
    what = _complete(name, entry, _CHOICE)
    ask, options, right = entry["ask"], entry["options"], entry["right"]
    if not all(isinstance(x, str) for x in options) or len(set(options)) < max(len(options), 2):
        raise ConfigError(f"{what} needs at least two different texts as options, got {options}")
    if right not in options:
        raise ConfigError(f"{what} has no option {right!r}, only {options}")
    shown = sorted(options, key=lambda option: _digest(_MIX, name, ask, option))
    if entry.get("ordered"):
        shown = options[:: -1 if int(_digest(_MIX, name, ask), 16) % 2 else 1]
    return {
        "ask": ask, "options": shown, "right": shown.index(right), "why": entry["why"],
        "was": [shown.index(option) for option in options],  # what the oldest answers refer to
        "version": _digest(ask, sorted(options)),
    }  # fmt: skip


def _curve(name: str, entry: Any) -> dict[str, Any]:
    what = _complete(name, entry, _CURVE)
    if not entry["range"][0] < entry["range"][1]:
        raise ConfigError(f"the range of {what} must grow, got {entry['range']}")
    return {**entry, "version": _digest(*(entry[key] for key in _CURVE[:-1]))}
