"""One experiment from one configuration to one record."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from stompp_lite.errors import ConfigError, NonFiniteError, RecordError
from stompp_lite.lab import local
from stompp_lite.lab import record as records
from stompp_lite.lab.config import Config, config_of
from stompp_lite.lab.models import MODELS
from stompp_lite.networks.convert import binarize_model
from stompp_lite.networks.families import DEPTHWISE
from stompp_lite.relatives.guided import GUIDES
from stompp_lite.training.data import Data, load
from stompp_lite.training.history import History
from stompp_lite.training.loop import fit
from stompp_lite.training.measure import judged_at_once
from stompp_lite.training.parallel import Ranks, processes
from stompp_lite.training.plan import Plan


def build(config: Config, data: Data) -> nn.Module:
    """The converted model of a configuration, initialized from its seed.

    Raises:
        ConfigError: several depths where there is one; a model of images for texts, or the other
            way round.
    """
    model = MODELS[config.model]
    if model.groups == 1 and len(config.blocks) != 1:
        raise ConfigError(
            f"model {config.model!r} has one depth, for example [3]; got {list(config.blocks)}"
        )
    if model.texts != (data.tokens > 0):
        kinds = ("images", "texts")
        raise ConfigError(
            f"model {config.model!r} reads {kinds[model.texts]}, {data.name!r} has "
            f"{kinds[data.tokens > 0]}"
        )
    torch.manual_seed(config.seed)
    return binarize_model(
        model.build(config, data),
        data.train_x[:1].cpu(),
        weights=config.weights,
        activations=config.activations,
        scale=config.scale,
        keep_float=[*model.keep, *(DEPTHWISE if config.float_depthwise else ())],
    )


def check_device(device: str) -> None:
    """Raise ConfigError unless torch can compute on ``device`` (``meta`` holds no numbers)."""
    if isinstance(device, str) and device.partition(":")[0] == "meta":
        raise ConfigError(f"device {device!r} holds no numbers; use cpu or cuda")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as err:
        raise ConfigError(f"device {device!r} cannot be used: {str(err).splitlines()[0]}") from err


def run(
    config: Config,
    *,
    recipe: str = "custom",
    name: str = "run",
    root: str | Path = "data",
    device: str = "cpu",
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
    workers: int | None = None,
) -> records.Record:
    """Train as configured and return the record.

    Args:
        root: folder of the data sets. workers: as for :func:`~stompp_lite.training.data.load`.

    Raises:
        StomppError: whatever is wrong with the configuration, the data or the run.
    """
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    outcome, extra = "finished", dict[str, Any]()
    if config.signals is not None:
        device = "cpu"
        history, correct = local.train(config, root, checkpoint, progress)
    else:
        history, correct, outcome, extra = _train(
            config, root, device, checkpoint, progress, workers
        )
    # p follows from the configuration, so it is not stored
    skipped = ("p_weights", "p_activations")
    names = history.epochs[0] if history.epochs else ()
    return records.Record(
        recipe=recipe,
        name=name,
        config=config.to_dict() | {"test_images": correct.numel()},
        seed=config.seed,
        versions=records.versions(),
        machine=records.machine(device) | extra,
        started=started,
        wall_s=round(history.seconds, 2),
        curves={k: history.curve(k) for k in names if k not in skipped},
        steps={"loss": history.steps["loss"]} if history.steps else {},
        final=history.final,
        correct=records.pack_correct(correct),
        outcome=outcome,
    )


def _train(
    config: Config, root: str | Path, device: str, checkpoint: str | Path | None,
    progress: bool | None, workers: int | None,
) -> tuple[History, Tensor, str, dict[str, Any]]:  # fmt: skip
    """The history, what was right of the test images, the outcome, and more on the machine."""
    check_device(device)
    data = load(
        config.data, root, validation=config.validation, workers=workers, tokenizer=config.bert
    ).to(device)
    model, world = _on_device(config, data, device), Ranks.here().world
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    outcome = "finished"
    try:
        guide = None
        if config.pretrain:
            teacher = _pretrain(model, config, data, (str(root), device), checkpoint)
            guide = GUIDES[config.guide](model, teacher) if config.guide else None
        history = fit(model, data, config, loss=guide, checkpoint=checkpoint, progress=progress)
        if guide:
            guide.close()
    except NonFiniteError as err:  # a result, not a mishap: an experiment that diverges says so
        outcome, history = f"diverged: {err}", cast(History, err.history)
    model.eval()
    with torch.no_grad():
        correct = torch.cat(
            [model(x).argmax(-1) for x in data.test_x.split(judged_at_once(data.test_x))]
        )
    extra = {"processes": world} if world > 1 else {}
    if on_gpu:
        extra["memory_mb"] = torch.cuda.max_memory_allocated(device) // 2**20
    return history, (correct == data.test_y).flatten(), outcome, extra


def _on_device(config: Config, data: Data, device: str) -> nn.Module:
    model = build(config, data).to(device)
    if config.sync_batch_norm and Ranks.here().world > 1:
        if not device.startswith("cuda"):
            raise ConfigError("sync_batch_norm needs GPUs: torch has it for them only")
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return model


def start_of(checkpoint: str | Path) -> Path:
    """Where the run before the run, if there is one, keeps its checkpoint."""
    path = Path(checkpoint)
    return path.with_name(f"{path.name.removesuffix('.npz')}.start.npz")


#: What the last float start was made with, and its weights: the runs of a sweep share it.
_start: dict[tuple[Any, ...], dict[str, Any]] = {}


def _pretrain(
    model: nn.Module, config: Config, data: Data, where: tuple[str, str],
    checkpoint: str | Path | None,
) -> nn.Module:  # fmt: skip
    """Give ``model`` the weights of a float network that was trained with the same settings.

    Returns:
        That network.
    """
    settings = replace(
        config, epochs=config.pretrain, weights="float", activations="float", scale=None,
        pretrain=0, guide=None, eval_every=config.pretrain, diagnose=False, plan=Plan(),
    )  # fmt: skip
    key, start = (settings, *where), _on_device(settings, data, where[1])
    if key not in _start:
        kept = None if checkpoint is None else start_of(checkpoint)
        try:
            fit(start, data, settings, checkpoint=kept, progress=False)
        except NonFiniteError as err:
            err.args = (f"in the float start: {err}",)
            raise
        _start.clear()
        _start[key] = start.state_dict()
    start.load_state_dict(_start[key])
    model.load_state_dict(_start[key])
    return start


def run_and_save(
    config: Config, out: Path, *, device: str = "cpu", **options: Any
) -> records.Record | None:
    """:func:`run`, also as one of ``torchrun``'s processes; the first of them writes the record.

    Returns:
        The record, or None on all other processes.

    Raises:
        StomppError: as from :func:`run`, or the record cannot be written.
    """
    with processes(device) as own:
        result = run(config, device=own, **options)
        if not Ranks.here().first:
            return None
        records.save(result, out)
        return result


def check_same(record: records.Record, config: Config, path: Path) -> None:
    """A finished run may be skipped only if it is the run that is wanted.

    Raises:
        RecordError: the record was made with another configuration.
    """
    found = config_of(record).to_dict()
    for name, value in config.to_dict().items():
        if found[name] != value:
            raise RecordError(
                f"{path}: made with {name} = {found[name]!r}, this run has "
                f"{value!r}; name another file, or delete this one to run it again"
            )
