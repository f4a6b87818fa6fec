r"""Relatives that change the loss: a float network shows what the binary one should compute.

.. math:: L = \text{cross-entropy} + \frac{\lambda}{J} \sum_{j=1}^{J} d(A_S^j, A_T^j)

compares both networks at J places: at what arrives at each activation, before it becomes a sign,
:math:`A^j` [N, channels, ...] of the student S, which trains, and of the teacher T. Lambda is 1
(ours). Weights and activations become binary by whatever rule the student has.

Taught in chapter 17, *The landscape*.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stompp_lite.checks import not_negative
from stompp_lite.errors import ConfigError
from stompp_lite.networks.convert import conversion
from stompp_lite.training.measure import loss_of


class Guide:
    """A loss for ``fit(student, data, loss=guide)`` that sees a teacher; a kind has a distance.

    Args:
        student: from :func:`~stompp_lite.networks.convert.binarize_model`.
        teacher: the same network converted with the rules ``"float"``, trained; it stays as it is.
        weight: lambda.

    Raises:
        ConfigError: the two have activations in other places.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module, weight: float = 1.0) -> None:
        places = conversion(student).activation_sites
        if conversion(teacher).activation_sites != places:
            raise ConfigError(
                f"a teacher needs the student's activations, {', '.join(places)}; it has "
                f"{', '.join(conversion(teacher).activation_sites)}"
            )
        self.weight = not_negative(weight, "the weight of a guide")
        self.teacher = teacher.eval()
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        self._mine, self._theirs = self._listen(student, places), self._listen(teacher, places)

    def _listen(self, model: nn.Module, places: list[str]) -> dict[str, Tensor]:
        """What arrived at the activations in the latest forward pass, by name."""
        heard: dict[str, Tensor] = {}
        for name in places:

            def hook(_module: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
                heard[name] = inputs[0]

            self._handles.append(model.get_submodule(name).register_forward_pre_hook(hook))
        return heard

    def __call__(self, x: Tensor, y: Tensor, logits: Tensor) -> Tensor:
        """The loss of a batch that the student has just answered.

        Args:
            x: inputs [N, ...]. y: labels int64 [N]. logits: the student's, [N, classes].
        """
        with torch.no_grad():
            self.teacher(x)
        apart = [self.distance(a, self._theirs[name]) for name, a in self._mine.items()]
        return loss_of(logits, y) + self.weight * torch.stack(apart).mean()

    def distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        """How far apart two tensors [N, C, ...] are: a number."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.weight:g}"


class Features(Guide):
    r"""Distillation-guided learning: the mean of :math:`(A_S - A_T)^2` over all entries.

    The paper's added shortcut branch in each block is left out, and so is training block by block.

    Source: Ye, Zhang and Wang 2020 (arXiv 2007.05223).
    """

    def distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The mean square of the difference."""
        return F.mse_loss(student, teacher)


class Attention(Guide):
    r"""Real-to-binary: where in the image the two are large, whatever the channels say.

    .. math:: d = \left\lVert \frac{Q_S}{\lVert Q_S \rVert_2} - \frac{Q_T}{\lVert Q_T \rVert_2}
        \right\rVert_2, \qquad Q = \sum_\text{channels} A^2

    as the mean over the images. The paper's stages, in which a network with float weights is a
    teacher in between, and its rescaling by a function of the input are left out.

    Source: Martinez, Yang, Bulat and Tzimiropoulos 2020 (arXiv 2003.11535).
    """

    def distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The mean distance of the two maps of each image."""
        maps = [F.normalize((a**2).sum(1).flatten(1)) for a in (student, teacher)]
        apart: Tensor = torch.linalg.vector_norm(maps[0] - maps[1], dim=1)
        return apart.mean()


#: Guide by name, for :attr:`stompp_lite.lab.config.Config.guide`.
GUIDES: dict[str, type[Guide]] = {"features": Features, "attention": Attention}
