"""Put Binarizers where a layout wants them.

An activation that is called several times (torchvision's residual blocks call one ``relu`` two or
three times) gets a Binarizer for each call. Counting starts again whenever the module that contains
all of these calls is called: the deepest one that the trace found on the stack of each of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from stompp_lite.errors import ConversionError
from stompp_lite.networks.layers import as_binary
from stompp_lite.networks.rules import Rule, site_of
from stompp_lite.networks.stages import Layout
from stompp_lite.networks.trace import Call


class CallSites(nn.Module):
    """One Binarizer for each call of a module that is called several times in a forward pass.

    A call after the last weight layer keeps the original module.
    """

    def __init__(self, sites: Sequence[nn.Module]) -> None:
        super().__init__()
        self.sites = nn.ModuleList(sites)
        self.calls = 0

    def forward(self, input: Tensor) -> Tensor:
        """Pass ``input`` to the Binarizer of this call.

        Raises:
            ConversionError: one call more than the model made when it was converted.
        """
        if self.calls >= len(self.sites):
            raise ConversionError(
                f"a module converted for {len(self.sites)} calls in a forward pass was called once "
                "more; convert the model with an example that takes the same path, and checkpoint "
                "gradients of whole blocks, not of parts"
            )
        self.calls += 1
        out: Tensor = self.sites[self.calls - 1](input)
        return out


def _start_counting(owner: nn.Module, _inputs: object) -> None:
    for module in owner.modules():
        if isinstance(module, CallSites):
            module.calls = 0


def rewrite(
    model: nn.Module, layout: Layout, calls: Sequence[Call], weights: Rule, activations: Rule
) -> None:
    """Change ``model`` in place as ``layout`` says."""
    for stage in layout.stages:
        for name in stage.weights:
            as_binary(model.get_submodule(name), weights)
    for name, wanted in layout.sites.items():
        if not any(wanted):
            continue
        old = model.get_submodule(name)
        found = [site_of(activations) if wants else old for wants in wanted]
        _replace(model, old, found[0] if len(found) == 1 else CallSites(found))
        if len(found) > 1:
            stacks = [call.stack for call in calls if call.name == name]
            owner = [frame for frame in stacks[0] if all(frame in other for other in stacks)][-1][0]
            model.get_submodule(owner).register_forward_pre_hook(_start_counting)
    for module in model.modules():
        # its fused path would read the weights of its layers without calling them
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put ``new`` in every place where ``old`` stands."""
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module is old:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, new)
