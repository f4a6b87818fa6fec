"""The five neurons of chapter 18 in a browser: who moves is what the rules say."""

import numpy as np
import pytest

from stompp_lite.errors import StomppError
from stompp_lite.local import slow
from stompp_lite.viz.components import Component
from stompp_lite.viz.signals import DESIRED, HIDDEN, INPUT, signals_explorer
from tests.browser import rows, show

pytestmark = pytest.mark.slow


def follow(hidden, x, learn):
    """Sums, who moves (or None), and the hidden integers after a step."""
    memory, inputs = slow.Memory(hidden.copy()), slow.Inputs(x[None])
    z, d = slow.products(inputs, memory), np.array([DESIRED], dtype=np.int8)
    moves = slow.easiest(z, d, len(hidden))[0]
    if learn:
        slow.learn(memory, inputs, z, d, np.array([True]), len(hidden))
    return z[0], int(moves.argmax()) if moves.any() else None, memory.hidden


def number(text):
    return int(text.replace("−", "-"))


def test_the_figure_does_what_the_rules_say(context):
    page = show(context, signals_explorer()).page
    hidden, x = np.array(HIDDEN, dtype=np.int32), np.array(INPUT, dtype=np.int8)
    says, learn = page.locator(".lbl-says"), page.get_by_role("button", name="Learn this input")
    assert "Neuron 4 is the nearest" not in says.text_content()
    seen = set()
    for flip in (None, None, 2, None, 0, 4, None, None, None):
        if flip is None:
            if learn.is_disabled():
                continue
            hidden = follow(hidden, x, True)[2]
            learn.click()
        else:
            x[flip] *= -1
            page.get_by_role("button", name=f"input {flip + 1} is").click()
        z, moves, _ = follow(hidden, x, False)
        lines = page.locator(".lbl-signals tbody tr")
        cells = [line.locator("td").all_text_contents() for line in lines.all()]
        assert [[number(v) for v in row[:5]] for row in cells] == hidden.tolist()
        assert [number(row[5]) for row in cells] == z.tolist()
        assert [k for k, row in enumerate(cells) if row[8] == "moves"] == (
            [] if moves is None else [moves]
        )
        seen.add(moves)
        if moves is None:
            assert "Nothing moves" in says.text_content() and learn.is_disabled()
        else:
            assert f"{abs(z[moves])} from zero" in says.text_content()
    assert len(seen) > 2
    page.get_by_role("button", name="Start again").click()
    assert rows(page)[3][:2] == ["4", "−6 −2 +4 −1 −3"]


def test_what_does_not_fit_is_said(context):
    watched = show(context, Component("signals", {"hidden": [[1, 2]], "x": [1, 0], "wanted": [1]}))
    assert "the inputs must be +1 or -1" in watched.page.locator(".lbl-error").text_content()
    for call, said in (
        (lambda: signals_explorer([[1, 2]], [1, -1], [1, 1]), "1 neurons of 2 integers"),
        (lambda: signals_explorer([[1.5, 2]], [1, -1], [1]), "a hidden integer must be of type"),
        (lambda: signals_explorer([[1, 2]], [1, 3], [1]), "got 3"),
        (lambda: signals_explorer([], [1], []), "no neurons"),
    ):
        with pytest.raises(StomppError, match=said):
            call()
