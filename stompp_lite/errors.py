"""Exceptions that name the bad value and the way out."""

from __future__ import annotations

from collections.abc import Sequence


class StomppError(Exception):
    """Base class of every error this package raises on purpose."""


class ConfigError(StomppError, ValueError):
    """A setting is impossible: an unknown name, a fraction outside [0, 1], zero epochs."""


class ShapeError(StomppError, ValueError):
    """The shapes of two tensors do not fit each other."""


class DtypeError(StomppError, TypeError):
    """A tensor has a dtype for which the operation is not defined."""


class ConversionError(StomppError, ValueError):
    """A model cannot be binarized as it stands.

    Attributes:
        keep_float: what to pass to ``binarize_model`` as ``keep_float`` so that it converts the
            rest; empty where that would not help.
    """

    def __init__(self, message: str, keep_float: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.keep_float = list(keep_float)


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


class NoRecordsError(RecordError):
    """No run of a recipe is recorded."""


class DataError(StomppError, OSError):
    """A data set is missing, damaged, or cannot be stored."""
