"""Attention under a slider in a browser: its softmax is torch's, and what is wrong is said."""

import math

import pytest
import torch

from stompp_lite import binarize_model
from stompp_lite.errors import ConfigError
from stompp_lite.networks.families import Transformer
from stompp_lite.viz.attention import attention_explorer
from stompp_lite.viz.components import Component
from tests.browser import show, unsaid

WIDTH = 900  # of the pages
WORDS, UNITS = 12, 16
IDS = torch.randint(2, 100, (1, WORDS), generator=torch.Generator().manual_seed(0))
SIDE = {"sums": [[1, -1], [1, 1]], "bias": [0, 0]}
GOOD = {"query": SIDE, "key": SIDE, "width": 2, "own": 0.5}


def encoder(scale=None):
    torch.manual_seed(0)
    net = Transformer(100, WORDS, 2, width=UNITS, depth=1)
    return binarize_model(net, IDS, weights="ste", activations="ste", scale=scale)


@torch.no_grad()
def attention(net, alpha):
    """Of the second head [T, T], with the weights of query and key set to ±alpha."""
    block, seen = net.blocks[0], {}
    for part in ("query", "key"):
        layer = getattr(block, part)
        layer.weight.copy_(alpha * torch.where(layer.weight < 0, -1.0, 1.0))
        layer.register_forward_hook(
            lambda module, inputs, out, part=part: seen.__setitem__(part, out[0])
        )
    net(IDS)
    q, k = (seen[part].unflatten(-1, (4, -1))[:, 1] for part in ("query", "key"))
    return torch.softmax(q @ k.T / math.sqrt(UNITS // 4), -1)


@pytest.mark.slow
def test_the_browser_computes_what_torch_computes(context):
    watched = show(context, attention_explorer(encoder(), IDS, head=1))
    page = watched.page
    says = page.locator(".lbl-says")
    page.locator("summary").click()
    page.locator("td").first.wait_for()
    size, word = page.locator("input[type=range]").all()
    assert "about the network's own scale" in says.text_content()
    for power, row in ((-4, 1), (-2.5, 7), (0, 12), (0, 3)):
        size.fill(str(power))
        word.fill(str(row))
        right = attention(encoder("layer"), 2**power)
        cells = page.locator("tbody tr td:last-child").all_text_contents()
        torch.testing.assert_close(
            torch.tensor([float(c) for c in cells]), right[row - 1], rtol=1e-3, atol=1e-4
        )
        largest, at = right[row - 1].max(0)
        assert (
            f"Word {row} pays most to word {at + 1}: {100 * largest:.1f} %" in says.text_content()
        )
        assert (
            f"all {WORDS} words: {100 * right.max(-1).values.mean():.1f} %" in says.text_content()
        )
    assert not watched.wrong


@pytest.mark.slow
def test_the_keyboard_and_a_click_move_it(context):
    watched = show(context, attention_explorer(encoder(), IDS))
    page = watched.page
    says = page.locator(".lbl-says")
    size, word = page.locator("input[type=range]").all()
    size.focus()
    page.keyboard.press("End")
    assert says.text_content().startswith("α = 1.0. Word 1 ")
    page.keyboard.press("Home")
    assert says.text_content().startswith("α = 0.063")
    page.locator("canvas").click(position={"x": 20, "y": 25})
    assert word.input_value() == "1"
    page.locator("canvas").click(position={"x": 20, "y": 262})
    assert word.input_value() == str(WORDS) and f"Word {WORDS} " in says.text_content()
    assert not watched.wrong


BAD = [
    ({}, "two words or more"),
    (GOOD | {"width": 2.5}, "a whole number, got 2.5"),
    (GOOD | {"own": 2}, "between 0 and 1, got 2"),
    (GOOD | {"key": None}, "key has undefined words, not 2"),
    (GOOD | {"key": SIDE | {"sums": [[1, 1]]}}, "key has 1 words, not 2"),
    (GOOD | {"query": SIDE | {"sums": [[9, 1], [1, 1]]}}, "holds 9, outside"),
    (GOOD | {"query": SIDE | {"bias": [0, "x"]}}, "holds x, which is no number"),
    (GOOD | {"key": SIDE | {"sums": [[1], [1]]}}, "differ in length"),
]  # fmt: skip


@pytest.mark.slow
def test_bad_data_draws_a_message(context):
    assert not unsaid(context, [(Component("attention", data), said) for data, said in BAD])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: attention_explorer(torch.nn.Linear(2, 2), IDS), "no block of a Transformer"),
        (lambda: attention_explorer(encoder(), IDS[0]), "show one text"),
        (lambda: attention_explorer(encoder(), IDS[:, :1]), "the number of words"),
        (lambda: attention_explorer(encoder(), IDS, block=1), "block"),
        (lambda: attention_explorer(encoder(), IDS, head=4), "head"),
        (lambda: attention_explorer(encoder("layer"), IDS), "without a scale"),
    ],
)
def test_what_cannot_be_shown_is_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        wrong()
