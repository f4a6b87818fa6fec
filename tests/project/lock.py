"""The versions of requirements.lock, as tests compare them."""

import re

from tests.conftest import ROOT


def normal(name):
    """A package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines):
    """Name -> version of the lines that pin one."""
    found = [re.match(r"\s*-?\s*([\w.-]+)==([\w.+]+)\s*$", line) for line in lines]
    return {normal(m[1]): m[2] for m in found if m}


LOCK = pins((ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines())
