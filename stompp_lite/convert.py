"""Turn an ordinary torch model into a binary one, and say what became of every layer.

``binarize_model`` runs an example through the model, writes down who is called when, and then

- keeps the first and the last weight layer float, and every layer whose name matches
  ``keep_float`` (by default the down-sampling shortcuts of residual networks);
- gives the weights of every other convolution and linear layer a Binarizer;
- replaces every activation module by a Binarizer, one for each place it is called from
  (torchvision's residual blocks call a single ``relu`` two or three times);
- numbers the stages in data-flow order: stage 0 is the activation after the float stem, every
  binary layer opens the next stage, and an activation belongs to the last stage opened.

Sources: which layers stay float: StoMPP's recipe (arXiv 2601.22660), as in most work on binary
networks. Taught in chapter 3 (conversion) and chapter 8 (stages).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch

import torch
from torch import Tensor, nn

from stompp_lite.binarize import Binarizer, Rule
from stompp_lite.description import Description, Row
from stompp_lite.errors import ConversionError
from stompp_lite.layers import BinaryConv2d, BinaryLinear, as_binary

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish,
    nn.Tanh, nn.Hardtanh,
)  # fmt: skip
SHORTCUTS = ("*downsample*", "*shortcut*")


@dataclass
class Stage:
    """What freezes together: a layer's weights and the activations that follow it (by name)."""

    index: int
    weights: list[str] = field(default_factory=list)
    activations: list[str] = field(default_factory=list)


@dataclass
class Conversion:
    """What ``binarize_model`` did; kept as ``model.binarization``."""

    weights: Rule
    activations: Rule
    stages: list[Stage]
    rows: list[Row]
    input_shape: tuple[int, ...]  # of one sample


class CallSites(nn.Module):
    """One Binarizer for each call of a module that is called several times in a forward pass.

    (A call behind the last weight layer keeps the original module.)
    """

    def __init__(self, sites: Sequence[nn.Module]) -> None:
        super().__init__()
        self.sites = nn.ModuleList(sites)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Pass ``x`` to the Binarizer of this call."""
        if self.calls >= len(self.sites):
            raise ConversionError(
                f"a module converted for {len(self.sites)} calls in a forward pass was called once "
                "more; convert the model with an example that takes the same path"
            )
        self.calls += 1
        out: Tensor = self.sites[self.calls - 1](x)
        return out


def _start_counting(owner: nn.Module, _inputs: object) -> None:
    for module in owner.modules():
        if isinstance(module, CallSites):
            module.calls = 0


def _trace(model: nn.Module, example: Tensor) -> list[tuple[str, nn.Module, Tensor, Tensor]]:
    """(name, module, input, output) of every call of a leaf module, in order."""
    calls: list[tuple[str, nn.Module, Tensor, Tensor]] = []
    handles = []
    for name, module in model.named_modules():
        is_leaf = not any(True for _ in module.children())
        if is_leaf or isinstance(module, nn.Conv2d | nn.Linear):  # some carry children

            def hook(m: nn.Module, args: tuple, out: object, name: str = name) -> None:  # type: ignore[type-arg]
                if args and isinstance(args[0], Tensor) and isinstance(out, Tensor):
                    calls.append((name, m, args[0], out))

            handles.append(module.register_forward_hook(hook))
    was_training = model.training
    model.eval()  # batch statistics must not move
    try:
        with torch.no_grad():
            model(example)
    except ConversionError:
        raise
    except Exception as err:
        raise ConversionError(
            f"the model does not run on an example of shape {tuple(example.shape)} "
            f"and dtype {example.dtype}: {err}"
        ) from err
    finally:
        for handle in handles:
            handle.remove()
        model.train(was_training)
    return calls


def _replace(model: nn.Module, name: str, new: nn.Module) -> set[str]:
    """Put ``new`` in every place where the module called ``name`` stands; names of its owners."""
    old, owners = model.get_submodule(name), set()
    for alias, module in list(model.named_modules(remove_duplicate=False)):
        if module is old:
            parent, _, child = alias.rpartition(".")
            setattr(model.get_submodule(parent), child, new)
            owners.add(parent)
    return owners


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def binarize_model(
    model: nn.Module,
    example: Tensor,
    *,
    weights: str | Rule = "stompp",
    activations: str | Rule = "stompp",
    keep_float: Sequence[str] = SHORTCUTS,
    real_inputs: bool = False,
) -> nn.Module:
    """A binary copy of ``model``; the original is left as it is.

    Args:
        model: a torch model whose activations are modules (``nn.ReLU`` and relatives).
        example: one batch as the model takes it, on the model's device: [N, ...]. N = 1 will do.
            Images of another size need another conversion: masks have the size of feature maps.
        weights: rule of the weights, such as ``"ste"`` (surrogate: identity) or ``"ste:clip"``.
        activations: rule of the activations (surrogate: clip).
        keep_float: name patterns (``fnmatch``) of layers and activations to leave alone, besides
            the first and the last weight layer and any activation behind that.
        real_inputs: allow binary layers whose input is not binary.

    Returns:
        The converted copy. Its ``binarization`` attribute lists the stages.

    Raises:
        ConversionError: the model does not run on the example; a weight layer is called more than
            once or shares its weights; a pattern matches nothing; there is nothing to binarize; a
            binary layer would receive inputs other than ±1.
        ConfigError: unknown rule or surrogate.
    """
    weight_rule = Rule.parse(weights, "identity")
    activation_rule = Rule.parse(activations, "clip")
    if isinstance(keep_float, str):
        keep_float = (keep_float,)
    if hasattr(model, "binarization"):
        raise ConversionError("this model is binarized already; convert the float model again")
    if not isinstance(example, Tensor) or example.dim() < 2 or not len(example):
        shown = tuple(example.shape) if isinstance(example, Tensor) else repr(example)
        raise ConversionError(
            f"the example must be a batch, a tensor [N, ...] of at least one sample; got {shown}"
        )
    model = copy.deepcopy(model)
    calls = _trace(model, example)
    for pattern in keep_float:
        if pattern not in SHORTCUTS and not any(fnmatch(n, pattern) for n, *_ in calls):
            raise ConversionError(f"keep_float pattern {pattern!r} matches nothing that is called")

    layers = [c for c in calls if isinstance(c[1], nn.Conv2d | nn.Linear)]
    names = [name for name, *_ in layers]
    for name in names:
        if names.count(name) > 1:
            raise ConversionError(
                f"layer {name!r} is called {names.count(name)} times in a forward pass; its "
                f"weights cannot be in several stages. Make copies, or add {name!r} to keep_float"
            )
    inner = [n for n in names[1:-1] if not _matches(n, keep_float)]
    if not inner:
        raise ConversionError(
            f"nothing to binarize: of {len(names)} weight layers the first and the last stay float"
            + (" and keep_float names the rest" if len(names) > 2 else "; use a deeper model")
        )

    _refuse_tied(layers, inner)

    stages = [Stage(0)]
    acts = [n for n, m, *_ in calls if isinstance(m, ACTIVATIONS) and not _matches(n, keep_float)]
    sites: dict[str, list[nn.Module]] = {name: [] for name in acts}
    last = max(i for i, (name, *_) in enumerate(calls) if name == names[-1])
    for i, (name, module, _, out) in enumerate(calls):
        if name in inner:
            try:
                as_binary(module, weight_rule)
            except ConversionError as err:
                raise ConversionError(f"{name!r}: {err}; add {name!r} to keep_float") from err
            stages.append(Stage(len(stages), weights=[name]))
        elif name in sites and i > last:
            sites[name].append(module)  # it shapes the logits: not an activation between layers
        elif name in sites:
            full = name if acts.count(name) == 1 else f"{name}.sites.{len(sites[name])}"
            sites[name].append(Binarizer(activation_rule, tuple(out.shape[1:])))
            stages[-1].activations.append(full)
    for name, found in sites.items():
        owners = _replace(model, name, found[0] if len(found) == 1 else CallSites(found))
        if len(found) > 1:  # counted anew in each pass of the block that calls it
            owner = model.get_submodule(owners.pop()) if len(owners) == 1 else model
            owner.register_forward_pre_hook(_start_counting)

    if not real_inputs and activation_rule.name != "float":
        _check_inputs(model, example)
    rows = _rows(calls, stages, weight_rule, activation_rule)
    model.binarization = Conversion(  # type: ignore[assignment]
        weight_rule, activation_rule, stages, rows, tuple(example.shape[1:])
    )
    return model


def conversion(model: nn.Module) -> Conversion:
    """What ``binarize_model`` noted about ``model``.

    Raises:
        ConversionError: the model was never converted.
    """
    found = getattr(model, "binarization", None)
    if not isinstance(found, Conversion):
        raise ConversionError(
            f"{type(model).__name__} is not binarized; call binarize_model(model, example) first"
        )
    return found


def binarizers(model: nn.Module) -> list[Binarizer]:
    """Every Binarizer of the model, of weights and of activations."""
    return [m for m in model.modules() if isinstance(m, Binarizer)]


def _refuse_tied(layers: list[tuple[str, nn.Module, Tensor, Tensor]], inner: list[str]) -> None:
    """Weights shared by two layers cannot be frozen in one and free in the other."""
    owner: dict[int, str] = {}
    for name, layer, *_ in layers:
        weight = layer.weight
        first = owner.setdefault(id(weight), name)
        if first != name and (name in inner or first in inner):
            raise ConversionError(
                f"layers {first!r} and {name!r} share their weights, which cannot be in two "
                "stages; make copies, or add both to keep_float"
            )


def _check_inputs(model: nn.Module, example: Tensor) -> None:
    """With random signs out of every activation, each binary layer must see +1 and -1 only.

    Random, because an example of zeros would send the same sign everywhere.
    """
    generator = torch.Generator().manual_seed(0)

    def random_signs(_m: nn.Module, _i: object, out: Tensor) -> Tensor:
        draw = torch.randint(0, 2, out.shape, generator=generator)
        return (2 * draw - 1).to(out)

    weights = {
        id(m.binarizer) for m in model.modules() if isinstance(m, BinaryConv2d | BinaryLinear)
    }
    handles = [
        b.register_forward_hook(random_signs) for b in binarizers(model) if id(b) not in weights
    ]
    try:
        for name, module, x, _ in _trace(model, example):
            if isinstance(module, BinaryConv2d | BinaryLinear) and not bool((x.abs() == 1).all()):
                raise ConversionError(
                    f"the input of binary layer {name!r} would not be binary: something other "
                    "than an activation module (a functional relu, a batch norm, a mean) stands "
                    f"before it. Use modules, add {name!r} to keep_float, or real_inputs=True"
                )
    finally:
        for handle in handles:
            handle.remove()


def _rows(
    calls: list[tuple[str, nn.Module, Tensor, Tensor]],
    stages: list[Stage],
    weight_rule: Rule,
    activation_rule: Rule,
) -> list[Row]:
    of_layer = {n: s.index for s in stages for n in s.weights}
    of_activation = [(n, s.index) for s in stages for n in s.activations]
    rows = []
    for name, module, _, out in calls:
        shape = tuple(out.shape[1:])
        if isinstance(module, nn.Conv2d | nn.Linear):
            stage = of_layer.get(name)
            binary = stage is not None and weight_rule.name != "float"
            if isinstance(module, nn.Conv2d):
                size = f"{module.kernel_size[0]}x{module.kernel_size[1]}"
                kind = f"conv {size}, {module.in_channels} to {module.out_channels}"
            else:
                kind = f"linear, {module.in_features} to {module.out_features}"
            bits = module.weight.numel() * (1 if binary else 32)
            bits += 32 * module.bias.numel() if module.bias is not None else 0
            # every output entry sums as many products as one output channel has weights
            operations = out[0].numel() * module.weight[0].numel()
            rows.append(Row(name, kind, shape, _bits(binary), stage, bits, operations))
        elif of_activation and of_activation[0][0].split(".sites.")[0] == name:
            full, index = of_activation.pop(0)
            precision = _bits(activation_rule.name != "float")
            rows.append(Row(full, "activation", shape, precision, index, 0, 0))
        else:
            bits = 32 * sum(t.numel() for t in module.state_dict().values() if t.dim())
            if bits:
                rows.append(Row(name, type(module).__name__, shape, "32 bit", None, bits, 0))
    return rows


def _bits(binary: bool) -> str:
    return "1 bit" if binary else "32 bit"


def describe(model: nn.Module) -> Description:
    """A table of a converted model: layer, shape, precision, stage, bits, operations.

    Operations are multiply-accumulates for one sample; in a 1-bit layer with 1-bit inputs each is
    an XNOR and a share of a popcount.

    Raises:
        ConversionError: the model was never converted.
    """
    return Description(conversion(model).rows)
