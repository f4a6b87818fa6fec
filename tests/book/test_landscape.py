"""The landscape's table in a browser: it sorts and compares as the package does."""

import pytest

from stompp_lite.relatives.axes import AXES, PLACES, differences
from stompp_lite.viz.components import Component
from stompp_lite.viz.landscape import landscape_table, name
from tests.browser import show, unsaid

pytestmark = pytest.mark.slow


def test_headers_sort_and_a_choice_compares(context):
    watched = show(context, landscape_table())
    page = watched.page
    names = page.locator(".lbl-land tbody th")

    def far(method):
        return [str(len(differences(PLACES[method], spot))) for spot in PLACES.values()]

    for method in ("stompp", "inq"):
        page.locator("select").select_option(name(method))
        apart = page.locator(".lbl-land tbody td:nth-child(2)").all_text_contents()
        told = dict(zip(names.all_text_contents(), apart))
        assert told == dict(zip(map(name, PLACES), far(method)))
        counts = [int(told[n]) for n in names.all_text_contents()]
        assert counts == sorted(counts) and names.first.text_content() == name(method)
        same = page.locator(".lbl-land .lbl-same").count()
        assert same == len(AXES) * len(PLACES) - sum(map(int, far(method)))
    assert "Nearest to INQ: random partition relaxation" in page.locator(".lbl-says").text_content()
    for axis, (_, answers) in AXES.items():
        header = page.locator(f'[data-key="{axis}"]')
        header.focus()
        page.keyboard.press("Enter")
        assert page.locator('[aria-sort="ascending"]').text_content() == AXES[axis][0]
        column = 3 + list(AXES).index(axis)
        told = page.locator(f".lbl-land tbody td:nth-child({column})").all_text_contents()
        assert [answers.index(x) for x in told] == sorted(answers.index(x) for x in told)
        assert page.evaluate("document.activeElement.dataset.key") == axis
    assert page.locator(".lbl-theirs a").count() == 4 and not watched.wrong


BAD = [
    ({}, "there are no axes"),
    ({"axes": [{"key": "a", "label": "A?", "answers": ["x"]}]}, "there are no methods"),
    (
        {
            "axes": [{"key": "a", "label": "A?", "answers": ["x"]}],
            "rows": [{"name": "M", "cells": {"a": "y"}}],
        },
        'M answers y to "A?"',
    ),
]


def test_bad_data_draws_a_message(context):
    assert not unsaid(context, [(Component("landscape", data), said) for data, said in BAD])
