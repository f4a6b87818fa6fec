"""Search that works from a disk: what can be found, in one script that the search page loads.

What can be found is a section, a word or symbol of the notation, or a name of the package, each
with its own text and address. The search itself is MiniSearch, set up in ``_static/search.js``.
Sphinx's own search finds whole pages, fetches its excerpts, which a browser refuses to do for a
file, and marks words on later pages; it is left out of the book.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chapters import SOLUTION
from docutils import nodes
from sphinx import addnodes

NOTATION = "book/notation"
#: In the order in which a page loads them.
SCRIPTS = ("minisearch/minisearch.js", "sections.js", "search.js")
#: Of Sphinx's own search: what every page would load, and what else it leaves in the book.
MARKS = "sphinx_highlight.js"
LEFT_OUT = (
    "searchindex.js",
    "_static/searchtools.js",
    "_static/language_data.js",
    f"_static/{MARKS}",
)
_NAME = re.compile(r"\\([A-Za-z]+)")
_FOLD = re.compile(r"<details\b")
_CLAIM = re.compile(r"\A[A-Z]\d+\Z")
_COMMAND = re.compile(r"\\(?:operatorname|mathcal|mathrm|text|hat|bar|tilde|left|right)\b")
_OWN = (nodes.section, nodes.title, nodes.raw, addnodes.desc)
_HIDDEN = {"cell_output", "tag_hide-input", "tag_hide-cell", "tag_know"}


def collect(app: Any, doctree: nodes.document) -> None:
    """Keep what can be found on a page: kind, anchor, heading, and the text that is its own."""
    page, hidden = app.env.docname, solutions(doctree)
    words = list(_words(doctree, hidden)) if page == NOTATION else []
    kept = []
    for section in doctree.findall(nodes.section):
        heading = section.next_node(nodes.title)
        if heading is not None:
            named = _CLAIM.sub(r"Claim \g<0>", heading.astext())
            kept.append(["", section["ids"][0], named, _text(section, hidden)])
    kept += words
    for described in doctree.findall(addnodes.desc):
        names = [s for s in described.findall(addnodes.desc_signature) if s.parent is described]
        content = described.next_node(addnodes.desc_content)
        if names and names[0]["ids"] and content is not None:
            text = _text(content, hidden)
            kept.append(["name", names[0]["ids"][0], names[0]["fullname"], text])
    if not hasattr(app.env, "lbl_sections"):
        app.env.lbl_sections = {}
    app.env.lbl_sections[page] = kept


def _words(doctree: nodes.document, hidden: set[int]) -> Iterator[list[str]]:
    """Words and symbols of the notation; each gets an address of its own, and is no section's."""
    places = list(doctree.findall(nodes.definition_list_item))
    places += list(next(iter(doctree.findall(nodes.tbody))).findall(nodes.row))
    used = set[str]()
    for place in places:
        word = place.children[0]
        anchor = f"word-{nodes.make_id(word.astext())}"
        while anchor in used:  # a stage l, and how many there are, L
            anchor += "-too"
        used.add(anchor)
        (word if isinstance(word, nodes.term) else place)["ids"].append(anchor)
        hidden.update(map(id, place.findall(nodes.Text)))
        yield ["word", anchor, _text(word, set()), _text(place.children[-1], set())]


def _said(text: nodes.Text) -> str:
    """A text; of a formula, what can be said of it without TeX: its letters, Greek ones too."""
    if not isinstance(text.parent, nodes.math | nodes.math_block):
        return text.astext()
    said = _COMMAND.sub(" ", text.astext())
    return " ".join(re.sub(r"[\\{}$&]", " ", _NAME.sub(_letter, said)).split())


def _letter(name: re.Match[str]) -> str:
    """The Greek letter of that name, if it is one."""
    try:
        return unicodedata.lookup(f"GREEK SMALL LETTER {name[1].removeprefix('var')}")
    except KeyError:
        return name[1]


def _text(whole: nodes.Element, hidden: set[int]) -> str:
    """The own text of a section or an entry: of nothing below, no output, no code in a fold."""
    told, before = [], None
    for text in whole.findall(nodes.Text):
        if id(text) in hidden or not _of(whole, text):
            continue
        block = text.parent
        while isinstance(block, nodes.Inline):
            block = block.parent
        told.append(_said(text) if block is before else f" {_said(text)}")
        before = block
    return " ".join("".join(told).split())


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


def _of(whole: nodes.Element, text: nodes.Node) -> bool:
    """Whether a text stands in ``whole`` itself: in no heading, drawing or section below."""
    node = text.parent
    while node is not whole:
        if isinstance(node, (*_OWN, nodes.math_block)) or _HIDDEN & set(node.get("classes", ())):
            return False
        if isinstance(node, addnodes.pending_xref_condition) and node["condition"] == "*":
            return False  # a type's name, which stands there a second time
        node = node.parent
    return True


def forget(app: Any, env: Any, page: str) -> None:
    """A page that is read again, or gone, has no sections of before."""
    getattr(env, "lbl_sections", {}).pop(page, None)


def own_search(app: Any) -> None:
    """Sphinx makes no index of its own, and its search page is ours."""
    app.builder.search = False


def scripts(app: Any, page: str, template: str, context: dict, doctree: Any) -> None:
    """Only the search page loads what is searched, and no page marks words."""
    if page == "search":
        for name in SCRIPTS:
            app.add_js_file(name)
    kept = [s for s in context.get("script_files", []) if MARKS not in str(s.filename)]
    context["script_files"] = kept


def write(app: Any, exception: Exception | None) -> None:
    """All that can be found: [address, title of its page, anchor, heading, text, kind]."""
    if exception is not None or app.builder.format != "html":
        return
    rows = []
    for page, kept in sorted(app.env.lbl_sections.items()):
        for kind, anchor, heading, text in kept:
            rows.append([app.builder.get_target_uri(page), kept[0][2], anchor, heading, text, kind])
    script = f"const SECTIONS = {json.dumps(rows, ensure_ascii=False, separators=(',', ':'))};\n"
    out = Path(app.outdir)
    (out / "_static" / "sections.js").write_text(script, encoding="utf-8")
    for name in LEFT_OUT:
        (out / name).unlink(missing_ok=True)


def setup(app: Any) -> dict[str, Any]:
    """Connect the pieces; sections are kept in the environment, so pages are read one by one."""
    app.connect("builder-inited", own_search)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", forget)
    app.connect("html-page-context", scripts)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
