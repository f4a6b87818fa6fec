"""BERT of the transformers library: it converts, starts from weights, says what is wrong."""

import importlib
import json
import shutil
import sys

import pytest
import torch

from stompp_lite import binarize_model, load
from stompp_lite.errors import ConfigError, DataError
from stompp_lite.lab.config import Config
from stompp_lite.lab.run import build, run
from stompp_lite.networks import bert
from stompp_lite.networks.bert import POOLER, Bert, transformers, word_pieces
from stompp_lite.networks.convert import conversion
from stompp_lite.networks.describe import leaks
from stompp_lite.networks.layers import binary_layers
from stompp_lite.training import texts

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "fine",
    "film",
    "dull",
    "##s",
    ",",
    "the",
]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A generated SST-2 of a few lines."""
    (tmp_path / "SST-2").mkdir()
    rows = ["a Fine film\t1", "dull , dull films\t0"] * 32
    for file, lines in (("train.tsv", rows), ("dev.tsv", rows[:4])):
        text = "sentence\tlabel\n" + "\n".join(lines) + "\n"
        (tmp_path / "SST-2" / file).write_text(text, encoding="utf-8")
    monkeypatch.setattr(texts, "SST2_ROWS", {"train.tsv": 64, "dev.tsv": 4})
    return tmp_path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder as the hub has it, of a small BERT: weights, configuration, vocabulary."""
    folder, lib = tmp_path_factory.mktemp("bert"), transformers()
    torch.manual_seed(5)
    config = lib.BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    config.classifier_dropout = 0.5  # is not to be used
    lib.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    return str(folder)


def test_every_linear_layer_of_the_encoder_is_binary_and_the_rest_float():
    torch.manual_seed(0)
    ids = torch.tensor([[2, 5, 6, 3, 0, 0]])
    model = binarize_model(Bert(2, 11, 6, depth=3), ids, keep_float=POOLER)
    assert len(binary_layers(model)) == 18
    assert all(name.startswith("net.bert.encoder.layer.") for name in binary_layers(model))
    kept = conversion(model).kept
    assert set(kept.values()) == {"norm", "embedding", "keep_float", "last layer"}
    assert kept["net.bert.pooler.dense"] == "keep_float"
    told = leaks(model, 18)
    assert "net.bert.embeddings.word_embeddings.weight" in told
    assert not any(f"{name}.weight" in told for name in binary_layers(model))


def test_padding_changes_nothing():
    torch.manual_seed(0)
    net = Bert(2, 11, 8).eval()
    ids = torch.tensor([[2, 5, 6, 3]])
    padded = torch.cat([ids, torch.zeros(1, 4, dtype=torch.int64)], 1)
    assert torch.allclose(net(ids), net(padded), atol=1e-6)


@pytest.mark.parametrize("method", ["ste", "stompp"])
def test_a_small_random_bert_learns_words(root, method):
    rules = {"ste": ("ste:identity", "ste:clip"), "stompp": ("stompp", "stompp")}[method]
    config = Config(
        model="bert", data="sst2", width=32, blocks=(1,), epochs=12, batch_size=8, weights=rules[0],
        activations=rules[1], scale="layer", optimizer="adam", lr=0.003, eval_every=12,
    )  # fmt: skip
    record = run(config, root=root, progress=False)
    assert record.outcome == "finished" and record.final["test_acc"] == 100


def test_it_starts_from_the_weights_of_a_folder(root, weights):
    config = Config(model="bert", bert=weights, data="sst2", width=32, blocks=(1,))
    data = load("sst2", root, tokenizer=weights)
    assert data.train_x.shape == (64, 64) and data.tokens == len(WORDS)
    assert data.train_x[0, :6].tolist() == [2, 5, 6, 7, 3, 0]  # [CLS] a fine film [SEP] [PAD]
    assert data.train_x[1, :7].tolist() == [2, 8, 10, 8, 7, 9, 3]  # dull , dull film ##s
    model = build(config, data)
    theirs = transformers().BertModel.from_pretrained(weights)
    layer = theirs.encoder.layer[0].attention.self.key
    found = model.get_submodule("net.bert.encoder.layer.0.attention.self.key.1")
    assert torch.equal(found.weight, layer.weight)
    once, again = (model.train()(data.train_x[:2]) for _ in range(2))
    assert torch.equal(once, again)  # no dropout
    settings = {"epochs": 3, "batch_size": 8, "lr": 0.01, "eval_every": 3}
    record = run(Config.from_dict(config.to_dict() | settings), root=root, progress=False)
    assert record.outcome == "finished" and record.config["bert"] == weights


def test_what_does_not_fit_says_why(root, weights, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"has 1 blocks of width 32, not 12 of 768: set blocks"):
        Bert(2, 11, 8, weights, width=768, depth=12)
    with pytest.raises(ConfigError, match="reads 64 tokens out of 12; the texts have 65"):
        Bert(2, 11, 65, weights, width=32, depth=1)
    lib = transformers()
    lib.RobertaConfig(hidden_size=32).save_pretrained(tmp_path / "other")
    with pytest.raises(DataError, match=r"is a network of type 'roberta' with 'gelu'"):
        Bert(2, 11, 8, str(tmp_path / "other"), width=32, depth=1)
    lib.BertConfig(hidden_act="relu").save_pretrained(tmp_path / "relu")
    with pytest.raises(DataError, match=r"type 'bert' with 'relu'"):
        Bert(2, 11, 8, str(tmp_path / "relu"), width=768, depth=12)
    part = shutil.copytree(weights, tmp_path / "part")
    safetensors = importlib.import_module("safetensors.torch")
    kept = safetensors.load_file(part / "model.safetensors")
    name = next(n for n in sorted(kept) if "key.weight" in n)
    del kept[name]
    safetensors.save_file(kept, part / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match=r"have no '.*key\.weight'"):
        Bert(2, 11, 8, str(part), width=32, depth=1)
    cut = shutil.copytree(weights, tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:500])
    with pytest.raises(DataError, match="cannot be read as a BERT"):
        Bert(2, 11, 8, str(cut), width=32, depth=1)
    (cut / "vocab.txt").write_text("\n".join(WORDS[:-1]), encoding="utf-8")
    with pytest.raises(DataError, match="does not know the word 'the'"):
        word_pieces(str(cut), 8)
    with pytest.raises(ConfigError, match="heads of 16 units do not divide a width of 40"):
        Bert(2, 11, 8, width=40)
    with pytest.raises(ConfigError, match="weights for the model 'bert', not 'lab'"):
        Config(bert=weights)
    with pytest.raises(ConfigError, match="a tokenizer is for sentences"):
        load("digits", tokenizer=weights)
    with pytest.raises(ConfigError, match="one label each"):
        build(Config(model="bert", blocks=(1,)), load("topics"))
    with pytest.raises(DataError, match=r"cannot be read as a BERT.*a folder with config\.json"):
        Bert(2, 11, 8, str(tmp_path / "nowhere"), width=32, depth=1)
    with pytest.raises(DataError, match="cannot be read as a BERT"):
        word_pieces(str(tmp_path / "nowhere"), 8)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DataError, match="pip install transformers"):
        Bert(2, 11, 8)


@pytest.mark.parametrize(("said", "quoted"), [("one\ntwo\nthree", "one"), ("", "OSError")])
def test_of_another_library_s_error_the_first_line_is_quoted(said, quoted):
    class Kind:
        @staticmethod
        def from_pretrained(weights):
            raise OSError(said)

    with pytest.raises(DataError, match=rf"'mine' cannot be read as a BERT \({quoted}\)\."):
        bert._read(Kind, "mine")
