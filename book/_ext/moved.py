"""Pages that moved: at the old address stands a page that leads to the new one, its section too."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError

#: Old page -> new page. Part II was put into a new order in November 2026.
MOVED = {
    "notebooks/07_masks_that_breathe": "notebooks/10_masks_that_breathe",
    "notebooks/08_layer_by_layer": "notebooks/07_layer_by_layer",
    "notebooks/09_order_matters": "notebooks/08_order_matters",
    "notebooks/10_the_sawtooth": "notebooks/09_the_sawtooth",
}
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}: this page has moved</title>
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark"><link rel="canonical" href="{to}">
<script>location.replace("{to}" + location.search + location.hash);</script>
<noscript><meta http-equiv="refresh" content="0; url={to}"></noscript>
<body><p>This page has moved: <a href="{to}">{title}</a>.</p></body></html>
"""


def write(app: Any, exception: Exception | None) -> None:
    """Write one small page for each old address."""
    if exception is not None or app.builder.format != "html":
        return
    for old, new in MOVED.items():
        if old in app.env.all_docs or new not in app.env.all_docs:
            raise ExtensionError(f"{old} leads to {new}: the one must be gone, the other there")
        title = html.escape(app.env.titles[new].astext())
        page = _PAGE.format(to=f"{Path(new).name}.html", title=title)
        (Path(app.outdir) / f"{old}.html").write_text(page, encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    """Connect it."""
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
