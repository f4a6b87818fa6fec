"""Binary neural networks by layerwise progressive freezing (StoMPP), small enough to read.

The method is four modules: :mod:`~stompp_lite.schedule` (which fraction of which stage is frozen
when), :mod:`~stompp_lite.binarize` (Eq. 1 and its gradients), :mod:`~stompp_lite.masks` (who is
frozen) and :mod:`~stompp_lite.progression` (masks through a run).
:func:`binarize_model` converts a model, :func:`fit` trains it.
"""

from stompp_lite.binarize import Binarizer, Rule, clip, hard_sign, masked_binarize
from stompp_lite.convert import binarize_model, describe
from stompp_lite.data import Data, load
from stompp_lite.evaluate import accuracy
from stompp_lite.models import LabResNet, mlp
from stompp_lite.progression import Plan, Progression, assert_binary
from stompp_lite.schedule import Schedule, shape_value
from stompp_lite.train import History, fit
from stompp_lite.vision import import_torchvision

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
    "accuracy",
    "assert_binary",
    "binarize_model",
    "clip",
    "describe",
    "fit",
    "hard_sign",
    "import_torchvision",
    "load",
    "masked_binarize",
    "mlp",
    "shape_value",
]
