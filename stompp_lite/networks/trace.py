"""Record one forward pass of a model: which modules are called, and what depends on what.

The calls come from forward hooks and the dependencies from autograd's own graph, so any Python
control flow will do. The model is left as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from stompp_lite.errors import ConversionError

#: Autograd's names of functions that bend nothing, such as products with weights, norms, sums,
#: pooling and reshaping.
STRAIGHT = (
    "AccumulateGrad", "Convolution", "Addmm", "Mm", "Linear", "NativeBatchNorm", "CudnnBatchNorm",
    "NativeLayerNorm", "NativeGroupNorm", "Add", "Sub", "AvgPool", "AdaptiveAvgPool", "Mean",
    "MaxPool", "ConstantPadNd", "UpsampleNearest", "UpsampleNearestExact", "UpsampleLinear",
    "UpsampleBilinear", "UpsampleTrilinear", "UpsampleBicubic", "Alias", "Select", "T", "Transpose",
    "Permute", "View", "UnsafeView", "ReshapeAlias", "Reshape", "Expand", "Squeeze", "Unsqueeze",
    "Slice", "Clone", "ToCopy",
)  # fmt: skip
_STRAIGHT = re.compile(rf"({'|'.join(STRAIGHT)})(\d[dD])?(WithIndices)?(Backward\d*)?")


@dataclass
class Call:
    """One call of a module that has no children, or of a layer with weights."""

    name: str
    input_shape: tuple[int, ...]  # without the batch axis; empty if there is no tensor
    shape: tuple[int, ...]  # of the output, without the batch axis
    stack: tuple[tuple[str, int], ...]  # who called it: (name, number of the call), root first


@dataclass
class Graph:
    """What depends on what: nodes are numbers, edges lead from a result to its sources."""

    sources: list[list[int]] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)  # nodes that add or subtract two tensors
    bends: set[int] = field(default_factory=set)  # nodes of all functions that are not STRAIGHT
    parameters: dict[int, str] = field(default_factory=dict)
    results: dict[str, list[int]] = field(default_factory=dict)  # module -> node of each call

    def above(self, start: Collection[int], closed: Collection[int] = ()) -> set[int]:
        """``start`` and every node that it depends on, except through ``closed`` nodes."""
        found, todo, shut = set(start), list(start), set(closed)
        while todo:
            node = todo.pop()
            new = [n for n in self.sources[node] if n not in found] if node not in shut else []
            found.update(new)
            todo += new
        return found

    def consumers(self, parameter: str) -> int:
        """How many times a parameter is used."""
        nodes = [n for n, name in self.parameters.items() if name == parameter]
        return sum(node in nodes for sources in self.sources for node in sources)

    def reached(self, committed: Collection[str] = ()) -> set[str]:
        """Parameters that a gradient from the output reaches past the ``committed`` modules."""
        closed = [node for name in committed for node in self.results.get(name, [])]
        return {
            self.parameters[n] for n in self.above(self.outputs, closed) if n in self.parameters
        }


@contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """Restore buffers, gradients, modes, ``requires_grad`` and random states afterwards."""
    buffers = [
        (m, {name: b if b is None else b.clone() for name, b in m._buffers.items()})
        for m in model.modules()
    ]
    kept = [(p, p.grad, p.requires_grad) for p in model.parameters()]
    modes = [(m, m.training) for m in model.modules()]
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    for parameter, *_ in kept:
        parameter.grad = None  # else a backward pass would add to the caller's
    try:
        with torch.random.fork_rng(devices=sorted(devices, key=str)):
            yield
    finally:
        with torch.no_grad():
            for module, before in buffers:
                for name, b in list(module._buffers.items()):
                    if name not in before:
                        del module._buffers[name]  # a cache that the forward pass made
                    elif (old := before[name]) is None or b is None or b.shape != old.shape:
                        module._buffers[name] = old
                    else:
                        b.copy_(old)
        for parameter, grad, trains in kept:
            parameter.requires_grad_(trains)
            parameter.grad = grad
        for module, mode in modes:
            module.training = mode


def first_tensor(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The input of a call, given by position or by name."""
    return next((v for v in [*args, *kwargs.values()] if isinstance(v, Tensor)), None)


def tensors(output: Any) -> Iterator[Tensor]:
    """Every tensor in an output, however nested."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from tensors(value)


def recorded(module: nn.Module) -> bool:
    """Whether calls of ``module`` are recorded: leaves are, and whatever has a weight."""
    has_weight = isinstance(getattr(module, "weight", None), Tensor)
    return has_weight or not any(True for _ in module.children())


@contextmanager
def watching(model: nn.Module, seen: Callable[[str, Tensor, Any, Any], Any]) -> Iterator[None]:
    """Call ``seen(name, output, input, stack)`` at each recorded call; it may return an output."""
    stack: list[tuple[str, int]] = []
    numbers: dict[str, int] = {}
    handles = []

    def enter(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            numbers[name] = numbers.get(name, 0) + 1
            stack.append((name, numbers[name]))

        return hook

    def leave(name: str, is_recorded: bool) -> Callable[..., Any]:
        def hook(_m: nn.Module, args: Any, kwargs: Any, out: Any) -> Any:
            while stack and stack.pop()[0] != name:
                pass  # a caller that caught an exception of a module below it
            first = next(tensors(out), None) if is_recorded else None
            return (
                None
                if first is None
                else seen(name, first, first_tensor(args, kwargs), tuple(stack))
            )

        return hook

    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(enter(name), prepend=True))
        handles.append(
            module.register_forward_hook(leave(name, recorded(module)), with_kwargs=True)
        )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def trace(model: nn.Module, example: Tensor, training: bool = False) -> tuple[list[Call], Graph]:
    """Run ``example`` through ``model``, in evaluation mode unless told otherwise.

    The graph holds everything that the recorded calls depend on, so it is whole even where the
    model returns no gradient (class numbers from an argmax, a NumPy array). A call that ran without
    gradients has no entry in its ``results``.

    Returns:
        Every recorded call in order, and the graph.

    Raises:
        ConversionError: the model does not run on the example.
    """
    try:
        calls, nodes, output = _record(model, example, training, grad=True)
    except _DoesNotRunError as err:  # with gradients; it may still run without them
        nodes, output = list(err.nodes), None
        calls, _, _ = _record(model, example, training, grad=False)
    return calls, _graph(model, output, nodes)


def _record(
    model: nn.Module, example: Tensor, training: bool, grad: bool
) -> tuple[list[Call], list[tuple[str, Any]], Any]:
    """Calls, the node of autograd behind each, and what the model returns."""
    calls: list[Call] = []
    nodes: list[tuple[str, Any]] = []

    def seen(name: str, out: Tensor, x: Tensor | None, stack: Any) -> None:
        calls.append(
            Call(name, () if x is None else tuple(x.shape[1:]), tuple(out.shape[1:]), stack)
        )
        nodes.append((name, out.grad_fn))

    with preserved(model), torch.set_grad_enabled(grad), watching(model, seen):
        model.train(training)
        for p in model.parameters():
            p.requires_grad_(p.is_floating_point())
        try:
            return calls, nodes, run(model, batch_for(example, training))
        except _DoesNotRunError as err:
            err.nodes = nodes
            raise


def batch_for(example: Tensor, training: bool) -> Tensor:
    """``example``, twice if it is for training: batch norm needs two samples."""
    return torch.cat([example, example]) if training else example


def run(model: nn.Module, example: Tensor) -> Any:
    """``model(example)``.

    Raises:
        ConversionError: it fails.
    """
    try:
        return model(example.clone())
    except ConversionError:
        raise
    except Exception as err:
        raise _DoesNotRunError(
            f"the model does not run on an example of shape {tuple(example.shape)} "
            f"and dtype {example.dtype}: {err}"
        ) from err


class _DoesNotRunError(ConversionError):
    nodes: Sequence[tuple[str, Any]] = ()  # of the calls before the error


def _graph(model: nn.Module, output: Any, called: Sequence[tuple[str, Any]]) -> Graph:
    names = {id(p): name for name, p in model.named_parameters()}
    graph, numbers, keep = Graph(), {}, []  # type: ignore[var-annotated]

    def number(fn: Any) -> int:
        if id(fn) not in numbers:
            numbers[id(fn)] = len(graph.sources)
            graph.sources.append([])
            keep.append(fn)  # alive, so that its id stays its own
            variable = getattr(fn, "variable", None)
            if variable is not None and id(variable) in names:
                graph.parameters[numbers[id(fn)]] = names[id(variable)]
        return numbers[id(fn)]

    graph.outputs = [number(t.grad_fn) for t in tensors(output) if t.grad_fn is not None]
    for _, fn in called:  # what it returns may have no gradient, or leave a branch out
        if fn is not None:
            number(fn)
    done = 0
    while done < len(keep):
        fn = keep[done]
        sources = [f for f, _ in fn.next_functions if f is not None]
        graph.sources[done] = [number(f) for f in sources]
        kind = type(fn).__name__
        if kind.startswith(("AddBackward", "SubBackward")) and len(sources) == 2:
            graph.sums.append(done)
        if not _STRAIGHT.fullmatch(kind):
            graph.bends.add(done)
        done += 1
    for name, fn in called:
        if fn is not None:
            graph.results.setdefault(name, []).append(numbers[id(fn)])
    return graph
