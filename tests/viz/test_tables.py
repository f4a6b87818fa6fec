"""Recorded runs as matrices: every run in one cell, the numbers those of the report. Diagrams."""

import re

import matplotlib.pyplot as plt
import pytest

from stompp_lite import LabResNet, binarize_model
from stompp_lite.errors import ConfigError
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.record import default_folder, read_all
from stompp_lite.lab.report import group, summary, table
from stompp_lite.viz import diagrams, style
from stompp_lite.viz.tables import matrix

RECORDED = [
    name for name, recipe in RECIPES.items()
    if name != "quick" and not recipe.full and (default_folder() / name).is_dir()
]  # fmt: skip


def rows(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    return cells[0], {row[0]: row[1:] for row in cells[2:]}


def test_a_matrix_names_settings_arms_and_depths_in_words():
    header, found = rows(matrix("orders"))
    assert header[1:4] == ["8, `minimal`", "24, `adam`", "24, `minimal`"]
    runs = group(read_all("orders"))
    column = header.index("24, `minimal`") - 1
    reverse, redraw = runs["n06-minimal-stompp-reverse"], runs["n06-minimal-stompp-global-redraw"]
    assert found["StoMPP, reverse"][column] == summary(reverse) + " (10)"
    assert found["StoMPP, global, redraw"][column] == summary(redraw)
    assert "5 seeds, where" in matrix("orders")


def test_leads_keep_their_sign():
    assert {"StoMPP, lead +12", "StoMPP, lead −12"} <= set(rows(matrix("lead"))[1])


@pytest.mark.parametrize("recipe", RECORDED)
def test_no_setting_is_lost(recipe):
    text = matrix(recipe)
    if text == table(recipe):
        return
    cells = [c for row in rows(text)[1].values() for c in row if c]
    assert len(cells) == len(group(read_all(recipe)))
    for runs in group(read_all(recipe)).values():
        shown = summary(runs) or f"{runs[0].final['test_acc']:.1f}"
        assert any(re.fullmatch(rf"{re.escape(shown)}( \(\d+\))?", c) for c in cells)


def test_gradient_takes_the_ways_that_are_open():
    """The arrows of the diagram are what autograd does in the package's own blocks."""
    from torch import ones

    drawn = []
    for ax in diagrams.paths().axes:
        red = [a for a in ax.patches if isinstance(a, plt.matplotlib.patches.FancyArrowPatch)]
        ends = [a._posA_posB[1][0] for a in red]
        drawn.append(any(x < 0 for x in ends))  # something arrives before the first block
    plt.close("all")
    model = binarize_model(LabResNet(1, 10, blocks=(3,)), ones(1, 1, 8, 8))
    middle, found = model.binarization.stages[3:5], []
    for committed in range(3):
        for stage in middle[:committed]:
            for name in stage.activations:
                model.get_submodule(name).p = 1.0
        model.zero_grad()
        model(ones(2, 1, 8, 8).normal_()).sum().backward()
        grad = model.blocks[0].conv1.weight.grad
        found.append(grad is not None and bool(grad.any()))
    assert drawn == found == [True, True, False]


def test_a_block_shows_which_of_its_stages_are_committed():
    for committed in (0, 1, 2):
        ax = diagrams.block(committed).axes[0]
        dark = [
            p for p in ax.patches if plt.matplotlib.colors.to_hex(p.get_facecolor()) == style.FROZEN
        ]
        said = [t.get_text() for t in ax.texts if "stage" in t.get_text()]
        assert len(dark) == 2 * committed
        assert [("no gradient" in text) for text in said] == [committed >= 1, committed >= 2]
        plt.close(ax.figure)
    with pytest.raises(ConfigError, match="not 3"):
        diagrams.block(3)
