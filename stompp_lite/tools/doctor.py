"""What is installed, what was found, what is missing and how to get it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from stompp_lite.lab import record
from stompp_lite.networks.vision import import_torchvision
from stompp_lite.training import data

# package -> (who needs it, whether anything works without it)
_PACKAGES = {
    "numpy": ("everything", False),
    "matplotlib": ("figures", True),
    "sklearn": ("the digits data set and intervals", False),
    "tqdm": ("progress bars", False),
    "joblib": ("sweeps", True),
    "filelock": ("checkpoints", False),
    "jupyterlab": ("opening the notebooks", True),
    "yaml": ("the ledger of claims", False),
    "jupyter_book": ("building the book", True),
    "pytest": ("the tests", True),
}
_PIP_NAMES = {"sklearn": "scikit-learn", "yaml": "pyyaml", "jupyter_book": "'jupyter-book<2'"}


def examine(root: str | Path = "data") -> tuple[str, bool]:
    """A report for a person, and whether training on digits can work here."""
    lines, healthy = ["Versions"], True
    lines += [f"  {name} {version}" for name, version in record.versions().items()]
    lines += ["Machine"]
    lines += [f"  {name}: {value}" for name, value in record.machine().items()]
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none found by torch"
    lines += [f"  CUDA device: {cuda}", "Packages"]
    for name, (need, optional) in _PACKAGES.items():
        if importlib.util.find_spec(name) is None:
            lines.append(
                f"  {name}: missing, needed for {need}; pip install {_PIP_NAMES.get(name, name)}"
            )
            healthy &= optional
        else:
            lines.append(f"  {name}: found")
    try:
        torch.zeros(1).numpy()
        lines.append("  torch and numpy: work together")
    except RuntimeError as err:  # a torch built for numpy 1 beside numpy 2
        lines.append(
            f"  torch and numpy: do not fit ({err}); pip install 'numpy<2', or a newer torch"
        )
        healthy = False
    # What is broken here can fail in any way: that is what this command is for.
    try:
        import_torchvision()
        lines.append("  torchvision: imports")
    except Exception as err:
        lines.append(f"  torchvision: does not import ({err}); digits work without it")
    lines.append(f"Data sets (in {root})")
    for name in data.NAMES:
        try:
            found = data.load(name, root)
            lines.append(f"  {name}: {len(found.train_x)} + {len(found.test_x)} images")
        except Exception as err:
            lines.append(f"  {name}: not usable. {err}")
            healthy &= name != "digits"
    folder = record.default_folder()
    if folder:
        count = sum(1 for _ in folder.glob("*/*.json"))
        lines.append(f"Recorded runs\n  {count} in {folder}")
    else:
        lines.append(f"Recorded runs\n  {len(record.read_bundle())} in the installed package")
    return "\n".join(lines), healthy
