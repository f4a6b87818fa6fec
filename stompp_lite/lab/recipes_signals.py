"""Learning without gradients: runs of local signals and of BEP.

What decides stands in the ledger of claims (S1 to S6), written before the first run. The papers'
settings are kept: batches of 100, 50 epochs, groups of 75, robustness 0.25. Nothing is tuned.

Used by chapter 18, *Learning without gradients*.
"""

from __future__ import annotations

from stompp_lite.lab.experiment import Recipe, row
from stompp_lite.lab.recipes_full import FIVE, THREE

EPYC_CORE = "on one core of an AMD EPYC"
#: What all runs of local signals have in common.
SIGNALS = {
    "model": "signals", "method": "local", "data": "digits", "width": 525, "blocks": 2,
    "epochs": 50, "batch_size": 100, "eval_every": 5, "history": "epoch",
    "head": "{data}-{method}-{blocks:02d}x{width}",
}  # fmt: skip

# fmt: off
WITHOUT_GRADIENTS = (
    Recipe("signals",
           "How well do local signals and BEP learn: random prototypes (ten seeds), digits (five) "
           "and Fashion-MNIST (three)?",
           f"about 35 core-minutes {EPYC_CORE}", [
        row(data="prototypes", method=("local", "bep"), seed=range(10)),
        row(data="digits", method=("local", "bep"), seed=FIVE),
        row(data="fashion-mnist", method=("local", "bep"), seed=THREE),
    ], SIGNALS),
    Recipe("signals-depth",
           "What does depth add? Digits, 1 to 10 hidden layers, five seeds.",
           f"about 10 core-minutes {EPYC_CORE}", [
        row(method=("local", "bep"), blocks=(1, 4, 7, 10), seed=FIVE),
    ], SIGNALS),
    Recipe("signals-settings",
           "Clip, group and robustness, at reduced size: digits, two hidden layers of 525, five "
           "seeds.",
           f"about 20 core-minutes {EPYC_CORE}", [
        row(clip=(16, 32, 64, 128), label="clip{clip}", seed=FIVE),
        row(group=(1, 25, 525), label="group{group}", seed=FIVE),
        row(robustness=(0.0, 0.5, 0.75, 1.0), label="robustness{robustness}", seed=FIVE),
    ], SIGNALS),
    Recipe("signals-deep",
           "BEP in deep networks, with smaller groups: digits, groups of 25, five seeds.",
           f"about 8 core-minutes {EPYC_CORE}", [
        row(method="bep", group=25, label="group{group}", blocks=(1, 4, 10), seed=FIVE),
    ], SIGNALS),
    Recipe("signals-rows",
           "A network with a memory: digits read row by row, five seeds.",
           f"about 5 core-minutes {EPYC_CORE}", [
        row(model="signals-rows", width=135, blocks=1, group=15, method=("local", "bep"),
            head="rows-{method}-{width}", seed=FIVE),
    ], SIGNALS),
    Recipe("playground-signals",
           "What do the playground's local signals reach in Python, on the digits? Two layers of "
           "128, five seeds.",
           f"about 1 core-minute {EPYC_CORE}", [
        row(width=128, group=16, epochs=40, batch_size=32, seed=FIVE),
    ], SIGNALS),
)
# fmt: on
