"""BERT, by the transformers library: token ids [N, T] to logits of a text's classes [N, classes].

The network is transformers' own ``BertForSequenceClassification`` with two changes. Every linear
layer of the encoder that reads a norm or a mixture of values gets an activation in front of it,
which conversion makes binary. There is no dropout, because its draws would not be keyed.
Embeddings, norms, softmax and sums stay float, and so does the head (the pooler and the
classifier).

Weights come from a folder or from the hub. Without them the network is small and random: that
shows that the code runs, but says nothing about fine-tuning.

Taught in chapter 15, *Where no norm follows*.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from stompp_lite.checks import count
from stompp_lite.errors import ConfigError, DataError
from stompp_lite.networks.families import activate_inputs
from stompp_lite.networks.vision import import_torchvision

#: What stays float besides the classifier, for ``keep_float``.
POOLER = ("net.bert.pooler",)
#: Units of each attention head in a random network.
HEAD = 16


def transformers() -> Any:
    """The transformers library, an optional dependency.

    Raises:
        DataError: it is not installed.
    """
    try:
        import_torchvision()  # transformers looks for it, and gives up where it does not fit torch
        return importlib.import_module("transformers")
    except ImportError as err:
        raise DataError(f"BERT needs the library transformers ({err}); run: pip install "
                        "transformers") from err  # fmt: skip


class Bert(nn.Module):
    """BERT with a classifier, as the module describes it.

    Args:
        classes: number of classes of the texts.
        tokens, length: size of the vocabulary and longest text, in tokens.
        weights: a folder or a name on the hub; None: random weights.
        width, depth: units and blocks; they must be those of the weights, if there are any.

    Raises:
        ConfigError: the weights are of another size.
        DataError: the weights cannot be read or belong to another network, or transformers is
            missing.
    """

    def __init__(
        self, classes: int, tokens: int, length: int, weights: str | None = None, width: int = 64,
        depth: int = 2,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = {"classes": classes, "tokens": tokens, "length": length, "depth": depth}
        for what, value in sizes.items():
            count(value, what)
        lib = transformers()
        if count(width, "width") % HEAD and weights is None:
            raise ConfigError(f"heads of {HEAD} units do not divide a width of {width}")
        config = lib.BertConfig(
            vocab_size=tokens, hidden_size=width, num_hidden_layers=depth,
            num_attention_heads=width // HEAD, intermediate_size=4 * width,
            max_position_embeddings=length,
        ) if weights is None else _read(lib.AutoConfig, weights)  # fmt: skip
        if (config.model_type, config.hidden_act) != ("bert", "gelu"):
            raise DataError(
                f"{weights} is a network of type {config.model_type!r} with {config.hidden_act!r} "
                "between its layers; weights of a BERT with 'gelu' can be read"
            )
        found = (config.hidden_size, config.num_hidden_layers)
        if found != (width, depth):
            raise ConfigError(
                f"{weights} has {found[1]} blocks of width {found[0]}, not {depth} of {width}: set "
                f"blocks to [{found[1]}] and width to {found[0]}"
            )
        if length > config.max_position_embeddings or tokens > config.vocab_size:
            raise ConfigError(
                f"{weights} reads {config.max_position_embeddings} tokens out of "
                f"{config.vocab_size}; the texts have {length} out of {tokens}"
            )
        config.num_labels = classes
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        config.classifier_dropout = 0.0
        kind = lib.BertForSequenceClassification
        self.net = kind(config)
        if weights is not None:  # the classifier stays as it is made here
            self.net.bert, info = _read(
                lib.BertModel, weights, config=config, output_loading_info=True
            )
            absent = [n for n in info["missing_keys"] if not n.startswith("pooler.")]
            if absent:
                raise DataError(f"the weights in {weights} have no {sorted(absent)[0]!r}")
        names = []
        for k, block in enumerate(self.net.bert.encoder.layer):
            block.intermediate.intermediate_act_fn = nn.GELU()  # theirs is not torch's module
            inside = f"net.bert.encoder.layer.{k}."
            names += [f"{inside}attention.self.{part}" for part in ("query", "key", "value")]
            names += [f"{inside}attention.output.dense", f"{inside}intermediate.dense"]
        activate_inputs(self, names)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids [N, T], int64, 0 is padding; logits [N, classes]."""
        out: Tensor = self.net(input_ids=ids, attention_mask=(ids != 0).long()).logits
        return out

    def plain(self, ids: Tensor) -> Tensor:
        """What ``forward`` computes, in operations that can be written down one by one.

        :func:`~stompp_lite.ship.pack.pack` reads it, since the library's own code cannot be traced.
        """
        bert, real = self.net.bert, (ids != 0).unsqueeze(1).unsqueeze(1)  # [N, 1, 1, T]
        table = bert.embeddings
        x = table.word_embeddings(ids) + table.token_type_embeddings.weight[0]
        x = table.LayerNorm(x + table.position_embeddings.weight[: ids.shape[1]])
        for block in bert.encoder.layer:
            own, after = block.attention.self, block.attention.output
            q, k, v = (
                part(x).unflatten(-1, (own.num_attention_heads, -1)).transpose(1, 2)
                for part in (own.query, own.key, own.value)
            )
            mixed = F.scaled_dot_product_attention(q, k, v, real, scale=own.scaling)
            x = after.LayerNorm(after.dense(mixed.transpose(1, 2).flatten(2)) + x)
            wide = block.intermediate.intermediate_act_fn(block.intermediate.dense(x))
            x = block.output.LayerNorm(block.output.dense(wide) + x)
        out: Tensor = self.net.classifier(bert.pooler(x))
        return out


def word_pieces(weights: str, length: int) -> Any:
    """A function from texts (lists of words) to token ids [N][length], and the number of ids.

    Raises:
        DataError: the tokenizer cannot be read, or its padding is not 0.
    """
    found = _read(transformers().AutoTokenizer, weights)
    if found.pad_token_id != 0:
        raise DataError(f"the tokenizer of {weights} pads with {found.pad_token_id}, not with 0")
    if found.convert_tokens_to_ids("the") == found.unk_token_id:
        raise DataError(
            f"the tokenizer of {weights} does not know the word 'the'; is its vocabulary missing "
            "(vocab.txt or tokenizer.json)?"
        )

    def pieces(texts: list[list[str]]) -> Any:
        joined = [" ".join(words) for words in texts]
        return found(joined, padding="max_length", truncation=True, max_length=length)["input_ids"]

    return pieces, len(found)


def _read(kind: Any, weights: str, **options: Any) -> Any:
    try:
        return kind.from_pretrained(weights, **options)
    except Exception as err:  # of many kinds, from several libraries
        said = str(err).strip().partition("\n")[0] or type(err).__name__
        raise DataError(
            f"{weights!r} cannot be read as a BERT ({said}). Name a folder with "
            "config.json, model.safetensors and the tokenizer's files, or a model on the hub such "
            "as google-bert/bert-base-uncased, which is fetched if there is a network"
        ) from err
