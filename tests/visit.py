"""One visit of a built page, with everything that is checked on every page.

The order matters: first what the eye sees, in both themes and on a phone, while every question is
still open and every fold is shown; then what assistive technology is told, once the questions are
answered; then every control, by keyboard. A check that fails, or that cannot be made, adds to the
list of problems and hides no other one. ``Known`` remembers what earlier pages of the same worker
showed already: kinds of words, and controls of the same moving figure.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.browser import FIGURE, Watched, changes
from tests.contrast import BARE, FIGURES, faint_words

WIDE, PHONE, HEIGHT = 1280, 390, 900
THEMES = ("light", "dark")
#: Everything that waits, for a prediction or in a fold, is shown; nothing lies over a figure.
OPEN = """async () => {
  await document.fonts.ready;
  await window.MathJax?.startup?.promise;
  const hidden = [...document.querySelectorAll('.lbl-hidden')];
  const folds = [...document.querySelectorAll('details:not([open])')];
  for (const node of hidden) node.classList.remove('lbl-hidden');
  for (const fold of folds) fold.open = true;
  const style = document.createElement('style');
  style.textContent = '.bd-header, .bd-header-article, #pst-back-to-top { display: none; }';
  document.head.append(style);
  window.closeAgain = () => {
    for (const node of hidden) node.classList.add('lbl-hidden');
    for (const fold of folds) fold.open = false;
    style.remove();
    document.getElementById('bare')?.remove();
  };
}"""
#: Some frames, in which observers of sizes and themes do their work, and the end of transitions;
#: no longer than two seconds, for a browser that has much to do may leave frames out.
SETTLED = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const settle = async () => {
    for (let k = 0; k < 4; k++) await frame();
    const changing = document.getAnimations().filter((a) => a instanceof CSSTransition);
    await Promise.allSettled(changing.map((change) => change.finished));
    await frame();
    return true;
  };
  return Promise.race([settle(), new Promise((done) => setTimeout(done, 2000, false))]);
}"""
#: What is wider than its place on the page, and whether it scrolls and says so.
CUT = """() => [...document.querySelectorAll('.bd-article *')].flatMap((el) => {
  const over = el.scrollWidth - el.clientWidth;
  if (over <= 1 || !el.clientWidth) return [];
  const look = getComputedStyle(el);
  if (look.display === 'inline') return [];
  if (el.closest('svg, mjx-container, .lbl-controls, .lbl-spoken')) return [];
  if (el.matches('span.math, option')) return [];
  if (look.overflowX === 'visible' && [...el.children].some((c) => c.scrollWidth > el.clientWidth))
    return []; // its child is to blame
  const scrolls = ['auto', 'scroll'].includes(look.overflowX);
  const told = (el.dataset.more ?? '').includes('right') && look.boxShadow.includes('inset');
  if (scrolls && told) return [];
  const why = scrolls ? 'scrolls, and no edge shows it' : `is cut or runs off (${look.overflowX})`;
  const said = el.textContent.trim().slice(0, 50);
  return [`${el.tagName} ${el.className} (${over} pixels more, ${why}): ${said}`];
})"""
#: Mark one word of each kind that no earlier page had; the kinds that are known now. What has the
#: same color on the same ground, as large and as bold, has the same contrast. In figures anything
#: may lie behind anything: the words there are judged by a picture, and axe-core sees no drawing.
KINDS = """seen => {
  const known = new Set(seen), clear = 'rgba(0, 0, 0, 0)';
  for (const el of document.querySelectorAll('[data-judged]')) delete el.dataset.judged;
  for (const el of document.querySelectorAll('body *')) {
    if (![...el.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    if (el.closest('script, style, svg') || !el.getClientRects().length) continue;
    const look = getComputedStyle(el);
    let ground = clear, faded = '';
    for (let up = el; up; up = up.parentElement) {
      const style = getComputedStyle(up);
      if (style.opacity !== '1') faded += style.opacity;
      if (ground === clear) ground = style.backgroundColor;
      if (style.backgroundImage !== 'none') faded += style.backgroundImage;
    }
    const kind = [look.color, ground, faded, look.fontSize, look.fontWeight].join(' ');
    if (known.has(kind)) continue;
    known.add(kind);
    el.dataset.judged = '';
  }
  return [...known];
}"""
#: WCAG 2.1 A and AA; contrast only of the words that are marked.
AXE = """rules => {
  axe.configure({ rules: [{ id: 'color-contrast', selector: '[data-judged]' }] });
  return axe.run(document, { runOnly: rules, resultTypes: ['violations'], preload: false })
    .then((result) => result.violations);
}"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
#: What makes a page long for axe-core, and says nothing new, is put away: what is inside of a
#: drawing, which is one image for those who listen; and of entries and rows of one kind all but the
#: first few, and those with a marked word or an address. `bringBack` undoes it.
THIN = """most => {
  const away = [], held = '[id], [data-judged]';
  for (const child of document.querySelectorAll('svg[role=img] > :not(title, desc)'))
    away.push([child.parentNode, child, child.nextSibling]);
  for (const list of document.querySelectorAll('ul, ol, tbody')) {
    const alike = new Map();
    for (const child of list.children) {
      const kind = child.tagName + child.className, count = (alike.get(kind) ?? 0) + 1;
      alike.set(kind, count);
      if (count > most && !child.matches(held) && !child.querySelector(held))
        away.push([list, child, child.nextSibling]);
    }
  }
  for (const [, child] of away) child.remove();
  window.bringBack = () => {
    for (const [list, child, next] of away.reverse()) list.insertBefore(child, next);
  };
}"""
#: What holds no marked word is emptied, which makes a long page short for axe-core.
PRUNE = """() => {
  const kept = new Set();
  for (let el of document.querySelectorAll('[data-judged]'))
    for (; el && !kept.has(el); el = el.parentElement) kept.add(el);
  kept.delete(document.documentElement); // its head has the styles
  for (const el of kept)
    for (const child of el.children)
      if (!kept.has(child) && !child.matches('style')) child.replaceChildren();
}"""
UNNAMED = """figures => figures.flatMap(f => [...f.querySelectorAll('input, select')])
  .filter(el => !el.labels.length && !el.ariaLabel).map(el => el.outerHTML)"""
VANISHED = """all => all.filter(image => image.getBoundingClientRect().width < 5)
  .map(image => 'a map in a drawing has no size: ' + image.outerHTML.slice(0, 80))"""
ALTERNATIVES = """all => all
  .map(el => el.getAttribute('alt') || el.getAttribute('aria-label') || '')
  .filter(alt => alt.length <= 40 || alt.includes('.png'))
  .map(alt => `an image says ${JSON.stringify(alt)}`)"""


@dataclass
class Known:
    """What earlier pages had: kinds of words, by theme, and controls, by figure and label."""

    kinds: dict[str, list[str]] = field(default_factory=lambda: {theme: [] for theme in THEMES})
    controls: set[tuple[str | None, str]] = field(default_factory=set)


def reveal(page):
    """Show what waits for predictions, and how we know."""
    for skip in page.get_by_text("Show me without").all():
        skip.click()
    folds = "details.know, .tag_know > details"
    page.evaluate(f"for (const fold of document.querySelectorAll('{folds}')) fold.open = true")


def turn(page, theme):
    """Put a page into a theme, and wait until it has its colors."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
    page.evaluate(SETTLED)


class Visit:
    """A page, opened once; ``problems`` has what is wrong with it, each with the check it failed.

    The page is opened 1280 pixels wide, in the light theme, for a reader who wants less motion.
    """

    def __init__(self, browser, address: str, known: Known, script: str) -> None:
        self.known, self.script, self.problems = known, script, list[str]()
        self.context = browser.new_context(
            offline=True, color_scheme="light", reduced_motion="reduce",
            viewport={"width": WIDE, "height": HEIGHT},
        )  # fmt: skip
        self.watched = Watched(self.context)
        self.page = self.watched.page
        self.page.goto(address)
        self.page.wait_for_load_state("load")

    def check(self, what: str, judge: Callable[[], list[str]]) -> None:
        """Add what a check finds, or why it could not be made, to the problems."""
        try:
            found = judge()
        except Exception as error:  # reported with the others
            found = [f"this check broke: {type(error).__name__}: {str(error)[:400]}"]
        self.problems += [f"[{what}] {one}" for one in found]

    def all(self) -> list[str]:
        """Make every check; the problems."""
        try:
            self.seen()
            reveal(self.page)
            self.told()
            self.moved()
            self.check("page, console and network", lambda: self.watched.wrong)
            self.check("axe, dark theme: contrast", lambda: self.judged_by_axe("dark"))
        finally:
            self.context.close()
        return self.problems

    # ---- what the eye sees, with everything open ----
    def seen(self) -> None:
        page = self.page
        page.evaluate(OPEN)
        for width in (PHONE, WIDE):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.evaluate(SETTLED)
            self.check(f"{width} wide: what is cut", lambda: page.evaluate(CUT))
            self.check(f"{width} wide: the page", lambda w=width: self.too_wide(w))
        if page.locator(FIGURES).count():
            page.evaluate(BARE, FIGURES)
            for theme in ("dark", "light"):
                turn(page, theme)
                self.check(f"{theme} theme: words of figures", lambda: faint_words(page))
        page.evaluate("closeAgain()")

    def too_wide(self, width: int) -> list[str]:
        found = self.page.evaluate("document.documentElement.scrollWidth")
        return [f"is {found} pixels wide"] if found > width + 1 else []

    # ---- what assistive technology is told, once the questions are answered ----
    def told(self) -> None:
        page = self.page
        for what, places, script in (
            ("a control without a label", FIGURE, UNNAMED),
            ("drawings", "figure.lbl-still image", VANISHED),
            ("alternative texts", "article img, article svg[role=img]", ALTERNATIVES),
        ):
            judge = page.locator(places).evaluate_all
            self.check(what, lambda judge=judge, script=script: judge(script))
        self.check("moving figures are drawn", self.drawn)
        for summary in page.locator(".lbl-data > summary").all():
            summary.click()
        self.check("axe, light theme", lambda: self.judged_by_axe("light"))

    def drawn(self) -> list[str]:
        page = self.page
        stored, shown = page.locator(".lbl-component").count(), page.locator(FIGURE).count()
        errors = [said for said in page.locator(".lbl-error").all_text_contents() if said]
        return errors + [f"{shown} of {stored}"] * (stored != shown)

    def judged_by_axe(self, theme: str) -> list[str]:
        """Everything in the light theme; contrast alone in the dark one, which ends the visit."""
        page = self.page
        turn(page, theme)
        before = self.known.kinds[theme]
        self.known.kinds[theme] = page.evaluate(KINDS, before)
        if theme == "dark" and len(self.known.kinds[theme]) == len(before):
            return []
        page.evaluate(self.script)
        page.evaluate(*((PRUNE,) if theme == "dark" else (THIN, 8)))
        found = page.evaluate(AXE, ["color-contrast"] if theme == "dark" else RULES)
        if theme == "light":
            page.evaluate("bringBack()")
        return [
            f"{v['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
            for v in found
            for node in v["nodes"][:5]
        ]

    # ---- every control, by keyboard ----
    def moved(self) -> None:
        page = self.page
        for k, figure in enumerate(page.locator(FIGURE).all()):
            name = figure.get_attribute("aria-label")
            if name == "Playground":
                continue  # has tests of its own
            controls = figure.locator("select, input[type=range], input[type=radio]")
            touched = False
            for i in range(controls.count()):
                control = controls.nth(i)
                if not control.is_visible():
                    continue  # belongs to another setting; has a test of its own
                label = control.evaluate("el => el.closest('label')?.textContent ?? el.outerHTML")
                key = (name, label)
                if touched and key in self.known.controls:
                    continue  # moved on an earlier page
                touched = True
                self.known.controls.add(key)
                self.check(
                    f"controls of {name}", lambda k=k, c=control, t=label: self.move(k, c, t)
                )
        self.check("the page, once its controls were moved", lambda: self.too_wide(WIDE))

    def move(self, k: int, control, label: str) -> list[str]:
        if changes(self.page, k, control):
            return []
        self.page.evaluate("localStorage.clear()")  # perhaps for what was set before: afresh
        self.page.reload()
        reveal(self.page)
        return [] if changes(self.page, k, control) else [f"{label!r} does nothing"]
