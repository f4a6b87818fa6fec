"""Moving figures, questions and training in a real JupyterLab, which is started once for all."""

import pytest

from stompp_lite.viz.bank import bank
from tests.browser import FIGURE, jupyter_lab, run_all_cells

pytestmark = pytest.mark.slow
X, RUNS = [4, 8, 16, 24, 36], [[95, 97], [94, 96], [91, 93], [80, 82], [9, 11]]
#: One figure a cell, each drawn by a kernel's widget.
MOVING = (
    """scores, rows = torch.eye(10), [("bytes", "8", "1", 8)]
first_figures.twin(torch.rand(10, 8, 8), range(10), scores, scores.flip(0), rows)""",
    "first_figures.smoothing_explorer()",
    "first_figures.arrow_field()",
    "first_figures.latent_motion(range(40), 0.1 * torch.sin(torch.arange(80.0)).view(40, 2))",
    "first_figures.step_explorer()",
    "explore.freezing({r.name: r for r in read_all('race')})",
    """net = binarize_model(LabResNet(1, 10, width=4, blocks=(1, 1)), torch.zeros(1, 1, 8, 8))
explore.commitment_explorer({"lab": net})""",
)
CELLS = (
    """import sys
import torch
from stompp_lite import LabResNet, binarize_model
from stompp_lite.lab.record import read_all
from stompp_lite.viz import explore, first_figures
from stompp_lite.viz.live import TrainItYourself
from stompp_lite.viz.questions import predict, predict_curve""",
    *MOVING,
    "predict('8')",
    f"predict_curve('4', {X}, {RUNS})",
    # what a notebook shows where anywidget is missing: HTML
    "sys.modules['anywidget'] = None\nfirst_figures.step_explorer()",
    "predict('5')",
    "TrainItYourself(blocks=(1,))",
)
#: Places of the figures; the last cell has none.
ASKED, DRAWN, STEP, STORED = range(len(MOVING), len(MOVING) + 4)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab with one notebook of all cells, on this machine only."""
    with jupyter_lab(tmp_path_factory.mktemp("lab"), CELLS) as address:
        yield address


@pytest.fixture
def page(lab, shared):
    """The notebook, run."""

    def run(browser):
        page = browser.new_page(viewport={"width": 1300, "height": 3200})
        run_all_cells(page, lab)
        page.wait_for_function(
            f"document.querySelectorAll('{FIGURE}').length == {STORED + 1}", timeout=240_000
        )
        return page

    return shared("notebook", run)


@pytest.mark.parametrize("k", [*range(len(MOVING)), STEP])
def test_a_figure_answers_to_the_keyboard(page, k):
    figure = page.locator(FIGURE).nth(k)
    figure.scroll_into_view_if_needed()
    says = figure.locator(".lbl-says").first
    before = says.text_content()
    sliders = figure.locator("input[type=range]")
    if sliders.count():
        sliders.last.focus()
        for key in ("Home", "End"):
            page.keyboard.press(key)
            page.wait_for_timeout(200)
            if says.text_content() != before:
                break
    else:
        figure.locator("button").nth(1).click()
        page.wait_for_timeout(200)
    assert says.text_content() != before


def test_questions_are_asked_and_nothing_waits(page):
    assert page.locator(".lbl-hidden").count() == 0
    asked, drawn, stored = (page.locator(FIGURE).nth(k) for k in (ASKED, DRAWN, STORED))
    for figure, name in ((asked, "8"), (stored, "5")):
        questions = bank()["choices"][name]
        for fieldset, q in zip(figure.locator("fieldset").all(), questions, strict=True):
            fieldset.locator("label").nth(q["right"]).click()
        figure.get_by_role("button", name="Commit").click()
        told = f"{len(questions)} of {len(questions)} as you predicted"
        assert told in figure.locator(".lbl-says").text_content()
    drawn.get_by_role("slider").focus()
    for key in ("ArrowUp", "End", "ArrowDown"):  # which JupyterLab must not take
        page.keyboard.press(key)
    drawn.get_by_role("button", name="Commit").click()
    told = "at 4 (binary convolutions): you drew 51 %"
    assert told in drawn.locator(".lbl-answer").text_content()


def test_a_network_trains(page):
    trained = "[...document.querySelectorAll('td')].some((td) => /^[0-9.]+ %$/.test(td.innerText))"
    assert not page.evaluate(trained)
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function(trained, timeout=120_000)
