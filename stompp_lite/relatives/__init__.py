"""Relatives of the book's two methods, each as a rule of ten to thirty lines.

Importing this package makes their names valid rules: ``binarize_model(model, example,
weights="inq", activations="ste:clip")``. Then ``fit`` trains with them as with any other rule.

A relative is a kind of :class:`~stompp_lite.relatives.base.Relative`. What the papers do beside
their rule (other architectures, other data, several bases) is left out, and so is what a rule does
not need; each class says what. Numbers that come from us and not from a paper are marked "ours".
Two more change the loss and not what a tensor becomes: :mod:`~stompp_lite.relatives.guided`.

Taught in chapter 17, *The landscape*.
"""

from stompp_lite.networks.rules import ADDED
from stompp_lite.relatives.base import Relative
from stompp_lite.relatives.guided import GUIDES as GUIDES
from stompp_lite.relatives.partial import Filters, Layers, Magnitude, Rotating
from stompp_lite.relatives.pulled import Pulled, Relaxed, Sharpened
from stompp_lite.relatives.signed import Estimator, Flipped, Scaled, Shifted

#: Rule -> what follows it.
RELATIVES: dict[str, type[Relative]] = {
    "xnor": Scaled,
    "shift": Shifted,
    "ede": Estimator,
    "bop": Flipped,
    "tanh": Sharpened,
    "relax": Relaxed,
    "prox": Pulled,
    "inq": Magnitude,
    "rpr": Rotating,
    "filters": Filters,
    "layers": Layers,
}
ADDED.update(RELATIVES)
