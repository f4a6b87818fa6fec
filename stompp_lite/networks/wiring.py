"""A converted network as plain numbers: who depends on whom, its stages, what leads around them.

Enough to tell, away from torch, whom gradient still reaches once some stages are committed: the
figure of :func:`~stompp_lite.viz.drawn.commitment_explorer` does so. Taught in
chapter 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from stompp_lite.networks.convert import conversion
from stompp_lite.networks.trace import Graph


def wiring(model: nn.Module) -> dict[str, Any]:
    """What gradient needs to know of a network, as anything that JSON can hold.

    Args:
        model: from ``binarize_model``.

    Returns:
        ``sources``, for each node those that it depends on; ``outputs``; ``parameters``, pairs of a
        node and its name; ``stages``, each with the nodes that it closes when it is committed, its
        ``ends`` and those of the parameters that it ``learns`` (of stage 0 the float stem's);
        ``arcs``, the float paths around stages, from column to column, with the node of the sum.

    Raises:
        ConversionError: it is not converted.
    """
    done = conversion(model)
    graph, stages = done.graphs[-1], []
    for stage in done.stages:
        ends = _nodes(graph, stage.activations or stage.weights)
        latent = {f"{name}.weight" for name in stage.weights}
        own = [n for n, name in graph.parameters.items() if name in latent]
        binarizers = [f"{name}.binarizer" for name in stage.weights]
        stages.append(
            {
                "weights": stage.weights,
                "activations": stage.activations,
                "closed": _nodes(graph, [*stage.activations, *binarizers]),
                "ends": ends,
                "learns": own or sorted(graph.above(ends) & graph.parameters.keys()),
            }
        )
    layers = [set(_nodes(graph, stage.weights)) for stage in done.stages]
    return {
        "sources": graph.sources,
        "outputs": graph.outputs,
        "parameters": [[node, name] for node, name in graph.parameters.items()],
        "stages": stages,
        "arcs": [arc for node in graph.sums if (arc := _arc(graph, node, stages, layers))],
    }


def _nodes(graph: Graph, names: Sequence[str]) -> list[int]:
    return [node for name in names for node in graph.results.get(name, [])]


def _arc(
    graph: Graph, node: int, stages: Sequence[dict[str, Any]], layers: Sequence[set[int]]
) -> dict[str, Any] | None:
    """The path through a sum that leads around stages, if only one of its two does.

    A whole number is the border before a column. Half of one more lies inside the column, between
    its weights and its activation, which a path that begins there goes around.
    """
    sides = [graph.above([source]) for source in graph.sources[node]]
    around = [
        [k for k, layer in enumerate(layers) if layer & (one - other)]
        for one, other in (sides, sides[::-1])
    ]
    if bool(around[0]) == bool(around[1]):
        return None
    straight = 0 if around[1] else 1
    first, last = min(around[1 - straight]), max(around[1 - straight])
    own = sides[straight] - sides[1 - straight]
    read = {graph.sources[node][straight], *(s for n in own for s in graph.sources[n])} - own
    behind = first == 0 or bool(graph.above(read).intersection(stages[first - 1]["ends"]))
    inside = node in graph.above(stages[last]["ends"])
    start, end = first - (0.0 if behind else 0.5), last + (0.5 if inside else 1.0)
    return {"from": start, "to": end, "sum": node}
