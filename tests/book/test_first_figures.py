"""The moving figures of chapters 1 to 4: what they are given, and what they say in a browser."""

import itertools
import math
import re
from functools import lru_cache

import numpy as np
import pytest
import torch

from stompp_lite.errors import ConfigError
from stompp_lite.viz.components import Component
from stompp_lite.viz.first_figures import (
    arrow_field,
    bit_calculator,
    latent_motion,
    smoothing_explorer,
    step_explorer,
    twin,
)
from tests.browser import (
    FIGURE,
    changes,
    in_both_themes,
    move,
    rows,
    says,
    show,
    unsaid,
)  # fmt: skip

SIGNS = [1, -1] * 8
WIDTH = 900  # of the pages
#: Latent weights at four steps: one flips and flips back, one flips for good, one never does, and
#: one is so small that rounding must not flip it.
STEPS, WALK = [0, 5, 10, 20], np.array([
    [0.10, -0.05, 0.150, -0.0001],
    [-0.02, 0.03, 0.151, -0.0003],
    [0.01, 0.08, 0.152, -0.0004],
    [0.02, 0.12, 0.153, -0.0002],
])  # fmt: skip
ROWS = [("bytes", "32,768", "1,024", 32.0), ("test accuracy", "97 %", "95 %", None)]


def digits(classes=10):
    """Three images; the networks agree on the first and the last."""
    g = np.random.default_rng(0)
    floats, binaries = g.normal(size=(2, 3, classes))
    floats[range(3), [4, 7, 2]] = binaries[range(3), [4, 1, 2]] = 5.0
    return {
        "images": g.uniform(-1, 1, (3, 8, 8)), "labels": [4, 7, 3], "floats": floats,
        "binaries": binaries, "rows": ROWS,
    }  # fmt: skip


EXAMPLES = {
    "twin": lambda: twin(**digits()),
    "bits": lambda: bit_calculator(SIGNS, SIGNS[::-1]),
    "smoothing": smoothing_explorer,
    "arrows": arrow_field,
    "latents": lambda: latent_motion(STEPS, WALK),
    "step": step_explorer,
}


# ---- what they are given -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bit_calculator(SIGNS[:5], SIGNS), "x must be sixteen of .1 and -1, got"),
        (lambda: bit_calculator(SIGNS, [2] * 16), "w must be sixteen of .1 and -1, got"),
        (lambda: bit_calculator(SIGNS, SIGNS, 5), "4, 8, 12 or 16, got 5"),
        (lambda: smoothing_explorer(0), "the scale must lie between 0.1 and 1.6, got 0"),
        (lambda: smoothing_explorer(float("nan")), "the scale must be of type float"),
        (lambda: smoothing_explorer(loss="bent"), "unknown loss 'bent'.*straight"),
        (lambda: arrow_field(0), "the width of the noise must lie between 0.2 and 2, got 0"),
        (lambda: arrow_field(beside=2), "the second input must lie between 0.1 and 1.6, got 2"),
        (lambda: arrow_field(loss="bent"), "unknown loss 'bent'.*straight"),
        (lambda: step_explorer(-1), "the learning rate must lie between 0.001 and 10"),
        (lambda: step_explorer(c=2), "c must lie between 0.0357143 and 1, got 2"),
        (lambda: latent_motion([0], WALK[:1]), "at least two steps, got 1"),
        (lambda: latent_motion([0, 5, 5, 6], WALK), r"steps must grow, got \[0, 5, 5, 6\]"),
        (lambda: latent_motion([0, 0.5, 1, 2], WALK), "a step must be an integer .*, got 0.0"),
        (lambda: latent_motion(STEPS, WALK[:3]), r"with 4 steps .* of shape \(3, 4\)"),
        (lambda: latent_motion(STEPS, WALK[0]), r"got an array of shape \(4,\)"),
        (lambda: latent_motion(STEPS, [[1.0], [1.0, 2.0], [1.0], [1.0]]), "rows of one length"),
        (lambda: latent_motion(STEPS, 10 * WALK), "a latent weight of 1.5 lies outside"),
        (lambda: latent_motion(STEPS, WALK * [1, 1, np.nan, 1]), r"weights\[0, 2\] is nan"),
        (lambda: latent_motion(STEPS, WALK, near=0), "magnified must lie between 0.01 and 1, got"),
        (lambda: twin(**{**digits(), "images": np.zeros((3, 9, 9))}), r"of shape \(3, 9, 9\)"),
        (lambda: twin(**{**digits(), "images": np.ones((3, 64))}), "every pixel is 1"),
        (lambda: twin(**{**digits(), "labels": [1, 2, 10]}), "3 numbers from 0 to 9"),
        (lambda: twin(**{**digits(), "labels": [1, 2]}), r"3 numbers .*, got \[1, 2\]"),
        (lambda: twin(**{**digits(), "binaries": digits(9)["binaries"]}), r"shape \(3, 9\)"),
        (lambda: twin(**digits(), unit="odds"), "unknown unit 'odds'"),
        (lambda: twin(**digits(), unit="probability"), "a probability of the float network must"),
        (lambda: twin(**{**digits(), "rows": [("bytes", "1", "2")]}), "a row must be .*'bytes'"),
        (lambda: twin(**{**digits(), "rows": [("bytes", "1", "2", 0)]}), "must be positive.*got 0"),
        (lambda: twin(**{**digits(), "rows": [("bytes", 1, "2", 1)]}), "the row 'bytes' must be"),
    ],
)  # fmt: skip
def test_what_a_figure_is_given_is_checked(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_latent_weights_are_stored_short_and_keep_their_signs():
    weights = torch.tensor(WALK, requires_grad=True)
    data = latent_motion(torch.tensor(STEPS), weights).data
    stored = np.array(data["thousandths"])
    assert np.array_equal(stored >= 0, WALK >= 0) and data["steps"] == STEPS
    assert np.abs(stored / 1000 - WALK).max() <= 1e-3


# ---- what every one of them does -----------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_figure_fits_a_phone_is_accessible_in_both_themes_and_has_a_table(context, name):
    watched = show(context, EXAMPLES[name]())
    page = watched.page
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": WIDTH, "height": 900})
    assert len(rows(page)) > 1
    pictures = in_both_themes(page)
    assert pictures[0] != pictures[1] or name == "bits"  # which has no canvas
    told = page.locator("[role=img]:not([aria-hidden])").evaluate_all(
        "all => all.map(el => el.getAttribute('aria-label'))"
    )
    assert all(len(text) > 40 for text in told), told
    assert len(set(told)) == len(told)
    assert not watched.wrong, watched.wrong


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_control_of_a_figure_works_by_keyboard(context, name):
    watched = show(context, EXAMPLES[name]())
    page = watched.page
    for control in page.locator("select, input").all():
        assert control.evaluate("el => el.labels.length") == 1
        assert changes(page, 0, control), control.evaluate("el => el.outerHTML")
    for button in page.locator(f"{FIGURE} button:visible").all():
        assert button.evaluate("el => el.ariaLabel || el.textContent")
        button.focus()
        page.keyboard.press("Enter")
    assert not page.locator(".lbl-error").count() and not watched.wrong, watched.wrong


@pytest.mark.slow
@pytest.mark.parametrize("name", ["latents", "step"])
def test_a_film_goes_step_by_step_where_less_motion_is_asked_for(browser, name):
    context = browser.new_context(offline=True, reduced_motion="reduce")
    page = show(context, EXAMPLES[name]()).page
    before = says(page)
    page.get_by_role("button", name="Next step").click()
    after = says(page)
    page.wait_for_timeout(200)
    assert before != after == says(page)
    context.close()


BAD = [
    ("arrows", {"sigma": 0, "beside": 1, "loss": "curved"}, "must be positive: 0"),
    ("arrows", {"sigma": 1, "beside": -1, "loss": "curved"}, "must be positive, got -1"),
    ("arrows", {"sigma": 1, "beside": 1, "loss": "bent"}, "unknown loss bent"),
    ("latents", {"steps": [1], "thousandths": [[1]], "near": 1}, "at least two steps"),
    ("latents", {"steps": [1, 2], "thousandths": [[1]], "near": 1}, "2 steps and weights for"),
    (
        "latents", {"steps": [1, 2], "thousandths": [[1], [2000]], "near": 1},
        "the weights at step 2 holds 2000",
    ),
    (
        "latents", {"steps": [1, 2], "thousandths": [[1], [2, 3]], "near": 1},
        "2 weights at step 2, and 1 at first",
    ),
    ("step", {"rate": 0.1, "rates": [0.1], "c": 2}, "c = 2 is not among those on offer"),
    ("twin", {"images": []}, "there is no image"),
    ("twin", {"images": [[1]], "labels": [0], "outputs": {}, "rows": []}, "1 pixels, not 64"),
    ("twin", {"images": [[1] * 64], "labels": [0, 1], "outputs": {}}, "1 images and 2 labels"),
]  # fmt: skip


@pytest.mark.slow
def test_bad_data_draw_a_message_and_no_blank(context):
    assert not unsaid(context, [(Component(name, data), said) for name, data, said in BAD])


# ---- chapter 1: a digit and two networks ---------------------------------------------------------
@pytest.mark.slow
def test_two_networks_read_a_digit_beside_each_other(context):
    given = digits()
    page = show(context, twin(**given)).page
    assert says(page).startswith("The float network says 7, the binary twin 1; it is a 7.")
    assert "They agree on 2 of these 3." in says(page)  # opened where they do not
    assert page.locator(".lbl-reads").all_text_contents() == [
        "says 7 ✓ right",
        "says 1 ✗ it is a 7",
    ]
    table = np.array([[float(x) for x in row] for row in rows(page)])
    expected = np.stack([given["floats"][1], given["binaries"][1]], axis=1)
    assert table[:, 1:] == pytest.approx(expected, abs=6e-4)
    page.locator(".lbl-thumb").nth(1).focus()
    page.keyboard.press("ArrowRight")
    assert says(page).startswith("Both networks say 2; it is a 3.")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.keyboard.press("ArrowRight")
    assert says(page).startswith("Both networks say 4; it is a 4.")


@pytest.mark.slow
def test_a_ratio_is_drawn_on_a_logarithmic_scale(context):
    costs = [("bytes", "32", "1", 32.0), ("energy", "1", "2", 0.5), ("accuracy", "1", "1", None)]
    page = show(context, twin(**{**digits(), "rows": costs})).page
    table = page.locator(".lbl-costs tbody tr")
    assert table.locator(".lbl-ratio").all_text_contents() == ["32 × less", "2 × more"]
    widths = table.locator(".lbl-fill").evaluate_all("all => all.map(el => el.style.width)")
    assert [float(w[:-1]) for w in widths] == pytest.approx([100 * math.log10(32) / 2, 0], abs=0.01)


# ---- chapter 2: noise ----------------------------------------------------------------------------
NOISES = re.compile("^noise")  # a label of the choice between them


def bell(noise, u, sigma):
    """Density of the noise, written down apart from the figure."""
    if noise == "uniform":
        return (np.abs(u) <= sigma) / (2 * sigma)
    if noise == "triangular":
        return np.clip(1 / sigma - np.abs(u) / sigma**2, 0, None)
    return np.exp(-(u**2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma**2)


@lru_cache
def chance(noise, w, sigma):
    """Area of the bell around w that lies right of 0, summed in small strips."""
    u = (np.arange(200_000) + 0.5) / 10_000
    return bell(noise, u - w, sigma).sum() / 10_000


G = {
    "clip": lambda w: float(abs(w) <= 1),
    "polynomial": lambda w: max(2 - 2 * abs(w), 0.0),
    "identity": lambda w: 1.0,
}


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["uniform", "triangular", "gaussian"])
def test_the_bells_area_is_the_chance_and_twice_its_height_the_slope_of_the_step(context, noise):
    page = show(context, smoothing_explorer()).page
    page.get_by_label(NOISES).select_option(noise)
    for w, sigma, surrogate in ((-0.3, 1.0, "clip"), (0.45, 0.7, "polynomial"), (1.2, 1.5, "clip")):
        move(page, "latent weight w", w)
        move(page, "width of the noise", sigma)
        page.get_by_label("surrogate").select_option(surrogate)
        p, g = chance(noise, w, sigma), G[surrogate](w)
        slope = (chance(noise, w + 0.01, sigma) - chance(noise, w - 0.01, sigma)) / 0.02  # P'
        told = re.search(
            r"chance P = (\S+); twice the height (\S+) is (\S+), and g\(w\) = (\S+)\.$", says(page)
        )
        assert [float(x) for x in told.groups()] == pytest.approx(
            [p, slope, 2 * slope, g], abs=0.01
        )
        bars = page.locator(".lbl-barrow .lbl-value").all_text_contents()
        assert float(bars[0].split("= ")[1]) == pytest.approx(2 * slope, abs=0.01)
        assert float(bars[1]) == pytest.approx(g, abs=0.01)
        assert ("✓ exact" in says(page)) == (abs(2 * slope - g) < 0.005 and sigma == 1)


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["clip and uniform", "polynomial and triangular"])
def test_a_pair_is_exact_for_a_straight_loss_and_not_for_a_curved_one(context, pair):
    page = show(context, smoothing_explorer(loss="curved")).page
    page.get_by_label(NOISES).select_option("gaussian")
    move(page, "width of the noise", 2)
    page.get_by_role("button", name=f"Exact pair: {pair} noise").click()
    for w in (-1.3, -0.6, 0.15, 0.8):
        move(page, "latent weight w", w)
        assert says(page).startswith("✓ exact"), w
    page.get_by_label("loss of the sign s").select_option("curved")
    push = 1.6 if "clip" in pair else 1.6 * 2 * 0.7
    for w, factor in ((-0.3, 2.88 / 1.6), (0.3, 0.32 / 1.6)):  # slopes at the signs, half a flip
        move(page, "latent weight w", w)
        assert says(page).startswith("≠ not exact")
        assert "half of what a flip changes is not the slope" in says(page)
        bars = page.locator(".lbl-barrow .lbl-value").all_text_contents()
        found = [float(text.split("= ")[1]) for text in bars]
        assert found == pytest.approx([push, push * factor], abs=0.006)


@pytest.mark.slow
def test_what_is_equal_at_one_weight_only_is_not_called_exact(context):
    page = show(context, smoothing_explorer()).page
    page.get_by_label(NOISES).select_option("triangular")
    move(page, "latent weight w", 0.5)  # 2 (1 - 0.5) is what clip says
    assert says(page).startswith("= equal at this w, but not at every w.")
    move(page, "latent weight w", 0.6)
    assert says(page).startswith("≠ not exact: STE differs by +0.20.")


@pytest.mark.slow
def test_the_bell_can_be_dragged(context):
    page = show(context, smoothing_explorer()).page
    box = page.locator("canvas").bounding_box()
    weight = page.get_by_label("latent weight w")
    page.mouse.move(box["x"] + 60, box["y"] + 150)
    page.mouse.down()
    assert float(weight.input_value()) < -1.5
    page.mouse.move(box["x"] + box["width"] - 60, box["y"] + 150, steps=4)
    page.mouse.up()
    assert float(weight.input_value()) > 1.5 and "At w = 1." in says(page)
    dragged = says(page)
    page.mouse.move(box["x"] + 60, box["y"] + 150)
    assert says(page) == dragged


INPUTS = (0.8, 0.6)
PARTNERS = {
    "uniform noise, clip": ("uniform", "clip"),
    "triangular noise, polynomial": ("triangular", "polynomial"),
    "Gaussian noise, identity": ("gaussian", "identity"),
}


def two_pushes(w, pair, sigma, curved):
    """Minus the gradients: of the blurred loss, over the four patterns of signs, and by STE."""
    noise, surrogate = PARTNERS[pair]
    value = (lambda y: (y - 1) ** 2) if curved else (lambda y: 1 - y)
    exact = np.zeros(2)
    for signs in itertools.product((1, -1), repeat=2):
        loss = value(np.dot(signs, INPUTS))
        for k in (0, 1):
            p = chance(noise, w[1 - k], sigma)
            other = p if signs[1 - k] > 0 else 1 - p
            exact[k] -= loss * signs[k] * bell(noise, w[k], sigma) * other
    y = np.dot(np.where(np.array(w) >= 0, 1, -1), INPUTS)
    slope = 2 * (y - 1) if curved else -1
    return exact, -slope * np.array(INPUTS) * [G[surrogate](v) for v in w]


def degrees(a, b):
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return np.degrees(np.arccos(np.clip(a @ b / size, -1, 1))) if size > 1e-9 else None


@pytest.mark.slow
@pytest.mark.parametrize("pair", PARTNERS)
@pytest.mark.parametrize("curved", [True, False])
def test_the_angle_of_two_arrows_is_that_of_the_gradients(context, pair, curved):
    page = show(context, arrow_field(loss="curved" if curved else "straight")).page
    page.get_by_label("noise and surrogate").select_option(pair)
    grid = [-1.35 + 0.3 * k for k in range(10)]
    for sigma, w in ((1.0, (-0.3, 0.4)), (0.7, (0.25, 0.65))):
        move(page, "width σ of the noise", sigma)
        for k in (0, 1):
            move(page, f"latent weight w{k + 1}", w[k])
        exact, ste = two_pushes(w, pair, sigma, curved)
        told = [eval(t.replace("−", "-")) for t in re.findall(r"\([^)]*,[^)]*\)", says(page))[:2]]
        assert told == [pytest.approx(v, abs=0.006) for v in (exact, ste)]
        between = degrees(exact, ste)
        if between > 0.6:
            assert f"The angle between the two is {between:.0f}°." in says(page)
        else:
            assert "The two point the same way." in says(page)
        angles = [degrees(*two_pushes((a, b), pair, sigma, curved)) for a in grid for b in grid]
        known = [x for x in angles if x is not None]
        assert f"the mean angle is {np.mean(known):.0f}°" in says(page)
        assert (f"({100 - len(known)} of 100 points" in says(page)) == (len(known) < 100)


@pytest.mark.slow
def test_for_a_straight_loss_and_an_exact_pair_no_arrow_differs(context):
    page = show(context, arrow_field(loss="straight")).page
    page.get_by_label("noise and surrogate").select_option("uniform noise, clip")
    assert "The two point the same way." in says(page)
    told = [row[-1] for row in rows(page)]
    assert len(told) == 100 and set(told) == {"0.0°", "none"}


@pytest.mark.slow
def test_arrow_keys_and_a_hand_move_the_point_in_the_plane(context):
    page = show(context, arrow_field()).page
    page.locator(".lbl-plane").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert says(page).startswith("At w1 = −0.25, w2 = 0.35:")
    assert page.get_by_label("latent weight w2").get_attribute("aria-valuetext") == "0.35"
    box = page.locator("canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 9, box["y"] + 9)
    assert says(page).startswith("At w1 = 1.50, w2 = 1.50:")


# ---- chapter 3: latent weights -------------------------------------------------------------------
@pytest.mark.slow
def test_flips_are_counted_as_the_weights_say(context):
    g = np.random.default_rng(3)
    weights = np.cumsum(g.normal(0, 0.02, (40, 60)), axis=0).clip(-1, 1)
    steps = [7 * t for t in range(40)]
    page = show(context, latent_motion(steps, weights)).page
    up = weights >= 0
    flips = up[1:] != up[:-1]
    for t, row in enumerate(rows(page)):
        ever, other = flips[:t].any(axis=0), up[t] != up[0]
        expected = [
            steps[t], flips[t - 1].sum() if t else 0, ever.sum(), (ever & ~other).sum(), other.sum()
        ]  # fmt: skip
        assert [int(x) for x in row[:5]] == expected
        assert float(row[5]) == pytest.approx(np.abs(weights[t]).max(), abs=2e-3)
    move(page, "time", 39)
    assert flips.any() and other.sum() < ever.sum()
    back = (ever & ~other).sum()
    assert says(page).startswith(
        f"Step 273: {ever.sum()} of 60 weights have flipped by now; {back} of them flipped back, "
        f"so {other.sum()} differ from their first sign."
    )


@pytest.mark.slow
def test_a_flip_is_marked_and_the_mark_goes_away(context):
    """Ring of a flip: pixels of the accent's color in the magnified picture."""
    still = np.full((12, 1), 0.1)
    still[2:] = -0.1
    page = show(context, latent_motion(range(12), still)).page
    page.evaluate("document.querySelector('.lbl').style.setProperty('--lbl-accent', '#ff00ff')")
    marked = []
    for t in range(12):
        move(page, "time", t)
        marked.append(
            page.locator("canvas").nth(1).evaluate(
                """(c) => { const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                  for (let i = 0; i < p.length; i += 4)
                    if (p[i] > 200 && p[i + 1] < 60 && p[i + 2] > 200) return true;
                  return false; }"""
            )
        )  # fmt: skip
    assert marked == [2 <= t < 6 for t in range(12)]


# ---- chapter 4: the size of the weights ----------------------------------------------------------
def numbers(text):
    return [float(x) for x in text.split(", ")]


@pytest.mark.slow
def test_logits_are_the_same_for_every_c_and_the_gradient_grows_as_it_shrinks(context):
    figure = step_explorer()
    page = show(context, figure).page
    label = "weights are c · sign: c"
    seen = []
    for k, c in enumerate(figure.data["sizes"]):
        move(page, label, k)
        told = page.locator("canvas[aria-label*='logits']").get_attribute("aria-label")
        sums, logits = re.search(r"batch norm (.*); logits (.*)\.$", told).groups()
        gradient = page.locator(".lbl-barrow .lbl-value").text_content()
        seen.append((c, numbers(sums), logits, float(gradient.split()[0])))
    assert len(seen) > 10 and seen[0][0] == 1 and seen[-1][0] == pytest.approx(1 / 28)
    assert {logits for _, _, logits, _ in seen} == {seen[0][2]} and len(numbers(seen[0][2])) == 10
    for c, sums, _, gradient in seen:
        assert sums == pytest.approx([c * x for x in seen[0][1]], rel=0.01)
        assert gradient == pytest.approx(1 / c, rel=0.05)


def flipped(page):
    found = re.search(r"steps (\d+) of 120 .* network it would be (\d+)\.", says(page))
    return [int(x) for x in found.groups()]


@pytest.mark.slow
def test_with_c_of_one_nothing_moves_and_with_alpha_it_is_the_float_network(context):
    page = show(context, step_explorer()).page
    last = len(step_explorer().data["sizes"]) - 1
    assert "can move a latent weight by 0.28 % of its size" in says(page)
    few, many = flipped(page)
    assert few < 0.05 * 120 and many > 0.3 * 120
    move(page, "weights are c · sign: c", last)
    assert flipped(page) == [many, many]
    page.get_by_label("optimizer").select_option("adam")
    scaled = flipped(page)
    move(page, "weights are c · sign: c", 0)
    assert flipped(page) == scaled  # Adam divides c out
