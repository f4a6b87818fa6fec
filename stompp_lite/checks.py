"""Checks of arguments: each returns the value as a plain type, or raises an error that names it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from stompp_lite.errors import ConfigError, DtypeError, ShapeError

_SHOWN = 40  # names in a message


def one_of(value: Any, valid: Iterable[str], what: str) -> str:
    """``value``, if it is one of ``valid``.

    Raises:
        ConfigError: otherwise, naming the value, the nearest valid name, and the valid names (only
            the first where there are many).
    """
    names = list(valid)
    if isinstance(value, str) and value in names:
        return value
    near = difflib.get_close_matches(str(value).lower(), names, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    shown = ", ".join(names[:_SHOWN])
    raise ConfigError(f"unknown {what} {value!r}{hint} (valid: {shown}{more})")


def counted(number: int, one: str, more: str) -> str:
    """A number with its noun, for messages: "1 file", "2 files"."""
    return f"{number} {one if number == 1 else more}"


def whole(value: Any, what: str) -> int:
    """``value`` as an int, if it is a whole number (numpy's too) and not a bool.

    Raises:
        ConfigError: otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ConfigError(f"{what} must be of type int, got {value!r}")
    return int(value)


def count(value: Any, what: str, least: int = 1) -> int:
    """``value`` as an int, if it is a whole number of at least ``least``.

    Raises:
        ConfigError: otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ConfigError(f"{what} must be an integer of at least {least}, got {value!r}")
    return int(value)


def number(value: Any, what: str, least: float = -math.inf) -> float:
    """``value`` as a float, if it is a finite number of at least ``least`` and not a bool.

    Raises:
        ConfigError: otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ConfigError(f"{what} must be of type float, got {value!r}")
    if value < least:
        raise ConfigError(f"{what} must be at least {least:g}, got {value!r}")
    return float(value)


def within(value: Any, what: str, low: float, high: float) -> float:
    """``value`` as a float, if it is a number between ``low`` and ``high``.

    Raises:
        ConfigError: otherwise.
    """
    if not low <= number(value, what) <= high:
        raise ConfigError(f"{what} must lie between {low:g} and {high:g}, got {value!r}")
    return float(value)


def share(value: Any, what: str) -> float:
    """``value`` as a float, if it lies in [0, 1].

    Raises:
        ConfigError: otherwise (NaN and bool included).
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 <= float(value) <= 1.0:
        raise ConfigError(f"{what} must lie in [0, 1], got {value!r}")
    return float(value)


def flag(value: Any, what: str) -> bool:
    """``value`` as a bool, if it is True or False (numpy's too).

    Raises:
        ConfigError: otherwise.
    """
    if type(value).__name__ not in ("bool", "bool_"):
        raise ConfigError(f"{what} must be of type bool, got {value!r}")
    return bool(value)


def text(value: Any, what: str) -> str:
    """``value``, if it is text.

    Raises:
        ConfigError: otherwise.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be of type str, got {value!r}")
    return value


#: What messages call a field whose name does not explain itself.
TITLES = {
    "stages": "the number of stages",
    "steps": "the number of progression steps",
    "batch_size": "the batch size",
    "seed": "the seed",
    "lead": "the lead",
    "refresh": "the refresh probability",
    "tail": "the tail",
}


def checked(instance: object, **checks: Callable[[Any, str], Any]) -> None:
    """Check fields of a frozen dataclass in its ``__post_init__``, and store their plain values.

    Raises:
        ConfigError: from the check, naming the field.
    """
    for name, check in checks.items():
        value = check(getattr(instance, name), TITLES.get(name, name))
        object.__setattr__(instance, name, value)


def not_negative(value: Any, what: str) -> float:
    """``value`` as a float, if it is a finite number of at least 0.

    Raises:
        ConfigError: otherwise.
    """
    return number(value, what, 0.0)


def floating(u: Any, what: str) -> Tensor:
    """``u``, if it is a floating-point tensor.

    Raises:
        DtypeError: otherwise.
    """
    if not isinstance(u, Tensor) or not u.is_floating_point():
        kind = u.dtype if isinstance(u, Tensor) else type(u).__name__
        raise DtypeError(f"{what} needs a floating-point tensor, got {kind}; use tensor.float()")
    return u


def fitting_mask(mask: Any, u: Tensor) -> Tensor:
    """``mask``, if it is bool and broadcasts to ``u`` from the right.

    Raises:
        DtypeError: another dtype. ShapeError: another shape.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise DtypeError(f"a mask must be a bool tensor, got {kind}; use mask.bool()")
    pairs = zip(mask.shape[::-1], u.shape[::-1], strict=False)
    if mask.dim() > u.dim() or any(m not in (1, n) for m, n in pairs):
        raise ShapeError(
            f"a mask of shape {tuple(mask.shape)} does not fit a tensor of shape "
            f"{tuple(u.shape)}; it must match its last axes"
        )
    return mask
