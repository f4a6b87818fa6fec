"""Part III at full size: what a reader with a GPU can run. None of it is recorded here yet.

A recipe is a family of runs. Their names say what they are, and ``--only`` picks some of them::

    python -m stompp_lite sweep cifar-full --only cifar10-resnet18-bnn-minimal --device cuda

Settings are the papers' as far as we know them (chapter 13 says how sure that is): SGD, momentum
0.9, a constant learning rate of 0.1, no weight decay, batches of 256, the same augmentation and
epochs for every method. Arms are those of the fair fight; Adam runs at 0.003, which is not tuned.

Taught in chapters 13 to 16.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from stompp_lite.lab.run import Runs, method_config
from stompp_lite.networks import families
from stompp_lite.training.plan import Plan

#: Settings of the papers on CIFAR as reported, and what we add to it (crops and flips).
PAPERS: dict[str, Any] = {
    "epochs": 200, "batch_size": 256, "lr": 0.1, "momentum": 0.9, "augment": "crop-flip",
    "eval_every": 10, "history": "epoch", "diagnose": False,
}  # fmt: skip
ARMS: dict[str, dict[str, Any]] = {
    "minimal": {},
    "scale": {"scale": "layer"},
    "adam": {"optimizer": "adam", "lr": 0.003},
}
#: What a run is called -> its method and its order.
METHODS: dict[str, tuple[str, str]] = {
    "float": ("float", "forward"),
    "ste": ("ste", "forward"),
    "stompp": ("stompp", "forward"),
    "stompp+ste": ("stompp+ste", "forward"),
    "global": ("stompp", "global"),
    "reverse": ("stompp", "reverse"),
    "hybrid": ("hybrid", "forward"),
    "reverse-hybrid": ("reverse-hybrid", "forward"),
}
#: Binary weights and activations, or binary weights alone.
BITS = ("bnn", "bwn")
RESNETS: dict[str, dict[str, Any]] = {
    name: {"model": name, "width": 64, "blocks": ()} for name in families.RESNETS
}


def _runs(
    data: Iterable[str], models: dict[str, dict[str, Any]], *,
    arms: Mapping[str, dict[str, Any]] = ARMS,
    methods: Iterable[str] = METHODS, bits: Iterable[str] = BITS, seeds: Iterable[int] = range(3),
    **changes: Any,
) -> Runs:  # fmt: skip
    """Every combination; seeds in turn, so that a sweep can stop between them."""
    every = product(seeds, data, models.items(), bits, arms, methods)
    for seed, source, (model, built), bit, arm, name in every:
        if name == "float" and (bit == "bwn" or "scale" in arms[arm]):
            continue  # nothing binary: one run for both, and nothing that could have a scale
        if bit == "bwn" and name.endswith("hybrid"):
            continue  # without binary activations it is STE, or StoMPP + STE
        method, order = METHODS[name]
        config = replace(
            method_config(method, 1, seed), **(PAPERS | changes | arms[arm] | built), data=source,
            plan=Plan(order=order),
        )  # fmt: skip
        if bit == "bwn":
            config = replace(config, activations="float")
        yield f"{source}-{model}-{bit}-{arm}-{name}-s{seed}", config


def decide() -> Runs:
    """The question of the book at full size: does a scale, or Adam, close the gap of deep STE?"""
    tried = (
        ("minimal", ("ste", "stompp", "stompp+ste")),
        ("scale", ("ste", "stompp", "stompp+ste")),
        ("adam", ("ste",)),
        ("minimal", ("reverse", "global")),
    )
    for model, (arm, methods) in product(("resnet18", "resnet50"), tried):
        yield from _runs(
            ("cifar10",), {model: RESNETS[model]}, arms={arm: ARMS[arm]}, methods=methods,
            bits=("bnn",), seeds=(0,), epochs=30, eval_every=5,
        )  # fmt: skip


def cifar() -> Runs:
    """CIFAR-10 and CIFAR-100, three ResNets, all methods, three arms, three seeds."""
    return _runs(("cifar10", "cifar100"), RESNETS)


def imagenet() -> Runs:
    """ImageNet, three ResNets: crops of 224 pixels, as many epochs as is usual (90)."""
    return _runs(
        ("imagenet",), {name: built | {"stem": "imagenet"} for name, built in RESNETS.items()},
        bits=("bnn",), seeds=(0,), epochs=90, augment="resized-crop", precision="bf16",
    )  # fmt: skip


def mobilenet() -> Runs:
    """MobileNetV2 on CIFAR-100, depthwise convolutions binary or float."""
    models = {
        name: {"model": "mobilenet", "width": 32, "blocks": (), "float_depthwise": name != "mobile"}
        for name in ("mobile", "mobile-dwfloat")
    }
    methods = ("float", "ste", "stompp", "stompp+ste", "hybrid")
    return _runs(("cifar100",), models, methods=methods, bits=("bnn",))


def bireal() -> Runs:
    """Bi-Real ResNet-18: a float path leads around every convolution.

    From scratch, and from a float network that was trained as long.
    """
    built = {"model": "bireal", "width": 64, "blocks": (4, 4, 4, 4)}
    starts = {"bireal18": built, "bireal18-pretrained": built | {"pretrain": PAPERS["epochs"]}}
    return _runs(("cifar10", "cifar100"), starts, bits=("bnn",))


#: BERT-base as the hub has it, with 12 blocks of six linear layers, all of them binary.
BERT: dict[str, Any] = {
    "model": "bert", "bert": "google-bert/bert-base-uncased", "width": 768, "blocks": (12,),
}  # fmt: skip


def bert() -> Runs:
    """Fine-tuning BERT on SST-2; nothing of the papers' settings is known to us.

    SGD at the common rate of 0.1, Adam at 0.00005, which is usual for fine-tuning, each with and
    without a scale: where no norm follows a layer, a scale changes what it computes.
    """
    adam: dict[str, Any] = {"optimizer": "adam", "lr": 0.00005}
    arms = {"minimal": {}, "scale": {"scale": "layer"}, "adam": adam,
            "adam+scale": adam | {"scale": "layer"}}  # fmt: skip
    few: dict[str, Any] = {"epochs": 10, "batch_size": 32, "augment": "none", "eval_every": 1}
    methods = ("float", "ste", "stompp", "stompp+ste", "hybrid")
    return _runs(
        ("sst2",), {"bert-base": BERT}, arms=arms, methods=methods, bits=("bnn",), **few
    )  # fmt: skip
