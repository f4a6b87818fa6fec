"""The rooms of the package: no import points up, and no two modules import each other."""

import ast
from functools import cache

from tests.conftest import ROOT

PACKAGE = ROOT / "stompp_lite"
#: From the cellar to the roof. A module may import from its own room and from those before it.
ROOMS = (
    ("errors",), ("checks",), ("rng",), ("method",), ("functional", "schedule"), ("networks",),
    ("training",), ("ship",), ("relatives",), ("",), ("local",), ("lab",), ("viz", "tools"),
    ("check", "chapter", "__main__"),
)  # fmt: skip


def modules():
    """Dotted name below the package -> file; the package itself is ''."""
    out = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return out


def imports(path, known):
    """Names of our modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            below = [f"{node.module}.{a.name}" for a in node.names]
            names = [n if n.partition(".")[2] in known else node.module for n in below]
        ours = (n.partition(".")[2] for n in names if n and n.split(".")[0] == "stompp_lite")
        found.update(ours)
    return found


def room(module):
    return next(i for i, r in enumerate(ROOMS) if module.split(".")[0] in r)


@cache
def graph():
    """Each module's own imports, read once for all tests."""
    known = modules()
    return {name: imports(path, known) - {name} for name, path in known.items()}


def test_no_room_imports_one_above_it():
    arrows = [(a, b) for a, targets in graph().items() for b in targets]
    assert len(arrows) > 60
    up = [f"{a} imports {b}" for a, b in arrows if room(b) > room(a)]
    assert not up, up


def test_no_two_modules_import_each_other_not_even_in_a_circle():
    edges, finished = graph(), set()

    def visit(module, path):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in finished:
            for other in sorted(edges[module]):
                visit(other, [*path, module])
            finished.add(module)

    for module in edges:
        visit(module, [])


def test_the_heart_is_one_module_that_imports_nothing_but_the_draws():
    assert graph()["method"] == {"rng"}
    assert len((PACKAGE / "method.py").read_text(encoding="utf-8").splitlines()) <= 160


def test_the_map_names_every_module():
    page = (ROOT / "book" / "api" / "map.md").read_text(encoding="utf-8")
    for name in modules():
        last = name.split(".")[-1]
        if last in ("", "__main__", "chapter") or name in ("viz.figures", "viz.style"):
            continue
        assert f"`{last}`" in page or f"**{last}**" in page, f"{name} is not on the map"


def test_every_module_has_its_place_on_an_api_page():
    pages = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "book" / "api").glob("*.md"))
    rooms = {
        "", "networks", "training", "ship", "relatives", "local", "lab", "viz", "tools", "check",
        "chapter", "__main__",
    }  # fmt: skip
    missing = [m for m in set(modules()) - rooms if f"automodule:: stompp_lite.{m}\n" not in pages]
    assert not missing


def test_tests_stand_in_rooms_and_no_test_module_imports_another():
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    assert len(files) > 25
    assert not [f.name for f in files if f.parent == ROOT / "tests"]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert not module.rpartition(".")[2].startswith("test_"), f"{file}: {module}"


#: Lines of Python that a room may have: a room that grows has to give something up.
BUDGETS = {
    "networks": 2520, "training": 3020, "ship": 3290, "relatives": 790, "local": 1300, "lab": 4590,
    "viz": 2840, "tools": 1500, "check": 1760,
}  # fmt: skip


def test_every_room_keeps_to_its_budget_of_lines():
    for name, budget in BUDGETS.items():
        files = (PACKAGE / name).glob("*.py")
        lines = sum(len(f.read_text(encoding="utf-8").splitlines()) for f in files)
        assert 0.8 * budget < lines <= budget, (name, lines)
