"""Turn an ordinary torch model into a binary one: trace, lay out the stages, rewrite, verify.

Each step has a module of its own. This one calls them in order and reports all problems at once.

Taught in chapter 3 (conversion) and chapter 7 (stages).
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from stompp_lite.checks import flag
from stompp_lite.errors import ConfigError, ConversionError
from stompp_lite.networks import verify
from stompp_lite.networks.layers import BinaryLayer, binary_layers
from stompp_lite.networks.rewrite import rewrite
from stompp_lite.networks.rules import ADDED, Rule, Site
from stompp_lite.networks.stages import Stage, arrange, matches, unseen
from stompp_lite.networks.trace import Call, Graph, trace


@dataclass
class Conversion:
    """What ``binarize_model`` did: the attribute ``model.binarization``."""

    weights: Rule
    activations: Rule
    stages: list[Stage]
    kept: dict[str, str]  # what stays float, and why
    calls: list[Call]  # of the converted model
    graphs: list[Graph]  # of the converted model, in evaluation and in training
    input_shape: tuple[int, ...]  # of one sample
    cut: set[str] = field(default_factory=set)  # parameters that a progression has made untrainable

    @property
    def activation_sites(self) -> list[str]:
        """Names of the activations' Binarizers, in the order of the stages."""
        return [name for stage in self.stages for name in stage.activations]


@torch.inference_mode(False)
def binarize_model(
    model: nn.Module,
    example: Tensor,
    *,
    weights: str | Rule = "stompp",
    activations: str | Rule = "stompp",
    scale: str | None = None,
    keep_float: str | Sequence[str] = (),
    binary_shortcuts: bool = False,
    real_inputs: bool = False,
) -> nn.Module:
    """A binary copy of ``model``; the original is left as it is.

    The first and the last weight layer stay float, and so do shortcuts around residual branches,
    normalizations, embeddings and biases. Whatever else has weights becomes binary or is refused by
    name. Activations of your own classes are left alone, and so are those that the example never
    reaches; ``binarization.kept`` and ``describe`` list both.

    Args:
        model: a torch model whose activations are modules (``nn.ReLU`` and relatives).
        example: one batch as the model takes it, on the model's device: [N, ...]. N = 1 will do.
            Images of another size need another conversion: masks have the size of feature maps.
        weights: rule of the weights, such as ``"ste:clip"``; ``"ste"`` is short for
            ``"ste:identity"`` here.
        activations: rule of the activations; ``"ste"`` is short for ``"ste:clip"`` here.
        scale: of the binary weights, one of :data:`~stompp_lite.networks.rules.SCALES`; None: they
            are +1 and -1.
        keep_float: name patterns (``fnmatch``) of what to leave alone in addition: modules with all
            that is in them, or parameters (a layer whose ``weight`` is named stays float).
        binary_shortcuts: convert the layers of shortcuts too.
        real_inputs: allow binary layers whose input is not binary.

    Returns:
        The converted copy. Its ``binarization`` attribute lists the stages and what was kept.

    Raises:
        ConversionError: the model does not run on the example, or not the same way in training and
            evaluation; a pattern matches nothing; there is nothing to binarize; or layers can be
            neither converted nor left alone, all of them by name, with the list that mends it
            (also in the error's ``keep_float``).
        ConfigError: unknown rule, surrogate or scale, or one in the wrong place.
    """
    rules = Rule.parse(weights, "identity"), Rule.parse(activations, "clip")
    if scale is not None:
        rules = replace(rules[0], scale=scale), rules[1]
    if rules[1].scale is not None or rules[1].name == "random":
        raise ConfigError(
            f"activations cannot follow the rule '{rules[1]}': scales and random signs are for "
            "weights"
        )
    if rules[0].name == "stompp-then-ste":
        raise ConfigError(
            f"weights cannot follow the rule '{rules[0]}': it lets gradient through committed "
            "activations; weights='stompp' goes with it"
        )
    for kind, rule in zip(("weights", "activations"), rules, strict=True):
        if kind not in getattr(ADDED.get(rule.name), "kinds", (kind,)):
            raise ConfigError(f"{kind} cannot follow the rule '{rule}', which is for the others")
    keep = [keep_float] if isinstance(keep_float, str) else list(keep_float)
    for value, what in ((binary_shortcuts, "binary_shortcuts"), (real_inputs, "real_inputs")):
        flag(value, what)
    _check_arguments(model, example, keep)
    problems: dict[str, str] = {}
    while True:  # until what was found wrong, kept float, leaves nothing wrong
        try:
            done, found = _attempt(
                _copy(model), example, rules, [*keep, *problems], binary_shortcuts,
                real_inputs,
            )  # fmt: skip
        except _NothingLeftError as err:
            if not problems:
                raise ConversionError(str(err)) from None
            raise ConversionError(
                f"{type(model).__name__} cannot be binarized: {_listed(problems)}. Left float, "
                "they would leave nothing to binarize"
            ) from None
        if not found:
            break
        problems |= found
    if problems:
        raise ConversionError(
            f"{type(model).__name__} cannot be binarized as it stands: {_listed(problems)}. To "
            f"leave {'this' if len(problems) == 1 else 'these'} float, call binarize_model(..., "
            f"keep_float={[*keep, *problems]})",
            [*keep, *problems],
        )
    return done


class _NothingLeftError(Exception):
    pass


def _copy(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as err:
        raise ConversionError(
            f"{type(model).__name__} cannot be copied ({err}); does it keep a result of a forward "
            "pass as an attribute? Convert it before it has run, or detach what it keeps"
        ) from err


def _listed(problems: dict[str, str]) -> str:
    """Problems with the same reason together."""
    groups: dict[str, list[str]] = {}
    for name, why in problems.items():
        groups.setdefault(why, []).append(repr(name))
    verb = {
        "is a": "are each a", "is": "are", "shares its": "share their", "does": "do",
        "has": "have",
    }  # fmt: skip
    out = []
    for why, names in groups.items():
        start = next((v for v in verb if why.startswith(f"{v} ")), "")
        several = verb[start] + why.removeprefix(start) if start and len(names) > 1 else why
        out.append(f"{', '.join(names)} {several}")
    return "; ".join(out)


def _attempt(
    model: nn.Module, example: Tensor, rules: tuple[Rule, Rule], keep: list[str],
    binary_shortcuts: bool, allow_real: bool,
) -> tuple[nn.Module, dict[str, str]]:  # fmt: skip
    """Convert ``model`` in place; also returns what is wrong, by name."""
    calls, graph = trace(model, example)
    if unseen(model, calls, graph):  # it evaluates without gradients, but may train with them
        _, graph = trace(model, example, training=True)
    layout = arrange(model, calls, graph, keep, binary_shortcuts)
    if layout.problems:
        return model, layout.problems
    if len(layout.stages) == 1:
        count = sum(why == "keep_float" for why in layout.kept.values())
        raise _NothingLeftError(
            "nothing to binarize: the first and the last weight layer stay float"
            + (" and keep_float names the rest" if count else "; use a deeper model")
        )
    rewrite(model, layout, calls, *rules)
    if not allow_real and rules[1].name != "float":
        found = verify.real_inputs(model, example)
        own = [repr(name) for name, why in layout.kept.items() if why == "own activation"]
        if found and own:
            left = f"; {', '.join(own)} computes something of its own and was left alone"
            found = {name: why + left for name, why in found.items()}
        if found:
            return model, found
    calls, graph = trace(model, example)
    _, in_training = trace(model, example, training=True)
    twice = {
        name: "has a weight that is also used functionally, where it would stay float"
        for name in binary_layers(model)
        if graph.consumers(f"{name}.weight") > 1 or in_training.consumers(f"{name}.weight") > 1
    }
    if twice:
        return model, twice
    done = Conversion(
        *rules, layout.stages, layout.kept, calls, [graph, in_training], tuple(example.shape[1:])
    )
    model.binarization = done  # type: ignore[assignment]
    strange = verify.check_paths(model, example, done.activation_sites)
    if strange:
        return model, strange
    shapes = {call.name: call.shape for call in calls}
    for name in done.activation_sites:
        site = model.get_submodule(name)
        assert isinstance(site, Site)
        site.shape = shapes[name]
    return model, {}


def _check_arguments(model: nn.Module, example: object, keep: Sequence[str]) -> None:
    if not isinstance(model, nn.Module):
        raise ConversionError(f"the model must be a torch module, got {model!r}")
    if bare(model) is not model:
        raise ConversionError("this model is compiled; convert the model itself, then compile that")
    if hasattr(model, "binarization"):
        raise ConversionError("this model is binarized already; convert the float model again")
    if not isinstance(example, Tensor) or example.dim() < 2 or not len(example):
        shown = tuple(example.shape) if isinstance(example, Tensor) else repr(example)
        raise ConversionError(
            f"the example must be a batch, a tensor [N, ...] of at least one sample; got {shown}"
        )
    for name, module in model.named_modules():
        if "weight_orig" in module._parameters and "weight_mask" in module._buffers:
            raise ConversionError(
                f"{name!r} is pruned by torch.nn.utils.prune, but a binary weight cannot be 0: "
                "sign(0) = +1. Make it permanent (prune.remove), and keep the layer float"
            )
    if example.layout != torch.strided:
        raise ConversionError("the example is sparse; give example.to_dense()")
    everything = [*model.named_parameters(), *model.named_buffers()]
    lazy = [name for name, tensor in everything if nn.parameter.is_lazy(tensor)]
    if lazy:
        raise ConversionError(f"{lazy[0]!r} is not initialized yet; run the model once before")
    if example.is_meta or any(tensor.is_meta for _, tensor in everything):
        raise ConversionError(
            "the model or the example is on the device 'meta' and has no values; move the model to "
            "a device with model.to_empty(device=...), initialize it, and convert it then"
        )
    names = [n for n, _ in model.named_modules() if n] + [n for n, _ in model.named_parameters()]
    for pattern in keep:
        if not isinstance(pattern, str):
            raise ConversionError(f"keep_float takes names, got {pattern!r}")
        if not any(matches(n, [pattern]) for n in names):
            near = difflib.get_close_matches(pattern, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConversionError(f"keep_float pattern {pattern!r} matches nothing in it{hint}")


def bare(model: nn.Module) -> nn.Module:
    """The model itself, where ``model`` is torch.compile's wrapper around it."""
    inner = getattr(model, "_orig_mod", model)
    assert isinstance(inner, nn.Module)
    return inner


def conversion(model: nn.Module) -> Conversion:
    """What ``binarize_model`` noted about ``model``.

    Raises:
        ConversionError: the model was never converted, or a binary layer or a Binarizer has been
            replaced since, by name.
    """
    found = getattr(model, "binarization", None)
    if not isinstance(found, Conversion):
        raise ConversionError(
            f"{type(model).__name__} is not binarized; call binarize_model(model, example) first"
        )
    modules = dict(bare(model).named_modules(remove_duplicate=False))
    wanted = [(n, BinaryLayer) for stage in found.stages for n in stage.weights]
    wanted += [(n, Site) for n in found.activation_sites]  # type: ignore[misc]
    for name, kind in wanted:
        now = modules.get(name)
        if not isinstance(now, kind):
            raise ConversionError(
                f"{name!r} was binary when the model was converted and is "
                f"{'a ' + type(now).__name__ if now else 'gone'} now; change the float model, "
                "then convert that"
            )
    return found
