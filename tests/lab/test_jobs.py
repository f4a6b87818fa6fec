"""Job cards: what they count, what they promise, and what they refuse."""

import pytest
import torch
from torch import nn

from stompp_lite.__main__ import main
from stompp_lite.errors import ConfigError
from stompp_lite.lab import jobs
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.networks.convert import binarize_model
from stompp_lite.networks.describe import describe
from stompp_lite.networks.families import resnet

FULL = [r.name for r in RECIPES.values() if r.full]


def test_operations_are_those_that_describe_counts():
    net = resnet("resnet18", 10)
    example = torch.zeros(1, 3, 32, 32)
    rows = describe(binarize_model(net, example)).rows
    assert jobs.multiply_adds(net, example) == sum(row.operations for row in rows)


def test_operations_of_a_layer_by_hand():
    conv = nn.Conv2d(4, 8, 3, padding=1, groups=2)
    assert jobs.multiply_adds(conv, torch.zeros(2, 4, 5, 5)) == 2 * 8 * 25 * 2 * 9
    assert jobs.multiply_adds(nn.Linear(7, 3), torch.zeros(5, 7)) == 5 * 7 * 3


def test_hours_are_the_slower_of_computing_and_reading():
    an_hour = 3600 * jobs.RATE / jobs.STEP
    assert jobs.hours(an_hour, 1, reads=False) == pytest.approx(1)
    assert jobs.hours(1, 3600 * jobs.READ, reads=True) == pytest.approx(1)
    assert jobs.hours(1, 3600 * jobs.READ, reads=False) < 0.01


@pytest.mark.parametrize("name", FULL)
def test_every_recipe_of_full_size_has_a_card(name):
    card = jobs.job_card(name)
    text, page = card._repr_markdown_(), card._repr_html_()
    assert card.recipe.expect and card.one in card.recipe.runs
    assert 0 < card.hours[1] <= card.hours[0] and card.runs == len(card.recipe.runs)
    for said in ("Not run here", "factor of 3", card.one, f"sweep {name} --list", "report"):
        assert said in text
    assert card.one in page and "not run here" in page


def test_a_card_of_a_part_costs_less():
    whole, part = jobs.job_card("decide"), jobs.job_card("decide", only="resnet18")
    assert part.runs < whole.runs and part.hours[0] < whole.hours[0]
    assert "--only resnet18 --list" in part._repr_markdown_()


@pytest.mark.parametrize(
    ("name", "only", "said"),
    [
        ("fair", "", "'fair' is not of full size.*ten-minutes"),
        ("decied", "", "recipe.*decied"),
        ("decide", "vgg", "no run of 'decide' contains 'vgg'.*--list"),
    ],
)
def test_what_has_no_card_is_named(name, only, said):
    with pytest.raises(ConfigError, match=f"(?s){said}"):
        jobs.job_card(name, only)


def test_ten_minutes_are_about_ten_minutes():
    assert 10 / 3 < 60 * jobs.job_card("ten-minutes").hours[0] < 30


def test_a_list_of_runs_runs_nothing(tmp_path, capsys):
    given = ("--only", "resnet18-bnn-minimal", "--list", "--out", str(tmp_path / "out"))
    assert main(["sweep", "decide", *given]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [n for n in RECIPES["decide"].runs if "resnet18-bnn-minimal" in n]
    assert lines[:-1] == names
    assert lines[-1].startswith(f"{len(names)} runs; all of decide")
    assert not list(tmp_path.iterdir())


def test_a_list_of_nothing_says_so(capsys):
    assert main(["sweep", "decide", "--only", "vgg", "--list"]) == 1
    found = capsys.readouterr().err
    assert "vgg" in found and found.count("\n") == 1
