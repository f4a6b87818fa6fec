"""Write down what a traced model computes, an operation for each node.

:data:`MODULES` and :data:`FUNCTIONS` say what can be packed; everything else is refused by name.
They come from :mod:`stompp_lite.ship.read_layers` and :mod:`stompp_lite.ship.read_sequences`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import fx, nn

from stompp_lite.errors import ConversionError
from stompp_lite.networks.layers import BinaryLayer
from stompp_lite.networks.rules import Site
from stompp_lite.ship import read_layers, read_sequences
from stompp_lite.ship.nodes import WAY_OUT, Nodes

#: Module -> how it is written down. Other modules are refused by name, or traced into.
MODULES: dict[type[nn.Module], Callable[..., None]] = read_layers.MODULES | read_sequences.MODULES
#: Function, or name of a tensor's method -> how it is written down.
FUNCTIONS: dict[Any, Callable[..., None]] = read_layers.FUNCTIONS | read_sequences.FUNCTIONS


class Reader(Nodes):
    """Runs the example through a traced model and writes an operation for each node."""

    def write(self, n: fx.Node) -> None:
        """Write down what a node computes, by the tables."""
        if n.op == "call_module":
            module = self.module.get_submodule(str(n.target))
            for kind, write in MODULES.items():
                if isinstance(module, kind) and (
                    kind in (Site, BinaryLayer) or type(module) is kind
                ):
                    return write(self, n, module)
            raise ConversionError(
                f"{n.target!r} is a {type(module).__name__}, which cannot be packed; {WAY_OUT}"
            )
        key = n.target if n.op == "call_function" else str(n.target)
        if key not in FUNCTIONS:
            what = getattr(n.target, "__name__", n.target)
            raise ConversionError(
                f"the model computes {what!r} ({n.name}), which cannot be packed; {WAY_OUT}"
            )
        return FUNCTIONS[key](self, n)
