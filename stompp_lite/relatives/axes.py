"""The landscape as data: eight questions, and how each method answers them.

Two methods with the same answers are the same kind of method, whatever their papers call them.

Taught in chapter 17, *The landscape*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError

#: Axis -> the question that it asks, and the answers that there are, in an order to sort by.
AXES: dict[str, tuple[str, tuple[str, ...]]] = {
    "what": ("What becomes binary?", ("weights", "weights and activations")),
    "grain": (
        "In which grain?",
        ("everything, from the start", "everything, gradually", "layer", "filter", "entry"),
    ),
    "who": ("Who chooses?", ("nobody", "position", "size", "error", "gradient", "chance")),
    "back": ("Can a sign go back?", ("yes", "no")),
    "order": ("In which order of layers?", ("none", "from the input")),
    "passes": (
        "What gradient passes a sign?",
        ("none", "the true slope", "straight through", "a slope of its own"),
    ),
    "scale": ("Is there a scale?", ("none", "a filter")),
    "start": ("From where?", ("random weights", "a float network")),
}


@dataclass(frozen=True)
class Place:
    """A method's answers, one for each of :data:`AXES`.

    Raises:
        ConfigError: an answer that the axis does not have.
    """

    what: str = "weights"
    grain: str = "everything, from the start"
    who: str = "nobody"
    back: str = "yes"
    order: str = "none"
    passes: str = "straight through"
    scale: str = "none"
    start: str = "random weights"

    def __post_init__(self) -> None:
        for f in fields(self):
            one_of(getattr(self, f.name), AXES[f.name][1], f"answer to '{AXES[f.name][0]}':")


_BOTH = "weights and activations"
#: Method of :data:`stompp_lite.lab.config.METHODS`, or guide of
#: :data:`stompp_lite.relatives.guided.GUIDES` -> its place. In the lab a method for weights alone
#: has STE's activations, and a guide has STE's rules.
PLACES: dict[str, Place] = {
    "ste": Place(_BOTH),
    "stompp": Place(_BOTH, "entry", "chance", "yes", "from the input", "none"),
    "stompp+ste": Place(_BOTH, "entry", "chance", "yes", "from the input"),
    "xnor-net": Place(_BOTH, scale="a filter"),
    "bi-real": Place(_BOTH, passes="a slope of its own"),
    "react-net": Place(_BOTH, passes="a slope of its own"),
    "ir-net": Place(_BOTH, passes="a slope of its own"),
    "bop": Place(_BOTH, who="gradient"),
    "self-binarizing": Place(_BOTH, "everything, gradually", passes="the true slope"),
    "binary-relax": Place(grain="everything, gradually"),
    "prox-quant": Place(grain="everything, gradually", passes="the true slope"),
    "inq": Place("weights", "entry", "size", "no", passes="none", start="a float network"),
    "rpr": Place("weights", "entry", "chance", passes="none", start="a float network"),
    "stochastic": Place("weights", "filter", "error"),
    "iterative": Place("weights", "layer", "position", order="from the input"),
    "features": Place(_BOTH, start="a float network"),
    "attention": Place(_BOTH, start="a float network"),
}


def place(answers: Mapping[str, str] | Place) -> Place:
    """A place from answers, by axis; what is left out is answered as BinaryConnect does.

    Raises:
        ConfigError: no such axis or answer; the nearest one is named.
    """
    if isinstance(answers, Place):
        return answers
    if not isinstance(answers, Mapping):
        raise ConfigError(f"answers are written as a dictionary, axis to answer, got {answers!r}")
    for axis in answers:
        one_of(axis, AXES, "axis")
    return Place(**answers)


def differences(a: Mapping[str, str] | Place, b: Mapping[str, str] | Place) -> list[str]:
    """The axes on which two places differ.

    Raises:
        ConfigError: as :func:`place`.
    """
    one, two = asdict(place(a)), asdict(place(b))
    return [axis for axis in AXES if one[axis] != two[axis]]


def neighbors(answers: Mapping[str, str] | Place, count: int = 3) -> list[tuple[str, list[str]]]:
    """The nearest methods, and on which axes they differ.

    Raises:
        ConfigError: as :func:`place`.
    """
    found = [(method, differences(answers, known)) for method, known in PLACES.items()]
    return sorted(found, key=lambda pair: len(pair[1]))[:count]
