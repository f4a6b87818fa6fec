"""The schema of a run record, and the checks that say what is wrong with one, by field.

Fields are those of :class:`~stompp_lite.lab.record.Record`.
"""

from __future__ import annotations

import datetime
import math
import re
from typing import Any

from stompp_lite.errors import RecordError

SCHEMA = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]{0,99}")
_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "schema": int, "recipe": str, "name": str, "config": dict, "seed": int, "versions": dict,
    "machine": dict, "started": str, "wall_s": (int, float), "curves": dict, "steps": dict,
    "final": dict, "correct": str,
}  # fmt: skip
_OPTIONAL = {"outcome": str}
_REQUIRED_IN = {
    "config": (
        "data", "validation", "model", "width", "blocks", "weights", "activations", "epochs",
        "batch_size", "lr", "momentum", "weight_decay", "plan", "history", "eval_every",
    ),
    "versions": ("stompp_lite", "python", "torch"),
    "machine": ("cpu", "gpu", "threads"),
    "final": ("test_acc", "test_acc_bn", "train_acc", "loss"),
    "curves": ("epoch", "loss", "test_acc"),
}  # fmt: skip
_CONFIG: dict[str, type | tuple[type, ...]] = {
    "data": str, "validation": bool, "model": str, "weights": str, "activations": str,
    "blocks": list, "plan": dict, "lr": (int, float),
}  # fmt: skip
_MARKUP = frozenset("<>|`")


def check(content: Any, source: str) -> None:
    """Whether parsed JSON is a record.

    Raises:
        RecordError: naming ``source`` and the field that is missing, unknown or of a wrong type.
    """
    if not isinstance(content, dict):
        raise RecordError(f"{source}: a record is a JSON object, got {type(content).__name__}")
    for name, kind in _REQUIRED.items():
        if name not in content:
            raise RecordError(f"{source}: field {name!r} is missing")
        if not isinstance(content[name], kind) or isinstance(content[name], bool):
            raise RecordError(f"{source}: field {name!r} is a {type(content[name]).__name__}")
    if content["schema"] != SCHEMA:
        raise RecordError(
            f"{source}: field 'schema' is {content['schema']}, this version reads {SCHEMA}"
        )
    unknown = set(content) - set(_REQUIRED) - set(_OPTIONAL)
    if unknown:
        raise RecordError(f"{source}: unknown field {sorted(unknown)[0]!r}")
    _check_text(content, source, "")
    for name in ("recipe", "name"):
        if not NAME.fullmatch(content[name]):
            raise RecordError(
                f"{source}: field {name!r} is {content[name]!r}; letters, digits and _.+=- are "
                "allowed, at most 100"
            )
    outcome = content.get("outcome", "finished")
    diverged = str(outcome).startswith("diverged: ")
    if outcome != "finished" and not diverged:
        raise RecordError(
            f"{source}: field 'outcome' is {outcome!r}, not finished or diverged: ..."
        )
    for part, names in _REQUIRED_IN.items():
        for name in () if diverged and part in ("final", "curves") else names:
            if name not in content[part]:
                raise RecordError(f"{source}: field '{part}.{name}' is missing")
    for name, kind in _CONFIG.items():
        value = content["config"][name]
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise RecordError(f"{source}: field 'config.{name}' is {value!r}")
    _check_started(content["started"], source)
    for name in () if diverged else _REQUIRED_IN["final"]:
        _check_number(content["final"][name], f"final.{name}", source)
    if content["seed"] < 0 or content["seed"] != content["config"].get("seed", content["seed"]):
        raise RecordError(
            f"{source}: field 'seed' is {content['seed']}, 'config.seed' is "
            f"{content['config'].get('seed')!r}"
        )
    _check_number(content["wall_s"], "wall_s", source)
    for part in ("curves", "steps"):
        for name, values in content[part].items():
            _check_curve(values, f"{part}.{name}", source)
    lengths = {name: len(curve) for name, curve in content["curves"].items()}
    if len(set(lengths.values())) > 1:
        raise RecordError(f"{source}: fields 'curves.*' differ in length: {lengths}")
    _check_correct(content, source, None if diverged else content["final"]["test_acc"])


def _check_text(content: dict[str, Any], source: str, where: str) -> None:
    """Names and notes reach tables and terminals: one printable line without markup."""
    for key, part in content.items():
        for text in (key, part):
            if isinstance(text, str) and not (text.isprintable() and _MARKUP.isdisjoint(text)):
                raise RecordError(
                    f"{source}: field '{where}{key}' is {text!r}; line breaks, control characters "
                    "and <>|` are not allowed"
                )
        if isinstance(part, dict):
            _check_text(part, source, f"{where}{key}.")


def _check_started(text: str, source: str) -> None:
    try:
        known = datetime.datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        raise RecordError(
            f"{source}: field 'started' is {text!r}, not a date and time such as "
            "2026-01-31T12:00:00+00:00"
        )


def _check_curve(values: Any, what: str, source: str) -> None:
    """Numbers, or None for what was not finite; of each stage, a list of them, or a text of signs.

    An accuracy lies between 0 and 100.
    """
    if not isinstance(values, list):
        raise RecordError(f"{source}: fields 'curves.*' and 'steps.*' must be lists, not {what!r}")
    if what == "curves.signs":
        flat = [part for value in values for part in (value if isinstance(value, list) else [None])]
        if not all(isinstance(part, str) for part in flat):
            raise RecordError(f"{source}: field {what!r} must hold texts, one a stage")
        return
    nested = what.startswith("curves.") and any(isinstance(value, list) for value in values)
    for row in values if nested else [values]:
        row = row if isinstance(row, list) else [row]
        numbers = [value for value in row if value is not None]
        if not {type(value) for value in numbers} <= {int, float}:
            bad = next(value for value in numbers if type(value) not in (int, float))
            raise RecordError(f"{source}: field {what!r} holds {bad!r}, which is no number")
        if not all(map(math.isfinite, numbers)):
            raise RecordError(f"{source}: field {what!r} holds a number that is not finite")
        if "acc" in what and numbers:
            for value in (min(numbers), max(numbers)):
                _check_number(value, what, source)


def _check_number(value: Any, what: str, source: str) -> None:
    """Finite, at least 0, and an accuracy at most 100."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise RecordError(f"{source}: field {what!r} is {value!r}, not a finite number")
    if value < 0 or ("acc" in what and value > 100):
        raise RecordError(f"{source}: field {what!r} is {value!r}, which it cannot be")


def _check_correct(content: dict[str, Any], source: str, accuracy: float | None) -> None:
    """The bits of the test images must be as many as there are images, and give the accuracy."""
    count = content["config"].get("test_images")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise RecordError(f"{source}: field 'config.test_images' is {count!r}, not a count")
    try:
        found = len(bytes.fromhex(content["correct"]))
    except ValueError as err:
        raise RecordError(f"{source}: field 'correct' is not hexadecimal ({err})") from err
    if found != -(-count // 8):
        raise RecordError(
            f"{source}: field 'correct' has {found} bytes; {count} test images "
            f"need {-(-count // 8)}"
        )
    right = 100 * int(content["correct"], 16).bit_count() / count
    if accuracy is not None and abs(right - accuracy) > 0.01:
        raise RecordError(
            f"{source}: field 'final.test_acc' is {accuracy!r}, field 'correct' says {right:.2f}"
        )
