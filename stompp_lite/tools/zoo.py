"""Which models of torchvision can be converted, and what has to stay float for it.

Nothing is downloaded: structure decides, so the weights are random.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from stompp_lite.errors import ConfigError, ConversionError, RecordError
from stompp_lite.lab.report import markdown
from stompp_lite.networks.convert import binarize_model, conversion
from stompp_lite.networks.layers import binary_layers
from stompp_lite.networks.vision import import_torchvision
from stompp_lite.training.files import write_atomically

#: Groups of torchvision's models, with the images they are tried on, smaller ones first. (Detection
#: is not among them: those models train on boxes, not on a batch of images.)
GROUPS = {
    "": ((64, 64), (224, 224), (299, 299)),
    "segmentation": ((64, 64),),
    "video": ((8, 64, 64), (16, 224, 224)),
}


#: One of each family, small, which the tests try anew.
SAMPLE = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "mnasnet0_5",
    "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18",
    "resnet50", "shufflenet_v2_x0_5", "squeezenet1_1", "vgg11_bn", "r3d_18", "fcn_resnet50",
)  # fmt: skip


_BEGINNING = 200  # characters


@dataclass
class Outcome:
    """What became of a model."""

    model: str
    result: str  # "converted", "with keep_float", or "refused"
    layers: int = 0  # binary ones
    stages: int = 0
    kept: int = 0  # names that keep_float needs
    says: str = ""  # how the error's message begins, if there was one


@contextmanager
def _without_initialization() -> Iterator[None]:
    """Large models take minutes to initialize with care; here any numbers will do."""
    names = [n for n in dir(nn.init) if n.endswith("_") and callable(getattr(nn.init, n))]
    kept = {name: getattr(nn.init, name) for name in names}
    try:
        for name in names:
            setattr(nn.init, name, lambda tensor, *_a, **_k: tensor)
        yield
    finally:
        for name, function in kept.items():
            setattr(nn.init, name, function)


def build(name: str) -> nn.Module:
    """A model of torchvision by name, with random weights."""
    models = import_torchvision().models
    options: dict[str, Any] = {"weights": None}
    if "weights_backbone" in inspect.signature(models.get_model_builder(name)).parameters:
        options["weights_backbone"] = None
    with warnings.catch_warnings(), _without_initialization():
        warnings.simplefilter("ignore")
        model: nn.Module = models.get_model(name, **options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.1, 0.1, generator=generator)
    return model


def names(group: str = "") -> list[str]:
    """Names of the models in a group of :data:`GROUPS`."""
    models = import_torchvision().models
    module = getattr(models, group) if group else models
    return sorted(models.list_models(module=module))


def attempt(name: str, model: nn.Module, sizes: tuple[tuple[int, ...], ...]) -> Outcome:
    """Convert ``model``; if it is refused, once more with what the message proposes."""
    message, keep = "", []  # type: ignore[var-annotated]
    for size in sizes:
        example = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
        try:
            done = binarize_model(model, example)
            return _converted(name, "converted", done, keep, "")
        except ConversionError as err:
            message, keep = str(err), err.keep_float
        if keep:
            done = binarize_model(model, example, keep_float=keep)
            return _converted(name, "with keep_float", done, keep, message)
        if "does not run" not in message:
            break
    return Outcome(name, "refused", says=message[:_BEGINNING])


def _converted(name: str, result: str, model: nn.Module, keep: list[str], says: str) -> Outcome:
    stages = len(conversion(model).stages)
    layers = len(binary_layers(model))
    return Outcome(name, result, layers, stages, len(keep), says[:_BEGINNING])


def visit(only: str = "") -> list[Outcome]:
    """Try every model of torchvision whose name contains ``only``.

    Raises:
        ConfigError: there is none.
    """
    todo = [(n, sizes) for group, sizes in GROUPS.items() for n in names(group) if only in n]
    if not todo:
        raise ConfigError(f"torchvision has no model with {only!r} in its name")
    return [attempt(name, build(name), sizes) for name, sizes in tqdm(todo, disable=None)]


def save(outcomes: list[Outcome], path: Path) -> None:
    """Write them as JSON."""
    text = json.dumps([asdict(o) for o in outcomes], indent=1)
    write_atomically(path, (text + "\n").encode())


def read(path: Path) -> list[Outcome]:
    """Read what :func:`save` wrote.

    Raises:
        RecordError: another kind of file.
    """
    try:
        return [Outcome(**o) for o in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as err:
        raise RecordError(f"{path}: not a list of conversions ({err})") from err


def table(outcomes: list[Outcome]) -> str:
    """Markdown, one row a model."""
    rows = [
        [f"`{o.model}`", o.result, str(o.layers or ""), str(o.stages or ""), str(o.kept or "")]
        for o in outcomes
    ]
    return markdown(["model", "result", "binary layers", "stages", "names in keep_float"], rows)
