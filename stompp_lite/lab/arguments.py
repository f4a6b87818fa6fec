"""What the command line refuses before any work begins.

Each function raises an error that names the argument, its value and the way out.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from stompp_lite.checks import count
from stompp_lite.errors import CheckpointError, ConfigError
from stompp_lite.lab.config import Config
from stompp_lite.lab.recipes import runs_of
from stompp_lite.networks.models import LabResNet
from stompp_lite.training.files import check_writable

NAMES = ("--recipe", "--name")  # texts that become the names of folders and files
LONGEST = 255  # bytes in the name of a file or folder
#: Settings that the names of recorded runs tell, as method, arm, depth and seed.
NAMED = ("weights", "activations", "blocks", "optimizer", "lr", "scale", "seed")
COPIES = 4  # of the weights in memory: weights, gradients, momentum, and one to work on


def check_texts(arguments: Mapping[str, Any]) -> None:
    """Every text must be one that a system can take.

    Raises:
        ConfigError: a NUL character, or a part of a path that is longer than a name may be.
    """
    for name, value in arguments.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str | Path) and "\0" in str(text):
                raise ConfigError(f"{name} holds a NUL character, which no name can have")
            parts = text.parts if isinstance(text, Path) else [text] if name in NAMES else ()
            for part in parts:
                if len(os.fsencode(part or "")) > LONGEST:
                    raise ConfigError(
                        f"{name}: a name of {len(os.fsencode(part))} bytes is too long "
                        f"({part[:40]}...); choose one of at most {LONGEST}"
                    )


def check_changes(changes: Sequence[str]) -> None:
    """Values of ``field=value`` must be text or JSON that can be read.

    Raises:
        ConfigError: JSON that is nested too deeply, a number of thousands of digits, or a seed
            below zero.
    """
    for change in changes:
        field, _, text = change.partition("=")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            continue  # plain text, or no "=", which is refused where the change is made
        except (ValueError, RecursionError) as err:
            raise ConfigError(
                f"the value of {field} cannot be read ({err}); give a plain number, text or list"
            ) from err
        if field == "seed" and isinstance(value, int):
            count(value, "the seed", 0)


def check_names_stay_true(recipe: str, changes: Sequence[str] | None) -> None:
    """A change must leave alone what the names of the recipe's runs tell.

    Raises:
        ConfigError: the change would make runs whose names are wrong; how to run one by itself is
            said.
    """
    changed = {change.partition("=")[0] for change in changes or ()}
    if not changed:
        return
    runs = runs_of(recipe)
    settings = [_flat(config) for _, config in runs]
    for field in sorted(changed):
        values = {json.dumps(s.get(field), sort_keys=True) for s in settings}
        if field in NAMED or len(values) > 1:
            raise ConfigError(
                f"the names of the runs of {recipe!r} tell their {field}, so --set {field}=... "
                "would make them wrong; change one run under a name of its own: python -m "
                f"stompp_lite run {recipe} --name {runs[0][0]} --set {field}=... --out mine.json"
            )


def _flat(config: Config) -> dict[str, Any]:
    content = config.to_dict()
    plan = {f"plan.{name}": value for name, value in content["plan"].items()}
    return content | plan


def check_apart(out: Path, handed_in: Path) -> None:
    """What is written must not lie among the files that were handed in.

    Raises:
        ConfigError: it would.
    """
    if out.resolve() == handed_in.resolve():
        raise ConfigError(f"--out would write among the files in {handed_in}; name another place")


def check_folder(folder: str | Path | None, what: str) -> None:
    """A folder must be one that files can be written to, before hours of work.

    Raises:
        ConfigError: it is a file. CheckpointError: it cannot be written to.
    """
    if folder is None:
        return
    if Path(folder).is_file():
        raise ConfigError(f"{what} {str(folder)!r} is a file; name a folder")
    try:
        check_writable(Path(folder) / "probe")
    except CheckpointError as err:
        raise CheckpointError(f"{what}: {err}") from err


def check_size(blocks: int, width: int) -> None:
    """A lab network must fit into the memory of this machine.

    Raises:
        ConfigError: it does not, or a number is below 1.
    """
    with torch.device("meta"):  # counts without any memory
        model = LabResNet(1, 10, width=count(width, "width"), blocks=[count(blocks, "blocks")] * 2)
    needed = COPIES * sum(p.numel() * p.element_size() for p in model.parameters())
    names = getattr(os, "sysconf_names", {})  # empty on Windows, where torch has the last word
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if names else math.inf
    if needed > there:
        raise ConfigError(
            f"a network of {blocks} blocks and width {width} needs about {needed / 1e9:,.0f} GB, "
            f"and this machine has {there / 1e9:,.0f}; choose a smaller --width or --blocks"
        )
