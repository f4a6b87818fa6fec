"""The landscape: what other methods do on the lab's network, beside the two of the book.

STE, StoMPP and StoMPP + STE are in the recipes ``fair`` and ``fair-tune`` and are not run again.
Rules that say how weights become binary, and leave activations open, have STE's activations. Those
that start from a float network train it for 20 of the 60 epochs. What decides stands in the ledger
of claims (R1 to R12) and in the protocol.

Used by chapter 17.
"""

from __future__ import annotations

from typing import Any

from stompp_lite.lab.arms import Rates
from stompp_lite.lab.experiment import LAB, Recipe, row
from stompp_lite.lab.recipes_full import FIVE, XEON
from stompp_lite.relatives.guided import GUIDES

#: Methods of the landscape that train from random weights, the cheap and telling ones first.
FROM_SCRATCH = (
    "bop", "xnor-net", "ir-net", "bi-real", "self-binarizing", "prox-quant", "iterative",
    "stochastic", "binary-relax", "react-net",
)  # fmt: skip
#: And those that start from a float network.
FROM_FLOAT = ("inq", "rpr")
START: dict[str, Any] = {"pretrain": 20, "epochs": 40}
RATES = (0.003, 0.01, 0.03)  # in `adam`, where the book's own methods have their best among them
#: Each method's own rate with Adam, as landscape-tune's records choose it; a sweep refuses others.
#: For STE it is the rate from a float start.
BEST = {
    "bop": 0.01, "xnor-net": 0.01, "ir-net": 0.003, "bi-real": 0.01, "self-binarizing": 0.01,
    "prox-quant": 0.03, "iterative": 0.01, "stochastic": 0.03, "binary-relax": 0.01,
    "react-net": 0.003, "inq": 0.01, "rpr": 0.03, "ste": 0.003,
}  # fmt: skip
CHOSEN: Rates = {("adam", method): (rate, rate) for method, rate in BEST.items()}
#: The same for STE with each guide, as landscape-guided-tune's records choose it.
GUIDED: Rates = {("adam", "ste attention"): (0.003, 0.003), ("adam", "ste features"): (0.03, 0.03)}

# fmt: off
#: Every method of the landscape, as its rule says.
EVERY = [
    row(method=FROM_SCRATCH),
    row(method=(*FROM_FLOAT, "ste"), label="float-start", **START),
]
LANDSCAPE = (
    Recipe("landscape",
           "Where do other methods stand with small steps, at 24 convolutions? With Adam, does "
           "the order matter in which layers become binary? Five seeds.",
           f"about 80 core-minutes {XEON}", [
        *EVERY,
        row(arm="adam", method="iterative", order=("forward", "reverse"), lr=0.01,
            label="{order}"),
    ], LAB | {"seed": FIVE}),
    Recipe("landscape-tune",
           "Which learning rate suits each of the other methods with Adam, at 24 convolutions? "
           "Validation split, seeds 100 and 101.",
           f"about 75 core-minutes {XEON}", [
        row(arm="adam", method=FROM_SCRATCH, lr=RATES, label="lr{lr}"),
        row(arm="adam", method=(*FROM_FLOAT, "ste"), lr=RATES, label="float-start-lr{lr}",
            **START),
    ], LAB | {"validation": True, "eval_every": 10, "seed": (100, 101)}),
    Recipe("landscape-guided",
           "Does a loss that sees the float network lift STE, with small steps, at 24 "
           "convolutions? Five seeds; STE from the same start is in landscape.",
           f"about 20 core-minutes {XEON}", [
        row(method="ste", guide=tuple(GUIDES), label="{guide}", **START),
    ], LAB | {"seed": FIVE}),
    Recipe("landscape-best",
           "Where do the other methods stand with Adam, each at its own rate (landscape-tune), at "
           "24 convolutions? Five fresh seeds, test images.",
           f"about 70 core-minutes {XEON}", EVERY,
        LAB | {"arm": "adam", "seed": FIVE}, rates=CHOSEN, chosen_by="landscape-tune"),
    Recipe("landscape-guided-tune",
           "Which learning rate suits STE with Adam and a loss that sees the float network, at 24 "
           "convolutions? Validation split, seeds 100 and 101.",
           f"about 25 core-minutes {XEON}", [
        row(arm="adam", method="ste", guide=tuple(GUIDES), lr=RATES, label="{guide}-lr{lr}",
            **START),
    ], LAB | {"validation": True, "eval_every": 10, "seed": (100, 101)}),
    Recipe("landscape-guided-best",
           "Does a loss that sees the float network lift STE with Adam, each at its own rate "
           "(landscape-guided-tune), at 24 convolutions? Five fresh seeds, test images; STE from "
           "the same start is in landscape-best.",
           f"about 20 core-minutes {XEON}", [
        row(arm="adam", method="ste", guide=tuple(GUIDES), label="{guide}", **START),
    ], LAB | {"seed": FIVE}, rates=GUIDED, chosen_by="landscape-guided-tune"),
)
# fmt: on
