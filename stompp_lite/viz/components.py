"""Interactive figures: ES modules that compute and draw in the browser; Python seeds their data.

Each file in ``web/`` is a module with anywidget's ``render({model, el})``. In a notebook with a
kernel a component is an ipywidget (where anywidget is installed; without it, the same figure as
HTML). A stored notebook keeps its data alone, and the book's pages share one script that draws them
all (:func:`page_script`), without a kernel and without a network.

A reader's position is in ``component.state`` while the kernel runs.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError
from stompp_lite.viz import style
from stompp_lite.viz.bank import encoded

#: Components that there are, in the order in which the book meets them.
NAMES = (
    "freezing", "predict", "predict_curve", "twin", "bits", "smoothing", "arrows", "latents",
    "step", "schedule", "doors", "reach", "commit", "film", "results", "attention", "alpha",
    "landscape", "signals", "digit_machine", "file_view", "roofline", "playground",
)  # fmt: skip
_SHARED = (
    "kit",
    "draw",
    "bars",
    "noise",
    "method",
    "strip",
    "answers",
    "gate",
    "curves",
    "packed",
    "pad",
)  # modules that others import, each after what it imports
#: Only the playground's page asks for it; so that no other page loads it, it has its own script.
ALONE = ("playground",)
_IMPORT = re.compile(r'^import \{([^}]+)\} from "\./(\w+)\.js";\n', re.MULTILINE)
_LIGHT = ".lbl, .lbl-component"
_DARK = ", ".join(
    f"{page} .lbl"
    for page in (
        'html[data-theme="dark"]',
        'body[data-jp-theme-light="false"]',
        'html[theme="dark"]',
    )
)
#: What only readers of a module need: indentation, and comments that have lines of their own. (No
#: text in a module goes over several lines.)
_SPARE = re.compile(r"^[ \t]*(?:/\*\*(?:(?!\*/)[\s\S])*\*/\n|//.*\n)?", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)


# ---- one script from several modules -------------------------------------------------------------
@lru_cache
def _source(name: str) -> str:
    web = resources.files("stompp_lite.viz") / "web"
    return (web / name).read_text(encoding="utf-8")


def _module(name: str) -> str:
    """A module as an expression: its imports become names of other modules, its exports a value."""
    source = _SPARE.sub("", _source(f"{name}.js"))
    exported = _EXPORT.findall(source)
    body = _EXPORT.sub("", _IMPORT.sub(r"const {\1} = $\2;\n", source))
    return f"const ${name} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


def _looks() -> str:
    """Looks and words of :mod:`stompp_lite.viz.style`, for JavaScript."""
    dashes: dict[Any, list[float] | None] = {
        "-": None, "--": [7, 4], ":": [2, 3], "-.": [8, 3, 2, 3]
    }  # fmt: skip
    looks = {
        name: {
            "label": m.label,
            "tone": _tone(name),
            "dash": dashes[m.line] if isinstance(m.line, str) else [2 * x for x in m.line[1]],
        }
        for name, m in style.METHODS.items()
    }
    return f"const LOOKS = {json.dumps(looks)}, WORDS = {json.dumps(style.WORDS)};\n"


def _tone(name: str) -> str:
    return name.replace("+", "-")


def _bundle(names: Sequence[str]) -> str:
    """The chosen components with all that they need, as statements of one script."""
    parts = [_source("vendor/uPlot.js"), "\n", _looks()]
    if "playground" in names:  # a worker starts from the text of its script
        parts.append(f"const WORKER = {_json(worker())};\n")
    if any(name.startswith("predict") for name in names):
        parts.append(f'const BANK = "{encoded()}";\n')
    return "".join([*parts, *map(_module, _needed(names) if names else _SHARED)])


def _needed(names: Sequence[str]) -> list[str]:
    """These modules and all that they import, each after what it imports."""
    found: list[str] = []
    for name in names:
        others = [other for _, other in _IMPORT.findall(_source(f"{name}.js"))]
        found += [one for one in (*_needed(others), name) if one not in found]
    return found


def worker() -> str:
    """The script of the playground's worker: the engine, without any drawing."""
    return "".join(map(_module, ("method", "layers", "engine", "local"))) + _source("worker.js")


def esm(name: str) -> str:
    """A component as one ES module with a default export, as anywidget wants it.

    Raises:
        ConfigError: there is no such component.
    """
    one_of(name, NAMES, "component")
    return f"{_bundle([name])}\nexport default {{ render: $kit.guarded(${name}.render) }};\n"


def css() -> str:
    """The style of all components, with the colors of all looks in both themes."""
    tones = ""
    for themes, key in ((_LIGHT, "color"), (_DARK, "dark")):
        colors = {_tone(n): getattr(m, key, m.color) for n, m in style.METHODS.items()}
        tones += f"{themes} {{ {' '.join(f'--lbl-{n}: {c};' for n, c in colors.items())} }}\n"
    return _source("vendor/uPlot.css") + _source("components.css") + tones


def page_script(names: Sequence[str] | None = None) -> str:
    """One classic script that draws the components of a page: for pages that run no kernel.

    Args:
        names: components; without them all but those of :data:`ALONE`.
    """
    if names is None:
        names = [name for name in NAMES if name not in ALONE]
    return f"(() => {{\n{_page(names)}\n}})();\n"


def _page(names: Sequence[str]) -> str:
    listed = ", ".join(f"{name}: ${name}" for name in names)
    return f"{_bundle(names)}\nconst components = {{ {listed} }};\n{_source('host.js')}"


# ---- what a notebook shows -----------------------------------------------------------------------
def _json(data: Any) -> str:
    """JSON that can stand in a script element: no tag can end it."""
    try:
        text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the data of a figure cannot be stored: {_fault(data)}") from error
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _fault(data: Any, place: str = "") -> str:
    """What JSON cannot hold in ``data``, with the keys that lead there; or nothing."""
    if isinstance(data, Mapping | list | tuple):
        pairs = data.items() if isinstance(data, Mapping) else enumerate(data)
        return next(filter(None, (_fault(x, f"{place}[{key!r}]") for key, x in pairs)), "")
    if isinstance(data, float) and not math.isfinite(data):
        return f"data{place} is {data}; give None where there is no number"
    if data is None or isinstance(data, bool | int | float | str):
        return ""
    return f"data{place} is of type {type(data).__name__}; give plain numbers, text and lists"


class Component:
    """An interactive figure. The last expression of a cell shows it.

    Args:
        name: one of :data:`NAMES`.
        data: what it draws; anything that JSON can hold.

    Raises:
        ConfigError: there is no such component, or the data holds what JSON cannot, such as NaN.
    """

    def __init__(self, name: str, data: Mapping[str, Any]) -> None:
        self.name, self.data = one_of(name, NAMES, "component"), dict(data)
        self._stored = _json(self.data)
        self._widget: Any = None

    @property
    def widget(self) -> Any:
        """The live figure, an ipywidget; None where anywidget is not installed."""
        if self._widget is None:
            try:
                import anywidget
                import traitlets
            except ImportError:
                return None
            traits = {
                "_esm": esm(self.name),
                "_css": css(),
                "data": traitlets.Dict(self.data).tag(sync=True),
                "state": traitlets.Dict({}).tag(sync=True),
            }
            self._widget = type(f"Live_{self.name}", (anywidget.AnyWidget,), traits)()
        return self._widget

    @property
    def state(self) -> dict[str, Any]:
        """What the reader has set; empty before anything moved, or without a live figure."""
        return dict(self._widget.state) if self._widget is not None else {}

    def html(self, script: bool = True) -> str:
        """The figure as HTML; without ``script`` its data alone, for pages that bring that."""
        stored = (
            f'<div class="lbl-component" data-component="{self.name}">'
            f'<script type="application/json">{self._stored}</script>'
            "<p>This figure moves in the book, and here when you run the cell.</p></div>"
        )
        if not script:
            return stored
        return f'{stored}<style>{css()}</style><script type="module">{_page([self.name])}</script>'

    def __repr__(self) -> str:
        return f"<interactive figure {self.name!r}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        if self.widget is None:
            return {"text/plain": repr(self), "text/html": self.html()}
        live = self.widget._repr_mimebundle_()
        bundle = live[0] if isinstance(live, tuple) else live
        return {**bundle, "text/plain": repr(self), "text/html": self.html(script=False)}
