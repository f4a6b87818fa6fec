"""Print the built book into one readable PDF: dist/layer-by-layer.pdf (needs Chromium and pypdf).

Each page is printed by the browser as the book shows it, with solutions open and with a still of
every interactive figure, and the pages are joined, with a bookmark each. Reference pages and the
code of figures are left out.
"""

from __future__ import annotations

import io
from pathlib import Path

from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter

from build import HTML, ROOT, pages
from look import FLAGS, find

FOOT = (
    '<div style="font-size:8px;width:100%;text-align:center;color:#555">'
    'Layer by Layer, <span class="title"></span>, page <span class="pageNumber"></span></div>'
)


#: Solutions are for readers of paper, too; set-up cells and the code of figures are not.
OPEN = """document.querySelectorAll("details:not(.hide), .tag_hide-cell details")
    .forEach((d) => { d.open = true; })"""
LEFT_OUT = ("book/api/", "book/recorded_runs")  # to look things up in, not to read


def make(target: Path) -> int:
    """Write the PDF; its number of pages."""
    whole = PdfWriter()
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=find(), args=FLAGS)
        page = browser.new_page(viewport={"width": 900, "height": 1200})
        page.emulate_media(media="print", color_scheme="light")
        for name in (n for n in pages() if not n.startswith(LEFT_OUT)):
            page.goto((HTML / f"{name}.html").as_uri())
            page.wait_for_timeout(500)
            page.evaluate(OPEN)
            page.wait_for_timeout(200)
            printed = page.pdf(
                format="A4", display_header_footer=True, header_template="<span></span>",
                footer_template=FOOT, print_background=True,
                margin={"top": "16mm", "bottom": "16mm", "left": "14mm", "right": "14mm"},
            )  # fmt: skip
            title = page.title().removesuffix(" — Layer by Layer")
            whole.append(PdfReader(io.BytesIO(printed)), outline_item=title)
        browser.close()
    target.parent.mkdir(parents=True, exist_ok=True)
    whole.compress_identical_objects()
    whole.write(target)
    return len(whole.pages)


if __name__ == "__main__":
    made = ROOT / "dist" / "layer-by-layer.pdf"
    count = make(made)
    print(f"{made}: {count} pages, {made.stat().st_size / 1e6:.1f} MB")
