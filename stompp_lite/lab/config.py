"""Everything that decides a run, in one place, checked and stored with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

from stompp_lite.checks import checked, count, flag, one_of, text
from stompp_lite.errors import ConfigError
from stompp_lite.lab.models import MODELS, SIGNALS
from stompp_lite.lab.record import Record
from stompp_lite.local.signals import RULES, Signals
from stompp_lite.networks.families import STEMS
from stompp_lite.networks.rules import SCALES
from stompp_lite.relatives.guided import GUIDES
from stompp_lite.training.plan import Plan
from stompp_lite.training.rates import OPTIMIZERS
from stompp_lite.training.settings import Settings

#: Methods by name, each with the rule of its weights and the rule of its activations.
METHODS = {
    "float": ("float", "float"),
    "ste": ("ste:identity", "ste:clip"),
    "ste-identity": ("ste:identity", "ste:identity"),
    "stompp": ("stompp", "stompp"),
    "stompp+ste": ("stompp+ste:identity", "stompp+ste:clip"),
    "hybrid": ("ste:identity", "stompp+ste:clip"),
    "random": ("random", "ste:clip"),
    "weights-only": ("stompp", "float"),
    "ste-weights-only": ("ste:identity", "float"),
    "stompp+ste-weights-only": ("stompp+ste:identity", "float"),
    "activations-only": ("float", "stompp"),
    "hybrid-free": ("ste:identity", "stompp"),
    "reverse-hybrid": ("stompp+ste:identity", "ste:clip"),
    "reverse-hybrid-free": ("stompp", "ste:clip"),
    "weight-surrogate": ("stompp+ste:identity", "stompp"),
    "activation-surrogate": ("stompp", "stompp+ste:clip"),
    "intervention": ("stompp", "stompp-then-ste:clip"),
    # the relatives of chapter 17; where one is for weights only, activations are STE's
    "xnor-net": ("xnor", "ste:clip"),
    "bi-real": ("ste:identity", "ste:polynomial"),
    "react-net": ("ste:identity", "shift"),
    "ir-net": ("ede", "ede"),
    "bop": ("bop", "ste:clip"),
    "self-binarizing": ("tanh", "tanh"),
    "binary-relax": ("relax", "ste:clip"),
    "prox-quant": ("prox", "ste:clip"),
    "inq": ("inq", "ste:clip"),
    "rpr": ("rpr", "ste:clip"),
    "stochastic": ("filters", "ste:clip"),
    "iterative": ("layers", "ste:clip"),
    "local": ("local", "sign"),
    "bep": ("bep", "sign"),
}


@dataclass(frozen=True)
class Config(Settings):
    """Everything that decides a run: the settings of the training, and of what is trained.

    Attributes:
        data: name of the data set.
        validation: judge on held-out training images.
        model: a key of :data:`~stompp_lite.lab.models.MODELS`.
        width: channels of the first group, or units of a layer.
        blocks: residual blocks of each group; where there are no groups the depth, for example
            (3,); empty for those that torchvision gives a model of its own.
        stem: of models for images of several sizes, one of
            :data:`~stompp_lite.networks.families.STEMS`.
        float_depthwise: leave MobileNetV2's depthwise convolutions float.
        bert: folder or name on the hub of the weights that the model ``bert`` starts from, and of
            its tokenizer; None: a small network, random, that reads words.
        weights, activations: rules, as
            :func:`~stompp_lite.networks.convert.binarize_model` takes them.
        scale: of the binary weights, one of :data:`~stompp_lite.networks.rules.SCALES`, or None.
        sync_batch_norm: on several GPUs, batch norm over the whole batch.
        pretrain: epochs of training as a clipped float network, with the same settings, before the
            run itself; it starts from those weights.
        guide: a key of :data:`~stompp_lite.relatives.guided.GUIDES`: the loss compares with that
            float network, too. None: cross-entropy alone.
        signals: how the models of :data:`~stompp_lite.lab.models.SIGNALS` learn; None for all
            others. Such a run uses the numbers of epochs, samples in a batch and layers, the width
            and the seed, and no other setting of the training.
    """

    data: str = "digits"
    validation: bool = False
    model: str = "lab"
    width: int = 16
    blocks: tuple[int, ...] = (1, 1)
    stem: str = "cifar"
    float_depthwise: bool = False
    bert: str | None = None
    weights: str = "stompp"
    activations: str = "stompp"
    scale: str | None = None
    sync_batch_norm: bool = False
    pretrain: int = 0
    guide: str | None = None
    signals: Signals | None = None
    eval_every: int = 2
    history: str = "step"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.optimizer, str):
            raise ConfigError("a recorded run names its optimizer: " + ", ".join(OPTIMIZERS))
        one_of(self.model, MODELS, "model")
        model = MODELS[self.model]
        if not isinstance(self.blocks, tuple | list):
            raise ConfigError(f"blocks must be a list such as [2,2], got {self.blocks!r}")
        blocks = tuple(count(n, "the number of blocks") for n in self.blocks)
        object.__setattr__(self, "blocks", blocks)
        if blocks and model.groups == 0:
            raise ConfigError(
                f"model {self.model!r} has the blocks that torchvision gives it: set blocks to [] "
                f"in place of {list(blocks)}"
            )
        if not blocks and not model.own:
            raise ConfigError(f"blocks must be a list such as [2,2], got {self.blocks!r}")
        if model.width is not None and self.width != model.width:
            raise ConfigError(
                f"model {self.model!r} has a width of {model.width}, not {self.width}"
            )
        one_of(self.stem, STEMS, "stem")
        checked(
            self, data=text, validation=flag, width=count, weights=text, activations=text,
            float_depthwise=flag, sync_batch_norm=flag, pretrain=partial(count, least=0),
        )  # fmt: skip
        if self.float_depthwise and self.model != "mobilenet":
            raise ConfigError(f"float_depthwise is for the model 'mobilenet', not {self.model!r}")
        if self.bert is not None and self.model != "bert":
            raise ConfigError(f"bert names weights for the model 'bert', not {self.model!r}")
        if self.guide is not None:
            one_of(self.guide, GUIDES, "guide")
            if not self.pretrain:
                raise ConfigError(
                    f"guide {self.guide!r} compares with the float network that a run starts from; "
                    "set pretrain to its epochs, such as 20"
                )
        if self.scale is not None:
            one_of(self.scale, SCALES, "scale")
        self._check_signals()

    def _check_signals(self) -> None:
        """A model of local signals has a rule of local signals, and no other model has one."""
        if (self.model in SIGNALS) != (self.weights in RULES):
            raise ConfigError(
                f"model {self.model!r} and weights {self.weights!r} do not go together: the rules "
                f"{', '.join(RULES)} are for the models {', '.join(SIGNALS)}, and for them only"
            )
        if self.model not in SIGNALS:
            if self.signals is not None:
                raise ConfigError(f"signals are for the models {', '.join(SIGNALS)}")
            return
        if self.signals is not None and not isinstance(self.signals, Signals):
            raise ConfigError(f"signals must be a Signals, got {self.signals!r}")
        signals = replace(self.signals or Signals(), rule=self.weights)
        signals.check_groups(self.width)
        object.__setattr__(self, "signals", signals)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Config:
        """Build from parsed JSON; what an older record does not have gets its default.

        Raises:
            ConfigError: an unknown field, with the nearest valid one.
        """
        content = dict(content)
        for name in content:
            one_of(name, [f.name for f in fields(cls)], "configuration field")
        if isinstance(content.get("plan"), dict):
            plan = dict(content["plan"])
            if plan.pop("per_sample", False):  # until 0.1 a field of its own
                plan["activation_mask_rule"] = "per-sample"
            for name in plan:
                one_of(name, [f.name for f in fields(Plan)], "plan field")
            content["plan"] = Plan(**plan)
        if isinstance(content.get("signals"), dict):
            for name in content["signals"]:
                one_of(name, [f.name for f in fields(Signals)], "setting of local signals")
            content["signals"] = Signals(**content["signals"])
        return cls(**content)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in a record."""
        out = asdict(self)
        out["blocks"] = list(self.blocks)
        if self.signals is None:
            del out["signals"]
        return out


def config_of(record: Record) -> Config:
    """The configuration that a run was made with."""
    known = {f.name for f in fields(Config)}
    return Config.from_dict({k: v for k, v in record.config.items() if k in known})


def binary_layers_of(config: Config) -> int:
    """How many binary layers the network of a configuration has: what the book calls its depth.

    It counts convolutions, or linear layers, and leaves those out that always stay float.
    """
    return MODELS[config.model].layers(config.blocks)
