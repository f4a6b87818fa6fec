"""What this book adds to Sphinx: offline pages, links between API and chapters, recorded tables.

What it makes of the notebooks is next door, in ``chapters``.
"""

from __future__ import annotations

import html
import importlib.util
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import caveats
import course
import findings
import lessons
import preview
import processors
import recorded
import which
from docutils import nodes
from drawings import drawing
from sphinx.errors import ExtensionError

PLACEHOLDER = "OWNER"
ROOT = Path(__file__).resolve().parents[2]
EXPLORED = (
    "fair",
    "orders",
    "schedules",
    "groups",
    "hybrids",
    "fashion",
    "orders-dense",
    "orders-cifar",
)
DEPTH = (
    "Three panels of test accuracy against depth, a dot for each run. With SGD at one "
    "rate for all, the straight-through estimator falls to chance at 36 binary "
    "convolutions, while StoMPP, StoMPP plus STE and the hybrid stay between 80 and 88 "
    "percent. With a scale on the binary weights, or with Adam, each method at its own "
    "rate, the straight-through estimator is in the leading group at every depth and "
    "StoMPP is last."
)
BENCH, ZOO = ROOT / "data" / "bench.json", ROOT / "data" / "zoo.json"
REFERENCE = ("book/notation", "book/recorded_runs", "book/protocol", "book/bibliography")
_ARXIV = re.compile(r"\d{4}\.\d{4,5}")
_NUMERIC = re.compile(r"[-+−]?[\d.,]+(?: ?[±%×] ?[\d.,]*)?(?: \(\d+\))?|\d+ h \d\d|split|-")
_CHAPTER = re.compile(r"chapters? (\d+)")


def hide_launch_buttons(app: Any, config: Any) -> None:
    """While the repository's address is a placeholder, a launch button would lead nowhere."""
    options = config.html_theme_options
    if PLACEHOLDER in options.get("repository_url", ""):
        options["launch_buttons"] = {}
        options["repository_url"] = ""


def count_lines(app: Any, config: Any) -> None:
    """Numbers of the API pages that the source itself tells."""
    from stompp_lite.tools.zoo import SAMPLE

    heart = (ROOT / "stompp_lite" / "method.py").read_text(encoding="utf-8")
    config.myst_substitutions["heart_lines"] = len(heart.splitlines())
    config.myst_substitutions["zoo_tested"] = len(SAMPLE)
    time = sum(c.minutes for c in course.chapters())
    config.myst_substitutions["reading_hours"] = round(time / 60)


def drop_scripts(app: Any, page: str, template: str, context: dict, doctree: Any) -> None:
    """No page asks a content network (sphinx-thebe would), and formulas load their script alone."""
    drop = ["thebe"]
    if 'class="math' not in context.get("body", ""):
        drop.append("mathjax")
    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if not any(name in _text(s) for name in drop)]
    styles = context.get("css_files", [])
    context["css_files"] = [s for s in styles if "thebe" not in _text(s)]


def end_the_way(app: Any, page: str, template: str, context: dict, doctree: Any) -> None:
    """Next and previous lead through the chapters to the ledger, and not into the reference."""
    if page == "book/ledger":
        context["next"] = None
        app.add_js_file("ledger.js")  # on this page alone
    elif page.startswith("book/api/") or page in REFERENCE:
        context["next"] = context["prev"] = None


def link_symbols(app: Any, doctree: Any, page: str) -> None:
    """A chapter's link from a name to an API page leads to the name there."""
    objects = app.env.get_domain("py").objects
    for link in doctree.findall(nodes.reference):
        name = link.astext().removesuffix("()")
        there = re.fullmatch(r"(?:\.\./)*book/(api/\w+)\.html", link.get("refuri", ""))
        if there is None or not isinstance(link.next_node(), nodes.literal):
            continue
        found = [
            entry for full, entry in objects.items()
            if entry.docname == f"book/{there[1]}" and f".{full}".endswith(f".{name}")
        ]  # fmt: skip
        if not found:
            raise ExtensionError(f"{page}: the page {there[1]} has no {name!r} to link to")
        link["refuri"] += f"#{min((entry.node_id for entry in found), key=len)}"


def align_numbers(app: Any, doctree: nodes.document) -> None:
    """Columns of numbers end at the right, and a number stays with its interval."""
    for text in list(doctree.findall(nodes.Text)):
        if " ± " in text and not isinstance(
            text.parent, nodes.FixedTextElement | nodes.literal | nodes.math
        ):
            text.parent.replace(text, nodes.Text(text.replace(" ± ", "\u00a0±\u00a0")))
    for table in doctree.findall(nodes.table):
        body = table.next_node(nodes.tbody)
        rows = [list(row.children) for row in table.findall(nodes.row)]
        if body is None or len({len(row) for row in rows}) != 1:
            continue
        for column in zip(*rows, strict=True):
            said = [cell.astext().strip() for cell in column if cell.parent.parent is body]
            filled = [text for text in said if text]
            if filled and all(_NUMERIC.fullmatch(text) for text in filled):
                for cell in column:
                    cell["classes"].append("lbl-num")


def cite_here(app: Any, doctree: nodes.document, page: str) -> None:
    """A chapter's links to arXiv lead to the entry in the bibliography, which works offline too."""
    if not page.startswith("notebooks/"):
        return
    cited = {}
    for citation in app.env.get_domain("cite").citations:
        number = _ARXIV.search(" ".join(citation.entry.fields.values()))
        if number:
            cited[number[0]] = citation.citation_id
    to = app.builder.get_relative_uri(page, "book/bibliography")
    for link in doctree.findall(nodes.reference):
        number = (
            _ARXIV.search(link.get("refuri", "")) if "arxiv" in link.get("refuri", "") else None
        )
        if number and number[0] in cited:
            link["refuri"] = f"{to}#{cited[number[0]]}"


def describe_page(app: Any, page: str, template: str, context: dict, doctree: Any) -> None:
    """What a page is about, for search engines and for previews of links to it."""
    first = next(iter(doctree.findall(nodes.paragraph)), None) if doctree else None
    if page.startswith("notebooks/") and doctree:  # the question, below the byline
        first = next(p for p in doctree.findall(nodes.paragraph) if p.next_node(nodes.strong))
    if first is None:
        return
    said = html.escape(" ".join(first.astext().split())[:200], quote=True)
    title = html.escape(re.sub(r"<.*?>", "", context.get("title", "")), quote=True)
    context["metatags"] += (
        f'\n<meta name="description" content="{said}">\n<meta property="og:title" '
        f'content="{title}">\n<meta property="og:description" content="{said}">'
        f'\n<meta property="og:image" content="{preview.address(app.config)}">'
        '\n<meta name="twitter:card" content="summary_large_image">'
    )


def plain_bibliography(app: Any, page: str, template: str, context: dict, doctree: Any) -> None:
    """A bibliography without roles that are deprecated, or that its parts contradict."""
    body = context.get("body", "").replace(' role="doc-biblioentry"', "")
    context["body"] = body.replace('<div role="list" class="citation-list">', "<div>")


def _text(asset: Any) -> str:
    body = str(getattr(asset, "attributes", {}).get("body", ""))
    return f"{getattr(asset, 'filename', asset)} {body}".lower()


def drop_icon_scripts(app: Any, exception: Exception | None) -> None:
    """The theme draws its icons by a font; a script of 1.5 MB that does it again goes."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for page in out.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        shorter = re.sub(r'\s*<script src="[^"]*scripts/fontawesome\.js[^"]*"></script>', "", text)
        if shorter != text:
            page.write_text(shorter, encoding="utf-8")
    unused = ("scripts/fontawesome.js*", "vendor/fontawesome/webfonts/*.ttf", "**/*.map")
    for path in {path for pattern in unused for path in (out / "_static").glob(pattern)}:
        path.unlink()


def copy_mathjax(app: Any, exception: Exception | None) -> None:
    """Math in pages that are read offline: MathJax comes from an installed package."""
    if exception is not None or app.builder.format != "html":
        return
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    assert spec is not None and spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0]) / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "offline" / "mathjax"
    fonts = "output/chtml/fonts/woff-v2"
    (target / fonts).mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "tex-mml-chtml.js", target)
    shutil.copytree(source / fonts, target / fonts, dirs_exist_ok=True)


def write_components(app: Any) -> None:
    """One script and one style sheet for the interactive figures of all pages."""
    from stompp_lite.viz import components, style

    static = Path(app.outdir) / "_static"
    static.mkdir(parents=True, exist_ok=True)
    (static / "components.js").write_text(components.page_script(), encoding="utf-8")
    for name in components.ALONE:
        (static / f"{name}.js").write_text(components.page_script([name]), encoding="utf-8")
    (static / "components.css").write_text(style.css() + components.css(), encoding="utf-8")
    app.add_js_file("components.js", loading_method="defer")
    app.add_css_file("components.css")


def add_own_script(app: Any, page: str, *_: Any) -> None:
    """Give a page that shows a component of ``components.ALONE`` its script."""
    from stompp_lite.viz import components

    if page.rpartition("/")[2] in components.ALONE:
        app.add_js_file(f"{page.rpartition('/')[2]}.js", loading_method="defer")


def link_chapters(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """In API pages, the first "chapter 7" of a docstring line becomes a link to it."""
    pages = {
        int(Path(doc).name[:2]): doc
        for doc in app.env.found_docs
        if doc.startswith("notebooks/") and Path(doc).name[:2].isdigit()
    }

    def link(match: re.Match) -> str:
        page = pages.get(int(match[1]))
        return f":doc:`{match[0]} </{page}>`" if page else match[0]

    for i, text in enumerate(lines):
        lines[i] = _CHAPTER.sub(link, text)


def recorded_tables(app: Any, page: str, source: list[str]) -> None:
    """Replace each line "% table KIND RECIPE" by a table computed from the records."""
    from stompp_lite.lab import claims
    from stompp_lite.tools import bench, zoo
    from stompp_lite.viz import explore, figures, playground, style

    def figure(component: Any) -> str:
        return f"```{{raw}} html\n{component.html(script=False)}\n```"

    def depth(_: str) -> str:
        style.use()
        svg = io.StringIO()
        figures.fight().savefig(svg, format="svg", bbox_inches="tight")
        return f"```{{raw}} html\n{drawing(svg.getvalue(), 'lead', DEPTH, '')}\n```"

    make = {
        "summary": recorded.summary,
        "recorded": lambda what: getattr(recorded, what)(),
        "ledger": caveats.page,
        "minus": lambda sides: claims.difference(*sides.split(" - ")),
        "processors": lambda _: processors.table(),
        "films": lambda _: processors.films(),
        "found": lambda what: f"```{{raw}} html\n{getattr(findings, what)()}\n```",
        "news": lambda _: findings.runs(),
        "playground": lambda _: figure(playground.playground(address=True)),
        "freezing": lambda _: figure(explore.freezing(preview.race())),
        "depth": depth,
        "course": lambda part: course.table(int(part)),
        "paths": lambda _: course.paths(),
        "lessons": lessons.plan,
        "map": lambda _: f"```{{raw}} html\n{course.course_map()}\n```",
        "which": lambda what: getattr(which, what)(),
        "results": lambda _: figure(explore.results(EXPLORED)),
        "zoo": lambda _: zoo.table(zoo.read(ZOO)),
        "bench": lambda _: (
            "```text\n" + bench.text(json.loads(BENCH.read_text(encoding="utf-8"))) + "\n```"
        ),
    }
    source[0] = re.sub(
        r"^% table (\w+) (.+)$", lambda m: make[m[1]](m[2]), source[0], flags=re.MULTILINE
    )


def setup(app: Any) -> dict[str, Any]:
    """Connect the pieces."""
    app.connect("config-inited", hide_launch_buttons, priority=900)
    app.connect("config-inited", count_lines, priority=100)
    app.connect("builder-inited", write_components)
    app.connect("builder-inited", preview.write)
    app.connect("source-read", recorded_tables)
    app.connect("html-page-context", drop_scripts, priority=900)
    app.connect("doctree-read", align_numbers)
    app.connect("doctree-resolved", link_symbols)
    app.connect("doctree-resolved", cite_here)
    app.connect("html-page-context", add_own_script)
    app.connect("html-page-context", describe_page)
    app.connect("html-page-context", plain_bibliography)
    app.connect("html-page-context", end_the_way)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", drop_icon_scripts)
    app.connect("autodoc-process-docstring", link_chapters)
    app.add_css_file("layer.css")
    app.add_js_file("layer.js")
    app.add_js_file("panels.js")
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return {
        "version": "1",
        "env_version": sum(sum(path.read_bytes()) for path in sources),  # a change: all anew
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
