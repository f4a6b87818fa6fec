"""What ``fit`` makes sure of before it changes anything: settings, data and checkpoint fit."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stompp_lite.convert import conversion
from stompp_lite.data import Data, check_batch_size
from stompp_lite.errors import CheckpointError, ConfigError, ShapeError, one_of, positive, typed


def check_settings(model: nn.Module, data: Data, s: dict[str, Any]) -> None:
    """Raise ConfigError for an impossible setting."""
    positive(s["epochs"], "epochs")
    positive(s["eval_every"], "eval_every")
    if s["measure_steps"] is not None:
        positive(s["measure_steps"], "measure_steps")
    check_batch_size(len(data.train_x), s["batch_size"])
    typed(s["seed"], "int", "the seed")
    for name in ("lr", "momentum", "weight_decay"):
        typed(s[name], "float", name)
        if s[name] < 0:
            raise ConfigError(f"{name} must be at least 0, got {s[name]!r}")
    one_of(s["history"], ("epoch", "step"), "history")
    norms = (nn.modules.batchnorm._BatchNorm,)
    if len(data.train_x) % s["batch_size"] == 1 and any(
        isinstance(m, norms) for m in model.modules()
    ):
        raise ConfigError(
            f"a batch size of {s['batch_size']} leaves a last batch of one sample "
            f"({len(data.train_x)} in all), which batch norm cannot take; choose another"
        )


@torch.no_grad()
def check_fit(model: nn.Module, data: Data) -> None:
    """One sample through the model before anything is changed."""
    want, mode = conversion(model).input_shape, model.training
    model.eval()
    try:
        for part, x in (("training", data.train_x), ("test", data.test_x)):
            if tuple(x.shape[1:]) != want:
                raise ShapeError(
                    f"{part} images have shape {tuple(x.shape[1:])}, the model was converted for "
                    f"{want}; convert it with an example of these images"
                )
            try:
                logits = model(x[:1])
            except Exception as err:
                raise ConfigError(
                    f"the model does not run on {part} images ({x.dtype}, {x.device}): {err}"
                ) from err
            if (
                not isinstance(logits, Tensor)
                or logits.dim() != 2
                or logits.shape[1] < data.classes
            ):
                shown = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
                raise ShapeError(
                    f"the model must return logits [N, {data.classes}] or wider, it returns {shown}"
                )
    finally:
        model.train(mode)


def fingerprint_of(
    model: nn.Module, data: Data, optimizer: torch.optim.Optimizer, settings: dict[str, Any]
) -> dict[str, Any]:
    """What must be equal for a checkpoint to fit this call."""
    done = conversion(model)
    shapes = [f"{name} {tuple(t.shape)} {t.dtype}" for name, t in model.state_dict().items()]
    shapes += [f"{name} trains" for name, p in model.named_parameters() if p.requires_grad]
    shapes += [str(stage) for stage in done.stages]
    groups = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    digest = hashlib.sha256()
    for t in (data.train_x, data.train_y, data.test_x, data.test_y):
        digest.update(t.cpu().numpy().tobytes())
    return {
        **settings,
        "weights": str(done.weights),
        "activations": str(done.activations),
        "model": hashlib.sha256("\n".join(shapes).encode()).hexdigest()[:16],
        "data": f"{data.name} {digest.hexdigest()[:16]}",
        "optimizer": f"{type(optimizer).__name__} {groups}",
    }


def check_same(path: Path | None, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise CheckpointError, naming the first difference."""
    for name in wanted:
        if saved.get(name) != wanted[name]:
            raise CheckpointError(
                f"{path} belongs to another run: its {name} is {saved.get(name)!r}, this call's is "
                f"{wanted[name]!r}. Use another file, or delete this one"
            )
