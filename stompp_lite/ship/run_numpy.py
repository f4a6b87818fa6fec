"""Operations on signs with NumPy alone: slow, and simple enough to be right at a glance.

Signs are int8 arrays of +1 and -1 in torch's own layout. A product of signs is one of floats here:
sums of signs are whole numbers, which floats hold exactly up to 2**24. The kernels in
:mod:`stompp_lite.ship.kernels` are compared with this module.
"""

from __future__ import annotations

import numpy as np

from stompp_lite.ship.floats import product, windows
from stompp_lite.ship.program import Op


class Signs:
    """The operations on signs.

    Args:
        dtype: of the floats that they give.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)

    def sign(self, op: Op, x: np.ndarray) -> np.ndarray:
        """Floats to int8, with sign(0) = +1; NaN becomes -1, as in the network."""
        return np.where(x >= 0, np.int8(1), np.int8(-1))

    def unpack(self, op: Op, x: np.ndarray) -> np.ndarray:
        """The same numbers as floats."""
        return x.astype(self.dtype)

    def xnor(self, op: Op, x: np.ndarray, residual: np.ndarray | None = None) -> np.ndarray:
        """[N, C, H, W] to [N, O, OH, OW], or [..., I] to [..., O]: sums of signs, or signs."""
        weight = np.where(op.arrays["signs"], 1, -1).astype(self.dtype)
        if op.settings["layer"] == "conv":
            z, axis = product(x.astype(self.dtype), weight, op.settings), 1
        else:
            z, axis = x.astype(self.dtype) @ weight.T, x.ndim - 1
        if "thresholds" not in op.arrays:
            return z
        shape = tuple(-1 if i == axis else 1 for i in range(z.ndim))
        flip = op.arrays["flip"].reshape(shape)
        above = [(z >= t.reshape(shape)) != flip for t in op.arrays["thresholds"]]
        plus = above[0] if residual is None else np.where(residual > 0, above[1], above[0])
        return np.where(plus, np.int8(1), np.int8(-1))

    def or_pool(self, op: Op, x: np.ndarray) -> np.ndarray:
        """The largest sign of each window; there is none outside of the image."""
        out: np.ndarray = windows(x, op.settings, -1).max((-2, -1))
        return out

    def flat_signs(self, op: Op, x: np.ndarray) -> np.ndarray:
        """[N, ...] to [N, all the rest]."""
        return x.reshape(len(x), -1)
