"""How an answer is looked at: its form first, then one property after the other, with a hint.

An exercise is a generator that takes an answer and yields what it finds, one :class:`Found` for
each property. The first one that fails ends the visit: what comes after it may build on it.
"""

from __future__ import annotations

import dis
import inspect
import math
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError

KINDS = ("understand", "code", "explore", "break")
WIDTH = 80  # columns of what is printed
_MISSING = object()


class Found(NamedTuple):
    """A property, whether it holds, and what to think about if it does not."""

    says: str
    holds: bool
    hint: str = ""


@dataclass(frozen=True)
class Form:
    """What an answer must look like.

    Attributes:
        says: in words, for messages: "a function many(x_bits, rows, n)".
        read: the answer as its properties get it; raises TypeError or ValueError with a reason.
    """

    says: str
    read: Callable[[Any], Any]


@dataclass(frozen=True)
class Exercise:
    """An exercise that answers back; ``look`` yields what it finds."""

    name: str
    kind: str
    form: Form
    look: Callable[[Any], Iterator[Found]]


@dataclass
class Report:
    """What was found in an answer.

    Attributes:
        name: of the exercise, like "7.2".
        found: the properties that were looked at, in order; at most the last one fails.
        empty: the answer is still the stub.
    """

    name: str
    found: list[Found] = field(default_factory=list)
    empty: bool = False

    @property
    def passed(self) -> bool:
        """Whether there was an answer and every property holds."""
        return bool(self.found) and all(one.holds for one in self.found)

    def __str__(self) -> str:
        if self.empty:
            return f"Exercise {self.name}: nothing to check yet. Put your answer where ... stands."
        lines = [f"Exercise {self.name}"]
        for one in self.found:
            lines += _wrapped("  holds  " if one.holds else "  FAILS  ", one.says)
            if not one.holds:
                lines += _wrapped("         Hint: ", one.hint)
                lines.append("  What comes after this property is checked once it holds.")
        if self.passed:
            count = len(self.found)
            lines.append(f"  All {count} properties hold." if count > 1 else "  That is all.")
        return "\n".join(lines)


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=True
    )


#: Name -> exercise, filled by the modules of the parts.
EXERCISES: dict[str, Exercise] = {}


def exercise(
    name: str, kind: str, form: Form
) -> Callable[[Callable[[Any], Iterator[Found]]], Callable[[Any], Iterator[Found]]]:
    """Enter a generator of properties under an exercise's name."""

    def enter(look: Callable[[Any], Iterator[Found]]) -> Callable[[Any], Iterator[Found]]:
        EXERCISES[name] = Exercise(name, one_of(kind, KINDS, "kind of exercise"), form, look)
        return look

    return enter


# ---- forms ---------------------------------------------------------------------------------------
def a_function(call: str) -> Form:
    """A function, or anything else that can be called; ``call`` shows how: "many(x_bits, rows)"."""

    def read(answer: Any) -> Any:
        if not callable(answer):
            raise TypeError("it cannot be called")
        return answer

    return Form(f"a function {call}", read)


def a_class(call: str) -> Form:
    """A class; ``call`` shows how it is used."""

    def read(answer: Any) -> Any:
        if not inspect.isclass(answer):
            raise TypeError("it is not a class")
        return answer

    return Form(f"a class {call}", read)


def a_number(value: Any, what: str = "it") -> float:
    """A finite number as a float; numpy's and one-element tensors too."""
    if isinstance(value, (torch.Tensor, np.ndarray)) and math.prod(value.shape) == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise TypeError(f"{what} is {_shown(value)}, not a finite number")
    return float(value)


def numbers(*names: str) -> Form:
    """So many numbers, in this order; with one name a plain number."""

    def read(answer: Any) -> Any:
        if len(names) == 1:
            return a_number(answer)
        values = _items(answer)
        if len(values) != len(names):
            raise ValueError(f"it has {len(values)} entries")
        return [a_number(v, f"entry {k}") for k, v in enumerate(values, 1)]

    if len(names) == 1:
        return Form(f"one number, {names[0]}", read)
    return Form(f"{len(names)} numbers in a row: {'; '.join(names)}", read)


def series(what: str) -> Form:
    """A list of numbers, of any length."""
    return Form(what, lambda answer: [a_number(v, "an entry") for v in _items(answer)])


def table(says: str, keys: Sequence[Any], entry: Callable[[Any], Any]) -> Form:
    """A dictionary that has these keys (more are allowed), each entry read by ``entry``."""

    def read(answer: Any) -> Any:
        if not isinstance(answer, Mapping):
            raise TypeError("it is not a dictionary")
        if missing := [key for key in keys if key not in answer]:
            raise ValueError(f"it has no entry {missing[0]!r}")
        return {key: entry(value) for key, value in answer.items()}

    return Form(says, read)


def a_list(value: Any) -> list[float]:
    """A list of finite numbers."""
    return [a_number(v, "an entry") for v in _items(value)]


def names_of(valid: Sequence[str]) -> Callable[[Any], frozenset[str]]:
    """A set of names, each one of ``valid``."""

    def read(answer: Any) -> frozenset[str]:
        if isinstance(answer, Mapping) and not answer:  # {} is meant as the empty set
            answer = ()
        for one in (items := _items(answer)):
            if one not in valid:
                raise ValueError(f"{_shown(one)} is not one of the names {', '.join(valid)}")
        return frozenset(items)

    return read


def a_set(valid: Sequence[str]) -> Form:
    """A set of names out of ``valid``."""
    return Form(f"a set of names out of {', '.join(valid)}", names_of(valid))


def _items(answer: Any) -> list[Any]:
    if isinstance(answer, (str, bytes, Mapping)) or not hasattr(answer, "__iter__"):
        raise TypeError("it is not a list")
    return list(answer)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


# ---- the visit -----------------------------------------------------------------------------------
def _blank(answer: Any) -> bool:
    """Whether an answer is a stub: ``...``, or holds one, or is a function that does nothing."""
    if answer is Ellipsis:
        return True
    if isinstance(answer, Mapping):
        return any(map(_blank, answer.values()))
    if isinstance(answer, (list, tuple, set, frozenset)):
        return any(map(_blank, answer))
    if inspect.isclass(answer):
        own = [getattr(f, "__func__", f) for f in vars(answer).values()]
        own = [
            f for f in own if inspect.isfunction(f) and f.__qualname__.startswith(answer.__name__)
        ]
        return bool(own) and any(map(_blank, own))
    if not inspect.isfunction(answer):
        return False
    code = answer.__code__  # only names of arguments, and nothing but None or a docstring
    does = [i.opname for i in dis.get_instructions(code)]
    kept = set(code.co_consts) - {None, answer.__doc__, Ellipsis}
    return not code.co_names and not kept and all(
        name in ("RESUME", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "NOP") for name in does
    )  # fmt: skip


def examine(name: str, answer: Any = _MISSING) -> Report:
    """Look at an answer, and return what was found. Nothing is printed.

    Random numbers of torch and numpy are drawn from a fixed start and put back afterwards, so a
    look changes nothing in a notebook and gives the same report each time.

    Args:
        name: of the exercise, chapter and number: "7.2".
        answer: in the form that the exercise asks for.

    Raises:
        ConfigError: no such exercise, no answer, or one of another form; it says which is wanted.
    """
    asked = _asked(name)
    way = f"check({name!r}, answer), where answer is {asked.form.says}"
    if answer is _MISSING:
        raise ConfigError(f"exercise {name} needs your answer: {way}")
    if _blank(answer):
        return Report(name, empty=True)
    try:
        read = asked.form.read(answer)
    except (TypeError, ValueError) as err:
        raise ConfigError(f"exercise {name}: {err}, got {_shown(answer)}; write {way}") from None
    report, state = Report(name), np.random.get_state()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        np.random.seed(0)
        try:
            for found in asked.look(read):
                report.found.append(found)
                if not found.holds:
                    break
        except Exception as err:  # whatever a student's code does is a finding
            report.found.append(Found("your code runs to its end", False, _stopped(err, asked)))
        finally:
            np.random.set_state(state)
    return report


def _stopped(err: Exception, asked: Exercise) -> str:
    said = " ".join(str(err).split())[:200]
    return f"it stops with {type(err).__name__}: {said}. What is wanted is {asked.form.says}."


def _asked(name: Any) -> Exercise:
    if isinstance(name, str) and name in EXERCISES:
        return EXERCISES[name]
    chapter = str(name).partition(".")[0]
    near = [one for one in EXERCISES if one.partition(".")[0] == chapter]
    if isinstance(name, str) and near:
        raise ConfigError(
            f"exercise {name!r} does not answer back; those of "
            f"{f'chapter {chapter}' if chapter.isdigit() else 'that page'} that do: "
            f"{', '.join(near)}"
        )
    raise ConfigError(
        f"unknown exercise {_shown(name)}; write chapter and number as text, for example "
        f"check({next(iter(EXERCISES))!r}, answer)"
    )


def check(name: str, answer: Any = _MISSING) -> None:
    """Print which property of your answer holds, which fails, and a hint; never the answer.

    Nothing leaves the machine, and nothing is stored. What is wanted stands in the exercise, and
    in the message of ``check("7.2")``.

    Args:
        name: of the exercise, chapter and number: "7.2".
        answer: in the form that the exercise asks for; ``...`` stands for none yet.

    Raises:
        ConfigError: no such exercise, no answer, or one of another form; it says which is wanted.
    """
    print(examine(name, answer))


def passes(name: str, answer: Any = _MISSING) -> bool:
    """Whether every property of an answer holds: the same look as :func:`check`, for a grader.

    Raises:
        ConfigError: as for :func:`check`.
    """
    report = examine(name, answer)
    if not report.passed:
        print(report)
    return report.passed
