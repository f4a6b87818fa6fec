"""Recipes of Part III: first at a size that a processor can train, then at full size.

Those of full size are for a reader with a GPU, and none of them is recorded here yet. Such a recipe
is a family of runs. Their names say what they are, and ``--only`` picks some of them::

    python -m stompp_lite sweep cifar-full --only cifar10-resnet18-bnn-minimal --device cuda

Settings are the papers' as far as we know them (chapter 13 says how sure that is): SGD, momentum
0.9, a constant learning rate of 0.1, no weight decay, batches of 256, the same augmentation and
epochs for every method. Arms are those of the fair fight; Adam runs at 0.003, which is not tuned.

Used by chapters 13 to 16.
"""

from __future__ import annotations

from typing import Any

from stompp_lite.lab.arms import Rates
from stompp_lite.lab.experiment import LAB, Factors, Recipe, row
from stompp_lite.networks.families import RESNETS

#: Settings of the papers on CIFAR as reported, and what we add to it (crops and flips).
PAPERS: dict[str, Any] = {
    "epochs": 200, "batch_size": 256, "momentum": 0.9, "augment": "crop-flip",
    "eval_every": 10, "history": "epoch", "diagnose": False,
}  # fmt: skip
ADAM: dict[str, Any] = {"optimizer": "adam", "lr": 0.003}
SCALE: dict[str, Any] = {"scale": "layer"}
#: The default rate of 0.1 is reportedly the papers'.
ARMS: dict[str, dict[str, Any]] = {"minimal": {}, "minimal+scale": SCALE, "adam": ADAM}
#: Beside the papers, a rate that decays for all methods, without and with weight decay.
COSINE: dict[str, Any] = {"lr_schedule": "cosine"}
DECAYING: dict[str, dict[str, Any]] = {
    "cosine": COSINE,
    "cosine+scale": COSINE | SCALE,
    "cosine+scale+decay": COSINE | SCALE | {"weight_decay": 0.0001},
}
#: Rates to choose from; the grid grows until no best rate is at its edge.
SGD_RATES, ADAM_RATES = (0.025, 0.05, 0.1, 0.2, 0.4), (0.0003, 0.001, 0.003, 0.01)
CIFARS = ("cifar10", "cifar100")
EPYC, XEON = "on one AMD EPYC core", "on one Intel Xeon core"
THREE, FIVE = range(3), range(5)
THREE_ARMS = ("minimal", "minimal+scale", "adam")
THREE_METHODS = ("ste", "stompp", "stompp+ste")
SHORT = ("float", *THREE_METHODS, "hybrid")
FAR: dict[str, Any] = {"epochs": 90, "augment": "resized-crop", "precision": "bf16"}


def _rows(
    net: str, arms: tuple[str, ...] = tuple(ARMS), methods: tuple[str, ...] = SHORT, **net_is: Any
) -> list[Factors]:
    """Binary weights and activations: every arm and method. Nothing in a float network has a
    scale."""
    head = f"{{data}}-{net}-bnn-{{arm}}-{{method}}"
    binary = tuple(m for m in methods if m != "float")
    rows = [row(head=head, arm=arms, method=binary, **net_is)]
    if "float" in methods:
        plain = tuple(arm for arm in arms if "scale" not in arm)
        rows.append(row(head=head, arm=plain, method="float", **net_is))
    return rows


def _all_rows(net: str, alone: bool = False, **net_is: Any) -> list[Factors]:
    """The same with the other orders and the reverse hybrid.

    Args:
        alone: and binary weights alone. (Without binary activations hybrids are other methods.)
    """
    orders = ("global", "reverse")
    rows = _rows(net, methods=(*SHORT, "reverse-hybrid"), **net_is)
    rows.append(row(head=f"{{data}}-{net}-bnn-{{arm}}-{{order}}", arm=tuple(ARMS),
                    method="stompp", order=orders, **net_is))  # fmt: skip
    if alone:
        head = f"{{data}}-{net}-bwn-{{arm}}-"
        alone_is = {"ste": "ste-weights-only", "stompp": "weights-only",
                    "stompp+ste": "stompp+ste-weights-only"}  # fmt: skip
        rows += [row(head=head + name, arm=tuple(ARMS), method=method, **net_is)
                 for name, method in alone_is.items()]  # fmt: skip
        rows.append(row(head=head + "{order}", arm=tuple(ARMS), method="weights-only",
                        order=orders, **net_is))  # fmt: skip
    return rows


def _resnet(name: str) -> dict[str, Any]:
    return {"model": name, "width": 64, "blocks": []}


#: BERT-base as the hub has it, with 12 blocks of six linear layers, all of them binary. Nothing of
#: the papers' settings is known to us; 0.00005 is usual for fine-tuning with Adam. Where no norm
#: follows a layer, a scale changes what it computes.
BERT_ADAM: dict[str, Any] = {"optimizer": "adam", "lr": 0.00005}
BERT_ARMS: dict[str, dict[str, Any]] = {
    "minimal": {}, "minimal+scale": SCALE, "adam": BERT_ADAM, "adam+scale": BERT_ADAM | SCALE,
}  # fmt: skip
BERT: dict[str, Any] = {
    "model": "bert", "bert": "google-bert/bert-base-uncased", "width": 768, "blocks": [12],
}  # fmt: skip

# fmt: off
#: Reduced CIFAR-10, about as many steps as on digits. No rate is tuned. SGD runs at the papers'
#: rate, Adam at the rates that the digits chose at 36 convolutions.
CIFAR = LAB | {"data": "cifar10-small", "epochs": 8, "eval_every": 8, "tuned": 36}
#: Its network of 36 binary convolutions, in three groups.
DEEP = CIFAR | {"head": "n06x3-{arm}-{method}", "blocks": [6, 6, 6]}
#: All of CIFAR-10, trained as is usual on photographs, with crops, flips and a rate that decays.
QUARTER = PAPERS | {
    "head": "q18-{arm}-{method}", "data": "cifar10", "model": "resnet18-quarter", "width": 16,
    "blocks": [], "epochs": 10, "batch_size": 128, "precision": "bf16", "seed": THREE,
}
DECAYING_ARMS = {arm: settings | COSINE for arm, settings in ARMS.items()}
#: What cifar-tune chooses on these images.
PHOTOGRAPHS: Rates = {("scale", "ste"): (0.4, 0.4), ("scale", "stompp+ste"): (0.05, 0.05)}
BIREAL = CIFAR | {"head": "c16-{arm}-{method}", "model": "bireal", "width": 16,
                  "blocks": [4, 4, 4, 4]}
MOBILE = LAB | {"model": "mobilenet", "tuned": 36}
FRONT: Any = {"head": "c15-{arm}-{method}", "width": 32, "blocks": [1, 2, 2], "epochs": 30,
              "eval_every": 30, "seed": THREE}
WHOLE: Any = {"head": "mobile-{arm}-{method}", "width": 8, "blocks": [], "epochs": 8,
              "eval_every": 8, "data": "cifar10-small", "seed": 0}
#: Small transformers with 12 binary linear layers. All methods have one rate, the papers' with SGD,
#: torch's default with Adam.
TEXTS = {"head": "b02-{arm}-{method}", "model": "transformer", "width": 64, "blocks": 2,
         "epochs": 8, "eval_every": 8, "history": "epoch", "seed": THREE}
TEXT_ARMS: dict[str, dict[str, Any]] = {
    "minimal": {"lr": 0.1},
    "minimal+scale": {"lr": 0.1, "scale": "layer"},
    "adam": {"optimizer": "adam", "lr": 0.001},
    "adam+scale": {"optimizer": "adam", "lr": 0.001, "scale": "layer"},
}
TOWARDS_FULL_SCALE = (
    Recipe("orders-cifar",
           "Three orders on reduced CIFAR-10, 18 binary convolutions in three groups. Three "
           "seeds.",
           f"about 30 core-minutes {EPYC}", [
        row(method="stompp", order=("forward", "global", "reverse"), seed=THREE),
    ], CIFAR | {"head": "n03x3-{arm}-{method}", "label": "{order}", "blocks": [3, 3, 3]}),
    Recipe("cifar",
           "Does the papers' picture, and what a scale or Adam makes of it, carry over to "
           "reduced CIFAR-10 with 36 and 18 binary convolutions? Three arms, no tuning, three "
           "seeds.",
           f"about 2.5 core-hours {EPYC}", [
        row(arm=THREE_ARMS, method=THREE_METHODS),
        row(method="stompp", order=("reverse", "global"), label="{order}"),
        row(method="float"),
        # StoMPP in the arm minimal is in `orders-cifar`
        row(method=("float", "ste", "stompp+ste"), head="n03x3-{arm}-{method}", blocks=[3, 3, 3]),
        row(arm=THREE_ARMS[1:], method=THREE_METHODS, head="n03x3-{arm}-{method}",
            blocks=[3, 3, 3]),
    ], DEEP | {"seed": THREE},
        missing="for time: 18 convolutions, but for the three orders that are in orders-cifar"),
    Recipe("cifar-fresh",
           "On reduced CIFAR-10 three seeds hint that, with the scale, StoMPP + STE is above STE. "
           "Do five fresh ones?",
           f"about 80 core-minutes {XEON}", [
        row(arm="minimal+scale", method=("ste", "stompp+ste"), seed=range(3, 8)),
    ], DEEP),
    Recipe("cifar-tune",
           "All of that had one rate. Which one suits STE, and which StoMPP + STE, with the "
           "scale on reduced CIFAR-10 at 36 convolutions? Held-out images, seed 100.",
           f"about 1 core-hour {XEON}", [
        row(arm="scale", method=("ste", "stompp+ste"), lr=(0.025, 0.05, 0.1, 0.2, 0.4, 0.8),
            label="lr{lr}", validation=True, seed=100),
    ], DEEP),
    Recipe("cifar-best",
           "With the scale on reduced CIFAR-10, each at its own rate (cifar-tune): is StoMPP + STE "
           "above STE? 36 convolutions, three seeds that nothing was chosen on.",
           f"about 40 core-minutes {XEON}", [
        row(arm="scale", method=("ste", "stompp+ste"), seed=range(3, 6)),
    ], DEEP,
        rates=PHOTOGRAPHS, chosen_by="cifar-tune"),
    Recipe("cifar-long",
           "With three times the epochs of cifar-best and its rates: is StoMPP + STE still above "
           "STE? Three fresh seeds.",
           f"about 2 core-hours {XEON}", [
        row(arm="scale", method=("ste", "stompp+ste"), seed=range(8, 11)),
    ], DEEP | {"epochs": 24},
        rates=PHOTOGRAPHS, chosen_by="cifar-tune", missing="what is not finished yet"),
    Recipe("cifar-quarter",
           "All of CIFAR-10 at 32 x 32 pixels: what does ResNet-18 at a quarter of its width reach "
           "in ten epochs, and does StoMPP lead there? No tuning, three seeds.",
           f"about 16 core-hours {XEON} that multiplies in bf16, by the first run", [
        row(arm=("minimal", "minimal+scale", "adam"), method="ste"),
        row(arm=("minimal", "minimal+scale"), method=("stompp", "stompp+ste")),
        row(arm="minimal", method="float"),
    ], QUARTER, DECAYING_ARMS, missing="what is not finished yet"),
    Recipe("bireal",
           "Bi-Real network on reduced CIFAR-10, 16 binary convolutions: from scratch, and from "
           "a float network; three arms, no tuning, three seeds.",
           f"about 1.5 core-hours {EPYC}", [
        row(arm=THREE_ARMS, method=THREE_METHODS, label="scratch", seed=THREE),
        row(arm=THREE_ARMS, method=THREE_METHODS, pretrain=8, label="pretrained", seed=THREE),
    ], BIREAL),
    Recipe("bireal-orders",
           "Does the order matter where a float path leads around every sign? Digits, 24 binary "
           "convolutions with a shortcut around each, two arms, five seeds.",
           f"about 20 core-minutes {EPYC}", [
        row(arm=("minimal", "adam"), method="stompp", order=("forward", "global", "reverse"),
            label="{order}"),
        row(arm=("minimal", "adam"), method="ste"),
    ], LAB | {"head": "c24-{arm}-{method}", "model": "bireal", "blocks": 12, "tuned": 24,
              "seed": FIVE}),
    Recipe("mobilenet",
           "MobileNetV2's front on digits, 15 binary convolutions, three arms and seeds, no "
           "tuning; all 51 layers of a quarter of the width on reduced CIFAR-10, one seed.",
           f"about 80 core-minutes {EPYC}", [
        row(arm=THREE_ARMS, method=THREE_METHODS, **FRONT),
        row(method="float", **FRONT),
        # the whole network, as first planned: nothing gets far from chance, float included
        row(arm=THREE_ARMS[:2], method=THREE_METHODS, **WHOLE),
        row(method="float", **WHOLE),
    ], MOBILE),
    Recipe("mobilenet-front",
           "Three seeds decided nothing on MobileNetV2's front. Do five fresh ones? STE and "
           "StoMPP + STE, three arms.",
           f"about 25 core-minutes {EPYC}", [
        row(arm=THREE_ARMS, method=("ste", "stompp+ste"), **{**FRONT, "seed": range(3, 8)}),
    ], MOBILE),
    Recipe("sentences",
           "A small encoder on SST-2 from scratch, 12 binary linear layers; SGD and Adam, with "
           "and without a scale, no tuning, three seeds.",
           f"about 50 core-minutes {EPYC}", [
        row(arm=tuple(TEXT_ARMS), method=THREE_METHODS),
        row(arm=("minimal", "adam"), method="float"),
    ], TEXTS | {"data": "sst2-small"}, TEXT_ARMS),
    Recipe("sentences-rates",
           "Is it only the step that STE lacks there without a scale? The small encoder on SST-2, "
           "Adam, no scale, three more rates, three seeds.",
           f"about 15 core-minutes {EPYC}", [
        row(arm="adam", method="ste", lr=(0.0003, 0.003, 0.01), label="lr{lr}"),
    ], TEXTS | {"data": "sst2-small"}, TEXT_ARMS),
    Recipe("characters",
           "A small model of the next character, 12 binary linear layers; Adam, with and without "
           "a scale, no tuning, three seeds.",
           f"about 30 core-minutes {EPYC}", [
        row(arm=("adam", "adam+scale"), method=THREE_METHODS),
        row(arm="adam", method="float"),
    ], TEXTS | {"data": "topics"}, TEXT_ARMS),

)
# fmt: on

# ---- full size -----------------------------------------------------------------------------------
FULL = (
    Recipe(
        "ten-minutes",
        "What can ten minutes of one GPU decide? CIFAR-10, ResNet-18, in this order: does STE need "
        "a scale, does StoMPP do without, what does a surrogate add, and what would float or Adam "
        "give? One seed, so nothing is a finding yet.",
        "not measured; six epochs a run are meant for nine minutes of one data-center GPU (more or "
        "fewer with --set epochs=...)",
        [
            row(arm=arm, method=method, **_resnet("resnet18"))
            for arm, method in (
                ("minimal", "ste"), ("minimal+scale", "ste"), ("minimal", "stompp"),
                ("minimal", "stompp+ste"), ("minimal", "float"), ("adam", "ste"),
            )
        ],
        PAPERS | {"head": "{data}-resnet18-bnn-{arm}-{method}", "data": "cifar10", "epochs": 6,
                  "eval_every": 6, "precision": "bf16", "seed": 0},
        ARMS,
        full=True,
        expect="STE with weights of ±1 may learn or not: 17 binary layers are few, and six "
               "epochs are short. If the scale lifts it by more than 3 points, the step was too "
               "small here, too. If StoMPP + STE is above STE with the scale, it is as on "
               "small photographs.",
    ),
    Recipe(
        "decide",
        "CIFAR-10, ResNet-18 and ResNet-50: does a scale, or Adam, close the gap between STE and "
        "StoMPP? One seed, 30 epochs (fewer with --set epochs=...).",
        "not measured; its job card has an estimate",
        [
            given
            for net in ("resnet18", "resnet50")
            for given in (
                *_rows(net, ("minimal", "minimal+scale"), THREE_METHODS, **_resnet(net)),
                *_rows(net, ("adam",), ("ste",), **_resnet(net)),
                row(head=f"{{data}}-{net}-bnn-{{arm}}-{{order}}", arm="minimal", method="stompp",
                    order=("reverse", "global"), **_resnet(net)),
                *_rows(net, tuple(DECAYING), THREE_METHODS, **_resnet(net)),
            )
        ],
        PAPERS | {"data": "cifar10", "epochs": 30, "eval_every": 5, "seed": 0},
        ARMS | DECAYING,
        full=True,
        expect="On digits and on small photographs the lead of StoMPP over STE with weights of "
               "±1 goes away with the scale or with Adam. The same here would confirm it at full "
               "resolution. On small photographs StoMPP + STE stays a few points above "
               "STE with the scale; a lead of StoMPP over it would contradict us.",
    ),
    Recipe(
        "decide-tune",
        "A rate for each method, before decide: CIFAR-10, ResNet-18, ten epochs, held-out images, "
        "two seeds of their own.",
        "not measured; its job card has an estimate",
        [
            row(head="{data}-resnet18-bnn-{arm}-{method}", label="lr{lr}", arm=arm,
                method=THREE_METHODS, lr=rates, **_resnet("resnet18"))
            for arm, rates in (
                ("minimal+scale", SGD_RATES), ("cosine+scale", SGD_RATES), ("adam", ADAM_RATES),
            )
        ],
        PAPERS | {"data": "cifar10", "epochs": 10, "eval_every": 10, "seed": (100, 101),
                  "validation": True},
        ARMS | DECAYING,
        full=True,
        expect="On digits the best rate of STE with the scale moved with depth, from 0.05 to 0.4, "
        "and StoMPP's moved the other way. Then run decide at each method's best rate with --only "
        "and --set lr=...",
    ),
    Recipe(
        "cifar-full",
        "All methods, three arms, ResNet-18, -34 and -50 on CIFAR-10 and CIFAR-100. Three seeds.",
        "not measured; its job card has an estimate. Choose with --only",
        [
            given
            for net in RESNETS
            for given in (
                *_all_rows(net, alone=True, **_resnet(net)),
                *_rows(net, tuple(DECAYING), **_resnet(net)),
            )
        ],
        PAPERS | {"data": CIFARS, "seed": range(3)},
        ARMS | DECAYING,
        full=True,
        expect="The papers report 51.5 % for STE, 69.5 for StoMPP and 78.6 for StoMPP + STE with "
               "ResNet-50 on CIFAR-10, by a digest of their text. We expect the first number to "
               "rise with the scale.",
    ),
    Recipe(
        "imagenet-full",
        "All methods, three arms, ResNet-18, -34 and -50 on ImageNet. One seed; the papers' number "
        "of epochs is not known to us.",
        "not measured; its job card has an estimate. Use torchrun with run --name",
        [given for net in RESNETS for given in _all_rows(net, **_resnet(net))],
        PAPERS | FAR | {"data": "imagenet", "stem": "imagenet", "seed": 0},
        ARMS,
        full=True,
        expect="The papers report a lead of 17.7 points of StoMPP + STE over STE with ResNet-50. "
               "We expect the scale to close most of it, and we may be wrong.",
    ),
    Recipe(
        "mobilenet-full",
        "MobileNetV2 on CIFAR-100, depthwise convolutions binary or float. Three seeds.",
        "not measured; its job card has an estimate. Choose with --only",
        [*_rows("mobile"), *_rows("mobile-dwfloat", float_depthwise=True)],
        PAPERS | {"data": "cifar100", "model": "mobilenet", "width": 32, "blocks": [],
                  "seed": range(3)},
        ARMS,
        full=True,
        expect="At small size nothing was decided here: differences between methods were smaller "
               "than those between runs. Expect the depthwise layers to be the hard part.",
    ),
    Recipe(
        "bireal-full",
        "Bi-Real ResNet-18 on CIFAR-10 and CIFAR-100, from scratch and from a float network. Three "
        "seeds.",
        "not measured; its job card has an estimate. Choose with --only",
        [*_all_rows("bireal18"), *_all_rows("bireal18-pretrained", pretrain=200)],
        PAPERS | {"data": CIFARS, "model": "bireal", "width": 64, "blocks": [4, 4, 4, 4],
                  "seed": range(3)},
        ARMS,
        full=True,
        expect="Around every sign a real number travels. On digits STE does as well as float "
               "there, and order matters less. We expect no large difference between the "
               "methods.",
    ),
    Recipe(
        "bert-full",
        "Fine-tuning BERT-base on SST-2: two optimizers, with and without a scale. Three seeds.",
        "not measured; its job card has an estimate",
        _rows("bert-base", tuple(BERT_ARMS)),
        PAPERS | BERT | {"data": "sst2", "epochs": 10, "batch_size": 32, "augment": "none",
                         "eval_every": 1, "seed": range(3)},
        BERT_ARMS,
        full=True,
        expect="Where no norm follows a layer, weights of ±1 change what the network computes. A "
               "small encoder stayed at the share of the larger class without a scale. Expect "
               "the same for weights of ±1 here, for every method.",
    ),
)  # fmt: skip
