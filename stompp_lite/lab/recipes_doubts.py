"""What a skeptic asks of the fair fight: runs that were added after it.

Each recipe answers one doubt about chapter 12. What decides stands in the ledger of claims (L18 to
L22) and in the protocol of the fair fight. Unless a row says otherwise, a run is as in
:mod:`stompp_lite.lab.recipes`.

Used by chapter 12.
"""

from __future__ import annotations

from stompp_lite.lab.experiment import LAB, Recipe, row
from stompp_lite.lab.recipes_full import FIVE, THREE, XEON

FAIR_STEPS = ("scale", "adam")
#: Seeds that no setting was chosen on and no other run has.
FRESH = range(10, 15)
#: Learning rates below both grids of the fair fight, each half the one before.
SMALL_RATES = {
    "scale": tuple(0.0125 / 2**i for i in range(8)),
    "adam": tuple(0.0005 / 2**i for i in range(8)),
}

# fmt: off
DOUBTS = (
    Recipe("more-time",
           "Is STE's chance level at 36 convolutions, with small steps, only a matter of time? "
           "28 times as many epochs, three seeds.",
           f"about 2 core-hours {XEON}", [
        # 28: about 1 / alpha, the factor by which the scale lengthens a step
        row(method="ste", epochs=1680, eval_every=40, label="epochs{epochs}", seed=THREE),
    ], LAB | {"blocks": 9}),
    Recipe("adam-36",
           "Two hints of the fair fight at 36 convolutions with Adam: do they hold on five fresh "
           "seeds?",
           f"about 12 core-minutes {XEON}", [
        # the same seeds of STE and of the hybrid are in fair-deep
        row(arm="adam", method=("stompp", "stompp+ste"), seed=range(5, 10)),
    ], LAB | {"blocks": 9}),
    Recipe("silence",
           "What costs accuracy at 36 convolutions: that activations are committed, or that "
           "committed ones pass nothing back? Five seeds.",
           f"about 12 core-minutes {XEON}", [
        row(arm=FAIR_STEPS, method="intervention", order="forward", label="{order}", seed=FIVE),
    ], LAB | {"blocks": 9}),
    Recipe("small-identity",
           "Is the identity surrogate on activations only too large a step? Eight rates below the "
           "grids at 24 convolutions, validation split, seeds 100 and 101.",
           f"about 25 core-minutes {XEON}", [
        row(arm=arm, method="ste-identity", lr=SMALL_RATES[arm], label="lr{lr:.7f}",
            validation=True, eval_every=10, seed=(100, 101))
        for arm in FAIR_STEPS
    ]),
    Recipe("identity-best",
           "The identity surrogate on activations at its best rate (small-identity), 24 "
           "convolutions, test images. Five seeds.",
           f"about 10 core-minutes {XEON}", [
        row(arm="adam", lr=0.0005, seed=FIVE),
        row(arm="scale", lr=SMALL_RATES["scale"][-1], seed=FIVE),  # all larger ones diverge
    ], LAB | {"method": "ste-identity", "label": "lr{lr:.7f}"}),
    Recipe("equal-cost",
           "StoMPP with as much computing as STE (85 epochs), and all with twice the epochs. "
           "Five and three seeds.",
           f"about 90 core-minutes {XEON}", [
        # an epoch of StoMPP costs 0.7 of one of STE: 85 epochs cost what 60 of STE do
        row(arm=FAIR_STEPS, method="stompp", blocks=(6, 9), epochs=85, label="epochs{epochs}",
            seed=FIVE),
        row(arm=FAIR_STEPS, method=("ste", "stompp", "stompp+ste"), blocks=9, epochs=120,
            label="epochs{epochs}", seed=THREE),
    ]),
    Recipe("tuned-plan",
           "What if StoMPP's plan is tuned as its rate was? Windows, shape and tail at 36 "
           "convolutions, validation split, seeds 100 and 101.",
           f"about 40 core-minutes {XEON}", [
        row(arm=FAIR_STEPS, method="stompp", order=("forward", "forward-5", "forward-2"),
            shape=("cubic", "flipped-quadratic"), tail=(0.1, 0.3),
            label="{order}-{shape}-tail{tail}", validation=True, eval_every=10, seed=(100, 101)),
    ], LAB | {"blocks": 9}),
    Recipe("tuned-best",
           "StoMPP at 36 convolutions with the plan that won tuned-plan, beside STE, test images. "
           "Five fresh seeds.",
           f"about 25 core-minutes {XEON}", [
        row(arm=FAIR_STEPS, method="ste", seed=FRESH),
        row(arm="scale", method="stompp", shape="flipped-quadratic", label="{order}-{shape}",
            order="forward", seed=FRESH),
        row(arm="adam", method="stompp", order="forward-5", shape="cubic", label="{order}-{shape}",
            seed=FRESH),
    ], LAB | {"blocks": 9}),
)
# fmt: on
