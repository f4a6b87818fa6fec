"""Texts as tokens, labels for each token, and what goes wrong with files."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from stompp_lite import Data, binarize_model, fit, load
from stompp_lite.errors import ConfigError, DataError, DtypeError, ShapeError
from stompp_lite.networks.families import Transformer
from stompp_lite.training import texts
from stompp_lite.training.measure import accuracy, loss_of

HEAD = "sentence\tlabel\n"


@pytest.fixture
def sst2(tmp_path, monkeypatch):
    """A generated SST-2 of a few lines, and its announced sizes."""
    folder = tmp_path / "SST-2"
    folder.mkdir()
    rows = ["a Fine film\t1", "dull , dull , dull\t0", "fine\t1"] * 4
    (folder / "train.tsv").write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    (folder / "dev.tsv").write_text(HEAD + "an unseen film\t1\n", encoding="utf-8")
    monkeypatch.setattr(texts, "SST2_ROWS", {"train.tsv": 12, "dev.tsv": 1})
    return tmp_path


def test_words_become_numbers_by_how_often_they_occur(sst2):
    data = load("sst2", sst2)
    assert (data.classes, data.tokens) == (2, 2 + 5) and data.train_x.shape == (12, 32)
    dull, fine, comma, a, film = 2, 4, 3, 5, 6  # 12, 8, 8, 4, 4 times; ties by the alphabet
    assert data.train_x[0, :4].tolist() == [a, fine, film, texts.PAD]
    assert data.train_x[1, :6].tolist() == [dull, comma, dull, comma, dull, texts.PAD]
    assert data.test_x[0, :4].tolist() == [texts.UNKNOWN, texts.UNKNOWN, film, texts.PAD]
    assert data.train_y.tolist() == [1, 0, 1] * 4
    assert len(load("sst2-small", sst2).train_x) == 2
    assert len(load("sst2", sst2, validation=True).test_x) == 2


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("train.tsv", None, "there is no .*train.tsv. SST-2 is one of GLUE's tasks: fetch"),
        ("dev.tsv", "text\tlabel\n", "does not begin with the columns sentence and label"),
        ("dev.tsv", f"{HEAD}good\t2\n", "dev.tsv, line 2: not a sentence with a label 0 or 1"),
        ("train.tsv", f"{HEAD}good\t1\n", "has 1 sentences, 12 belong there"),
        ("dev.tsv", b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_damaged_sst2_says_which_file_and_how_to_mend_it(sst2, file, content, said):
    path = sst2 / "SST-2" / file
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said) as caught:
        load("sst2", sst2)
    assert "unpack it into" in str(caught.value)


def test_the_real_sst2_where_there_is_one():
    root = Path(os.environ.get("STOMPP_DATA", "data"))
    if not (root / "SST-2" / "train.tsv").exists():
        pytest.skip(f"no SST-2 in {root}; name a folder that has it in STOMPP_DATA")
    data = load("sst2", root)
    assert data.train_x.shape == (67349, 32) and data.test_x.shape == (872, 32)
    assert data.tokens == 4000 and int(data.test_y.sum()) == 444  # chapter 15 says so


def test_the_help_of_python_as_characters():
    data = load("topics")
    assert data.train_x.shape[1] == 64 == data.train_y.shape[1] and data.classes == data.tokens
    assert torch.equal(data.train_x[0, 1:], data.train_y[0, :-1])  # the next character
    assert torch.equal(data.train_x[1, 0], data.train_y[0, -1])
    assert len(data.train_x) > 8 * len(data.test_x) > 1000
    held = load("topics", validation=True)
    assert held.tokens == data.tokens and len(held.train_x) + len(held.test_x) == len(data.train_x)


def test_a_model_of_characters_learns_what_follows():
    """A text in which every token is followed by one token only; one label for each token."""
    x = (torch.arange(8)[None] + torch.arange(64)[:, None]) % 5
    data = Data("circle", x, (x + 1) % 5, x, (x + 1) % 5, 5, tokens=5)
    torch.manual_seed(0)
    net = binarize_model(Transformer(5, 8, width=16, depth=1, heads=2), x[:1], scale="layer")
    history = fit(net, data, epochs=30, batch_size=16, optimizer="adam", lr=0.01, progress=False)
    assert history.final["test_acc"] == 100


def test_a_causal_model_does_not_see_what_comes():
    torch.manual_seed(0)
    net = Transformer(20, 8, width=16).eval()
    a = torch.randint(0, 20, (1, 8))
    b = a.clone()
    b[0, 5:] = (b[0, 5:] + 1) % 20
    assert torch.allclose(net(a)[0, :5], net(b)[0, :5], atol=1e-6)
    assert not torch.allclose(net(a)[0, 5:], net(b)[0, 5:], atol=1e-3)


def test_padding_is_left_out_of_the_mean():
    net = Transformer(20, 8, classes=2, width=16, depth=1).eval()
    net.blocks = nn.Identity()  # attention would see the padding
    ids = torch.tensor([[3, 4, 0, 0, 0, 0, 0, 0]])
    places = net.token(ids[:, :2]) + net.place(torch.arange(2))
    assert torch.allclose(net(ids), net.head(net.norm(places).mean(1)), atol=1e-6)


def test_loss_and_accuracy_count_every_token():
    logits, y = torch.randn(3, 4, 5), torch.randint(0, 5, (3, 4))
    by_hand = sum(
        torch.logsumexp(logits[i, t], 0) - logits[i, t, y[i, t]] for i in range(3) for t in range(4)
    )
    assert torch.isclose(loss_of(logits, y), by_hand / 12)
    table = nn.Embedding.from_pretrained(torch.eye(5))
    x = torch.randint(0, 5, (3, 4))
    wrong = x.clone()
    wrong[0, 0] = (wrong[0, 0] + 1) % 5
    assert accuracy(table, x, wrong) == pytest.approx(100 * 11 / 12)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"tokens": 0}, DtypeError, "for token ids say how many there are"),
        ({"train_x": torch.zeros(4, 6)}, DtypeError, "token ids, int64"),
        ({"tokens": 3}, ConfigError, r"run from 0 to 3, outside 0 \.\.\. 2"),
        ({"train_y": torch.zeros(4, 5, dtype=torch.int64)}, ShapeError, "or each token"),
    ],
)
def test_texts_that_do_not_fit_are_refused(changes, error, said):
    ids = torch.arange(24).view(4, 6) % 4
    good = {"train_x": ids, "train_y": ids[:, 0], "test_x": ids, "test_y": ids[:, 0], "tokens": 4}
    Data("fine", **good, classes=4)
    with pytest.raises(error, match=said):
        Data("bad", **(good | changes), classes=4)
