"""Exercises that answer back: ``check("7.2", answer)`` says which property holds, and hints."""

from stompp_lite.check import beyond as _5
from stompp_lite.check import foundations as _1
from stompp_lite.check import freezing as _2
from stompp_lite.check import scaling as _4
from stompp_lite.check import shipping as _6
from stompp_lite.check import timing as _3
from stompp_lite.check.desk import EXERCISES, Report, check, examine, passes

_PARTS = (_1, _2, _3, _4, _5, _6)  # each enters its exercises when it is read
__all__ = ["EXERCISES", "Report", "check", "examine", "passes"]
