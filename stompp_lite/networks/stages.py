"""Decide from a trace what becomes binary, in which stage, and what stays float and why.

- The first and the last weight layer stay float, and whatever ``keep_float`` names. An embedding
  whose tokens reach the first weight layer through an activation is the first in its place.
- So do shortcuts, found by structure: weight layers on the branch of a sum (or difference) that has
  nothing but products, norms, pooling and reshaping, while the other branch bends.
- Every other weight layer becomes binary, or is a problem that is named.
- Stages are numbered in data-flow order: stage 0 is the activation after the float stem, every
  binary layer opens the next stage, and an activation belongs to the last stage opened.

Sources: which layers stay float: StoMPP's recipe (arXiv 2601.22660), as in most work on binary
networks. Taught in chapter 3 (conversion) and chapter 8 (stages).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from torch import nn

from stompp_lite.networks.layers import BINARY
from stompp_lite.networks.trace import Call, Graph

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish,
    nn.Tanh, nn.Hardtanh,
)  # fmt: skip
NORMS = (
    nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm,
)  # fmt: skip
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)


@dataclass
class Stage:
    """What freezes together: a layer's weights and the activations that follow it (by name)."""

    index: int
    weights: list[str] = field(default_factory=list)
    activations: list[str] = field(default_factory=list)


@dataclass
class Layout:
    """What is to become of a model."""

    stages: list[Stage]
    sites: dict[str, list[bool]]  # activation module -> for each of its calls: a Binarizer or not
    kept: dict[str, str]  # module or parameter -> why it stays float
    problems: dict[str, str]  # module or parameter -> why it can be neither binary nor silent


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern names ``name`` or something that contains it."""
    parts = name.split(".")
    whole = [".".join(parts[: i + 1]) for i in range(len(parts))]
    return any(fnmatchcase(n, pattern) for n in whole for pattern in patterns)


def shortcuts(calls: Sequence[Call], graph: Graph, layers: Sequence[str]) -> list[str]:
    """Weight layers on a branch of a residual sum that bends nowhere."""
    found: set[str] = set()
    for node in graph.sums:
        left, right = (graph.above([source]) for source in graph.sources[node])
        for straight, bent in ((left - right, right - left), (right - left, left - right)):
            if bent & graph.bends and not straight & graph.bends:
                found |= {n for n in layers if straight.intersection(graph.results.get(n, []))}
    return [name for name in dict.fromkeys(c.name for c in calls) if name in found]


def arrange(
    model: nn.Module,
    calls: Sequence[Call],
    graph: Graph,
    keep_float: Sequence[str],
    binary_shortcuts: bool = False,
) -> Layout:
    """Lay out the stages of ``model``; changes nothing."""
    modules = dict(model.named_modules())
    layers = [c.name for c in calls if isinstance(modules[c.name], tuple(BINARY))]
    acts = {c.name for c in calls if isinstance(modules[c.name], ACTIVATIONS)}
    kept = {n: "keep_float" for n in modules if n and matches(n, keep_float)}
    for name in [] if binary_shortcuts else shortcuts(calls, graph, layers):
        kept.setdefault(name, "shortcut")
    if layers:
        kept[layers[-1]] = "last layer"
    first = _first(modules, calls, graph, layers)
    if first in layers:
        kept[first] = "first layer"
    problems = _problems(modules, Counter(layers), kept, keep_float)

    inner = [n for n in layers if n not in kept and n not in problems]
    stages, sites = [Stage(0)], {n: [] for n in sorted(acts) if n not in kept}  # type: ignore[var-annotated]
    many = Counter(c.name for c in calls)
    places = [i for i, c in enumerate(calls) if layers and c.name in (first, layers[-1])]
    for i, call in enumerate(calls):
        if call.name in inner:
            stages.append(Stage(len(stages), weights=[call.name]))
        elif call.name in sites and not places[0] < i < places[-1]:
            sites[call.name].append(False)  # it shapes inputs or logits: it is not between layers
        elif call.name in sites:
            number = len(sites[call.name])
            site = call.name if many[call.name] == 1 else f"{call.name}.sites.{number}"
            sites[call.name].append(True)
            stages[-1].activations.append(site)
    return Layout(stages, sites, kept, problems)


def _first(
    modules: dict[str, nn.Module], calls: Sequence[Call], graph: Graph, layers: Sequence[str]
) -> str | None:
    """The first weight layer, or an embedding that it reads through activations only."""
    if not layers:
        return None
    reads = graph.results.get(layers[0], [])
    bends = [n for c in calls if isinstance(modules[c.name], ACTIVATIONS)
             for n in graph.results.get(c.name, [])]  # fmt: skip
    found = {c.name: graph.results.get(c.name, []) for c in calls
             if isinstance(modules[c.name], EMBEDDINGS)}  # fmt: skip
    behind, straight = graph.above(reads), graph.above(reads, bends)
    if any(straight.intersection(nodes) for nodes in found.values()):
        return layers[0]  # it reads an embedding as it is
    return next((name for name, nodes in found.items() if behind.intersection(nodes)), layers[0])


def _problems(
    modules: dict[str, nn.Module], called: Counter[str], kept: dict[str, str],
    keep_float: Sequence[str],
) -> dict[str, str]:  # fmt: skip
    """What has weights and is neither binary nor kept; notes in ``kept`` what needs no asking."""
    problems: dict[str, str] = {}
    owners: dict[int, list[str]] = {}
    for name, module in modules.items():
        own = dict(module.named_parameters(recurse=False))
        for parameter in own.values():
            owners.setdefault(id(parameter), []).append(name)
        if name in kept or not own:
            continue
        if isinstance(module, tuple(BINARY)):
            why = _why_not_binary(module, called[name])
            if why:
                problems[name] = why
        elif isinstance(module, NORMS):
            kept[name] = "norm"
        elif isinstance(module, EMBEDDINGS):
            kept[name] = "embedding"
        elif isinstance(module, ACTIVATIONS):
            kept[name] = "activation"
        elif any(sum(n > 1 for n in p.shape) > 1 for p in own.values()):
            kind = type(module).__name__
            if type(module).__module__.startswith("torch."):
                problems[name] = f"is a {kind}, which has no binary version"
                continue
            for p in own:
                full = f"{name}.{p}" if name else p
                if matches(full, keep_float):
                    kept[full] = "keep_float"
                else:
                    problems[full] = f"is a parameter of {kind}, which has no binary version"
        else:
            kept[name] = "vector"
    inside = [n for n in problems if any(n.startswith(f"{other}.") for other in problems)]
    for name in inside:  # its owner is named
        del problems[name]
    binary = {n for n in called if n not in kept and n not in problems}
    for names in owners.values():
        if len(names) > 1 and binary & set(names):
            for n in names:
                other = next(o for o in names if o != n)
                if n not in kept or kept[n] == "keep_float":
                    problems.setdefault(n, f"shares its weights with {other!r}")
    return {n: why for n, why in problems.items() if n not in kept}


def _why_not_binary(module: nn.Module, calls: int) -> str:
    if not calls:
        return (
            "is never called as a module: its weight is used functionally, only in training, or "
            "not at all"
        )
    if calls > 1:
        return f"is called {calls} times in a forward pass; its weights cannot be in several stages"
    if type(module) not in BINARY:
        return f"is a {type(module).__name__}, which has no binary version"
    if not isinstance(module._parameters.get("weight"), nn.Parameter):
        return "computes its weight from other parameters (weight norm?)"
    return ""
