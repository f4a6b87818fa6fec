"""Search that works from a disk: the text of every section in one script, with excerpts of it.

Sphinx's own search finds pages only, and fetches its excerpts, which a browser refuses to do for a
file. Here a result is a section, and the sentence around what was asked stands below it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from chapters import SOLUTION
from docutils import nodes

_FOLD = re.compile(r"<details\b")


def collect(app: Any, doctree: nodes.document) -> None:
    """Keep a page's sections: anchor, heading, and the text that stands in no section below."""
    kept, hidden = [], solutions(doctree)
    for section in doctree.findall(nodes.section):
        heading = section.next_node(nodes.title)
        own = [
            text.astext() for text in section.findall(nodes.Text)
            if id(text) not in hidden and _of(section, text)
        ]  # fmt: skip
        if heading is not None:
            text = " ".join(" ".join(own).split())
            kept.append([section["ids"][0], heading.astext(), text])
    if not hasattr(app.env, "lbl_sections"):
        app.env.lbl_sections = {}
    app.env.lbl_sections[app.env.docname] = kept


def solutions(doctree: nodes.document) -> set[int]:
    """Texts of solutions, by identity: search gives none away."""
    found, depth = set[int](), 0
    for node in doctree.findall():
        if isinstance(node, nodes.raw):
            if depth or f'<details class="{SOLUTION}">' in node.astext():
                depth += len(_FOLD.findall(node.astext()))
                depth -= node.astext().count("</details>")
        elif isinstance(node, nodes.container) and "tag_solution" in node["classes"]:
            found.update(map(id, node.findall(nodes.Text)))
        elif depth and isinstance(node, nodes.Text):
            found.add(id(node))
    return found


def _of(section: nodes.section, text: nodes.Node) -> bool:
    """Whether a text stands in the section itself: in no heading, drawing or section below."""
    node = text.parent
    while node is not section:
        if isinstance(node, nodes.section | nodes.title | nodes.raw):
            return False
        node = node.parent
    return True


def forget(app: Any, env: Any, page: str) -> None:
    """A page that is read again, or gone, has no sections of before."""
    getattr(env, "lbl_sections", {}).pop(page, None)


def add_script(app: Any, page: str, template: str, context: dict, doctree: Any) -> None:
    """Only the search page loads what is searched."""
    if page == "search":
        app.add_js_file("sections.js")
        app.add_js_file("search.js")


def write(app: Any, exception: Exception | None) -> None:
    """All sections as one script: [page, page's title, anchor, heading, text]."""
    if exception is not None or app.builder.format != "html":
        return
    rows = []
    for page, kept in sorted(app.env.lbl_sections.items()):
        for anchor, heading, text in kept:
            rows.append([app.builder.get_target_uri(page), kept[0][1], anchor, heading, text])
    script = f"const SECTIONS = {json.dumps(rows, ensure_ascii=False, separators=(',', ':'))};\n"
    (Path(app.outdir) / "_static" / "sections.js").write_text(script, encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    """Connect the pieces; sections are kept in the environment, so pages are read one by one."""
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", forget)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
