"""Job cards: what to know before a recipe of full size is run.

A card has the question, the number of runs, GPU-hours, disk, the command for one run and for all,
what to expect, and how to read the report. Nothing in it is a measurement: hours follow from
operations that are counted here and from two rates that are assumed, so they may be wrong by a
factor of three either way.

Used by chapters 13 to 16.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError
from stompp_lite.lab.config import Config
from stompp_lite.lab.experiment import Recipe, Run
from stompp_lite.lab.models import MODELS
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.training.data import Data
from stompp_lite.training.folders import IMAGENET
from stompp_lite.training.texts import SST2_LENGTH

#: Multiply-adds a second that one data-center GPU is assumed to keep up in such networks.
RATE = 1e13
#: Photographs a second that 8 cores are assumed to decode and crop.
READ = 8 * 150
#: Times the multiply-adds of one forward pass that a training step takes, about.
STEP = 3
#: How far off the hours may be, either way.
FACTOR = 3


@dataclass(frozen=True)
class Source:
    """A data set of full size: training samples, their shape, classes, and gigabytes on disk."""

    samples: int
    shape: tuple[int, ...]
    classes: int
    disk: float


SOURCES = {
    "cifar10": Source(50_000, (3, 32, 32), 10, 0.2),
    "cifar100": Source(50_000, (3, 32, 32), 100, 0.2),
    "imagenet": Source(IMAGENET[1], (3, 224, 224), IMAGENET[0], 155.0),
    "sst2": Source(67_349, (SST2_LENGTH,), 2, 0.5),  # with the weights of BERT
}


# ---- operations ----------------------------------------------------------------------------------
def multiply_adds(model: nn.Module, example: Tensor) -> int:
    """Multiply-adds of convolutions and linear layers for one batch; attention's own are left out.

    Args:
        model, example: may be on torch's device ``meta``, where nothing is computed.
    """
    total = 0

    def add(layer: nn.Module, _inputs: object, out: Tensor) -> None:
        nonlocal total
        assert isinstance(layer.weight, Tensor)
        total += out.numel() * (layer.weight[0].numel())

    kinds = (nn.Conv2d, nn.Linear)
    hooks = [m.register_forward_hook(add) for m in model.modules() if isinstance(m, kinds)]
    try:
        model.eval()(example)
    finally:
        for hook in hooks:
            hook.remove()
    return total


def size(config: Config) -> tuple[int, int]:
    """Multiply-adds a sample, and parameters, of the network of a run at full size.

    Nothing is computed and nothing is fetched: the network is built without numbers.

    Raises:
        ConfigError: a data set that is not of full size.
    """
    source = SOURCES[one_of(config.data, SOURCES, "data set of full size")]
    if config.model == "bert":  # blocks of 12 width^2 weights, by the configuration
        weights = 12 * config.blocks[0] * config.width**2
        return weights * source.shape[0], weights + 30_522 * config.width
    x, y = torch.zeros(1, *source.shape), torch.zeros(1, dtype=torch.int64)
    data = Data(config.data, x, y, x, y, source.classes)
    with torch.device("meta"):
        net = MODELS[config.model].build(config, data)
        found = multiply_adds(net, x.to("meta"))
    return found, sum(p.numel() for p in net.parameters())


def hours(operations: float, samples: float, reads: bool) -> float:
    """GPU-hours of training on so many samples: computing or, if images are read, reading.

    Args:
        operations: multiply-adds of one sample, forward. samples: in all epochs.
        reads: whether photographs are decoded as they are needed.
    """
    computing = STEP * operations * samples / RATE
    return max(computing, samples / READ if reads else 0.0) / 3600


# ---- cards ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Job:
    """What to know before a recipe is run.

    Attributes:
        only: what names of the runs contain. runs: how many. one: the run to begin with.
        hours: GPU-hours of all runs, of one of them. disk: gigabytes.
    """

    recipe: Recipe
    only: str
    runs: int
    one: str
    hours: tuple[float, float]
    disk: float

    def __repr__(self) -> str:
        return f"<job card of {self.recipe.name}, {self.runs} runs>"

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Heads and texts, in the order of the card."""
        name, (every, one) = self.recipe.name, self.hours
        return [
            ("Runs", f"{self.runs}"),
            ("GPU-hours", f"about {told(every)} in all, {told(one)} for one run; estimated from "
             f"operations, and not measured: by a factor of {FACTOR} either way"),
            ("Disk", f"about {self.disk:.1f} GB: the data, one checkpoint and the records"),
            ("What to expect", self.recipe.expect),
            ("How to read it", f"python -m stompp_lite report {name} --runs mine"),
        ]  # fmt: skip

    @property
    def commands(self) -> list[tuple[str, str]]:
        """What to type for the list of runs, for one run, and for all of them."""
        name = self.recipe.name
        part = f" --only {self.only}" if self.only else ""
        return [
            ("What would run", f"python -m stompp_lite sweep {name}{part} --list"),
            ("One run", f"python -m stompp_lite run {name} --name {self.one} --device cuda "
             "--checkpoint kept.npz --out mine.json"),
            ("All, to be stopped and resumed at will", f"python -m stompp_lite sweep {name}{part} "
             "--device cuda --checkpoints kept --out mine"),
        ]  # fmt: skip

    def _repr_markdown_(self) -> str:
        lines = [f"**Job card: {self.recipe.name}.** {self.recipe.question} *Not run here.*", ""]
        lines += [f"- {head}: {text}" for head, text in self.rows]
        lines += [f"- {head}: `{command}`" for head, command in self.commands]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def line(head: str, text: str) -> str:
            return f"<dt>{html.escape(head)}</dt><dd>{text}</dd>"

        said = "".join(
            line(head, f"<code>{text}</code>" if text.startswith("python") else html.escape(text))
            for head, text in self.rows
        )
        typed = "".join(
            f"<p>{html.escape(head)}:</p><pre>{html.escape(command)}</pre>"
            for head, command in self.commands
        )
        return (
            f'<div class="lbl-job"><p><strong>Job card: {self.recipe.name}</strong> '
            f"<em>not run here</em></p><p>{html.escape(self.recipe.question)}</p>"
            f"<dl>{said}</dl><details><summary>The commands</summary>{typed}</details></div>"
        )


def told(number: float) -> str:
    """Hours in words, to two figures: minutes where they are few, days where they are many."""
    if number >= 72:
        return f"{float(f'{number / 24:.2g}'):g} days"
    if number < 1:
        minutes = max(float(f"{60 * number:.1g}"), 1)
        return f"{minutes:g} minute{'' if minutes == 1 else 's'}"
    return f"{float(f'{number:.2g}'):g} hours"


def job_card(name: str, only: str = "") -> Job:
    """The job card of a recipe of full size, or of those of its runs whose name contains `only`.

    Raises:
        ConfigError: no such recipe or runs, or a recipe that a processor can run.
    """
    full = [r.name for r in RECIPES.values() if r.full]
    recipe = RECIPES[one_of(name, RECIPES, "recipe")]
    if not recipe.full:
        raise ConfigError(
            f"recipe {name!r} is not of full size: its cost is known ({recipe.cost}); job cards "
            f"are for {', '.join(full)}"
        )
    runs = [run for run in recipe.runs.values() if only in run.name]
    if not runs:
        raise ConfigError(
            f"no run of {name!r} contains {only!r}; python -m stompp_lite sweep {name} --list "
            "prints their names"
        )
    return _card(recipe, runs, only)


def _card(recipe: Recipe, runs: Sequence[Run], only: str) -> Job:
    sizes: dict[tuple[object, ...], tuple[int, int]] = {}
    spent: list[float] = []
    largest, sources = 0, set[str]()
    for run in runs:
        c = run.config
        key = (c.data, c.model, c.width, tuple(c.blocks), c.stem)
        if key not in sizes:
            sizes[key] = size(c)
        operations, parameters = sizes[key]
        samples = SOURCES[c.data].samples * (c.epochs + c.pretrain)
        spent.append(hours(operations, samples, c.data == "imagenet"))
        largest, sources = max(largest, parameters), sources | {c.data}
    disk = sum(SOURCES[name].disk for name in sources) + 8 * largest / 1e9 + len(spent) * 1e-4
    return Job(
        recipe, only, len(runs), first(runs), (sum(spent), sorted(spent)[len(spent) // 2]), disk
    )


def first(runs: Sequence[Run]) -> str:
    """The run to begin with: STE, with the scale where there is one."""
    plain = [run for run in runs if run.method == "ste"]
    scaled = [run for run in plain if run.config.scale is not None]
    return (scaled or plain or runs)[0].name
