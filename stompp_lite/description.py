"""The table that describes a converted model: what became of every layer, and what it costs.

Taught in chapter 1 (bits) and chapter 4 (stages).
"""

from __future__ import annotations

import html
from dataclasses import dataclass


@dataclass
class Row:
    """One line of the table."""

    name: str
    kind: str
    shape: tuple[int, ...]  # of the output, without the batch axis
    precision: str
    stage: int | None
    bits: int  # of the weights (and bias) as shipped
    operations: int  # multiply-accumulates (XNOR and popcount where binary) for one sample


class Description:
    """What ``describe(model)`` returns: plain text when printed, an HTML table in a notebook."""

    header = ("layer", "kind", "output", "precision", "stage", "weight bits", "operations")

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
            )
            for r in self.rows
        ]
        bits, ops = sum(r.bits for r in self.rows), sum(r.operations for r in self.rows)
        return [*body, ("total", "", "", "", "", f"{bits:,}", f"{ops:,}")]

    def __str__(self) -> str:
        table = [self.header, *self.cells()]
        widths = [max(len(line[i]) for line in table) for i in range(len(self.header))]
        left = (True, True, True, True, False, False, False)
        return "\n".join(
            "  ".join(
                c.ljust(w) if is_left else c.rjust(w)
                for c, w, is_left in zip(line, widths, left, strict=True)
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
