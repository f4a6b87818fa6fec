"""The one drawing of a network, its legend, and the figures that use it, in a real browser."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from stompp_lite import load
from stompp_lite.errors import ConfigError, RecordError
from stompp_lite.viz import components
from stompp_lite.viz.components import Component
from stompp_lite.viz.drawn import freezing
from stompp_lite.viz.explore import blockade_explorer, schedule_explorer
from stompp_lite.viz.playground import playground
from tests.browser import Watched, rows, unsaid
from tests.records import race

pytestmark = pytest.mark.slow
WEB = components.resources.files("stompp_lite.viz") / "web"
SCRIPTS = [path for path in WEB.iterdir() if path.name.endswith(".js")]
DRAWN = sorted(p.name for p in SCRIPTS if '} from "./strip.js"' in p.read_text("utf-8"))


@pytest.fixture
def open_page(browser):
    """A page with one figure: open_page(component, width=..., theme=..., calm=...)."""
    contexts = []

    def opened(component, width=900, theme="light", calm=True):
        contexts.append(
            browser.new_context(
                offline=True,
                viewport={"width": width, "height": 844},
                color_scheme=theme,
                reduced_motion="reduce" if calm else "no-preference",
            )
        )
        watched = Watched(contexts[-1])
        watched.page.set_content(
            f"<!doctype html><html data-theme={theme}><body style='margin: 0 16px'>"
            f"{component.html()}</body></html>"
        )
        watched.page.wait_for_selector(".lbl")
        return watched.page

    yield opened
    for context in contexts:
        context.close()


def says(page):
    return page.locator(".lbl-says").first.text_content()


def move(page, share):
    """Move the slider of time, as far as that."""
    page.locator("input[type=range]").first.evaluate(
        "(el, v) => { el.value = Number(el.min) + v * (el.max - el.min);"
        " el.dispatchEvent(new Event('input')); }",
        share,
    )


# ---- marks ---------------------------------------------------------------------------------------
MARK = """([side, frozen, up]) => {
  const el = document.querySelector('.lbl'), node = document.createElement('canvas');
  node.width = node.height = side;
  const c = node.getContext('2d');
  c.fillStyle = $draw.color('ground', el);
  c.fillRect(0, 0, side, side);
  $strip.marks(c, el, [{x: 0, y: 0, frozen, up}], side);
  return [...c.getImageData(0, 0, side, side).data];
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("side", [6, 11, 26])
def test_frozen_is_a_dark_square_free_a_light_dot_and_minus_one_has_a_bar(open_page, theme, side):
    page = open_page(schedule_explorer(stages=1), theme=theme)
    script = components._bundle([]).replace("const $", "var $")
    page.evaluate(f"(0, eval)({json.dumps(script)})")

    def light(frozen, up):
        pixels = page.evaluate(MARK, [side, frozen, up])
        return np.reshape(pixels, (side, side, 4))[..., :3].mean(-1)

    square, dot, ground = light(True, None), light(False, None), light(False, None)[0, 0]
    middle = slice(side // 2 - 1, side // 2 + 1)
    assert dot[middle, middle].mean() > square[middle, middle].mean() + 60  # in both themes
    assert np.ptp(square) < 1 and abs(square[0, 0] - ground) > 25  # filled to its corners
    assert (abs(dot[[0, 0, -1, -1], [0, -1, 0, -1]] - ground) < 12).all()  # its corners are empty
    for frozen, plain in ((True, square), (False, dot)):
        assert np.array_equal(light(frozen, True), plain)
        changed = abs(light(frozen, False) - plain).max(axis=1) > 60
        lines = np.flatnonzero(changed)
        assert 1 <= len(lines) <= side / 3 and abs(lines.mean() - (side - 1) / 2) <= 0.5, lines


# ---- the legend ----------------------------------------------------------------------------------
def test_every_figure_that_draws_the_strip_prints_its_legend():
    assert {
        "commit.js",
        "film.js",
        "freezing.js",
        "play_lane.js",
        "reach.js",
        "schedule.js",
    } <= set(DRAWN)
    for name in DRAWN:
        source = (WEB / name).read_text("utf-8")
        assert len(re.findall(r"\bstrip\(", source)) >= 1, name
        assert len(re.findall(r"\bkey\(", source)) == 1, name
        wanted = {
            layer for layer in ("cells", "share", "gradient", "flips", "deaf")
            if re.search(rf"strip\([^;]*\b{layer}\b", source)
        }  # fmt: skip
        told = re.search(r"\bkey\([^;]*;", source)[0]
        assert {layer for layer in wanted if re.search(rf"\b{layer}:", told)} == wanted, name


FRAMES = [{"at": 0.5, "p": [0.5, 1.0, 1.0], "gradient": [0.0, 0.034, 0.0712]}]


@pytest.mark.parametrize(
    ("component", "told", "not_told"),
    [
        (
            blockade_explorer({"a": FRAMES}),
            ["a stage, dark from below", "gradient that arrives: 0.071, the largest here",
             "a millionth of it", "less, or none", "deaf: free, but no gradient"],
            ["with a bar", "flipped"],
        ),
        (schedule_explorer(), ["a free entry", "a frozen entry"], ["gradient", "with a bar"]),
        (
            freezing(race()),
            ["a number that can still change", "a single bit, fixed for good", "with a bar"],
            ["gradient", "deaf"],
        ),
        (playground(), ["with a bar: −1", "the largest so far", "deaf"], ["flipped"]),
    ],
    ids=["reach", "schedule", "freezing", "playground"],
)  # fmt: skip
def test_the_legend_says_what_is_drawn_and_nothing_else(open_page, component, told, not_told):
    key = open_page(component).locator(".lbl-key")
    text = key.inner_text()
    assert all(words in text for words in told), text
    assert not any(words in text for words in not_told), text
    blank = key.locator("canvas").evaluate_all(
        "all => all.map((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
        ".every((x) => x === 0))"
    )
    assert len(blank) == key.locator("li").count() and not any(blank)


def test_an_arrow_is_as_wide_as_its_printed_scale_says(open_page):
    page = open_page(schedule_explorer(stages=1))
    script = components._bundle([]).replace("const $", "var $")
    page.evaluate(f"(0, eval)({json.dumps(script)})")
    gradients = [2.0, 2e-3, 2.02e-6, 2e-6, 1e-9, 0, None]
    found = page.evaluate("all => all.map((g) => $strip.strength(g, 2))", gradients)
    assert found[:2] == pytest.approx([1, 0.5]) and 0 < found[2] < 0.01
    assert found[3:] == pytest.approx([0] * 4, abs=1e-9)


# ---- the race ------------------------------------------------------------------------------------
def test_the_race_shows_each_digit_once_where_it_can_and_what_the_networks_answer():
    runs, data = race(), freezing(race()).data
    y, x = load("digits").test_y[:24].tolist(), load("digits").test_x[:24]
    assert set(map(int, data["labels"])) == set(y) and len(data["labels"]) == 12
    assert data["side"] == 8
    place = -1
    for label, pixels in zip(data["labels"], data["images"], strict=True):
        shown = [k for k in range(24) if ((x[k].flatten() + 1) * 8).tolist() == pixels]
        assert len(shown) == 1 and y[shown[0]] == int(label) and shown[0] > place
        (place,) = shown
    first = [y.index(digit) for digit in set(y)]
    for run, record in zip(data["runs"], runs.values(), strict=True):
        for shown, kept in zip(run["answers"], record.curves["answers"], strict=True):
            assert all(str(kept[k]) in shown for k in first)
        assert len(run["p"][0]) == len(run["signs"][0]) == 4
        assert run["p"][-1] == [1.0] * 4


def test_both_networks_run_in_step_and_wrong_answers_have_a_cross(open_page):
    page = open_page(freezing(race()))
    numbers, wrong = page.locator(".lbl-number strong"), page.locator(".lbl-wrong")
    assert numbers.all_text_contents() == ["100 %", "100 %"] and wrong.count() == 0
    assert "0 of 4 layers are single bits" in says(page)
    move(page, 0.6)
    right = page.locator(".lbl-reads").last.get_attribute("aria-label")
    assert wrong.count() > 0 and f"{12 - wrong.count()} read right; " in right
    look = "el => getComputedStyle(el, '::after').visibility"  # a cross, and not only a color
    assert wrong.first.evaluate(look) == "visible"
    assert page.locator(".lbl-reads span:not(.lbl-wrong)").first.evaluate(look) == "hidden"
    assert page.locator(".lbl-lane").first.locator(".lbl-wrong").count() == 0
    for lane, bits in zip(page.locator(".lbl-lane").all(), (2, 3), strict=True):
        label = lane.locator("> canvas").get_attribute("aria-label")
        assert f"{bits} of 4 layers are single bits" in label
    move(page, 1)
    assert numbers.all_text_contents() == ["100 %", "0 %"] and wrong.count() == 12
    assert "100 % from the input, 0 % from the output" in says(page)
    table = rows(page)
    assert len(table) == 12 and table[-1] == ["from the output", "6", "0", "0", "4"]


def test_a_race_plays_once_when_it_is_seen_but_not_for_those_who_want_less_motion(open_page):
    page = open_page(freezing(race()), calm=False)
    page.wait_for_function("Number(document.querySelector('input[type=range]').value) > 0.2")
    page.get_by_role("button", name="Pause").click()
    calm = open_page(freezing(race()))
    before = says(calm)
    calm.wait_for_timeout(600)
    assert says(calm) == before and calm.locator(".lbl-number strong").first.text_content()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_race_fits_a_phones_screen_with_one_network_below_the_other(open_page, theme):
    page = open_page(freezing(race()), width=390, theme=theme)
    move(page, 1)
    above, below = (lane.bounding_box() for lane in page.locator(".lbl-lane").all())
    assert below["y"] >= above["y"] + above["height"]
    assert page.locator(".lbl-figure").bounding_box()["height"] <= 844
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = open_page(freezing(race()))
    left, right = (lane.bounding_box() for lane in wide.locator(".lbl-lane").all())
    assert left["y"] == right["y"] and right["x"] > left["x"] + left["width"]


def without(name):
    runs = race()
    run = runs["from the output"]
    curves = {key: curve for key, curve in run.curves.items() if key != name}
    return {**runs, "from the output": replace(run, curves=curves)}


@pytest.mark.parametrize(
    ("runs", "error", "message"),
    [
        ({}, ConfigError, "a race needs two labels with a record each, got 0"),
        (without("answers"), RecordError, "kept no answers"),
        (without("signs"), RecordError, "kept no signs"),
        (
            {"a": race(6)["from the input"], "b": race(5)["from the output"]}, RecordError,
            "judged on the same images and epochs",
        ),
    ],
)  # fmt: skip
def test_a_race_that_cannot_be_shown_is_named(runs, error, message):
    with pytest.raises(error, match=message):
        freezing(runs)


RACE = freezing(race()).data


BAD = [
    ({**RACE, "runs": RACE["runs"][:1]}, "a race needs two runs"),
    ({**RACE, "labels": "1"}, "from the input has 12 answers to show"),
    ({**RACE, "images": RACE["images"][:3]}, "12 labels for 3 images"),
    (
        {**RACE, "runs": [RACE["runs"][0], {**RACE["runs"][1], "epoch": [1, 2]}]},
        "was not judged after the epochs of",
    ),
    (
        {**RACE, "runs": [RACE["runs"][0], {**RACE["runs"][1], "answers": []}]},
        "from the output has no answers for each epoch",
    ),
]  # fmt: skip


def test_a_race_whose_data_do_not_fit_draws_a_message(context):
    assert not unsaid(context, [(Component("freezing", data), said) for data, said in BAD])
