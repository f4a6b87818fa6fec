"""Relatives in which all entries of a layer become binary together, more and more.

Taught in chapter 17, *The landscape*.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stompp_lite.method import hard_sign
from stompp_lite.relatives.base import Relative, geometric, straight


class Sharpened(Relative):
    r"""Self-Binarizing Networks: :math:`\tanh(\nu u)`, nu growing; signs at the end.

    The gradient is that of the tanh. Nu grows from 1 to 1000 by equal factors (ours). The paper's
    batch norm, which is a comparison only, is left out: it changes no value that is computed.

    Source: Lahoud et al. 2019 (arXiv 1902.00730).
    """

    kinds = ("weights", "activations")

    def value(self, u: Tensor) -> Tensor:
        """Between -1 and 1, like ``u``."""
        return torch.tanh(geometric(self.tau, 1.0, 1000.0) * u)


class Relaxed(Relative):
    r"""BinaryRelax: weights between u and its sign, nearer to the sign as lambda grows.

    .. math:: (\lambda \operatorname{sign}(u) + u) / (\lambda + 1)

    The gradient is taken there and given to u. Lambda grows from 1 to 1000 by equal factors (ours).

    Source: Yin et al. 2018 (arXiv 1801.06313).
    """

    def value(self, u: Tensor) -> Tensor:
        """Like ``u``."""
        strength = geometric(self.tau, 1.0, 1000.0)
        return straight((strength * hard_sign(u) + u) / (strength + 1), u)


class Pulled(Relative):
    r"""ProxQuant: after each step of the optimizer, latent weights are pulled towards their signs.

    .. math:: u \leftarrow s + \operatorname{sign}(u - s) \max(|u - s| - \lambda, 0), \qquad
        s = \operatorname{sign}(u)

    is the proximal step of a penalty of lambda times the distance to the nearest sign. The network
    computes with u itself. Lambda grows in proportion to tau, so that all pulls of a run together
    are 4, twice the distance from -1 to 1 (ours).

    Source: Bai, Wang and Liberty 2019 (arXiv 1810.00861).
    """

    reach = 4.0  # sum of all pulls

    def value(self, u: Tensor) -> Tensor:
        """``u``, which is within [-1, 1]."""
        return u

    def settle(self, weight: Tensor) -> None:
        """The proximal step."""
        strength, near = 2 * self.reach * self.tau / self.moving, hard_sign(weight)
        away = weight.data - near
        weight.data.copy_(near + away.sign() * (away.abs() - strength).clamp_min(0))
