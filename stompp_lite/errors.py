"""Exceptions that name the bad value and the way out."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable


class StomppError(Exception):
    """Base class of every error this package raises on purpose."""


class ConfigError(StomppError, ValueError):
    """A setting is impossible: an unknown name, a fraction outside [0, 1], zero epochs."""


class ShapeError(StomppError, ValueError):
    """Two tensors that must match do not."""


class DtypeError(StomppError, TypeError):
    """A tensor has a dtype the operation is not defined for."""


class ConversionError(StomppError, ValueError):
    """A model cannot be binarized as it stands."""


class NonFiniteError(StomppError, ArithmeticError):
    """A loss, an input or a parameter is NaN or infinite.

    Raised by ``fit``, it carries the history up to that point as ``history``.
    """

    history: object = None


class NotBinaryError(StomppError, AssertionError):
    """Something that should be exactly +1 or -1 is not."""


class CheckpointError(StomppError, OSError):
    """A checkpoint cannot be written, read, or used for this run."""


class RecordError(StomppError, ValueError):
    """A run record does not follow the schema."""


class DataError(StomppError, OSError):
    """A data set is missing, damaged, or cannot be stored."""


def one_of(value: str, valid: Iterable[str], what: str) -> str:
    """Return ``value`` if it is one of ``valid``.

    Raises:
        ConfigError: otherwise, naming the value, the nearest valid name and all valid names.
    """
    names = list(valid)
    if value in names:
        return value
    near = difflib.get_close_matches(str(value).lower(), names, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"unknown {what} {value!r}{hint} (valid: {', '.join(names)})")


def positive(value: int, what: str) -> int:
    """Return ``value`` if it is an integer of at least 1.

    Raises:
        ConfigError: otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{what} must be an integer of at least 1, got {value!r}")
    return value


def typed(value: object, kind: str, what: str) -> None:
    """Check a setting's type: ``int``, ``float`` (whole numbers too), ``bool``, or ``str``.

    Raises:
        ConfigError: another type, or a number that is not finite.
    """
    kinds: dict[str, type | tuple[type, ...]] = {
        "int": int, "float": (int, float), "bool": bool, "str": str,
    }  # fmt: skip
    right = isinstance(value, kinds[kind]) and (kind == "bool" or not isinstance(value, bool))
    if not right or (isinstance(value, float) and not math.isfinite(value)):
        raise ConfigError(f"{what} must be of type {kind}, got {value!r}")


def fraction(value: float, what: str) -> float:
    """Return ``value`` as a float if it lies in [0, 1].

    Raises:
        ConfigError: otherwise (NaN included).
    """
    if not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ConfigError(f"{what} must lie in [0, 1], got {value!r}")
    return float(value)
