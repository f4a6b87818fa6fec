"""Decide from a trace what becomes binary, in which stage, and what stays float and why.

- The first and the last weight layer stay float, and so does whatever ``keep_float`` names. Where
  an embedding reaches the first weight layer through an activation, it counts as the first layer.
- Shortcuts stay float. They are found by structure: weight layers on that branch of a sum (or
  difference) which has nothing but products, norms, pooling and reshaping, while the other bends.
- Every other weight layer becomes binary or is reported by name.
- Stages are numbered in data-flow order: stage 0 is the activation after the float stem, every
  binary layer opens the next stage, and an activation belongs to the last stage opened.

Sources: which layers stay float: StoMPP's recipe (arXiv 2601.22660), as in most work on binary
networks. Taught in chapter 3 (conversion) and chapter 7 (stages).
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
#: A layer with a larger share of weights that are exactly zero is pruned, or not initialized.
ZEROS = 0.01


@dataclass
class Stage:
    """What freezes together, by name: a layer's weights and the activations that follow it."""

    index: int
    weights: list[str] = field(default_factory=list)
    activations: list[str] = field(default_factory=list)


@dataclass
class Layout:
    """What conversion will do to a model."""

    stages: list[Stage]
    sites: dict[
        str, list[bool]
    ]  # activation -> for each of its calls, whether it becomes a Binarizer
    kept: dict[str, str]  # module or parameter -> why it stays float
    problems: dict[str, str]  # module or parameter -> why it cannot be converted


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern names ``name`` or something that contains it."""
    parts = name.split(".")
    whole = [".".join(parts[: i + 1]) for i in range(len(parts))]
    return any(fnmatchcase(n, pattern) for n in whole for pattern in patterns)


def is_activation(module: nn.Module) -> bool:
    """Whether ``module`` is one of torch's activations, and computes nothing of its own."""
    kind = next((kind for kind in ACTIVATIONS if isinstance(module, kind)), None)
    if kind is None or type(module).forward is not kind.forward or "forward" in vars(module):
        return False
    own = {*module._parameters, *module._buffers, *module._modules}
    return own <= ({"weight"} if kind is nn.PReLU else set())


def unseen(model: nn.Module, calls: Sequence[Call], graph: Graph) -> set[str]:
    """Weight layers that were called without gradients, so that their branch is unknown."""
    called = Counter(
        c.name for c in calls if isinstance(model.get_submodule(c.name), tuple(BINARY))
    )
    return {name for name, n in called.items() if len(graph.results.get(name, [])) < n}


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
    acts = {c.name for c in calls if is_activation(modules[c.name])}
    kept = {
        n: "keep_float" for n, m in modules.items()
        if n and (matches(n, keep_float)
                  or (isinstance(m, tuple(BINARY)) and matches(f"{n}.weight", keep_float)))
    }  # fmt: skip
    for name in [] if binary_shortcuts else shortcuts(calls, graph, layers):
        kept.setdefault(name, "shortcut")
    if layers:
        kept[layers[-1]] = "last layer"
    first = _first(modules, calls, graph, layers)
    if first in layers:
        kept[first] = "first layer"
    problems = _problems(modules, Counter(layers), unseen(model, calls, graph), kept, keep_float)
    called = {c.name for c in calls}
    for name, module in modules.items():  # it has no weights, but what it does is not converted
        if isinstance(module, ACTIVATIONS) and name not in acts and kept.get(name) != "keep_float":
            kept[name] = "own activation" if name in called else "never called"

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
    for name, wanted in sites.items():
        if not all(wanted) and modules[name]._parameters:
            kept[name] = "activation"
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
    modules: dict[str, nn.Module], called: Counter[str], hidden: set[str], kept: dict[str, str],
    keep_float: Sequence[str],
) -> dict[str, str]:  # fmt: skip
    """What has weights and is neither binary nor kept; adds to ``kept`` what always stays float."""
    problems: dict[str, str] = {}
    owners: dict[int, list[str]] = {}
    for name, module in modules.items():
        own = dict(module.named_parameters(recurse=False))
        for parameter in own.values():
            owners.setdefault(id(parameter), []).append(name)
        if name in kept or not own:
            continue
        if isinstance(module, tuple(BINARY)):
            why = _why_not_binary(module, called[name], name in hidden)
            if why:
                problems[name] = why
        elif isinstance(module, NORMS):
            kept[name] = "norm"
        elif isinstance(module, EMBEDDINGS):
            kept[name] = "embedding"
        elif isinstance(module, ACTIVATIONS):
            continue  # a PReLU: becomes a Binarizer, or arrange says why not
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


def _why_not_binary(module: nn.Module, calls: int, hidden: bool) -> str:
    if not calls:
        return (
            "is never called as a module: its weight is used functionally, only in training, or "
            "not at all"
        )
    if calls > 1:
        return f"is called {calls} times in a forward pass; its weights cannot be in several stages"
    if type(module) not in BINARY:
        return f"is a {type(module).__name__}, which has no binary version"
    weight = module._parameters.get("weight")
    if weight is None:
        return "computes its weight from other parameters (weight norm?)"
    if hidden:
        return (
            "is computed without gradients (torch.no_grad, detach), so it cannot be told from a "
            "shortcut"
        )
    zeros = int((weight == 0).sum())
    if zeros > ZEROS * weight.numel():
        return (
            "has many weights that are exactly 0 (pruned or not initialized), which would become "
            "+1: sign(0) = +1"
        )
    return ""
