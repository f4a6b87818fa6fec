"""Predictions in a real browser, with the network cut off: choosing, drawing, waiting, saving."""

import json
import re
from pathlib import Path

import pytest

from stompp_lite.viz.bank import bank
from stompp_lite.viz.components import Component
from stompp_lite.viz.questions import predict, predict_curve
from tests.browser import HTML, Watched, again, axe_script, show, unsaid

pytestmark = pytest.mark.slow
X = [4, 8, 16, 24, 36]
RUNS = [[95, 97], [94, 96], [91, 93], [80, 82], [9, 11]]
STORE = "layer-by-layer predictions"
QUESTIONS = bank()["choices"]["8"]
PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>A page</title>
<style>body {{ background: {ground}; color: {ink}; margin: 8px; }}</style><body><main><article>
<h1>8. Order matters<a href="#">#</a></h1>
<section id="one"><h2>Predict first</h2><div class="cell">{choice}</div><p>first</p></section>
<section id="two"><h2>The answer</h2><p id="deep">second</p></section>
<section id="three"><p>third</p><p><a id="revealed-8"></a></p><h2>Later</h2><p>open</p>
<div class="cell">{curve}</div><p>fourth</p>
<p><a id="revealed-4"></a></p><p>open again</p></section>
<section id="four"><h2>What surprised us</h2><p>a surprise</p></section>
<p class="lbl-spoiler">a spoiler</p><p>the end</p></article></main></body></html>"""


WIDTH = 1000  # of the pages


def curve(**more):
    return predict_curve("4", X, RUNS, **more)


@pytest.fixture
def file(tmp_path):
    """A page from a disk, with both kinds of questions."""

    def write(theme="light", choice=None):
        ground, ink = ("#fff", "#222") if theme == "light" else ("#11171d", "#ddd")
        body = {"choice": (choice or predict("8")).html(), "curve": curve(note="Two seeds.").html()}
        path = tmp_path / "page.html"
        path.write_text(PAGE.format(theme=theme, ground=ground, ink=ink, **body), encoding="utf-8")
        return path.as_uri()

    return write


def opened(context, address):
    watched = Watched(context)
    watched.page.goto(address)
    watched.page.wait_for_selector(".lbl-predict")
    return watched


def seen(page):
    """The paragraphs of the page that can be seen."""
    words = ("first", "second", "third", "open", "fourth", "open again", "a surprise", "a spoiler")
    return [word for word in words if page.get_by_text(word, exact=True).is_visible()]


def choose(page, right=True):
    """Answer the questions of chapter 8, all right or all wrong, and commit."""
    for fieldset, q in zip(page.locator(".lbl-predict fieldset").all(), QUESTIONS, strict=True):
        fieldset.locator("label").nth(q["right"] if right else q["right"] - 1).click()
    page.get_by_role("button", name="Commit").first.click()


def stroke(page, *points):
    """Drag over the plot: points are shares of its width and height."""
    pad = page.locator(".lbl-draw")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    (x, y), *others = [
        (box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in points
    ]
    page.mouse.move(x, y)
    page.mouse.down()
    for to in others:
        page.mouse.move(*to, steps=8)
    page.mouse.up()


def saved(page, k=0):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save my answers").nth(k).click()
    found = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    return download.value.suggested_filename, found


def values(page):
    """What is drawn, from the table of inputs; gaps that fill themselves as placeholders."""
    found = page.locator(".lbl-cells input").evaluate_all(
        "all => all.map(i => i.value || i.placeholder)"
    )
    return [float(v) if v else None for v in found]


# ---- what waits ----------------------------------------------------------------------------------
def test_each_question_hides_its_own_part_and_what_surprised_us_waits_for_all(context, file):
    watched = opened(context, file())
    page = watched.page
    assert seen(page) == ["open", "open again"]
    choose(page)
    assert seen(page) == ["first", "second", "third", "open", "open again"]
    page.get_by_role("button", name="Show me without").last.click()
    assert len(seen(page)) == 8
    page.get_by_role("button", name="Start over").first.click()
    assert seen(page) == ["open", "open again"]
    assert page.get_by_role("button", name="Commit").first.is_disabled()
    assert page.evaluate("document.activeElement.type") == "radio"
    assert page.evaluate(f"localStorage.getItem('{STORE}')") == "{}"
    assert not watched.wrong, watched.wrong


def test_without_a_mark_what_is_left_of_the_section_waits_and_a_link_opens_it(context, tmp_path):
    path = tmp_path / "page.html"
    body = (
        f"<section><div class=cell>{predict('8').html()}</div><p>first</p><p>second</p></section>"
    )
    next_one = "<section id=later><p>third</p></section>"
    path.write_text(f"<!doctype html><article>{body}{next_one}</article>", encoding="utf-8")
    assert seen(opened(context, path.as_uri()).page) == ["third"]
    path.write_text(
        f"<!doctype html><article>{body.replace('<p>first</p><p>second</p>', '')}{next_one}"
        "<section><p>fourth</p></section></article>", encoding="utf-8",
    )  # fmt: skip
    assert seen(opened(context, path.as_uri()).page) == ["fourth"]
    page = opened(context, path.as_uri() + "#later").page
    assert seen(page) == ["third", "fourth"]
    assert "A link led you past this question" in page.locator(".lbl-says").text_content()
    choose(page)  # the question is still open
    assert "3 of 3 as you predicted" in page.locator(".lbl-says").text_content()


def test_the_book_waits_up_to_the_mark(context):
    watched = opened(context, (HTML / "notebooks" / "08_order_matters.html").as_uri())
    page = watched.page
    sections = {"what-the-order-does": False, "whose-order": False, "what-surprised-us": False,
                "exercises": False, "sources": True}  # fmt: skip
    for name, visible in sections.items():
        assert page.locator(f"#{name} > :is(h1, h2)").is_visible() == visible, name
    choose(page, right=False)
    assert "0 of 3 as you predicted" in page.locator(".lbl-predict .lbl-says").text_content()
    assert all(page.locator(f"#{name} > :is(h1, h2)").is_visible() for name in sections)
    again(page, ".lbl-predict")
    page.locator("#whose-order").wait_for(state="visible")
    assert saved(page)[1]["answers"][0]["page"] == "8. Order matters"
    page.goto((HTML / "notebooks" / "05_clip_then_freeze.html").as_uri() + "#what-surprised-us")
    page.locator("#what-surprised-us").wait_for(state="visible")
    assert not watched.wrong, watched.wrong


# ---- what is told --------------------------------------------------------------------------------
def test_each_answer_is_judged_in_words_with_its_reason(context, file):
    page = opened(context, file()).page
    choose(page, right=False)
    for told, q in zip(
        page.locator("fieldset .lbl-answer").all_text_contents(), QUESTIONS, strict=True
    ):
        right, said = q["options"][q["right"]], q["options"][q["right"] - 1]
        assert told == f"✗ you said “{said}”; it is “{right}”. {q['why']}"
    page.get_by_role("button", name="Start over").click()
    choose(page)
    first = page.locator("fieldset .lbl-answer").first.text_content()
    assert first == f"✓ as you said: “about 60 %”. {QUESTIONS[0]['why']}"


@pytest.mark.parametrize("name", ["Commit", "Show me without"])
def test_the_focus_goes_to_the_answer_when_its_button_goes(context, name):
    page = show(context, predict("1")).page
    for asked in page.locator("fieldset").all():
        asked.locator("input").first.focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name=name).focus()
    page.keyboard.press("Enter")
    assert not page.get_by_role("button", name=name).is_visible()
    assert page.evaluate("document.activeElement.className") == "lbl-says"


BAD = [
    ("predict", {"id": "99"}, "there is no question 99; there are 1, 2"),
    ("predict", {"id": "toString"}, "there is no question toString"),
    ("predict", {}, "there is no question undefined"),
    ("predict_curve", {**curve().data, "id": "1"}, "there is no question 1; there are 4, 5, 9"),
    ("predict_curve", {"id": "4"}, "there are no two positions to draw at"),
    ("predict_curve", {"id": "4", "x": X}, "there is no recorded curve"),
    ("predict_curve", {**curve().data, "truth": "{}"}, "the recorded curve cannot be read"),
    ("predict_curve", {**curve().data, "x": X[:3]}, "3 positions, and a curve with 5"),
    ("predict_curve", {**curve().data, "x": X[::-1]}, "the positions do not grow"),
]


def test_bad_input_draws_a_message_and_no_blank(context):
    assert not unsaid(context, [(Component(name, data), said) for name, data, said in BAD])


def test_a_note_is_text_and_never_markup(context):
    bad = "<img src=x onerror='window.hurt = 1'>"
    page = show(context, predict_curve("4", [bad, "b"], RUNS[:2], note=bad)).page
    page.get_by_role("button", name="Show me without").click()
    page.locator("summary").last.click()
    page.wait_for_selector("td")
    assert bad in page.locator("td").first.text_content()
    assert bad in page.locator(".lbl-answer").text_content()
    assert page.evaluate("window.hurt") is None and not page.locator("img").count()


# ---- what is kept --------------------------------------------------------------------------------
def test_the_file_has_all_answers_of_the_course_with_their_questions(context, file):
    watched = opened(context, file())
    page = watched.page
    page.get_by_label("your name (optional)").first.fill(" Zoë  O'Hara ")
    page.get_by_role("button", name="Save my answers").first.click()
    assert "nothing to save yet" in page.locator(".lbl-saved").first.text_content()
    page.get_by_role("button", name="Show me without").last.click()  # the curve
    page.get_by_role("button", name="Save my answers").first.click()
    assert "nothing to save yet" in page.locator(".lbl-saved").first.text_content()
    choose(page)
    again(page, ".lbl-predict")
    assert page.get_by_label("your name (optional)").first.input_value() == "Zoë  O'Hara"
    name, told = saved(page)
    assert re.fullmatch(r"predictions-zoe-o-hara-\d{4}-\d\d-\d\d\.json", name)
    assert (told["course"], told["name"]) == ("Layer by Layer", "Zoë  O'Hara")
    drawn, *chosen = told["answers"]
    assert (drawn["id"], drawn["kind"], drawn["state"], drawn["answer"]) == (
        "4",
        "curve",
        "skipped",
        None,
    )
    assert [a["question"] for a in chosen] == [q["ask"] for q in QUESTIONS]
    assert [a["version"] for a in chosen] == [q["version"] for q in QUESTIONS]
    assert chosen[0] | {"when": 0, "version": 0} == {
        "page": "8. Order matters", "id": "8", "kind": "choice", "state": "committed", "when": 0,
        "question": "Where does the random order end?", "version": 0, "answer": "about 60 %",
        "right": True, "wording": "current",
    }  # fmt: skip
    assert re.match(r"\d{4}-\d\d-\d\dT", chosen[0]["when"])
    page.get_by_label("your name (optional)").first.fill("?!")
    assert re.fullmatch(r"predictions-\d{4}-\d\d-\d\d\.json", saved(page)[0])
    assert not watched.wrong, watched.wrong


def test_what_was_skipped_stays_skipped(context, file):
    page = opened(context, file()).page
    page.get_by_role("button", name="Show me without").first.click()
    again(page, ".lbl-predict")
    assert "second" in seen(page)
    first = page.locator("fieldset .lbl-answer").first.text_content()
    assert first.startswith("It is “about 60 %”. Its ten runs")


def test_an_answer_to_an_earlier_wording_is_shown_kept_and_asked_anew(context, file):
    page = opened(context, file()).page
    choose(page)
    page.evaluate(
        f"""() => {{ const all = JSON.parse(localStorage['{STORE}']);
        const earlier = {{ version: 'x', question: 'Who hears?', answer: 'all' }};
        Object.assign(all['8'].answers[1], earlier);
        localStorage['{STORE}'] = JSON.stringify(all); }}"""
    )
    again(page, ".lbl-predict")
    assert "second" not in seen(page)
    notes = page.locator("fieldset .lbl-answer")
    assert "an earlier wording: “Who hears?” with “all”" in notes.nth(1).text_content()
    assert [notes.nth(k).is_visible() for k in range(3)] == [False, True, False]
    checked = page.locator("fieldset").evaluate_all(
        "all => all.map(f => !!f.querySelector(':checked'))"
    )
    assert checked == [True, False, True]
    choose(page)
    rows = saved(page)[1]["answers"]
    assert [(r["question"], r["answer"]) for r in rows if r["wording"] == "earlier"] == [
        ("Who hears?", "all")
    ]
    assert [r["wording"] for r in rows].count("current") == 3


def test_answers_of_the_first_edition_are_read(context, file):
    from playwright.sync_api import expect  # it waits until a figure is drawn

    address = file()
    page = opened(context, address).page
    first = [q["was"].index(q["right"]) for q in QUESTIONS]
    old = {"8": first, "5": [1, 0], "1": "junk", "7": [0, 9], "gone": [1]}
    page.evaluate(f"old => localStorage['{STORE}'] = JSON.stringify(old)", old)
    again(page, ".lbl-predict")
    expect(page.locator(".lbl-says").first).to_contain_text("3 of 3 as you predicted")
    rows = saved(page)[1]["answers"]
    assert [(r["id"], r["right"]) for r in rows] == [
        ("5", False), ("5", True), ("8", True), ("8", True), ("8", True)
    ]  # fmt: skip
    page = opened(context, file(choice=predict("7"))).page
    expect(page.locator(".lbl-says").first).to_contain_text("could not be read any more")
    assert "7" not in page.evaluate(f"JSON.parse(localStorage['{STORE}'])")


def test_what_is_stored_and_makes_no_sense_does_no_harm(context, file):
    watched = opened(context, file())
    for junk in ("{", "[1]", "null", '"text"', '{"8": {"state": "odd"}}'):
        watched.page.evaluate(f"junk => localStorage['{STORE}'] = junk", junk)
        again(watched.page, ".lbl-predict")
        assert "second" not in seen(watched.page), junk
        choose(watched.page)
        again(watched.page, ".lbl-predict")
        assert "second" in seen(watched.page) and not watched.wrong, junk


def test_without_storage_answers_last_as_long_as_the_page(context):
    watched = show(context, predict("8"))  # a page without an address has none
    page = watched.page
    with pytest.raises(Exception, match="localStorage"):
        page.evaluate("localStorage.length")
    choose(page)
    assert len(saved(page)[1]["answers"]) == 3
    page.get_by_role("button", name="Start over").click()
    page.get_by_role("button", name="Save my answers").click()
    assert "nothing to save yet" in page.locator(".lbl-saved").text_content()
    assert not watched.wrong, watched.wrong


# ---- drawing -------------------------------------------------------------------------------------
def test_a_stroke_draws_and_gaps_between_presses_fill_along_a_line(context):
    watched = show(context, curve())
    page = watched.page
    commit = page.get_by_role("button", name="Commit")
    assert commit.is_disabled() and values(page) == [None] * 5
    stroke(page, (0.08, 0.1))  # two short presses
    stroke(page, (0.96, 0.8))
    assert not commit.is_disabled()
    found = values(page)
    line = [found[0] + (found[4] - found[0]) * (x - 4) / 32 for x in X]
    assert found == pytest.approx(line, abs=0.6) and found[0] > found[4] + 50
    stroke(page, (0.04, 0.5), (0.99, 0.5))
    assert max(values(page)) - min(values(page)) <= 1  # level, and drawn at every position
    assert page.locator(".lbl-cells input").evaluate_all("all => all.every(i => i.value)")
    assert not watched.wrong, watched.wrong


def test_a_curve_is_drawn_by_keyboard_and_told(context):
    page = show(context, curve()).page
    pad = page.get_by_role("slider")
    assert pad.get_attribute("aria-valuetext") == "at 4 (binary convolutions): no value yet"
    pad.focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowDown")
    assert pad.get_attribute("aria-valuetext") == "at 4 (binary convolutions): 59 %"
    page.keyboard.press("End")
    for _ in range(3):
        page.keyboard.press("PageDown")
    assert pad.get_attribute("aria-valuenow") == "29"
    page.keyboard.press("ArrowLeft")
    assert values(page)[3] == pytest.approx(59 - 30 * 20 / 32, abs=0.6)
    assert not page.get_by_role("button", name="Commit").is_disabled()


def test_a_curve_is_entered_as_numbers_and_a_wrong_one_is_named(context):
    page = show(context, curve()).page
    page.get_by_text("Enter numbers instead").click()
    commit, says = page.get_by_role("button", name="Commit"), page.locator(".lbl-says").first
    page.get_by_label("4", exact=True).fill("96")
    assert "Still without a value: 8, 16, 24, 36" in says.text_content()
    page.get_by_label("36", exact=True).fill("120")
    assert "At 36: enter a number from 0 to 100 %" in says.text_content() and commit.is_disabled()
    assert page.get_by_label("36", exact=True).input_value() == "120"
    page.get_by_label("36", exact=True).fill("70")
    assert not commit.is_disabled()
    commit.click()
    told = page.locator(".lbl-answer").text_content()
    assert (
        "largest gap is at 36 (binary convolutions): you drew 70 %, recorded is 10 %, 60 points"
        in told
    )
    assert bank()["curves"]["4"]["why"] in told
    page.locator("summary").last.click()
    page.wait_for_selector("td")
    assert page.locator("tr").last.locator("td").all_text_contents() == ["36", "70", "10", "9, 11"]


def painted(page):
    return page.locator(".lbl-draw canvas").evaluate("canvas => canvas.toDataURL()")


def test_the_recorded_curve_runs_over_the_drawn_one_and_at_once_with_reduced_motion(
    browser, context
):
    page = show(context, curve()).page
    stroke(page, (0.04, 0.5), (0.99, 0.5))
    page.get_by_role("button", name="Commit").click()
    page.wait_for_timeout(200)
    first = painted(page)
    page.wait_for_timeout(1500)
    assert painted(page) != first
    calm = browser.new_context(offline=True, reduced_motion="reduce")
    page = show(calm, curve()).page
    stroke(page, (0.04, 0.5), (0.99, 0.5))
    page.get_by_role("button", name="Commit").click()
    page.wait_for_timeout(100)
    first = painted(page)
    page.wait_for_timeout(500)
    assert painted(page) == first
    calm.close()


def test_a_drawing_comes_back_and_one_for_other_positions_is_kept_and_asked_anew(context, tmp_path):
    path = tmp_path / "page.html"
    write = lambda c: path.write_text(f"<!doctype html>{c.html()}", encoding="utf-8")  # noqa: E731
    write(curve())
    page = opened(context, path.as_uri()).page
    stroke(page, (0.04, 0.5), (0.99, 0.5))
    page.get_by_role("button", name="Commit").click()
    told = page.locator(".lbl-answer").text_content()
    again(page, ".lbl-predict")
    assert page.locator(".lbl-answer").text_content() == told
    assert page.get_by_role("slider").count() == 0  # it cannot be changed any more
    write(predict_curve("4", X[:4], RUNS[:4]))
    again(page, ".lbl-predict")
    assert "an earlier wording" in page.locator(".lbl-answer").text_content()
    assert page.get_by_role("button", name="Commit").is_disabled()
    stroke(page, (0.04, 0.3), (0.99, 0.3))
    page.get_by_role("button", name="Commit").click()
    rows = saved(page)[1]["answers"]
    assert [(r["wording"], r["answer"].count(":")) for r in rows] == [
        ("current", 4),
        ("earlier", 5),
    ]


def test_a_finger_draws_on_a_phone_and_everything_fits(browser, file):
    context = browser.new_context(
        offline=True, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True
    )
    watched = opened(context, file())
    page = watched.page
    pad = page.locator(".lbl-draw")
    assert pad.evaluate("el => getComputedStyle(el).touchAction") == "none"
    assert (
        page.locator(".lbl-figure").last.evaluate("el => getComputedStyle(el).touchAction")
        == "auto"
    )
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    cdp = context.new_cdp_session(page)
    at = lambda share: [{"x": box["x"] + share * box["width"], "y": box["y"] + 80}]  # noqa: E731
    cdp.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at(0.1)})
    for k in range(1, 13):
        cdp.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at(0.1 + 0.073 * k)}
        )
    cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert None not in values(page)
    assert not page.get_by_role("button", name="Commit").last.is_disabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not watched.wrong, watched.wrong
    context.close()


# ---- for everybody, everywhere -------------------------------------------------------------------
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_before_and_after_the_answer(context, file, theme):
    page = opened(context, file(theme)).page
    page.evaluate(axe_script())
    rules = "() => axe.run(document).then((r) => r.violations.map((v) => v.id + v.nodes[0].html))"
    page.get_by_text("Enter numbers instead").click()
    page.get_by_text("The data behind this picture").click()
    assert page.evaluate(rules) == []
    choose(page, right=False)
    stroke(page, (0.04, 0.5), (0.99, 0.5))
    page.get_by_role("button", name="Commit").last.click()
    assert page.evaluate(rules) == []
