"""What a sweep says of each run beside its accuracy: seconds, memory, and equal draws on a device.

Used by ``sweep``; on a GPU it ends with the times against STE and with the draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from stompp_lite import rng
from stompp_lite.lab.recipes import run_of
from stompp_lite.lab.record import Record
from stompp_lite.method import MASK_RULES, Binarizer, Walker

_SHAPE, _STEPS = (16, 9, 9), (0, 1, 7, 40)  # of a tensor whose masks are compared, and when


def line(record: Record) -> str:
    """A finished run in a line: accuracy, seconds an epoch, and memory where it was measured."""
    score = "diverged" if record.diverged else f"{record.final['test_acc']:.1f} %"
    parts = [score, f"{record.wall_s / record.config['epochs']:.3g} s an epoch"]
    if "memory_mb" in record.machine:
        parts.append(f"{record.machine['memory_mb'] / 1024:.2g} GiB")
    return f"{record.name}: {', '.join(parts)}"


def ratios(records: Sequence[Record]) -> list[str]:
    """Time of each run against STE's of the same network, arm and epochs, where both are there.

    Args:
        records: of one sweep on one machine; times of others say nothing about each other.
    """
    runs = [(run_of(r), r) for r in records]
    base = {_group(r): r.wall_s for run, r in runs if run.method == "ste"}
    return [
        f"{r.name}: {r.wall_s / base[_group(r)]:.2f} of the time of STE"
        for run, r in runs
        if run.method != "ste" and base.get(_group(r))
    ]


def _group(record: Record) -> tuple[object, ...]:
    keys = ("data", "model", "width", "blocks", "epochs", "optimizer", "scale", "seed")
    return tuple(str(record.config.get(key)) for key in keys)


def draws_agree(device: str) -> bool:
    """Whether a device draws the bits and the masks that a processor draws, all rules and a while.

    Args:
        device: a torch device, such as ``"cuda"``.
    """
    key = rng.make_key(0, "speed", "weight")
    return all(
        torch.equal(a.cpu(), b)
        for a, b in zip(_drawn(device, key), _drawn("cpu", key), strict=True)
    )


def _drawn(device: str, key: int) -> list[torch.Tensor]:
    entries = rng.counters(_SHAPE, device)
    found = [rng.bits(key, t, entries) for t in _STEPS]
    for rule in MASK_RULES:
        weight = nn.Parameter(torch.zeros(_SHAPE, device=device))
        walker = Walker(Binarizer(), lambda t: t / 50, 0, key, rule, 0.05, weight)
        found += [walker.mask(t, weight) for t in _STEPS[1:]]
    return found
