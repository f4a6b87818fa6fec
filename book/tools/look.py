"""Open every built page in Chromium without a network, take screenshots, report what is wrong.

Usage: python book/tools/look.py [page ...]   (after a build; needs Chromium, see CONTRIBUTING)
       python book/tools/look.py --readme     (only take the README's picture of a page again)

Four views of each page, light, dark, phone and print, go to build/look. A console error, a failed
or outside request, or a page wider than a phone ends with exit status 1.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from build import HTML, ROOT, pages

VIEWS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
    "print": {"color_scheme": "light", "viewport": {"width": 794, "height": 1123}},
}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
#: What the README shows of the book, a section of a page, and where the picture is kept.
README = ("book/found", "what-we-found")
PICTURE = ROOT / "book" / "_static" / "chapter.png"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find() -> str:
    """Path of a Chromium; ends the program where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        sys.exit("No Chromium found. On Debian or Ubuntu: apt-get install chromium")
    return found


def main(chosen: list[str]) -> int:
    """Visit the pages; 1 if anything is wrong."""
    browser_path = find()
    out = ROOT / "build" / "look"
    out.mkdir(parents=True, exist_ok=True)
    problems = []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=browser_path, args=FLAGS)
        for view, options in VIEWS.items():
            context = browser.new_context(offline=True, **options)
            for name in chosen or pages():
                page = context.new_page()
                found: list[str] = []
                page.on("console", lambda m, f=found: f.append(m.text) if m.type == "error" else 0)
                page.on("requestfailed", lambda r, f=found: f.append(f"failed: {r.url}"))
                page.on(
                    "request",
                    lambda r, f=found: f.append(r.url) if r.url.startswith("http") else None,
                )
                page.goto((HTML / f"{name}.html").as_uri())
                if view == "print":
                    page.emulate_media(media="print")
                page.wait_for_timeout(600)
                width = page.evaluate("document.documentElement.scrollWidth")
                if width > options["viewport"]["width"] + 1:
                    found.append(f"the page is {width} pixels wide")
                if page.locator("mjx-merror").count():
                    found.append("a formula does not parse")
                target = out / f"{name.replace('/', '_')}-{view}.png"
                page.screenshot(path=target, full_page=True)
                problems += [f"{name} ({view}): {text}" for text in found]
                page.close()
            context.close()
        browser.close()
    print("\n".join(problems) or f"no problems; screenshots in {out}")
    return bool(problems)


def picture() -> int:
    """Take the README's picture of a page; 1 if the page has no such section any more."""
    name, section = README
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=find(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 820}, color_scheme="light")
        page.goto((HTML / f"{name}.html").as_uri() + f"#{section}")
        heading = page.locator(f"#{section}")
        if not heading.count():
            print(f"{name} has no section {section!r}: give README in {__file__} another.")
            return 1
        heading.evaluate("el => { document.fonts.ready.then(() => el.scrollIntoView()); }")
        page.wait_for_timeout(1500)  # formulas, and the contents at the side
        shot = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
        browser.close()
    colors = shot.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE)
    colors.save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--readme"]:
        sys.exit(picture())
    sys.exit(main([str(Path(a)) for a in sys.argv[1:]]))
