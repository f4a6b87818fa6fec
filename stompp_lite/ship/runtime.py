"""Run a packed network, with or without torch.

See chapter 19 of the book.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import Any

import numpy as np

from stompp_lite.errors import ConfigError, DtypeError, ShapeError
from stompp_lite.ship.floats import FLOATS
from stompp_lite.ship.program import SIGN_KINDS, Program, last_uses
from stompp_lite.ship.run_numpy import Signs

#: What can compute with signs.
KERNELS = ("numba", "numpy")
#: What can compute with the floats that are left.
ISLANDS = ("torch", "numpy")


class Packed:
    """A packed network: call it with a batch.

    **What is exact.** Signs and sums of signs are the same numbers with each choice of ``kernels``.
    With ``floats="torch"`` the float operations are the network's own, so predictions and logits
    are those of the network, bit for bit, if its sums of signs are exact in torch, too (no scale
    and no bias in binary layers; see :func:`~stompp_lite.ship.pack.pack`). With ``floats="numpy"``
    float products add in another order: logits differ in the last bits, and where a float falls
    within rounding of 0 its sign can differ.

    Args:
        program: what it computes.

    Attributes:
        program: the same.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._last = last_uses(program)
        self._signs: dict[str, Any] = {}

    def __call__(self, x: Any, kernels: str | None = None, floats: str | None = None) -> np.ndarray:
        """Logits of a batch.

        Args:
            x: [N, ...], an array, or a tensor on the CPU, of the input's dtype.
            kernels: one of :data:`KERNELS`; None: numba where it is installed.
            floats: one of :data:`ISLANDS`; None: torch where it is installed.

        Returns:
            What the network returns, as an array.

        Raises:
            ShapeError: another shape than the example's that it was packed with.
            DtypeError: another dtype.
            ConfigError: an unknown choice, or one that is not installed.
        """
        return self._run(self._checked(x), self._of(kernels), _islands(floats))

    def times(
        self, x: Any, repeats: int = 5, kernels: str | None = None, floats: str | None = None
    ) -> dict[str, float]:
        """How long each operation takes: where a packed network spends its time.

        Args:
            x: as in a call. repeats: runs after a first one that is not timed; the fastest counts.
            kernels: as in a call. floats: as in a call.

        Returns:
            "kind name" of each operation, in order -> milliseconds of this thread's CPU time.

        Raises:
            ConfigError: repeats below one; and what a call raises.
        """
        if repeats < 1:
            raise ConfigError(f"repeats must be an integer of at least 1, got {repeats!r}")
        x, signs, islands = self._checked(x), self._of(kernels), _islands(floats)
        self._run(x, signs, islands)
        best: dict[str, float] = {}
        for _ in range(repeats):
            took: dict[str, float] = {}
            self._run(x, signs, islands, took)
            best = {name: min(took[name], best.get(name, took[name])) for name in took}
        return best

    def _run(
        self, x: np.ndarray, signs: Any, islands: Any, took: dict[str, float] | None = None
    ) -> np.ndarray:
        values: dict[str, Any] = {"input": x}
        for number, op in enumerate(self.program.ops):
            start = time.thread_time()
            inputs = [values[name] for name in op.inputs]
            if op.kind in SIGN_KINDS:
                values[op.output] = getattr(signs, op.kind)(op, *inputs)
            else:
                values[op.output] = islands[op.kind](op, *inputs)
            if took is not None:
                took[f"{op.kind} {op.name}"] = 1000 * (time.thread_time() - start)
            for name in op.inputs:
                if self._last[name] == number:
                    values.pop(name, None)
        out: np.ndarray = values[self.program.ops[-1].output]
        return out

    def _checked(self, x: Any) -> np.ndarray:
        array = np.asarray(x.detach() if hasattr(x, "detach") else x)
        want = self.program.input_shape
        if array.ndim != len(want) + 1 or array.shape[1:] != want:
            raise ShapeError(
                f"the input has shape {array.shape}; this network was packed for batches of shape "
                f"[N, {', '.join(map(str, want))}]: pack it with an example of the other size"
            )
        if str(array.dtype) != self.program.input_dtype:
            raise DtypeError(
                f"the input is {array.dtype}; this network takes {self.program.input_dtype}: give "
                f"x.astype({self.program.input_dtype!r})"
            )
        return array

    def _of(self, kernels: str | None) -> Any:
        if kernels is None:
            kernels = "numba" if _installed("numba") else "numpy"
        if kernels not in KERNELS:
            raise ConfigError(f"kernels must be one of {', '.join(KERNELS)}; got {kernels!r}")
        if kernels not in self._signs:
            if kernels == "numba":
                if not _installed("numba"):
                    raise ConfigError(
                        "numba is not installed; run pip install 'stompp-lite[bits]', or use "
                        "kernels='numpy'"
                    )
                from stompp_lite.ship.run_words import Words

                self._signs[kernels] = Words(self.program)
            else:
                self._signs[kernels] = Signs(self.program.dtype)
        return self._signs[kernels]


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def _islands(floats: str | None) -> Any:
    if floats is None:
        floats = "torch" if "torch" in sys.modules else "numpy"
    if floats not in ISLANDS:
        raise ConfigError(f"floats must be one of {', '.join(ISLANDS)}; got {floats!r}")
    if floats == "numpy":
        return FLOATS
    if "torch" not in sys.modules:  # the package imports it where it can
        raise ConfigError("torch is not installed; use floats='numpy'")
    from stompp_lite.ship.torch_floats import TORCH

    return TORCH
