"""What every chapter's first cell calls."""

from __future__ import annotations

import os

# Before scikit-learn starts its thread pools: chapters are measured, and repeatable, on one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from stompp_lite import __version__
from stompp_lite.viz import style


def start() -> str:
    """Set the figure style, use one thread (the networks here are too small for more), and report.

    Returns:
        One line: versions and device.
    """
    style.use()
    torch.set_num_threads(1)
    return f"Ready: stompp_lite {__version__}, torch {torch.__version__}, one CPU thread."
