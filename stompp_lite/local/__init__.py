"""Networks that learn from local binary signals: hidden integers, signs, and no gradient.

Taught in chapter 18, *Learning without gradients*.
"""

from stompp_lite.local.net import LocalNet, RecurrentNet
from stompp_lite.local.samples import as_bits, prototypes, rows
from stompp_lite.local.signals import Signals
from stompp_lite.local.training import fit_local

__all__ = ["LocalNet", "RecurrentNet", "Signals", "as_bits", "fit_local", "prototypes", "rows"]
