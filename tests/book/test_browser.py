"""The built book in a real browser, with the network cut off: what single pages and figures do."""

import gzip
import json
import re
import zipfile
from functools import partial
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest
import torch

from stompp_lite import Plan, Progression, binarize_model, load, rng
from stompp_lite.lab.arms import ARMS
from stompp_lite.lab.config import METHODS
from stompp_lite.lab.record import read_all
from stompp_lite.lab.report import group
from stompp_lite.method import MASK_RULES, ORDERS, SHAPES, Binarizer, Walker, fraction
from stompp_lite.networks.layers import binary_layers
from stompp_lite.networks.models import residual_mlp
from stompp_lite.schedule import Schedule
from stompp_lite.viz import components, style
from stompp_lite.viz.components import Component
from stompp_lite.viz.explore import (
    blockade_explorer,
    film,
    plans,
    results,
    schedule_explorer,
)
from stompp_lite.viz.first_figures import step_explorer
from tests.browser import (
    FIGURE,
    HTML,
    PACE,
    Watched,
    pages,
    rows,
    says,
    show,
    unsaid,
)  # fmt: skip
from tests.conftest import lab_net

from offline import pack  # isort: skip

pytestmark = pytest.mark.slow


def blank(browser):
    """A page on which the module ``method`` is ``$method``, and so on."""
    page = browser.new_context(offline=True).new_page()
    bundle = components._bundle([]) + "".join(map(components._module, ("layers", "engine")))
    page.evaluate(f"(0, eval)({json.dumps(bundle.replace('const $', 'var $'))})")
    return page


@pytest.fixture
def script(shared):
    """Evaluate an expression on the page of :func:`blank`."""
    return shared("blank", blank).evaluate


# ---- pages ---------------------------------------------------------------------------------------
def test_meanings_of_words_show_by_keyboard_and_touch(context):
    page = context.new_page()
    page.goto((HTML / "notebooks" / "05_clip_then_freeze.html").as_uri())
    word = page.locator("abbr[title]").first
    shown = "el => getComputedStyle(el, '::after').content"
    assert word.evaluate(shown) == "none"
    word.focus()
    assert word.get_attribute("title") in word.evaluate(shown)
    assert len(word.get_attribute("title")) > 30


def test_what_pages_share_is_light(context):
    """Scripts, styles and fonts that a chapter loads, without MathJax."""
    page, loaded = context.new_page(), set()
    page.on("request", lambda request: loaded.add(request.url))
    page.goto((HTML / "notebooks" / "08_order_matters.html").as_uri())
    page.wait_for_timeout(500)
    files = {Path(url2pathname(urlsplit(url).path)) for url in loaded if "mathjax" not in url}
    shared = {path: path.stat().st_size for path in files if path.suffix != ".html"}
    assert any(path.suffix == ".woff2" for path in shared)
    assert sum(shared.values()) <= 1_360_000, shared  # with the fonts of Greek letters


def test_the_zip_to_hand_out_opens_from_a_disk_with_everything_alive(context, tmp_path, the_wheel):
    with zipfile.ZipFile(pack(tmp_path / "out.zip", the_wheel)) as packed:
        packed.extractall(tmp_path)
    top = tmp_path / "layer-by-layer"
    assert len(list(top.glob("notebooks/*.ipynb"))) == 20 and list(top.glob("stompp_lite-*.whl"))
    rows = gzip.decompress((top / "data" / "digits.csv.gz").read_bytes()).decode().splitlines()
    assert len(rows) == 1797 and rows[0].count(",") == 64
    assert "Alpaydin" in (top / "README.txt").read_text(encoding="utf-8")
    assert (top / "CITATION.cff").is_file() and (top / "LICENSE").is_file()
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        assert all(i.external_attr >> 16 & 0o444 == 0o444 for i in packed.infolist())
    for path in top.glob("notebooks/*.ipynb"):  # no link of a notebook is dead
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
        wrong = [to for to in links if not (path.parent / to).is_file()]
        assert len(links) >= 3 and not wrong, (path.name, wrong)
    watched = Watched(context)
    watched.page.goto((top / "book" / "book" / "playground.html").as_uri())
    watched.page.wait_for_function(  # it trains when it is seen
        "/Step [1-9]/.test(document.querySelector('.lbl-says').textContent)"
    )
    assert not watched.wrong, watched.wrong


def watched_on_a_phone(name, browser):
    context = browser.new_context(offline=True, viewport={"width": 360, "height": 740})
    watched = Watched(context)
    watched.page.goto((HTML / "notebooks" / f"{name}.html").as_uri())
    return watched


@pytest.fixture
def on_a_phone(shared):
    """on_a_phone(chapter): that page, opened once."""

    def opened(name):
        watched = shared(name, partial(watched_on_a_phone, name))
        watched.page.set_viewport_size({"width": 360, "height": 740})
        watched.page.emulate_media(media="screen")
        return watched

    return opened


@pytest.mark.parametrize("name", ["12_a_fair_fight", "08_order_matters"])
def test_figures_fit_a_phone_and_print_as_a_still(on_a_phone, name):
    page = on_a_phone(name).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 361
    page.emulate_media(media="print")
    assert (
        page.locator(".lbl-hidden").first.evaluate("el => getComputedStyle(el).display") != "none"
    )
    assert (
        page.locator(".lbl-controls").last.evaluate("el => getComputedStyle(el).display") == "none"
    )


def test_panels_stand_below_one_another_on_a_phone(on_a_phone):
    """Each as wide as the page allows, with the numbers that panels side by side share."""
    from playwright.sync_api import expect

    watched = on_a_phone("08_order_matters")
    page = watched.page
    first = page.locator("figure.lbl-still").first
    panels = first.locator(".lbl-pile svg")
    expect(panels).to_have_count(4)
    boxes = [panel.bounding_box() for panel in panels.all()]
    for above, below in pairwise(boxes):
        assert below["y"] >= above["y"] + above["height"] and abs(below["x"] - above["x"]) < 1
    assert all(box["width"] > 200 for box in boxes)
    for panel in panels.all():
        numbers = [int(t) for t in panel.locator("text").all_text_contents() if t.isdigit()]
        assert numbers.count(20) == 2 and 0 in numbers and 60 in numbers, numbers  # of both axes
    page.set_viewport_size({"width": 1200, "height": 800})
    expect(panels).to_have_count(0)
    assert first.locator("> svg").bounding_box()["width"] > 400
    assert not watched.wrong, watched.wrong


def test_a_panel_that_stands_alone_has_the_title_of_its_column_and_a_single_one_fits(on_a_phone):
    page = on_a_phone("08_order_matters").page
    page.get_by_role("button", name="Show me without").first.click()
    grid = page.locator("figure.lbl-still", has_text="Nine combinations").locator(".lbl-pile svg")
    grid.nth(8).wait_for(state="visible")
    titles = [grid.nth(k).locator("text", has_text="activations ") for k in range(9)]
    told = [title.all_text_contents() for title in titles]
    assert all(len(title) == 1 for title in told) and len({title[0] for title in told}) == 3
    for name, said in (
        ("05_clip_then_freeze", "Signs as large as"),
        ("14_imagenet_on_many_gpus", ""),
    ):
        page.goto((HTML / "notebooks" / f"{name}.html").as_uri())
        page.get_by_role("button", name="Show me without").first.click()
        for figure in page.locator("figure.lbl-still", has_text=said).all():
            figure.locator(".lbl-pile svg").first.wait_for(state="visible")
            wide, room = figure.evaluate("el => [el.scrollWidth, el.clientWidth]")
            assert wide <= room + 1, (name, wide, room)


def test_a_legend_above_a_single_panel_is_not_made_small_with_it(on_a_phone):
    page = on_a_phone("19_smaller_and_faster").page
    page.get_by_role("button", name="Show me without").first.click()
    figure = page.locator("figure.lbl-still", has_text="spends its time")
    panel, legend = figure.locator(".lbl-pile svg").all()
    words = legend.locator("text", has_text="products of signs")
    assert words.bounding_box()["height"] >= 12 and panel.get_by_text("products").count() == 0
    assert len({box["fill"] for box in legend.locator("path").evaluate_all(
        "all => all.map((el) => ({ fill: getComputedStyle(el).fill }))"
    )}) >= 4  # fmt: skip


def test_words_under_an_axis_and_entries_of_a_legend_do_not_meet_on_a_phone(on_a_phone):
    """Names of ticks take as many lines as they need, and so does a legend, in letters to read."""
    page = on_a_phone("12_a_fair_fight").page
    page.get_by_role("button", name="Show me without").first.click()
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    explorer = page.get_by_role("group", name="Results explorer")
    explorer.locator(".lbl-plot canvas").wait_for(state="visible")
    page.evaluate(
        """() => { const write = CanvasRenderingContext2D.prototype.fillText;
          window.written = [];
          CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
            const at = this.getTransform(), wide = this.measureText(text).width;
            if (at.b === 0) written.push([text, at.e + at.a * x - wide / 2, y, wide]);
            return write.apply(this, arguments);
          }; }"""
    )
    explorer.get_by_label("along the axis").select_option("arm")  # as it is: drawn again
    page.wait_for_function("written.length > 10")
    below = {tuple(word) for word in page.evaluate("written") if not word[0].isdigit()}
    lines = {}
    for _, x, y, wide in below:
        lines.setdefault(y, []).append((x, x + wide))
    assert len(lines) > 2, below  # in several lines
    for words in lines.values():
        assert all(a[1] <= b[0] for a, b in pairwise(sorted(words))), below
    legend = page.locator(
        "figure.lbl-still .lbl-pile svg:has(> [data-legend], > g > [data-legend])"
    )
    shown = legend.first
    shown.scroll_into_view_if_needed()
    sizes = shown.locator("text").evaluate_all("all => all.map(t => t.getBoundingClientRect())")
    assert len(sizes) == 5 and all(box["height"] >= 11 for box in sizes), sizes
    assert len({round(box["y"]) for box in sizes}) > 1


def test_what_waits_for_an_answer_has_its_size_on_paper(browser):
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 740})
    page = context.new_page()
    page.goto((HTML / "notebooks" / "13_resnets_on_cifar.html").as_uri())
    plot = page.locator(".lbl-plot").first
    assert not plot.is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert plot.locator("canvas").bounding_box()["width"] > 400
    assert page.locator(".lbl-job details").first.evaluate("fold => fold.open")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not plot.is_visible()
    assert not page.locator(".lbl-job details").first.evaluate("fold => fold.open")
    context.close()


def test_reduced_motion_has_no_film_but_steps(browser):
    context = browser.new_context(offline=True, reduced_motion="reduce")
    page = context.new_page()
    page.goto((HTML / "notebooks" / "07_layer_by_layer.html").as_uri())
    step = page.get_by_role("button", name="Next step").first
    before = page.locator(".lbl-says").first.text_content()
    step.click()
    assert page.locator(".lbl-says").first.text_content() != before
    context.close()


#: Whether a call takes no longer than that many turns of a fixed loop, timed beside it: the fastest
#: of each counts, and the first call that is fast enough ends it. A turn takes about a millisecond
#: on a machine of 2020 that does nothing else.


@pytest.mark.alone
def test_a_slider_redraws_within_a_frame(context):
    """A move of a slider, script and painting commands, in loops of about a millisecond."""
    watched = Watched(context)
    for name, limit in (
        ("02_the_missing_derivative", 16), ("07_layer_by_layer", 50), ("08_order_matters", 16),
        ("10_masks_that_breathe", 50),
    ):  # fmt: skip
        watched.page.goto((HTML / "notebooks" / f"{name}.html").as_uri())
        times = watched.page.evaluate(
            f"""() => {{ {PACE} return [...document.querySelectorAll('.lbl-slider input')].map(
                (input) => [input.closest('label').textContent,
                    slow((k) => moved(input, ((k * 7) % 15) / 15), {limit})]); }}"""
        )
        assert times and not any(over for _, over in times), times


@pytest.mark.alone
@pytest.mark.parametrize("rule", list(MASK_RULES))
def test_the_schedule_explorer_redraws_in_thirty_milliseconds_at_its_largest_size(context, rule):
    """Every order and shape, 37 stages of 200 steps each, forward and back in time."""
    page = show(context, schedule_explorer(rule=rule, rho=0.001, stages=37, window=200)).page
    times = page.evaluate(
        f"""([orders, shapes]) => {{ {PACE}
          const [order, shape] = document.querySelectorAll('select');
          const time = [...document.querySelectorAll('.lbl-slider input')].at(-1);
          const set = (select, value) => {{
            select.value = value;
            select.dispatchEvent(new Event('change'));
          }};
          return orders.flatMap((o) => shapes.map((s) => {{
            set(order, o);
            set(shape, s);
            const far = slow((k) => moved(time, k % 2 ? 0.02 : 0.98), 30);
            return [o, s, far, slow(() => set(shape, s), 30)];
          }}));
        }}""",
        [list(ORDERS), list(SHAPES)],
    )
    slow = [one for one in times if one[2] or one[3]]
    assert len(times) == len(ORDERS) * len(SHAPES) and not slow, slow


# ---- what figures say ----------------------------------------------------------------------------
def test_a_rate_between_those_on_offer_is_shown_and_used(context):
    page = show(context, step_explorer(0.3)).page
    rate = page.get_by_label("learning rate")
    assert rate.get_attribute("aria-valuetext") == "0.3"
    before = says(page)
    rate.focus()
    page.keyboard.press("ArrowLeft")
    assert rate.get_attribute("aria-valuetext") == "0.2" and says(page) != before
    page.keyboard.press("ArrowRight")
    assert rate.get_attribute("aria-valuetext") == "0.3" and says(page) == before


def frames(stages, *fractions):
    return [
        {"at": p, "p": [p] * stages, "gradient": [10.0 ** (k - stages) for k in range(stages)]}
        for p in fractions
    ]


def test_two_depths_in_one_figure_keep_their_own_number_of_stages(context):
    shown = blockade_explorer({"24": frames(25, 0.0, 1.0), "36": frames(37, 0.0, 1.0)})
    page = show(context, shown).page
    assert "25 of 25 stages are frozen" in says(page)
    page.locator("select").select_option("36")
    assert "37 of 37 stages are frozen" in says(page) and len(rows(page)) == 37


def test_a_share_of_every_stage_is_not_called_no_stage(context):
    page = show(context, blockade_explorer({"weights": frames(25, 0.0, 0.4, 1.0)})).page
    assert "p 0.4: 40 % of every stage is frozen." in says(page)


@pytest.mark.parametrize("stages", [1, 5, 13, 25, 37])
@pytest.mark.parametrize("width", [280, 900])
def test_ticks_of_a_stage_axis_are_whole_and_evenly_chosen(script, stages, width):
    ticks = script(
        """([stages, width]) => {
          const box = document.createElement('div');
          box.style.width = `${width}px`;
          document.body.append(box);
          const x = { label: 'stage', whole: true, range: () => [-0.5, stages - 0.5] };
          const series = [{tone: 'ink'}];
          const { chart } = $draw.plot(box, { x, y: { label: 'p' }, label: '', series });
          chart.setData([[0, stages - 1], [0, 1]]);
          return new Promise((done) => setTimeout(() => done(chart.axes[0]._splits), 50));
        }""",
        [stages, width],
    )
    assert ticks and all(tick == int(tick) for tick in ticks)
    assert len({b - a for a, b in pairwise(ticks)}) <= 1


def test_every_axis_that_counts_asks_for_whole_ticks():
    for path in sorted((components.resources.files("stompp_lite.viz") / "web").iterdir()):
        if path.name.endswith(".js"):
            counted = re.findall(
                r'x: \{\s*label: "(?:stage|epoch|step)[^}]*', path.read_text("utf-8")
            )
            assert all("whole: true" in axis for axis in counted), path.name


def samples(page):
    """The samples of a figure's legend, as drawn, and what stands beside them."""
    drawn = "el => [el.className, el.style.background, el.style.border].join('|')"
    listed = page.locator(".lbl-legend li").all()
    return [(li.locator("span").evaluate(drawn), li.text_content()) for li in listed]


def test_two_runs_of_one_look_differ_in_a_film_and_settings_have_their_names(context):
    names = ("n06-minimal-ste-s0", "n06-minimal+scale-ste-s0")
    page = show(context, film([r for r in read_all("film") if r.name in names])).page
    (one, name), (other, beside), (dashed, _), *_ = samples(page)
    assert len({one, other, dashed}) == 3 and name != beside and "beside it" in beside
    assert "with a scale" in name + beside and "minimal" not in page.locator(FIGURE).inner_text()
    edges = page.locator(".lbl-slot").evaluate_all(
        "all => all.map(el => getComputedStyle(el).borderLeftColor)"
    )
    assert edges[0] != edges[1]


def test_series_of_results_have_looks_and_words_of_their_own(context):
    page = show(context, results(["fair", "orders", "groups", "schedules"])).page
    compare = page.get_by_label("compare")
    names = {*METHODS, *ARMS} - {name for name in METHODS if style.WORDS.get(name, name) == name}
    for value in compare.locator("option").evaluate_all("all => all.map(o => o.value)"):
        compare.select_option(value)
        for along in ("depth", "refresh"):
            page.get_by_label("along the axis").select_option(along)
            looks, words = zip(*samples(page), strict=True) if samples(page) else ((), ())
            assert len(set(looks)) == len(looks) and len(set(words)) == len(words)
            assert not names & set(words)
            offered = page.locator("select option").all_text_contents()
            assert not style.WORDS.keys() & set(offered)
            assert value != "order" or {"order: random", "order: reverse"} <= set(words)


def test_a_screen_reader_hears_at_most_a_sentence_a_second(context):
    page = show(context, step_explorer()).page
    page.evaluate(
        """() => { window.heard = [];
          new MutationObserver(() => heard.push(performance.now())).observe(
            document.querySelector('[role=status]'), {childList: true, characterData: true}); }"""
    )
    slide = page.get_by_label("time")
    for k in range(25):
        slide.evaluate("(el, v) => { el.value = v; el.dispatchEvent(new Event('input')); }", 20 * k)
        page.wait_for_timeout(100)
    page.wait_for_timeout(1200)
    heard = page.evaluate("heard")
    assert heard and all(b - a > 900 for a, b in pairwise(heard)), heard
    assert page.locator("[role=status]").text_content() == says(page)


def test_a_film_shows_the_run_that_was_chosen_and_the_signs_that_its_record_holds(context):
    runs = [run for run in read_all("film") if "-minimal-" in run.name]
    watched = show(context, film(runs))
    page = watched.page
    shown = page.get_by_role("group", name="Training film")
    one = shown.get_by_role("group", name="one run")
    one.get_by_label("method").select_option("StoMPP")
    one.get_by_label("order").select_option("reverse")
    one.get_by_label("binary layers").select_option("36")
    one.get_by_label("seed").select_option("1")
    assert "StoMPP, reverse order, 36 convolutions, seed 1" in shown.text_content()
    one.get_by_label("method").select_option("STE")  # has no other order, so that gives way
    assert one.get_by_label("order").input_value() == "forward"
    assert one.get_by_label("binary layers").input_value() == "36"
    for name, value in (("time", 20), ("layer whose signs", 5)):
        shown.get_by_label(name).evaluate(
            "(el, v) => { el.value = v; el.dispatchEvent(new Event('input')); }", value
        )
    record = group(read_all("film"))["n09-minimal-ste"][1]
    digits = record.curves["signs"][20][5]
    ones = bin(int(digits, 16)).count("1")
    before = record.curves["signs"][19][5]
    flipped = bin(int(digits, 16) ^ int(before, 16)).count("1")
    told = f"layer 5: {ones} of 64 signs are +1, {flipped} flipped since the frame before."
    assert shown.locator(f"canvas[aria-label*='{told}']").count() == 1
    assert not watched.wrong


# ---- the same numbers as Python ------------------------------------------------------------------
def test_schedules_are_pythons(script):
    tables = plans(7)
    for order in ORDERS:
        for shape in SHAPES:
            plan = Schedule(7, 83, order, shape)
            assert tables["orders"][order][6] == list(plan.turns)
            asked = [list(plan.turns), plan.windows, 83, shape, tables["shapes"][shape]]
            found = script(
                "([turns, windows, T, shape, table]) => {"
                "const grow = $method.shapeOf(shape, table);"
                "return [turns.map((n) => $method.begin(n, windows, T)),"
                "Array.from({length: 83}, (_, t) =>"
                " turns.map((n) => $method.fraction(t, n, windows, T, grow)))]}",
                asked,
            )
            assert found[0] == [plan.window(k)[0] for k in range(7)]
            assert found[1] == [
                pytest.approx(plan.fractions(t), abs=0 if shape != "cosine" else 1e-15)
                for t in range(83)
            ]


def test_draws_are_pythons(script):
    for key in (0, 1, 2**64 - 1, rng.make_key(5, "blocks.0.conv1", "weight")):
        for step in (0, 1, 1241):
            high, low = rng.uniform_pair(key, step, rng.counters((50,)))
            found = script(
                "([key, step]) => Array.from({length: 50},"
                " (_, i) => $method.uniformPair(key, step, i))",
                [[key >> 32, key & 0xFFFFFFFF], step],
            )
            assert found == [list(pair) for pair in zip(high.tolist(), low.tolist(), strict=True)]


@pytest.mark.parametrize("rule", list(MASK_RULES))
@pytest.mark.parametrize("rho", [0.0, 0.01, 0.3, 1.0])
def test_masks_are_pythons(script, rule, rho):
    """Step by step, in jumps, and backward, which begins again."""
    key, steps = rng.make_key(0, "conv", "weight"), 40
    layer = next(iter(binary_layers(lab_net()).values()))
    walker = Walker(
        layer.binarizer,
        lambda t: fraction(t, 0, 1, steps, "cubic"),
        0,
        key,
        rule,
        rho,
        layer.weight,
    )
    order = [*range(20), 27, 38, 3, 30]
    expected = []
    for t in order:
        walker.to(t)
        expected.append(walker.mask(t, layer.weight).flatten().int().tolist())
    found = script(
        """([key, n, order, steps, rule, rho]) => {
          const kept = new Float64Array(n).fill(1);
          const p = (t) => $method.fraction(t, 0, 1, steps, $method.SHAPES.cubic);
          let age = -1;
          return order.map((t) => {
            if (t < age) { kept.fill(1); age = -1; }
            $method.advance(kept, key, age, t, p, rule, rho);
            age = t;
            return [...kept].map((u) => (u < Math.fround(p(t)) ? 1 : 0));
          });
        }""",
        [[key >> 32, key & 0xFFFFFFFF], layer.weight.numel(), order, steps, rule, rho],
    )
    assert found == expected
    assert np.mean(found) < 1 and (np.mean(found) > 0 or (rule, rho) == ("redraw", 0))


@pytest.mark.parametrize("rule", list(MASK_RULES))
def test_the_schedule_explorer_draws_the_packages_plan_and_masks(context, rule):
    at = {"order": "reverse", "shape": "linear", "stages": 5, "window": 40}
    watched = show(context, schedule_explorer(rule=rule, rho=0.02, t=130, **at))
    page, plan = watched.page, Schedule(5, 200, "reverse", "linear")
    assert page.get_by_label("mask rule").input_value() == rule
    assert page.get_by_label("refresh ρ").get_attribute("aria-valuetext") == "0.02"
    page.get_by_label("time").evaluate(
        "el => { el.value = 100; el.dispatchEvent(new Event('input')); }"
    )
    for row, stage in zip(rows(page), range(5), strict=True):
        walker = Walker(
            Binarizer(),
            partial(plan.fraction, stage),
            plan.window(stage)[0],
            rng.make_key(0, f"stage {stage}", "weight"),
            rule,
            0.02,
            torch.nn.Parameter(torch.zeros(48)),
        )
        walker.to(100)
        frozen, now = walker.binarizer, plan.fraction(stage, 100)
        share = frozen.mask(walker.weight).float().mean().item() if frozen.mask else now
        assert row[:3] == [str(stage), str(plan.turns[stage] + 1), f"{now:.3f}"]
        assert float(row[3]) == pytest.approx(share, abs=1e-3)
    dashed = page.get_by_text("share frozen, on average")
    assert dashed.count() == (rule == "redraw")
    assert page.get_by_text("p, as planned").is_visible()
    assert not watched.wrong


def test_a_shape_and_an_order_of_ones_own_are_drawn_and_a_rule_is_refused(context, monkeypatch):
    monkeypatch.setitem(SHAPES, "steps", lambda tau: np.floor(4 * tau) / 4)
    monkeypatch.setitem(SHAPES, "cubic", lambda tau: tau)  # no longer what the browser knows
    monkeypatch.setitem(ORDERS, "pairs", lambda stages, seed: [k // 2 for k in range(stages)])
    for shape, p in (("steps", 0.5), ("cubic", 0.6)):
        drawn = schedule_explorer(order="pairs", shape=shape, stages=4, window=50, t=159)
        watched = show(context, drawn)
        assert [row[2] for row in rows(watched.page)] == ["1.000", "1.000", f"{p:.3f}", f"{p:.3f}"]
        watched.page.close()
    monkeypatch.setitem(MASK_RULES, "mine", lambda p, age, fresh, rho: (fresh, 1.0))
    refused = show(context, schedule_explorer(rule="mine"))
    assert "cannot draw the mask rule mine" in refused.page.locator(".lbl-error").text_content()
    assert "mine" not in show(context, schedule_explorer()).page.locator(FIGURE).text_content()


# ---- bad input -----------------------------------------------------------------------------------
RUN = {
    "name": "a", "look": "ste", "method": "ste", "seed": 0, "signs": [["", "f0"]] * 2,
    "epoch": [1, 2], "test": [10, 20], "hard": [10, 20], "p": [[0, 1]] * 2,
    "gradient": [[1, 2]] * 2, "flips": [[0, 0.1]] * 2,
}  # fmt: skip
NONE = {"fields": {}}
SCHEDULE = schedule_explorer().data
FRAME = {"at": 1, "p": [0.5, 1], "gradient": [1, 0]}
ROW = {"name": "x", "runs": [90.0], "method": "ste", "depth": 4}
FIELDS = {"method": {"label": "method"}, "depth": {"label": "depth"}}


BAD = [
    ("film", {"runs": []}, "there is no run to show"),
    ("film", {"runs": [{**RUN, "test": [10, 101]}], **NONE}, "holds 101, outside [0, 100]"),
    ("film", {"runs": [{**RUN, "test": [10]}], **NONE}, "2 epochs and 1 accuracies"),
    ("film", {"runs": [{**RUN, "test": [10, "x"]}], **NONE}, "holds x, which is no number"),
    ("film", {"runs": [{**RUN, "epoch": []}], **NONE}, "the epochs of a is empty"),
    ("film", {"runs": [{**RUN, "signs": []}], **NONE}, "a has no signs for each epoch"),
    ("film", {"runs": [RUN], **NONE, "start": [3, 0]}, "there is no run 3"),
    ("reach", {"axis": "p", "choices": {}}, "there is nothing to choose from"),
    ("reach", {"axis": "p", "choices": {"a": [{**FRAME, "p": [2, 1]}]}}, "outside [0, 1]"),
    ("reach", {"axis": "p", "choices": {"a": [{**FRAME, "p": [1]}]}}, "1 stages and 2 grad"),
    ("reach", {"axis": "p", "choices": {"a": [{**FRAME, "gradient": [0, 0]}]}}, "no gradient"),
    ("results", {"groups": []}, "there are no records"),
    (
        "results", {"fields": FIELDS, "groups": [{**ROW, "runs": [120]}], "usual": {},
        "start": {"along": "depth", "by": "method"}}, "120, which is no accuracy",
    ),
    ("schedule", {**SCHEDULE, "start": {**SCHEDULE["start"], "stages": 0}}, "0 stages"),
    ("schedule", {**SCHEDULE, "start": {**SCHEDULE["start"], "order": "up"}}, "order up"),
    ("step", {"rate": 0.3, "rates": [0.1]}, "the rate 0.3 is not among those on offer"),
    ("film", {"runs": [{**RUN, "look": "x"}], **NONE}, "there is no look of x"),
    ("bits", {"n": 5, "x": [], "w": []}, "no 5 bits"),
    ("smoothing", {"scale": 0}, "must be a number other than 0"),
    ("step", {"rate": -1}, "the rate must be positive"),
    ("film", {}, "there is no run to show"),
    ("results", {}, "there are no records"),
]  # fmt: skip


def test_bad_input_draws_a_message_and_no_blank(context):
    assert not unsaid(context, [(Component(name, data), said) for name, data, said in BAD])


def test_one_stage_and_one_run_are_enough(context):
    one = {**RUN, "p": [[0], [1]], "gradient": [[1], [0]], "flips": [[0], [0]], "signs": [[""]] * 2}
    assert (
        show(context, Component("film", {"runs": [one], **NONE})).page.locator(FIGURE).count() == 1
    )
    assert show(context, schedule_explorer(stages=1)).page.locator(FIGURE).count() == 1


def test_strings_are_text_never_markup(context):
    bad = "<img src=x onerror='window.hurt = 1'>"
    for component in (
        Component(
            "film",
            {
                "runs": [{**RUN, "name": bad, "method": bad}, RUN],
                "fields": {"method": bad},
            },
        ),
        Component("reach", {"axis": bad, "choices": {bad: [{**FRAME, "at": bad, "note": bad}]}}),
        Component(
            "results",
            {
                "fields": {**FIELDS, "data": {"label": bad}},
                "groups": [{**ROW, "name": bad, "command": bad, "data": bad}],
                "usual": {}, "start": {"along": "depth", "by": "method"},
            },
        ),
    ):  # fmt: skip
        watched = show(context, component)
        watched.page.wait_for_timeout(50)
        for summary in watched.page.locator("summary").all():
            summary.click()
        watched.page.get_by_text(bad).first.wait_for(state="attached")
        assert watched.page.evaluate("window.hurt") is None
        assert not watched.page.locator("img").count()


def test_every_chapter_has_a_question_to_answer_and_something_to_drag():
    for path in [path for path in pages() if path.parent.name == "notebooks"]:
        source = path.read_text(encoding="utf-8")
        assert 'data-component="predict' in source, path.stem
        assert path.stat().st_size < 1.5e6
    shared = sum(
        p.stat().st_size for p in (HTML / "_static").rglob("*") if p.suffix in (".js", ".css")
    )
    assert shared < 2.5e6 + 2.2e6, shared  # and MathJax


# ---- the playground's engine beside the package --------------------------------------------------
STEPS = 60
BOTH = ("stompp+ste:identity", "stompp+ste:clip")


def trained(weights, activations, order, optimizer, scale, rule="threshold"):
    """The steps of the package in float64: what it takes to repeat them, and the outcome."""
    torch.manual_seed(0)
    data = load("digits")
    x, y = data.train_x.flatten(1).double()[:320], data.train_y[:320]
    model = binarize_model(
        residual_mlp(64, 10, 8, 2).double(), x[:1], weights=weights, activations=activations,
        scale=scale,
    )  # fmt: skip
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    init = [m.weight.detach().flatten().tolist() for m in linear]
    start = {
        "stem": init[0], "blocks": [init[1:3], init[3:5]], "head": init[5],
        "bias": linear[-1].bias.tolist(),
    }  # fmt: skip
    walk = Progression(model, STEPS, Plan(order=order, mask_rule=rule, refresh=0.05), seed=3)
    keys = {}
    for stage in model.binarization.stages:
        named = [(f"act{stage.index}", n, "activation") for n in stage.activations]
        for short, name, kind in [
            *named,
            *((f"w{stage.index}", n, "weight") for n in stage.weights),
        ]:
            key = rng.make_key(3, name, kind)
            keys[short] = [key >> 32, key & 0xFFFFFFFF]
    lr = 0.1 if optimizer == "sgd" else 0.01
    make = {
        "sgd": lambda p: torch.optim.SGD(p, lr, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr),
    }
    step = make[optimizer](model.parameters())
    walk.attach(step)
    losses = []
    for t in range(STEPS):
        walk.set_step(t)
        batch = slice(32 * (t % 10), 32 * (t % 10) + 32)
        loss = torch.nn.functional.cross_entropy(model(x[batch]), y[batch])
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.item())
    model.eval()
    schedule = walk.schedules.get("weight") or Schedule(5, 90, order)
    asked = {
        "init": start, "keys": keys, "x": x.flatten().tolist(), "y": y.tolist(), "lr": lr,
        "optimizer": optimizer, "scale": bool(scale), "steps": STEPS,
        "plan": {
            "turns": list(schedule.turns), "windows": schedule.windows, "T": schedule.steps,
            "rule": rule, "rho": 0.05,
        },
    }  # fmt: skip
    state = [p.detach().flatten().tolist() for m in linear for p in m.parameters()]
    return asked, losses, state, model(x[:32]).flatten().tolist()


REPEAT = """(a) => {
  const net = new $engine.Network({inputs: 64, classes: 10, width: 8, blocks: 2, method: a.method,
    scale: a.scale, init: a.init, keys: a.keys});
  const optimizer = new $engine.Optimizer(a.optimizer, a.lr), losses = [];
  a.plan.shape = $method.SHAPES.cubic;
  for (let t = 0; t < a.steps; t++) {
    const k = 32 * (t % 10);
    net.setStep(t, a.plan);
    const x = Float64Array.from(a.x.slice(64 * k, 64 * (k + 32)));
    losses.push(net.train(x, a.y.slice(k, k + 32), 32, optimizer));
  }
  const linear = [net.stem, ...net.binary, net.head];
  return [losses, linear.flatMap((l) => l.b ? [[...l.w], [...l.b]] : [[...l.w]]),
    [...net.forward(Float64Array.from(a.x.slice(0, 64 * 32)), 32, false)]];
}"""


@pytest.mark.parametrize(
    ("method", "rules", "order", "optimizer", "scale", "rule"),
    [
        ("float", ("float", "float"), "forward", "sgd", None, "threshold"),
        ("ste", ("ste:identity", "ste:clip"), "forward", "sgd", None, "threshold"),
        ("ste", ("ste:identity", "ste:clip"), "forward", "sgd", "layer", "threshold"),
        ("ste", ("ste:identity", "ste:clip"), "forward", "adam", None, "threshold"),
        ("stompp", ("stompp", "stompp"), "forward", "sgd", None, "threshold"),
        ("stompp", ("stompp", "stompp"), "reverse", "sgd", None, "threshold"),
        ("stompp", ("stompp", "stompp"), "global", "sgd", None, "threshold"),
        ("stompp", ("stompp", "stompp"), "random", "adam", "layer", "threshold"),
        ("stompp", ("stompp", "stompp"), "forward", "sgd", None, "redraw"),
        ("stompp+ste", BOTH, "forward", "sgd", None, "threshold"),
        ("stompp+ste", BOTH, "reverse", "adam", "layer", "threshold"),
    ],
)  # fmt: skip
def test_the_playground_trains_as_the_package_does(
    script, method, rules, order, optimizer, scale, rule
):
    asked, losses, state, logits = trained(*rules, order, optimizer, scale, rule)
    found = script(REPEAT, asked | {"method": method})
    assert losses[-1] != losses[0]
    assert found[0] == pytest.approx(losses, abs=1e-9)
    for mine, theirs in zip(found[1], state, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-9)
    assert found[2] == pytest.approx(logits, abs=1e-8)
