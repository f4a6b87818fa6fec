"""What ``fit`` makes sure of before it changes anything: settings, data and checkpoint fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stompp_lite.errors import CheckpointError, ConfigError, ShapeError
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.trace import preserved
from stompp_lite.training.augment import RESIZED_CROP
from stompp_lite.training.data import Data, check_batch_size
from stompp_lite.training.folders import Images
from stompp_lite.training.parallel import Ranks
from stompp_lite.training.settings import Settings


def check_data(model: nn.Module, data: Data, settings: Settings) -> None:
    """Raise ConfigError if data and settings cannot go together."""
    if not isinstance(data, Data):
        raise ConfigError(f"data must be a Data, from load() or made of tensors, got {data!r}")
    check_batch_size(len(data.train_x), settings.batch_size)
    if settings.augment == RESIZED_CROP and not isinstance(data.train_x, Images):
        raise ConfigError(
            f"augment={RESIZED_CROP!r} is for images that are read from a folder; use 'crop-flip'"
        )
    world, parts = Ranks.here().world, settings.accumulate
    last = len(data.train_x) % settings.batch_size or settings.batch_size
    norms = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    least = (2 if norms else 1) * world * parts
    if last < least:
        counts = ((world, "processes"), (parts, "parts"))
        shared = " with ".join(f"{n} {what}" for n, what in counts if n > 1)
        raise ConfigError(
            f"a batch size of {settings.batch_size} leaves a last batch of "
            + (
                f"{last} ({len(data.train_x)} in all) for {shared}, which need {least}"
                if shared
                else f"one sample ({len(data.train_x)} in all), which batch norm cannot take"
            )
            + "; choose another"
        )
    if world > 1 and "per-sample" in (
        settings.plan.rule("weight"),
        settings.plan.rule("activation"),
    ):
        raise ConfigError(
            "masks for each sample are drawn for the batch of one process; choose another mask "
            "rule, or use one process"
        )


@torch.no_grad()
def check_fit(model: nn.Module, data: Data) -> None:
    """One sample through the model before anything is changed."""
    shape = conversion(model).input_shape
    for part, x in (("training", data.train_x), ("test", data.test_x)):
        if tuple(x.shape[1:]) != shape:
            raise ShapeError(
                f"{part} images have shape {tuple(x.shape[1:])}, the model was converted for "
                f"{shape}; convert it with an example of these images"
            )
        with preserved(model):
            model.eval()
            try:
                logits = model(x[:1])
            except Exception as err:
                raise ConfigError(
                    f"the model does not run on {part} images ({x.dtype}, {x.device}): {err}"
                ) from err
        want = f"[N, {'T, ' * (data.train_y.dim() - 1)}{data.classes}]"
        fits = isinstance(logits, Tensor) and logits.dim() == data.train_y.dim() + 1
        if not fits or logits.shape[-1] < data.classes:
            shown = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ShapeError(f"the model must return logits {want} or wider, it returns {shown}")


def _digest(tensors: Iterable[Tensor]) -> str:
    """Of the bytes, whatever the dtype."""
    digest = hashlib.sha256()
    for t in tensors:
        raw = t.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{t.dtype} {tuple(t.shape)}".encode())
        digest.update(raw.view(torch.uint8).numpy().tobytes() if len(raw) else b"")
    return digest.hexdigest()[:16]


def _data_digest(data: Data) -> str:
    parts = (data.train_x, data.train_y, data.test_x, data.test_y)
    tensors = _digest(part for part in parts if isinstance(part, Tensor))
    return " ".join([tensors, *(part.digest() for part in parts if isinstance(part, Images))])


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Digest of a ``state_dict``, without the notes on what is committed."""
    return _digest(t for name, t in state.items() if not name.endswith("_extra_state"))


def fingerprint_of(
    model: nn.Module, data: Data, optimizer: torch.optim.Optimizer, settings: Settings
) -> dict[str, Any]:
    """What must be equal for a checkpoint to fit this call."""
    done = conversion(model)
    shapes = [f"{name} {tuple(t.shape)} {t.dtype}" for name, t in model.state_dict().items()]
    shapes += [f"{name} trains" for name, p in model.named_parameters() if p.requires_grad]
    shapes += [str(stage) for stage in done.stages]
    groups = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    names = {id(p): name for name, p in model.named_parameters()}
    moved = [[names[id(p)] for p in group["params"]] for group in optimizer.param_groups]
    content = {f.name: getattr(settings, f.name) for f in fields(Settings)}
    del content["plan"], content["optimizer"]  # each told in more detail below
    return {
        **content,
        **asdict(settings.plan),
        "weights": str(done.weights),
        "activations": str(done.activations),
        "model": hashlib.sha256("\n".join(shapes).encode()).hexdigest()[:16],
        "data": f"{data.name} {_data_digest(data)}",
        "optimizer": f"{type(optimizer).__name__} {groups}",
        "optimizer's parameters": hashlib.sha256(str(moved).encode()).hexdigest()[:16],
        "initial weights": weights_digest(model.state_dict()),
    }


def check_same(
    path: Path | None, saved: dict[str, Any], wanted: dict[str, Any], weights: Mapping[str, Tensor]
) -> None:
    """Raise CheckpointError, naming the first difference.

    The model may hold the weights that the run began with, or those of the checkpoint.
    """
    for name in wanted:
        if saved.get(name) == wanted[name]:
            continue
        if name == "initial weights":
            if weights_digest(weights) == wanted[name]:
                continue
            raise CheckpointError(
                f"{path} belongs to another run: it began with other initial weights than this "
                "model has. Build the model as you did then (same seed), use another file, or "
                "delete this one"
            )
        raise CheckpointError(
            f"{path} belongs to another run: its {name} is {saved.get(name)!r}, this call's is "
            f"{wanted[name]!r}. Use another file, or delete this one"
        )
