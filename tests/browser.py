"""A Chromium for the tests: on the PATH, else Playwright's own, else the system's package.

Where none can be had the tests that need one fail in CI; elsewhere they are skipped and say so.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest

from stompp_lite.viz import components
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "tools"))
sys.path.insert(0, str(ROOT / "book" / "_ext"))
from moved import MOVED

from build import HTML
from look import FLAGS

__all__ = [
    "FIGURE", "HTML", "MOVED", "PACE", "Watched", "again", "axe_script", "changes", "executable",
    "in_both_themes", "jupyter_lab",
    "launch", "move", "pages", "picture", "rows", "run_all_cells", "says", "show", "unsaid",
]  # fmt: skip
FIGURE = ".lbl-figure"
#: For scripts: a fixed loop, beside which a page is timed.
PACE = """const numbers = new Float64Array(4096).fill(1.0001);
const loop = (turns) => {
  const start = performance.now();
  let sum = 0;
  for (let k = 0; k < 256 * turns; k++)
    for (let i = 0; i < 4096; i++) sum += numbers[i] * numbers[4095 - i];
  return sum > 0 ? performance.now() - start : 0;
};
const slow = (call, turns, times = 30) => { // null, or how many turns it took
  let mine = Infinity, beside = Infinity;
  for (let k = 0; k < times; k++) {
    beside = Math.min(beside, loop(turns));
    const start = performance.now();
    call(k);
    mine = Math.min(mine, performance.now() - start);
    if (k > 1 && mine <= beside) return null;
  }
  return (turns * mine) / beside;
};
const moved = (input, share) => {
  input.value = Number(input.min) + share * (input.max - input.min);
  input.dispatchEvent(new Event('input'));
};
"""


def pages():
    """Files of the built book that readers read: not those that lead from an old address."""
    found = [
        path for part in ("book", "notebooks") for path in sorted((HTML / part).rglob("*.html"))
    ]
    moved = {HTML / f"{old}.html" for old in MOVED}
    return [path for path in found if path not in moved]


NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def _on_the_path() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def executable() -> str | None:
    """Path of a browser, installed first if that can be done; None means Playwright's own."""
    from playwright.sync_api import sync_playwright

    if found := _on_the_path():
        return found
    with sync_playwright() as p:
        if Path(p.chromium.executable_path).exists():
            return None
    if shutil.which("apt-get") and os.geteuid() == 0:
        fonts = ("fonts-dejavu-core", "fonts-noto-core")
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", *fonts],
        ):
            subprocess.run(command, capture_output=True, timeout=600)
        if found := _on_the_path():
            return found
    install = [sys.executable, "-m", "playwright", "install", "chromium"]
    if subprocess.run(install, capture_output=True, timeout=600).returncode == 0:
        return None
    message = "no Chromium: install one (on Debian or Ubuntu: apt-get install chromium)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def launch(playwright: Any, path: str | None) -> Any:
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


class Watched:
    """A page without a network that remembers what went wrong."""

    def __init__(self, context: Any) -> None:
        self.page, self.wrong = context.new_page(), []
        self.page.on("console", lambda m: self.wrong.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.wrong.append(str(e)))
        self.page.on("requestfailed", self._failed)
        self.page.on(
            "request", lambda r: self.wrong.append(r.url) if r.url.startswith("http") else None
        )

    def _failed(self, request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left before its icon had come
            self.wrong.append(f"failed: {request.url} ({request.failure})")


def show(context, component):
    """A page with one figure."""
    watched = Watched(context)
    head = "<!doctype html><html lang=en data-theme=light><head><title>A figure</title></head>"
    watched.page.set_content(f"{head}<body><main>{component.html()}</main></body></html>")
    watched.page.wait_for_selector(".lbl")
    return watched


def again(page, selector):
    """Load a page anew, and once more where Chromium did not yet hand it what was stored last."""
    mark = page.evaluate("localStorage.mark = String(performance.timeOrigin)")
    for _ in range(20):
        page.reload()
        page.wait_for_selector(selector)
        if page.evaluate("localStorage.mark") == mark:
            return
        page.wait_for_timeout(500)
    raise AssertionError("the browser has lost what the page had stored")


def unsaid(context, cases):
    """Of pairs of a figure and words, all drawn on one page: words that its message lacks.

    A figure that draws has no message. Each pair comes with what the figure says in their place.
    """
    watched = Watched(context)
    figures = "".join(figure.html(script=False) for figure, _ in cases)
    head = f"<!doctype html><title>Figures</title><style>{components.css()}</style>"
    watched.page.set_content(f"{head}{figures}<script>{components.page_script()}</script>")
    told = watched.page.locator(".lbl-component").evaluate_all(
        "all => all.map((el) => el.querySelector('.lbl-error')?.textContent ?? '')"
    )
    assert not watched.wrong, watched.wrong
    return [(said, says) for (_, said), says in zip(cases, told, strict=True) if said not in says]


def picture(page, k):
    """All that figure k shows: text, and each canvas as an image."""
    return (
        page.locator(FIGURE)
        .nth(k)
        .evaluate(
            "el => { const shown = el.cloneNode(true);"
            " shown.querySelector('.lbl-spoken')?.remove();"
            " return shown.textContent"
            " + [...el.querySelectorAll('canvas')].map(c => c.toDataURL()).join()"
            " + [...el.querySelectorAll('input')].map(i => i.checked).join(); }"
        )
    )


#: Keep what a figure shows, on the page itself, and tell later whether it shows anything else.
_LOOKS = """figure => {
  const words = () => {
    const copy = figure.cloneNode(true);
    copy.querySelector('.lbl-spoken')?.remove();
    return copy.textContent + [...figure.querySelectorAll('input')].map((i) => i.checked).join();
  };
  const canvases = () => [...figure.querySelectorAll('canvas')];
  const paint = (canvas) => {
    const copy = new OffscreenCanvas(canvas.width || 1, canvas.height || 1);
    const pen = copy.getContext('2d', { willReadFrequently: true });
    if (canvas.width && canvas.height) pen.drawImage(canvas, 0, 0);
    return { copy, pixels: () => pen.getImageData(0, 0, copy.width, copy.height).data };
  };
  const said = words(), shown = canvases().map(paint);
  const frame = () => new Promise((done) => {
    requestAnimationFrame(done);
    setTimeout(done, 500); // a browser that has much to do may leave frames out
  });
  window.looksOther = () => differs() || frame().then(frame).then(differs);
  const differs = () => {
    if (words() !== said) return true;
    const now = canvases().map(paint);
    if (now.length !== shown.length) return true;
    return now.some((one, k) => {
      const before = shown[k];
      if (one.copy.width !== before.copy.width || one.copy.height !== before.copy.height)
        return true;
      const a = before.pixels(), b = one.pixels();
      return a.some((value, i) => value !== b[i]);
    });
  };
}"""


def changes(page, k, control):
    """Whether figure k looks different once a control of it was moved, by keyboard."""
    page.locator(FIGURE).nth(k).evaluate(_LOOKS)
    kind, choices = control.evaluate("el => [el.type, el.options?.length ?? 2]")
    if kind == "radio":
        control.check()
        return page.evaluate("looksOther()")
    if choices == 1:
        return True  # nothing else to choose
    fine, coarse = ("ArrowUp", "ArrowDown"), ("PageUp", "PageDown")
    control.focus()
    # away from an end that it may be at; what moves finer than it shows answers to a larger step
    for key in (*fine, *coarse) if kind == "range" else ("ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
        if page.evaluate("looksOther()"):
            return True
    return False


def move(page, label, value):
    """Set a slider, as a hand would."""
    page.get_by_label(label).evaluate(
        "(el, v) => { el.value = v; el.dispatchEvent(new Event('input')); }", value
    )


def rows(page):
    """The table behind a figure, opened, without its header (it is filled when it opens)."""
    page.locator(".lbl-data > summary").click()
    found = page.locator(".lbl-data tbody tr")  # the view of a file has tables of its own
    found.first.wait_for()
    return [row.split("\t") for row in found.all_inner_texts()]


def says(page):
    """The sentence below a page's first figure."""
    return page.locator(".lbl-says").first.text_content()


def in_both_themes(page):
    """A picture of a page's figure in light and dark, in which axe-core finds nothing."""
    page.evaluate(axe_script())
    pictures = []
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        page.wait_for_timeout(100)
        pictures.append(picture(page, 0))
        found = page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})"
            ".then((r) => r.violations.map((v) => `${v.id}: ${v.nodes[0].html}`))"
        )
        assert not found, (theme, found)
    return pictures


def axe_script() -> str:
    """axe-core, which judges whether a page is accessible."""
    spec = importlib.util.find_spec("axe_playwright_python")
    return (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


@contextmanager
def jupyter_lab(folder: Path, cells: Sequence[str]) -> Iterator[str]:
    """Address of a JupyterLab with a notebook of these cells, on this machine only."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, folder / "figures.ipynb")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = subprocess.Popen(
        [
            Path(sys.executable).with_name("jupyter"), "lab", "--no-browser", "--allow-root",
            "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
            "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def run_all_cells(page: Any, address: str) -> None:
    """Open the notebook of :func:`jupyter_lab` and run it."""
    page.goto(f"{address}/lab/tree/figures.ipynb")
    page.wait_for_selector(".jp-Notebook", timeout=180_000)
    page.wait_for_timeout(2000)
    page.get_by_text("Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).click()
