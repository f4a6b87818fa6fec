r"""Rules by name, and a Binarizer at its place in a network.

Rules differ only in who is frozen and in what gradient a frozen entry passes back:

===================  ===============================  ======================================
rule                 frozen entries                   gradient at a frozen entry
===================  ===============================  ======================================
``float``            none, ever                       --
``ste``              all, always                      the surrogate's
``stompp``           a growing random part            0
``stompp+ste``       a growing random part            the surrogate's
``stompp-then-ste``  a growing random part            0; once all are frozen, the surrogate's
                     (activations only)
``random``           all, always (weights only)       0: the signs stay as they were drawn
===================  ===============================  ======================================

``stompp-then-ste`` is an intervention rather than a method: it lets gradient through what is
committed and changes nothing else (chapter 8).

A free entry passes the gradient of clip, :math:`1[|u| \le 1]`.

Binary weights can carry a **scale**: they are :math:`\alpha \operatorname{sign}(u)`, where
:math:`\alpha` is the mean of :math:`|u|`, so they are about as large as the latent weights behind
them. The gradient that a surrogate passes to u is not multiplied by it.

Sources: StoMPP (arXiv 2601.22660); straight-through estimator: arXiv 1308.3432, 1602.02830; scale:
XNOR-Net (arXiv 1603.05279). Taught in chapters 3 (STE), 4 (scale) and 8 (StoMPP).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stompp_lite.checks import floating, one_of
from stompp_lite.errors import ConfigError, ConversionError, ShapeError
from stompp_lite.functional import freeze
from stompp_lite.method import SURROGATES, Binarizer, hard_sign

#: How a tensor can become binary.
RULES = ("float", "ste", "stompp", "stompp+ste", "stompp-then-ste", "random")
USE_SURROGATES = ("ste", "stompp+ste", "stompp-then-ste")
#: Scales of binary weights. Alpha is the mean absolute latent weight of a layer, or of each output
#: channel, as it is when training starts. From then on it is a constant.
SCALES = ("layer", "channel")
#: Rules that rooms above this one add, by name, each a kind of :class:`Site`.
ADDED: dict[str, type[Site]] = {}


@dataclass(frozen=True)
class Rule:
    """How a tensor becomes binary: one of :data:`RULES`, with its surrogate where it has one.

    ``Rule("ste", "identity")`` and ``Rule.parse("ste:identity")`` are the same rule.

    Attributes:
        scale: of binary weights, one of :data:`SCALES`; None: they are +1 and -1.

    Raises:
        ConfigError: unknown rule, surrogate or scale, a surrogate missing or out of place, a scale
            where nothing is binary.
    """

    name: str
    surrogate: str | None = None
    scale: str | None = None

    def __post_init__(self) -> None:
        one_of(self.name, (*RULES, *ADDED), "rule")
        if self.uses_surrogate and self.surrogate is None:
            raise ConfigError(
                f"rule {self.name!r} needs a surrogate: {self.name + ':identity'!r} is usual for "
                f"weights, {self.name + ':clip'!r} for activations"
            )
        if not self.uses_surrogate and self.surrogate is not None:
            raise ConfigError(f"rule {self.name!r} has no use for a surrogate: {self.surrogate!r}")
        if self.surrogate is not None:
            one_of(self.surrogate, SURROGATES, "surrogate")
        if self.scale is not None:
            one_of(self.scale, SCALES, "scale")
            if self.name == "float":
                raise ConfigError("rule 'float' makes nothing binary that could have a scale")

    @property
    def uses_surrogate(self) -> bool:
        """Whether frozen entries pass a surrogate gradient."""
        return self.name in USE_SURROGATES

    @property
    def progressive(self) -> bool:
        """Whether the frozen fraction grows with a schedule."""
        return self.name.startswith("stompp")

    @classmethod
    def parse(cls, rule: str | Rule, usual: str | None = None) -> Rule:
        """Read ``"stompp"`` or ``"ste:identity"``; the text after the colon is the surrogate.

        Args:
            usual: the surrogate of a rule that is named without one, if there is a usual one.

        Raises:
            ConfigError: unknown rule or surrogate, or a surrogate missing.
        """
        if isinstance(rule, Rule):
            return rule
        name, _, surrogate = str(rule).partition(":")
        one_of(name, (*RULES, *ADDED), "rule")
        return cls(name, surrogate or (usual if name in USE_SURROGATES else None))

    def __str__(self) -> str:
        text = f"{self.name}:{self.surrogate}" if self.surrogate else self.name
        return f"{text}, scale {self.scale}" if self.scale else text


class Site(Binarizer):
    """A Binarizer at its place in a network: it knows its rule and how it is stored.

    Args:
        rule: how frozen entries behave.
        channels: axis of a weight's output channels.

    Attributes:
        mask: function from u to a bool tensor while 0 < p < 1, else None.
        alpha: the scale, a buffer, [] or of the weight's rank; None before training starts, and
            where there is no scale.

    ``mask`` and ``p`` are no buffers: they follow from the step of a run, so they are neither
    broadcast between processes nor stored. The ``state_dict`` only notes whether the tensor is
    committed, so that a finished network is binary wherever it is loaded. A float model's
    ``state_dict`` has no such notes and loads as it is; it changes no p. The other way round, a
    float model takes the latent weights with ``load_state_dict(..., strict=False)``.

    The buffer ``committed`` says the same: a copy whose buffers are kept equal to those of the
    model (``AveragedModel``), or averaged, is binary where the model is.
    """

    alpha: Tensor | None
    committed: Tensor
    of_weights = False  # else of an activation
    freeze = staticmethod(freeze)
    _p: float
    _seen: tuple[int, int]  # which tensor the flag was, and how often it had been changed

    def __init__(self, rule: Rule, channels: int = 0) -> None:
        super().__init__()
        self.rule, self.channels = rule, channels
        with torch.inference_mode(False):
            self.register_buffer("committed", torch.tensor(0.0), persistent=False)
        self._p, self._seen = 0.0, (0, 0)
        self.p = self.resting_p(0)
        self.shape: tuple[int, ...] | None = None  # of an activation, without the batch axis
        self.register_buffer("alpha", None)

    @property
    def surrogate(self) -> str | None:  # type: ignore[override]
        """The surrogate that frozen entries use now."""
        waits = self.rule.name == "stompp-then-ste" and self.p < 1.0
        return None if waits else self.rule.surrogate

    @property
    def p(self) -> float:  # type: ignore[override]
        """The frozen fraction now, from 0 (all is clipped) to 1 (all is binary)."""
        flag = self.committed
        if not self.rule.progressive or torch.compiler.is_compiling() or type(flag) is not Tensor:
            return self._p
        if self._seen != (id(flag), flag._version) and not flag.is_meta:
            self._seen, done = (id(flag), flag._version), bool(flag > 0)
            if done != (self._p == 1.0):  # the buffers of another model were copied or averaged
                self._p, self.mask = float(done), None
        return self._p

    @p.setter
    def p(self, p: float) -> None:
        flag, changed = self.committed, (p == 1.0) != (self._p == 1.0)
        if changed or self._seen != (id(flag), flag._version):
            with torch.inference_mode(False):  # a tensor that counts its changes
                self.committed = flag = torch.tensor(float(p == 1.0), device=flag.device)
        self._p, self._seen = p, (id(flag), flag._version)

    def begin(self, moving: int, key: int, turn: tuple[int, int], weight: Tensor | None) -> None:
        """A progression begins; for rules of their own. See :mod:`stompp_lite.relatives.base`."""

    def follow(self, step: int, weight: Tensor | None) -> None:
        """A step begins."""

    def settle(self, weight: Tensor) -> None:
        """An optimizer has moved latent weights that are not committed; they are clipped again."""

    def latent(self, u: Tensor) -> Tensor:
        """What the sign is taken of, like ``u``."""
        return u

    def resting_p(self, _step: int) -> float:
        """p of a rule that has no schedule, at any step."""
        return 1.0 if self.rule.name in ("ste", "random") else 0.0

    def scale(self, u: Tensor) -> Tensor | float:
        """Size of binary entries: 1, or alpha, which broadcasts to ``u``."""
        if self.rule.scale is None:
            return 1.0
        if self.alpha is not None:
            return self.alpha
        if self.rule.scale == "layer":
            return u.detach().abs().mean()
        others = [axis for axis in range(u.dim()) if axis != self.channels]
        return u.detach().abs().mean(others, keepdim=True)

    def frozen(self, u: Tensor) -> Tensor:  # type: ignore[override]
        """What frozen entries become: signs, times the scale."""
        signs = hard_sign(u)
        return signs if self.rule.scale is None else signs.mul_(self.scale(u))

    def take_scale(self, u: Tensor, name: str) -> None:
        """Fix the scale as training starts, unless it is fixed already.

        Raises:
            ConfigError: the scale is zero, or not finite.
        """
        if self.rule.scale is None or self.alpha is not None:
            return
        alpha = torch.as_tensor(self.scale(u))
        if not bool((alpha > 0).all() and torch.isfinite(alpha).all()):
            raise ConfigError(
                f"the latent weights of {name!r} have a mean size of {float(alpha.min()):g}, which "
                "cannot be a scale; initialize them, or convert with scale=None"
            )
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:  # torch's modules call it input, some by name
        """Eq. 1 at the present p: a tensor like ``input``.

        Raises:
            DtypeError: it is not floating point. ConfigError: 0 < p < 1 and no mask.
            ShapeError: another shape than the mask's.
        """
        floating(input, "a Binarizer")
        if 0.0 < self.p < 1.0 and self.mask is None:
            raise ConfigError(f"p = {self.p} needs a mask: move the model with a Progression")
        if self.mask is not None and self.shape not in (None, tuple(input.shape[1:])):
            raise ShapeError(
                f"an activation has shape {tuple(input.shape[1:])}, its mask {self.shape}: masks "
                "have the size of the feature maps of conversion; convert with such an example"
            )
        return super().forward(input)

    def __prepare_scriptable__(self) -> Site:
        """Called by ``torch.jit.script``.

        Raises:
            ConversionError: always.
        """
        raise ConversionError(
            "torch.jit.script cannot read a Binarizer; use torch.jit.trace(model, example), "
            "torch.export or torch.onnx.export"
        )

    def get_extra_state(self) -> Tensor:
        """1 if wholly frozen, else 0: a part of the ``state_dict``."""
        return self.committed

    def set_extra_state(self, state: Tensor) -> None:
        """Take over from a ``state_dict``. A half-frozen tensor comes back free."""
        if self.rule.progressive:
            self.p, self.mask = float(state), None

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, metadata: Any, strict: bool,
        missing: list[str], unexpected: list[str], errors: list[str],
    ) -> None:  # fmt: skip
        saved = state_dict.get(f"{prefix}alpha")
        if saved is not None and self.alpha is None and self.rule.scale is not None:
            self.alpha = torch.empty_like(saved)
        super()._load_from_state_dict(
            state_dict, prefix, metadata, strict, missing, unexpected, errors
        )
        # a float model knows nothing of Binarizers, and has the slopes of a PReLU in their place
        if f"{prefix}_extra_state" in missing:
            missing.remove(f"{prefix}_extra_state")
            unexpected[:] = [name for name in unexpected if name != f"{prefix}weight"]

    def extra_repr(self) -> str:
        """Rule and p, for ``print(model)``."""
        return f"rule={self.rule}, p={self.p:.3g}"


def site_of(rule: Rule, channels: int = 0) -> Site:
    """A Binarizer for a place where ``rule`` holds. channels: as for :class:`Site`."""
    return ADDED.get(rule.name, Site)(rule, channels)


def leave_uncompiled() -> None:
    """Make torch.compile call Binarizers without compiling them.

    Their p changes at every step, and each change would cause a compilation. This is done on
    demand, because it imports torch's whole compiler.
    """
    kinds: list[Any] = [Site, *ADDED.values()]
    for kind in kinds:
        if not getattr(kind.forward, "_torchdynamo_disable", False):
            kind.forward = torch.compiler.disable(kind.forward)
