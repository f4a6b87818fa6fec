"""Go on with a run that was stopped: one file, one writer, and nothing but the same run.

A checkpoint holds what cannot be computed again from the step: weights, the optimizer's memory,
the history, and the state of torch's own random numbers. Masks and batches follow from the step.

Taught in chapter 14, *One run on many machines*.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stompp_lite.checks import count
from stompp_lite.errors import CheckpointError, ConfigError
from stompp_lite.networks.convert import conversion
from stompp_lite.training import checkpoint
from stompp_lite.training.files import only_writer
from stompp_lite.training.folders import Images
from stompp_lite.training.parallel import Ranks
from stompp_lite.training.samples import Data
from stompp_lite.training.settings import Settings


class Resumable:
    """The checkpoint of a run, locked while it lasts: ``with Resumable(path, ranks) as kept``.

    Args:
        path: the file. ranks: the processes that share the run; None: there is one.

    Raises:
        ConfigError: no name of a file. CheckpointError: it cannot be used, or somebody else uses
            it.
    """

    def __init__(self, path: str | Path, ranks: Ranks | None) -> None:
        if not isinstance(path, str | Path):
            raise ConfigError(f"checkpoint must be the name of a file, got {path!r}")
        self.path, self.ranks, self._stack = Path(path), ranks or Ranks(), ExitStack()

    def __enter__(self) -> Resumable:
        if self.ranks.first:
            self._stack.enter_context(only_writer(self.path))
        self.ranks.wait()  # the first knows now that nobody else uses it
        self.ranks.check_all_see(self.path.exists(), self.path)
        self.saved = checkpoint.load(self.path) if self.path.exists() else None
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, run: Any) -> None:
        """Put a new run where the file says that it stopped; without a file it begins.

        Raises:
            CheckpointError: the file belongs to another run.
        """
        self.fingerprint = fingerprint_of(run)
        if self.saved is not None:
            state = self.saved.get("run", {})
            earlier = self.saved.get("fingerprint", {})
            check_same(self.path, earlier, self.fingerprint, state.get("weights", {}))
            self.fingerprint = earlier
            restore(run, state)
        self.saved = None

    def save(self, run: Any) -> None:
        """Write the run down as it is now."""
        if self.ranks.first:
            checkpoint.save(self.path, {"fingerprint": self.fingerprint, "run": state_of(run)})


def state_of(run: Any) -> dict[str, Any]:
    """All that a run needs to go on; p, masks and learning rates follow from the step."""
    run.clock()
    device = run.data.train_y.device
    cuda = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return {
        "step": run.step,
        "weights": dict(run.model.state_dict()),
        "optimizer": run.optimizer.state_dict(),
        "history": run.recorder.state(),
        "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
    }


def restore(run: Any, state: dict[str, Any]) -> None:
    """Take over from :func:`state_of`.

    Raises:
        CheckpointError: it does not fit.
    """
    try:
        run.step = count(state["step"], "the step", 0)
        run.model.load_state_dict(state["weights"])
        run.optimizer.load_state_dict(state["optimizer"])
        run.recorder.load(state["history"])
        torch.set_rng_state(state["random"]["cpu"])
        device = run.data.train_y.device
        if device.type == "cuda" and state["random"]["cuda"]:
            torch.cuda.set_rng_state(state["random"]["cuda"][0], device)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as err:
        raise CheckpointError(
            f"the checkpoint does not fit this run ({type(err).__name__}: {err}); use another file"
        ) from err
    run.before = run.history.seconds
    run.progression.weights_loaded()
    run.progression.set_step(max(run.step - 1, 0))


def _digest(tensors: Iterable[Tensor]) -> str:
    """Of the bytes, whatever the dtype."""
    digest = hashlib.sha256()
    for t in tensors:
        raw = t.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{t.dtype} {tuple(t.shape)}".encode())
        digest.update(raw.view(torch.uint8).numpy().tobytes() if len(raw) else b"")
    return digest.hexdigest()[:16]


def data_digest(data: Data) -> str:
    """Digest of all samples and labels."""
    parts = (data.train_x, data.train_y, data.test_x, data.test_y)
    tensors = _digest(part for part in parts if isinstance(part, Tensor))
    return " ".join([tensors, *(part.digest() for part in parts if isinstance(part, Images))])


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Digest of a ``state_dict``, without the notes on what is committed."""
    return _digest(t for name, t in state.items() if not name.endswith("_extra_state"))


def fingerprint_of(run: Any) -> dict[str, Any]:
    """What must be equal for a checkpoint to fit a run that has not begun."""
    model, data, settings = run.model, run.data, run.settings
    done, groups = conversion(model), run.optimizer.param_groups
    shapes = [f"{name} {tuple(t.shape)} {t.dtype}" for name, t in model.state_dict().items()]
    shapes += [f"{name} trains" for name, p in model.named_parameters() if p.requires_grad]
    shapes += [str(stage) for stage in done.stages]
    options = [{k: v for k, v in group.items() if k != "params"} for group in groups]
    names = {id(p): name for name, p in model.named_parameters()}
    moved = [[names[id(p)] for p in group["params"]] for group in groups]
    content = {f.name: getattr(settings, f.name) for f in fields(Settings)}
    del content["plan"], content["optimizer"]  # each told in more detail below
    rule = run.loss_rule
    return {
        **content,
        "loss": None if rule is None else getattr(rule, "__qualname__", str(rule)),
        **asdict(settings.plan),
        "weights": str(done.weights),
        "activations": str(done.activations),
        "model": hashlib.sha256("\n".join(shapes).encode()).hexdigest()[:16],
        "data": f"{data.name} {data_digest(data)}",
        "optimizer": f"{type(run.optimizer).__name__} {options}",
        "optimizer's parameters": hashlib.sha256(str(moved).encode()).hexdigest()[:16],
        "initial weights": weights_digest(model.state_dict()),
    }


def check_same(
    path: Path, saved: dict[str, Any], wanted: dict[str, Any], weights: Mapping[str, Tensor]
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
