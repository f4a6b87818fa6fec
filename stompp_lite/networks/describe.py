"""Describe a converted model: every layer with its cost, and what still learns around the signs.

Taught in chapter 1 (bits), chapter 4 (stages) and chapter 13 (float paths).
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

from torch import nn

from stompp_lite.checks import whole
from stompp_lite.errors import ConfigError
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.layers import BINARY, BinaryLayer
from stompp_lite.networks.rules import Site
from stompp_lite.networks.trace import Call


@dataclass
class Row:
    """One line of the table."""

    name: str
    kind: str
    shape: tuple[int, ...]  # of the output, without the batch axis
    precision: str
    stage: int | None
    bits: int  # of all parameters and running statistics, as shipped
    operations: int  # multiply-accumulates (XNOR and popcount where binary) for one sample
    note: str = ""  # why it stays float


class Description:
    """What ``describe(model)`` returns: plain text when printed, an HTML table in a notebook."""

    header = (
        "layer", "kind", "output", "precision", "stage", "weight bits", "operations", "stays float",
    )  # fmt: skip

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def cells(self) -> list[tuple[str, ...]]:
        """The body of the table as text, one tuple a line, with the sums last."""
        body = [
            (
                r.name,
                r.kind,
                "x".join(map(str, r.shape)),
                r.precision,
                "" if r.stage is None else str(r.stage),
                f"{r.bits:,}" if r.bits else "",
                f"{r.operations:,}" if r.operations else "",
                r.note,
            )
            for r in self.rows
        ]
        bits, ops = sum(r.bits for r in self.rows), sum(r.operations for r in self.rows)
        return [*body, ("total", "", "", "", "", f"{bits:,}", f"{ops:,}", "")]

    def __str__(self) -> str:
        table = [self.header, *self.cells()]
        widths = [max(len(line[i]) for line in table) for i in range(len(self.header))]
        numbers = {"stage", "weight bits", "operations"}
        return "\n".join(
            "  ".join(
                c.rjust(w) if title in numbers else c.ljust(w)
                for c, w, title in zip(line, widths, self.header, strict=True)
            ).rstrip()
            for line in table
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def line(cells: tuple[str, ...], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        body = "\n".join(line(c, "td") for c in self.cells())
        return (
            f"<table>\n<thead>{line(self.header, 'th')}</thead>\n<tbody>\n{body}\n</tbody></table>"
        )


def describe(model: nn.Module) -> Description:
    """A table of a converted model: layer, shape, precision, stage, bits, operations, why float.

    Every parameter and running statistic is in one of its rows, whether it is ever used or not.
    Operations are multiply-accumulates of weight layers for one sample (not those of attention);
    in a 1-bit layer with 1-bit inputs each is an XNOR and a share of a popcount.

    Raises:
        ConversionError: the model was never converted.
    """
    done = conversion(model)
    stage_of = {n: s.index for s in done.stages for n in (*s.weights, *s.activations)}
    modules = dict(model.named_modules())
    rows, priced = [], set()
    for call in done.calls:
        module, stage = modules[call.name], stage_of.get(call.name)
        again = call.name in priced
        priced.add(call.name)
        if isinstance(module, Site):
            if stage is not None:  # the others belong to a layer
                rows.append(Row(call.name, "activation", call.shape, _bits(module), stage, 0, 0))
            continue
        bits = 0 if again else _size(module)
        if bits or isinstance(module, tuple(BINARY)):
            note = done.kept.get(call.name, "")
            rows.append(
                Row(call.name, _kind(module), call.shape, _bits(module), stage, bits,
                    _operations(module, call), note)
            )  # fmt: skip
    for name, module in modules.items():
        if done.kept.get(name) in ("own activation", "never called") and not _size(module):
            kind, note = type(module).__name__, done.kept[name]
            rows.append(Row(name, kind, (), "32 bit", None, 0, 0, note))
        if name not in priced and not isinstance(module, Site) and _size(module):
            inside = [n for n, _ in module.named_parameters(recurse=False)]
            note = done.kept.get(name) or next(
                (done.kept[f] for n in inside if (f := f"{name}.{n}".lstrip(".")) in done.kept), ""
            )
            kind = type(module).__name__
            rows.append(Row(name or "(itself)", kind, (), "32 bit", None, _size(module), 0, note))
    return Description(rows)


def _bits(module: object) -> str:
    site = module.binarizer if isinstance(module, BinaryLayer) else module
    if not isinstance(site, Site) or site.rule.name == "float":
        return "32 bit"
    if not isinstance(module, BinaryLayer) or site.rule.scale is None:
        return "1 bit"
    low, high = float(module.alpha().min()), float(module.alpha().max())
    return f"1 bit x {low:.2g}" + (f" to {high:.2g}" if module.alpha().dim() else "")


def _size(module: nn.Module) -> int:
    """Bits of the module's own parameters and buffers, as shipped: one for each binary weight.

    Each value of a scale takes 32 (none once it is folded into a norm).
    """
    bits = sum(32 * t.numel() for t in module.parameters(recurse=False))
    passing = module._non_persistent_buffers_set
    kept = [b for n, b in module._buffers.items() if b is not None and n not in passing]
    bits += sum(32 * b.numel() for b in kept if b.dim())
    if isinstance(module, BinaryLayer) and module.binarizer.rule.name != "float":
        bits -= 31 * module.weight.numel()
        bits += 32 * module.alpha().numel() if module.binarizer.rule.scale else 0
    return bits


def _kind(module: nn.Module) -> str:
    if isinstance(module, nn.Linear):
        return f"linear, {module.in_features} to {module.out_features}"
    if isinstance(module, nn.modules.conv._ConvNd):
        name = "transposed conv" if module.transposed else "conv"
        size = "x".join(map(str, module.kernel_size))
        return f"{name} {size}, {module.in_channels} to {module.out_channels}"
    return type(module).__name__


def _operations(module: nn.Module, call: Call) -> int:
    """Multiply-accumulates of a layer for one sample."""
    if not isinstance(module, tuple(BINARY)):
        return 0
    # an entry of the output sums as many products as an output channel has weights; in a transposed
    # convolution, an entry of the input enters as many as its channel has
    entries = call.input_shape if getattr(module, "transposed", False) else call.shape
    return math.prod(entries) * module.weight[0].numel()  # type: ignore[operator,union-attr,index]


def leaks(model: nn.Module, stage: int) -> list[str]:
    """What still learns in front of ``stage`` once all stages up to it are committed.

    This is about freezing without surrogates. Where every path from the loss leads through a
    committed activation, nothing learns. Where sums stay real numbers, a float path leads around
    it, and gradient reaches the norms, shortcuts, embeddings and biases of committed stages.

    Args:
        model: from ``binarize_model``.
        stage: index of the last committed stage.

    Returns:
        Names of parameters, in the order of the model.

    Raises:
        ConfigError: no such stage.
    """
    done = conversion(model)
    if not 0 <= whole(stage, "a stage") < len(done.stages):
        raise ConfigError(f"stage {stage!r} does not exist; there are {len(done.stages)}")
    graph, committed = done.graphs[-1], done.stages[: stage + 1]
    closed = [name for s in committed for name in s.activations]
    closed += [f"{name}.binarizer" for s in committed for name in s.weights]
    before = graph.above([n for name in closed for n in graph.results.get(name, [])])
    reached = graph.reached(closed)
    names = {graph.parameters[n] for n in before if n in graph.parameters}
    return [name for name, _ in model.named_parameters() if name in names & reached]
