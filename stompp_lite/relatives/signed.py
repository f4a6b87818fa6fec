"""Relatives that compute with signs from the first step on, and differ in the way back.

Taught in chapter 17, *The landscape*.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stompp_lite.method import hard_sign
from stompp_lite.networks.rules import Rule
from stompp_lite.relatives.base import Relative, geometric, sloped, straight


class Scaled(Relative):
    r"""XNOR-Net: weights :math:`\alpha \operatorname{sign}(u)`, alpha a filter's mean of abs(u).

    Alpha is taken anew at each step (the package's ``scale="channel"`` fixes it as training
    starts). Going back, with n entries in a filter, the gradient is multiplied by
    :math:`1/n + \alpha\, 1[|u| \le 1]`. The scale that XNOR-Net also gives its inputs is left out.

    Source: Rastegari et al. 2016 (arXiv 1603.05279).
    """

    gradual, commits = False, False

    def __init__(self, rule: Rule, channels: int = 0) -> None:
        super().__init__(rule, channels)
        self.rule = Rule(rule.name, scale="channel")

    def take_scale(self, u: Tensor, name: str) -> None:
        """Nothing is fixed: alpha follows the weights."""

    def value(self, u: Tensor) -> Tensor:
        """Signs times alpha, like ``u``."""
        alpha = torch.as_tensor(self.scale(u))
        share = alpha.numel() / u.numel()  # 1 / n
        slope = share + alpha * (u.detach().abs() <= 1)
        return sloped(u, hard_sign(u) * alpha, slope)


class Shifted(Relative):
    r"""ReActNet's sign: :math:`\operatorname{sign}(u - s)`, a learned shift s for each channel.

    Going back, the slope is Bi-Real Net's, :math:`\max(0, 2 - 2|u - s|)`. ReActNet's other learned
    function, RPReLU, works on real numbers between binary layers, which this network does not have.

    Source: Liu et al. 2020 (arXiv 2003.03488); slope: arXiv 1808.00278.
    """

    kinds = ("activations",)
    gradual, commits = False, False
    shift: nn.Parameter | None

    def __init__(self, rule: Rule, channels: int = 0) -> None:
        super().__init__(rule, channels)
        self.register_parameter("shift", None)

    def value(self, u: Tensor) -> Tensor:
        """Signs, like ``u``: [N, C, ...]."""
        if self.shift is None:  # the example of conversion tells the channels
            with torch.inference_mode(False):
                self.shift = nn.Parameter(torch.zeros(u.shape[1], device=u.device))
        moved = u - self.shift.view(-1, *[1] * (u.dim() - 2))
        return sloped(moved, hard_sign(moved), (2 - 2 * moved.detach().abs()).clamp_min(0))


class Estimator(Relative):
    r"""IR-Net: signs whose slope grows from flat and wide to steep and narrow.

    With t from 1e-3 to 10, by equal factors, and k = max(1/t, 1), the slope at x is
    :math:`k t (1 - \tanh^2(t x))`. Weights are standardized in each filter first,
    :math:`x = (u - \operatorname{mean}) / \operatorname{std}`, and gradient passes through that.
    The paper's scale, a power of two next to the mean of abs(x), is left out: of standardized
    weights it is 1, whatever they are, as long as that mean is between 0.71 and 1.41.

    Source: Qin et al. 2020 (arXiv 1909.10788).
    """

    kinds = ("weights", "activations")
    gradual, commits = False, False

    def latent(self, u: Tensor) -> Tensor:
        """Standardized weights, like ``u``; activations as they are."""
        if not self.of_weights:
            return u
        others = [axis for axis in range(u.dim()) if axis != self.channels]
        u = u.clone()  # conversion refuses a weight that is read in several places
        centered = u - u.mean(others, keepdim=True)
        return centered / centered.std(others, keepdim=True).clamp_min(1e-8)

    def value(self, u: Tensor) -> Tensor:
        """Signs, like ``u``."""
        x = self.latent(u)
        t = geometric(self.tau, 1e-3, 10.0)
        slope = max(1 / t, 1.0) * t * (1 - torch.tanh(t * x.detach()) ** 2)
        return sloped(x, hard_sign(x), slope)


class Flipped(Relative):
    r"""Bop: no latent weights. A sign flips when gradient has pushed against it for long enough.

    .. math:: m \leftarrow (1 - \gamma) m + \gamma g, \qquad
        w \leftarrow -w \text{ where } |m| \ge \theta \text{ and } \operatorname{sign} m = w

    The optimizer's own step on these weights is undone. The learning rate is left for the rest of
    the network. Gamma and theta are constant.

    Source: Helwegen et al. 2019 (arXiv 1906.02107); values of gamma and theta: ours.
    """

    gradual, commits = False, False
    memory = ("average", "signs")
    gamma, theta = 1e-3, 1e-6
    average: Tensor | None
    signs: Tensor | None

    def begin(self, moving: int, key: int, turn: tuple[int, int], weight: Tensor | None) -> None:
        """The first signs are those of the initial weights."""
        super().begin(moving, key, turn, weight)
        if weight is not None:
            self.average, self.signs = torch.zeros_like(weight), hard_sign(weight)

    def value(self, u: Tensor) -> Tensor:
        """Signs, like ``u``; the gradient is that of the signs."""
        return straight(hard_sign(u), u)

    def settle(self, weight: Tensor) -> None:
        """Follow the gradient's average, and flip."""
        assert self.average is not None and self.signs is not None
        if weight.grad is not None:
            self.average.mul_(1 - self.gamma).add_(weight.grad, alpha=self.gamma)
            against = (self.average.abs() >= self.theta) & (self.average.sign() == self.signs)
            self.signs = torch.where(against, -self.signs, self.signs)
        weight.data.copy_(self.signs)
