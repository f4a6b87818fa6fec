"""Import torchvision, also where its compiled part does not fit the installed torch.

A CUDA build of torchvision beside a CPU build of torch fails at import with ``operator
torchvision::nms does not exist``, although its models, transforms and data sets are plain Python.
Two empty operator declarations are enough. They are made only when the compiled library is there
and cannot be loaded; where torchvision works, nothing is touched.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from pathlib import Path
from types import ModuleType

import torch

from stompp_lite.errors import DataError

_kept: list[object] = []  # the declarations live as long as this object


def _library_loads(package: Path) -> bool:
    for library in sorted(package.glob("_C*.so")) + sorted(package.glob("_C*.pyd")):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            return False
    return True


def import_torchvision() -> ModuleType:
    """The torchvision module.

    Raises:
        DataError: torchvision is not installed.
    """
    if "torchvision" in sys.modules:
        return sys.modules["torchvision"]
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("torchvision is not installed; run: pip install torchvision")
    if not _kept and not _library_loads(Path(spec.submodule_search_locations[0])):
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Failed to load image Python extension")
        return importlib.import_module("torchvision")
