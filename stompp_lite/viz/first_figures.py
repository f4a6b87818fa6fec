"""The moving parts of chapters 1 to 4: bits, noise, latent weights, and the size of a step.

They compute and draw in the browser (:mod:`stompp_lite.viz.components`); these functions check what
they are given and store it compactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from stompp_lite.checks import count, number, one_of, text, whole, within
from stompp_lite.errors import ConfigError
from stompp_lite.viz.components import Component

__all__ = [
    "arrow_field", "bit_calculator", "latent_motion", "smoothing_explorer", "step_explorer", "twin",
]  # fmt: skip

ALPHA = 1 / 28  # mean size of the step explorer's latent weights
RATES = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # the step explorer's
SIGMAS = (0.2, 2.0)  # the arrow field's narrowest and widest noise


# ---- chapter 1 -----------------------------------------------------------------------------------
def bit_calculator(x: Sequence[int], w: Sequence[int], shown: int = 12) -> Component:
    """Click signs; see XNOR, popcount and the dot product (chapter 1).

    Args:
        x: input, sixteen of +1 and -1.
        w: weights, as many.
        shown: how many of them are shown at first: 4, 8, 12 or 16.

    Raises:
        ConfigError: other signs, or another number of them.
    """
    for name, row in {"x": x, "w": w}.items():
        if len(row) != 16 or any(sign not in (1, -1) for sign in row):
            raise ConfigError(f"{name} must be sixteen of +1 and -1, got {list(row)}")
    if shown not in (4, 8, 12, 16):
        raise ConfigError(f"shown must be 4, 8, 12 or 16, got {shown!r}")
    return Component("bits", {"x": list(map(int, x)), "w": list(map(int, w)), "n": int(shown)})


def twin(
    images: Any, labels: Sequence[int], floats: Any, binaries: Any,
    rows: Sequence[tuple[str, str, str, float | None]], unit: str = "logit",
) -> Component:  # fmt: skip
    """The same digits read by a float network and by its binary twin (chapter 1).

    Args:
        images: [K, 8, 8] or [K, 64] gray values, the least as paper, up to 16 images.
        labels: the K right answers.
        floats: [K, classes] outputs of the float network; binaries: of the binary one.
        rows: what each costs: its name, the float network's number and the binary one's as text,
            and how many times smaller the binary one's is (None: no ratio, as for an accuracy).
        unit: what an output is, ``logit`` or ``probability``.

    Raises:
        ConfigError: other shapes, a number that is none, an answer that is no class.
    """
    pixels = _array(images, "images")
    pixels = pixels.reshape(len(pixels), -1) if pixels.ndim == 3 else pixels
    if pixels.ndim != 2 or pixels.shape[1] != 64 or not 1 <= len(pixels) <= 16:
        raise ConfigError(
            f"images must be 1 to 16 of 8 x 8 pixels, got an array of shape {np.shape(images)}"
        )
    low, high = float(pixels.min()), float(pixels.max())
    if low == high:
        raise ConfigError(f"images must show something, but every pixel is {low:g}")
    outputs = {"float": _array(floats, "floats"), "binary": _array(binaries, "binaries")}
    shape = (len(pixels), outputs["float"].shape[-1])
    for name, found in outputs.items():
        if found.shape != shape or shape[1] < 2:
            raise ConfigError(
                f"each of {shape[0]} images needs one {unit} for each class from both networks; "
                f"the {name} outputs have the shape {found.shape}"
            )
        if one_of(unit, ("logit", "probability"), "unit") == "probability":
            for value in found.flat:
                within(float(value), f"a probability of the {name} network", 0, 1)
    answers = [whole(label, "a label") for label in np.asarray(labels).tolist()]
    if len(answers) != shape[0] or not all(0 <= label < shape[1] for label in answers):
        raise ConfigError(
            f"labels must be {shape[0]} numbers from 0 to {shape[1] - 1}, one for each image, got "
            f"{answers}"
        )
    return Component(
        "twin",
        {
            "images": ((pixels - low) / (high - low)).round(2).tolist(),
            "labels": answers,
            "outputs": {name: found.round(3).tolist() for name, found in outputs.items()},
            "unit": unit,
            "rows": [_cost(row) for row in rows],
        },
    )


def _cost(row: Any) -> dict[str, Any]:
    """A row of the twin's table.

    Raises:
        ConfigError: not three texts and a ratio above 0 or None.
    """
    if not isinstance(row, Sequence) or len(row) != 4:
        raise ConfigError(f"a row must be (name, float text, binary text, ratio), got {row!r}")
    label, one, other, ratio = row
    if ratio is not None and number(ratio, f"the ratio of {label!r}") <= 0:
        raise ConfigError(f"the ratio of {label!r} must be positive, or None, got {ratio!r}")
    told = [text(part, f"a cell of the row {label!r}") for part in (label, one, other)]
    return {
        "label": told[0], "float": told[1], "binary": told[2],
        "ratio": None if ratio is None else float(f"{ratio:.4g}"),
    }  # fmt: skip


# ---- chapter 2 -----------------------------------------------------------------------------------
def smoothing_explorer(scale: float = 0.8, loss: str = "straight") -> Component:
    """Drag a bell of noise over the sign's step: its height is the surrogate (chapter 2).

    Args:
        scale: the x of the curved loss, between 0.1 and 1.6.
        loss: at first ``straight``, 1 - s, or ``curved``, (x · s - 1)², of the sign s.

    Raises:
        ConfigError: another scale or loss.
    """
    data = {"scale": within(scale, "the scale", 0.1, 1.6)}
    return Component("smoothing", {**data, "loss": one_of(loss, ("curved", "straight"), "loss")})


def arrow_field(sigma: float = 1.0, beside: float = 0.6, loss: str = "curved") -> Component:
    """Two latent weights: where STE pushes them, and where the blurred loss does (chapter 2).

    Args:
        sigma: width of the noise at first, between 0.2 and 2.
        beside: input of the second weight at first, between 0.1 and 1.6; that of the first is 0.8.
        loss: at first ``straight``, 1 - y, or ``curved``, (y - 1)², of the sum y.

    Raises:
        ConfigError: another width, input or loss.
    """
    return Component(
        "arrows",
        {
            "sigma": within(sigma, "the width of the noise", *SIGMAS),
            "beside": within(beside, "the second input", 0.1, 1.6),
            "loss": one_of(loss, ("curved", "straight"), "loss"),
        },
    )


# ---- chapter 3 -----------------------------------------------------------------------------------
def latent_motion(steps: Sequence[int], weights: Any, near: float = 0.2) -> Component:
    """Latent weights of a training run that drift and flip (chapter 3).

    Args:
        steps: the T training steps at which they were kept, growing.
        weights: [T, N] latent weights in [-1, 1]; the network uses their signs.
        near: the part around 0 that is magnified, up to this size.

    Raises:
        ConfigError: fewer than two steps, steps that do not grow, another shape, a weight that is
            no number or lies outside [-1, 1].
    """
    kept = [count(step, "a step", 0) for step in np.asarray(steps).tolist()]
    if len(kept) < 2:
        raise ConfigError(f"a motion needs at least two steps, got {len(kept)}")
    if any(b <= a for a, b in pairwise(kept)):
        raise ConfigError(f"steps must grow, got {kept}")
    found = _array(weights, "weights")
    if found.ndim != 2 or found.shape[0] != len(kept) or not 1 <= found.shape[1] <= 200:
        raise ConfigError(
            f"weights must be [steps, weights] with {len(kept)} steps and 1 to 200 weights, got an "
            f"array of shape {found.shape}"
        )
    for value in found[np.abs(found) > 1]:
        raise ConfigError(f"a latent weight of {value:g} lies outside [-1, 1]; clip the weights")
    thousandths = np.rint(found * 1000).astype(int)
    thousandths[(found < 0) & (thousandths == 0)] = -1  # rounding must not flip a sign
    return Component(
        "latents",
        {
            "steps": kept,
            "thousandths": thousandths.tolist(),
            "near": within(near, "the part that is magnified", 0.01, 1),
        },
    )


def _array(values: Any, what: str) -> Any:
    """Numbers of a tensor, an array or lists.

    Raises:
        ConfigError: lists of several lengths, or a number that is not finite.
    """
    values = values.detach().cpu() if hasattr(values, "detach") else values
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} must be numbers in rows of one length: {error}") from error
    if not np.isfinite(found).all():
        place = tuple(int(k) for k in np.argwhere(~np.isfinite(found))[0])
        raise ConfigError(f"{what}{list(place)} is {found[place]}; all must be finite numbers")
    return found


# ---- chapter 4 -----------------------------------------------------------------------------------
def step_explorer(rate: float = 0.1, c: float = 1.0) -> Component:
    """Latent weights that drift and flip under a network of weights c · sign (chapter 4).

    A toy with random gradients. Batch norm divides c out of the logits, and divides gradients by c.

    Args:
        rate: the learning rate at first, between 0.001 and 10.
        c: the size of the network's weights at first, between 1/28 and 1.

    Raises:
        ConfigError: another rate or size.
    """
    rate, c = within(rate, "the learning rate", 0.001, 10.0), within(c, "c", ALPHA, 1)
    sizes = {float(f"{value:.3g}") for value in np.geomspace(ALPHA, 1, 13)[1:-1]}
    return Component(
        "step",
        {
            "rate": rate, "rates": sorted({*RATES, rate}), "alpha": ALPHA, "c": c,
            "sizes": sorted({*sizes, ALPHA, 1.0, c}, reverse=True),
        },
    )  # fmt: skip
