"""The doors of chapter 6 in a browser: the law is the formula, and what is wrong is said."""

import numpy as np
import pytest

from stompp_lite.viz.components import Component
from stompp_lite.viz.explore import CLIPPED_SQUARE, doors_explorer
from tests.browser import show, unsaid

pytestmark = pytest.mark.slow
WIDTH = 900  # of the pages
LEFT = [1.0, 0.6, 0.36]


def test_the_mean_square_of_a_clipped_normal_number():
    z = np.random.default_rng(0).standard_normal(1_000_000)
    assert np.mean(np.clip(z, -1, 1) ** 2) == pytest.approx(CLIPPED_SQUARE, abs=0.002)


def test_the_sliders_move_along_the_law(context):
    watched = show(context, doors_explorer({0.5: LEFT}))
    page = watched.page
    says = page.locator(".lbl-says")
    assert "p = 0.50. Each layer leaves 0.583" in says.text_content()
    assert "Measured: 0.36." in says.text_content()
    share, depth = page.locator("input[type=range]").all()
    for p, layers in ((0.0, 2), (0.3, 2), (0.9, 1)):
        share.fill(str(p))
        depth.fill(str(layers))
        factor = np.sqrt((1 - p) * CLIPPED_SQUARE / (p + (1 - p) * CLIPPED_SQUARE))
        assert f"Each layer leaves {factor:.3f}" in says.text_content()
        assert f"After {layers} of them {factor**layers:.2f} is left" in says.text_content()
        assert "Measured" not in says.text_content()
    page.locator("summary").click()
    page.locator("td").first.wait_for()
    cells = page.locator("tr").last.locator("td").all_text_contents()
    assert cells == ["2", f"{factor**2:.2f}", "0.36"] and not watched.wrong


BAD = [
    ({}, "lies between 0 and 1, got undefined"),
    ({"v": 0.5, "measured": []}, "there is nothing measured"),
    ({"v": 0.5, "measured": [{"p": 2, "left": LEFT}]}, "between 0 and 1, got 2"),
    ({"v": 0.5, "measured": [{"p": 0.5, "left": [1, "x"]}]}, "holds x, which is no number"),
    (
        {"v": 0.5, "measured": [{"p": 0.5, "left": LEFT}, {"p": 0.6, "left": [1, 1]}]},
        "p = 0.6 has 1 layers, not 2",
    ),
]  # fmt: skip


def test_bad_data_draws_a_message(context):
    assert not unsaid(context, [(Component("doors", data), said) for data, said in BAD])
