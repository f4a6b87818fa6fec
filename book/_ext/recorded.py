"""The page of recorded runs: its index, its sections of doubts, and what waits to be run.

All of it comes from the recipes and from the records that are there when the book is built.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from caveats import told_in
from course import ROOT, heading, lines, numbered
from sphinx.errors import ExtensionError

from stompp_lite.lab.claims import files
from stompp_lite.lab.ledger import parts, read
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.recipes_doubts import DOUBTS
from stompp_lite.lab.recipes_landscape import LANDSCAPE
from stompp_lite.lab.report import markdown
from stompp_lite.viz import tables

PAGE = ROOT / "book" / "recorded_runs.md"
#: Recipe -> a page that uses it without naming it in a line of code.
ELSEWHERE = {
    "race": "[landing page](index.md)",
    "playground": "[playground](playground.md)",
    "playground-signals": "[playground](playground.md)",
    "processors": "this page",
    "cifar-quarter": "[ledger](ledger.md)",
    **{recipe.name: "[17](../notebooks/17_the_landscape.ipynb)" for recipe in LANDSCAPE},
}
_HEADING = re.compile(r"^##+ ([\w-]+)$", re.MULTILINE)
_READS = re.compile(
    r"\b(?:read_all|results)\(|\bfor \w+ in \("
)  # a line of code that names recipes


def recorded(recipe: str) -> int:
    """How many runs of a recipe are recorded."""
    return len(files(recipe))


@cache
def _decided() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, claim in read().items():
        sides = [side for _, row in claim.comparisons for side in row.sides]
        for recipe in dict.fromkeys(recipe for side in sides for recipe, _ in parts(side)):
            found.setdefault(recipe, []).append(name)
    return found


def claims_of(recipe: str) -> list[str]:
    """The claims that a comparison of this recipe's runs decides."""
    return _decided().get(recipe, [])


# ---- the sections --------------------------------------------------------------------------------
def summary(recipe: str) -> str:
    """The runs of a recipe as a table, and what is missing (Markdown)."""
    if not recorded(recipe):
        return f"*{recipe}: not run yet.*"
    table, missing = tables.matrix(recipe), RECIPES[recipe].missing
    if missing and recorded(recipe) < len(RECIPES[recipe].runs):
        return f"{table}\n\n*Not complete: {missing}.*"
    return table


def doubts() -> str:
    """A section for each recipe of a doubt that has records, and the names of the others."""
    found = []
    for recipe in DOUBTS:
        count = recorded(recipe.name)
        if not count:
            continue
        links = ", ".join(f"[{name}](#claim-{name.lower()})" for name in claims_of(recipe.name))
        decides = f" Used in claim {links}." if links else ""
        runs = f"{count} of {len(recipe.runs)} runs."
        said = f"{recipe.question} {runs}{decides}"
        found.append(f"### {recipe.name}\n\n{said}\n\n{summary(recipe.name)}")
    waiting = [f"`{recipe.name}`" for recipe in DOUBTS if not recorded(recipe.name)]
    if waiting:
        found.insert(0, f"Not recorded yet: {', '.join(waiting)}.")
    return "\n\n".join(found)


def waiting() -> str:
    """The recipes of full size, and that nothing on the page speaks of full scale."""
    names = [f"`{name}`" for name, r in RECIPES.items() if r.full and not recorded(name)]
    return (
        f"Other widths, and the papers' networks at full size on CIFAR, ImageNet and SST-2. Their "
        f"recipes ({', '.join(names)}) are ready and tested, and wait for a GPU; nothing on this "
        f"page says what happens at full scale."
    )


# ---- the index -----------------------------------------------------------------------------------
def sections(page: str) -> list[str]:
    """The recipes that have a section on the page, from its source, in its order."""
    made = [recipe.name for recipe in DOUBTS if recorded(recipe.name)]
    filled = page.replace("% table recorded doubts", "\n".join(f"### {name}" for name in made))
    return [name for name in _HEADING.findall(filled) if name in RECIPES]


@cache
def _notebooks() -> list[tuple[Path, str, set[str]]]:
    """Each notebook: its path, the lines of code that read records, and the claims it names."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        code = [lines(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        reads = [line for line in "\n".join(code).splitlines() if _READS.search(line)]
        found.append((path, "\n".join(reads), told_in(text)))
    return found


def chapters(recipe: str) -> Iterator[str]:
    """Links to the chapters that read a recipe's runs, or name a claim that they decide."""
    claims = set(claims_of(recipe))
    for path, reads, told in _notebooks():
        if f'"{recipe}"' in reads or claims & told:
            number = numbered(path.stem)
            yield f"[{number or f'*{heading(path)}*'}](../notebooks/{path.name})"
    if recipe in ELSEWHERE:
        yield ELSEWHERE[recipe]


def index(page: str | None = None) -> str:
    """Every recipe with records: its section, what it asks, its runs, who uses it (Markdown).

    Args:
        page: the source of the page of recorded runs, if it is not to be read.

    Raises:
        ExtensionError: a recipe that has records has no section; it is named.
    """
    known = sections(PAGE.read_text(encoding="utf-8") if page is None else page)
    lost = [name for name in RECIPES if recorded(name) and name not in known]
    if lost:
        raise ExtensionError(
            f"{PAGE.name} has no section for {', '.join(lost)}, of which runs are recorded; give "
            f"each a heading with its name and a line '% table summary NAME'"
        )
    rows = []
    for name in known:
        if count := recorded(name):
            asked = re.match(r".+?[?.](?= |$)", RECIPES[name].question)
            planned = len(RECIPES[name].runs)
            rows.append([
                f'<a href="#{name}">{name}</a>',
                asked[0] if asked else RECIPES[name].question,
                f"{count}" if count == planned else f"{count} of {planned}",
                ", ".join(chapters(name)),
            ])  # fmt: skip
    return markdown(["runs", "what they ask", "how many", "chapters"], rows)
