"""Binary neural networks, and two ways to train them: STE, and freezing layer by layer (StoMPP).

The method is one module, :mod:`stompp_lite.method`. Around it: :mod:`stompp_lite.networks` converts
models (:func:`binarize_model`), :mod:`stompp_lite.training` trains them (:func:`fit`),
:mod:`stompp_lite.relatives` holds rules of other methods, :mod:`stompp_lite.local` learns without
gradients, :mod:`stompp_lite.ship` packs finished networks, :mod:`stompp_lite.lab` runs and records
experiments, :mod:`stompp_lite.viz` draws.

Without torch a packed network can still be loaded and run, and nothing else can.
"""

from typing import Any

from stompp_lite.ship.file import load_packed, save_packed

try:
    import torch as _torch
except ModuleNotFoundError as err:
    if err.name != "torch":
        raise

    def __getattr__(name: str) -> Any:
        if name in __all__:
            raise ImportError(f"{name!r} needs torch, which is not installed; pip install torch")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
else:
    del _torch
    from stompp_lite.functional import clip, hard_sign, masked_binarize
    from stompp_lite.method import Binarizer
    from stompp_lite.networks.convert import binarize_model
    from stompp_lite.networks.describe import describe
    from stompp_lite.networks.fold import fold_scale
    from stompp_lite.networks.models import LabResNet, mlp
    from stompp_lite.networks.rules import Rule
    from stompp_lite.networks.vision import import_torchvision
    from stompp_lite.relatives import RELATIVES as _RELATIVES  # noqa: F401  (their names are rules)
    from stompp_lite.schedule import Schedule
    from stompp_lite.ship.pack import pack
    from stompp_lite.training.data import Data, load
    from stompp_lite.training.finished import assert_binary
    from stompp_lite.training.history import History
    from stompp_lite.training.loop import fit
    from stompp_lite.training.measure import accuracy
    from stompp_lite.training.plan import Plan
    from stompp_lite.training.progression import Progression
    from stompp_lite.training.settings import Settings

__version__ = "0.1.0"

__all__ = [
    "Binarizer",
    "Data",
    "History",
    "LabResNet",
    "Plan",
    "Progression",
    "Rule",
    "Schedule",
    "Settings",
    "accuracy",
    "assert_binary",
    "binarize_model",
    "clip",
    "describe",
    "fit",
    "fold_scale",
    "hard_sign",
    "import_torchvision",
    "load",
    "load_packed",
    "masked_binarize",
    "mlp",
    "pack",
    "save_packed",
]
