"""One experiment from one configuration to one record."""

from __future__ import annotations

import datetime
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import torch

from stompp_lite import data as datasets
from stompp_lite.convert import binarize_model
from stompp_lite.errors import ConfigError, NonFiniteError, RecordError, one_of, positive, typed
from stompp_lite.lab import record as records
from stompp_lite.models import LabResNet, mlp
from stompp_lite.progression import Plan
from stompp_lite.train import History, fit

#: Methods by name, each with the rule of its weights and the rule of its activations.
METHODS = {
    "float": ("float", "float"),
    "ste": ("ste:identity", "ste:clip"),
    "ste-identity": ("ste:identity", "ste:identity"),
    "stompp": ("stompp", "stompp"),
    "stompp+ste": ("stompp+ste:identity", "stompp+ste:clip"),
}


@dataclass(frozen=True)
class Config:
    """Everything that decides a run. ``blocks`` of an ``mlp`` is its depth, for example (3,)."""

    data: str = "digits"
    validation: bool = False
    model: str = "lab"
    width: int = 16
    blocks: tuple[int, ...] = (1, 1)
    weights: str = "stompp"
    activations: str = "stompp"
    plan: Plan = field(default_factory=Plan)
    epochs: int = 60
    batch_size: int = 64
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    seed: int = 0
    eval_every: int = 2
    history: str = "step"

    def __post_init__(self) -> None:
        kinds = {f.name: str(f.type) for f in fields(self)}
        for name, kind in kinds.items():
            if kind in ("int", "float", "bool", "str"):
                typed(getattr(self, name), kind, name)
        if not isinstance(self.plan, Plan):
            raise ConfigError(f"plan must be a Plan, got {self.plan!r}; set plan.order=...")
        if not isinstance(self.blocks, tuple) or not self.blocks:
            raise ConfigError(f"blocks must be a list such as [2,2], got {self.blocks!r}")
        for count in self.blocks:
            positive(count, "the number of blocks")

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Config:
        """Build from parsed JSON.

        Raises:
            ConfigError: an unknown field, with the nearest valid one.
        """
        content = dict(content)
        for name in content:
            one_of(name, [f.name for f in fields(cls)], "configuration field")
        if isinstance(content.get("plan"), dict):
            for name in content["plan"]:
                one_of(name, [f.name for f in fields(Plan)], "plan field")
            content["plan"] = Plan(**content["plan"])
        if "blocks" in content:
            blocks = content["blocks"]
            content["blocks"] = tuple(blocks) if isinstance(blocks, list) else blocks
        return cls(**content)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in a record."""
        out = asdict(self)
        out["blocks"] = list(self.blocks)
        return out


def build(config: Config, data: datasets.Data) -> torch.nn.Module:
    """The converted model of a configuration, initialized from its seed.

    Raises:
        ConfigError: an unknown model.
    """
    one_of(config.model, ("lab", "mlp"), "model")
    torch.manual_seed(config.seed)
    model: torch.nn.Module
    if config.model == "lab":
        model = LabResNet(data.train_x.shape[1], data.classes, config.width, config.blocks)
    else:
        if len(config.blocks) != 1:
            raise ConfigError(f"an mlp has one depth, for example (3,); got {config.blocks}")
        inputs = data.train_x[0].numel()
        model = mlp(inputs, data.classes, config.width, config.blocks[0])
    return binarize_model(
        model, data.train_x[:1].cpu(), weights=config.weights, activations=config.activations
    )


def run(
    config: Config,
    *,
    recipe: str = "custom",
    name: str = "run",
    root: str | Path = "data",
    device: str = "cpu",
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
) -> records.Record:
    """Train as configured and return the record.

    Raises:
        StomppError: whatever is wrong with the configuration, the data or the run.
    """
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as err:
        raise ConfigError(f"device {device!r} cannot be used: {str(err).splitlines()[0]}") from err
    data = datasets.load(config.data, root, validation=config.validation).to(device)
    model = build(config, data).to(device)
    outcome = "finished"
    try:
        history = fit(
            model, data, epochs=config.epochs, plan=config.plan, batch_size=config.batch_size,
            lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay,
            seed=config.seed, history=config.history, eval_every=config.eval_every,
            checkpoint=checkpoint, progress=progress,
        )  # fmt: skip
    except NonFiniteError as err:  # a result, not a mishap: an experiment that diverges says so
        outcome, history = f"diverged: {err}", cast(History, err.history)
    model.eval()
    with torch.no_grad():
        correct = torch.cat([model(x).argmax(1) for x in data.test_x.split(1024)]) == data.test_y
    # p follows from the configuration, so it is not stored
    skipped = ("p_weights", "p_activations")
    names = history.epochs[0] if history.epochs else ()
    curves = {k: history.curve(k) for k in names if k not in skipped}
    return records.Record(
        recipe=recipe,
        name=name,
        config=config.to_dict() | {"test_images": len(data.test_y)},
        seed=config.seed,
        versions=records.versions(),
        machine=records.machine(device),
        started=started,
        wall_s=round(history.seconds, 2),
        curves=curves,
        steps={"loss": history.steps["loss"]} if history.steps else {},
        final=history.final,
        correct=records.pack_correct(correct),
        outcome=outcome,
    )


def check_same(record: records.Record, config: Config, path: Path) -> None:
    """A finished run may be skipped only if it is the run that is wanted.

    Raises:
        RecordError: the record was made with another configuration.
    """
    wanted = config.to_dict()
    for name, value in wanted.items():
        if record.config.get(name) != value:
            raise RecordError(
                f"{path}: made with {name} = {record.config.get(name)!r}, this run has "
                f"{value!r}; name another file, or delete this one to run it again"
            )


def configure(
    recipe: str | None, name: str | None, method: str | None, changes: list[str]
) -> Config:
    """The configuration that the command line asks for.

    Args:
        recipe, name: start from this run of this recipe; without a name, from its first run.
        method: a key of :data:`METHODS`; sets the two rules.
        changes: ``field=value`` texts, the value as JSON or bare text; ``plan.field`` reaches
            into the plan.

    Raises:
        ConfigError: an unknown recipe, run, method or field, or a text without ``=``.
    """
    content = Config().to_dict()
    if recipe is not None:
        from stompp_lite.lab.recipes import RECIPES  # it builds on this module

        one_of(recipe, RECIPES, "recipe")
        runs = dict(RECIPES[recipe].runs())
        content = runs[one_of(name or next(iter(runs)), runs, "run")].to_dict()
    elif name is not None:
        raise ConfigError(f"--name {name} needs a recipe that the run belongs to")
    if method is not None:
        content["weights"], content["activations"] = METHODS[one_of(method, METHODS, "method")]
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise ConfigError(f"a change is written field=value, got {change!r}")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        if key.startswith("plan."):
            content["plan"][key.removeprefix("plan.")] = value
        else:
            content[key] = value
    return Config.from_dict(content)
