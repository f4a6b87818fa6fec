"""A figure of a notebook as part of a page: it follows the theme, and its words stay readable.

A notebook draws for a white page. Here each of its colors becomes a pair, one for light pages and
one for dark ones. Lines and patches take theirs from :mod:`stompp_lite.viz.style`. Words have no
pair of their own: their color depends on what they stand on, a patch, a map or the page.
"""

from __future__ import annotations

import base64
import html
import io
import re
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from stompp_lite.viz import style

#: Grounds of a page that a figure may stand on: of each theme, the one that is hardest to write on.
PAGE = ("#f4f7fa", "#1a232c")
_PADDED = 0.21  # inches that a notebook puts around a drawing
READABLE = 4.5  # WCAG 2.1, 1.4.3
#: What matplotlib calls a part -> what panels.js calls it.
_PARTS = (
    (r"axes_\d+", 'data-axes=""'),
    (r"matplotlib\.axis_\d+", 'data-axis=""'),
    (r"legend_\d+", 'data-legend=""'),
)
_NAMES = {"#000000": "ink", **{pair[0]: name for name, pair in reversed(style.COLORS.items())}}
_PAINT = re.compile(r"\b(fill|stroke): (#[0-9a-f]{6})", re.IGNORECASE)
_PAIR = re.compile(r"(fill|stroke): (#\w+) or (#\w+)")
_PAINTED = re.compile(r"<defs>.*?</defs>|<(path|image|text)\b[^>]*>", re.DOTALL)
_SEEN_THROUGH = re.compile(r"opacity: 0?\.\d")


def drawing(svg: str, name: str, alt: str, caption: str) -> str:
    """The figure in the colors of the page, with names of its own.

    Args:
        svg: what matplotlib wrote. name: unique on the page, before every id.
        alt: what the figure shows, for those who do not see it. caption: below it; may be empty.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r">\s+<", "><", svg)
    svg = readable(svg)
    for old, new in _PARTS:
        svg = re.sub(rf' id="{old}"', f" {new}", svg)
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
    named = {name for pair in used for name in pair if name}
    short = {old: f"{name}{k}" for k, old in enumerate(sorted(named))}
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", svg)
    svg = _without_bare_groups(svg)
    svg = re.sub(r'xlink:href="#([^"]+)"', lambda m: f'href="#{short[m[1]]}"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{short[m[1]]})", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]+"', lambda places: _shorter(places[0]), svg)
    svg = re.sub(r'<(\w+)[^>]*? style="([^"]+)"', lambda m: _painted(m[0], m[1], m[2]), svg)
    looks: dict[str, str] = {}  # each style once: a drawing repeats few of them often
    svg = re.sub(
        r' style="([^"]+)"',
        lambda m: f' class="{looks.setdefault(m[1], f"{name}s{len(looks)}")}"',
        svg,
    )
    rules = "".join(_rules(look, said) for look, said in looks.items())
    svg = re.sub(r"(<svg[^>]*>)", rf"\1<style>{rules}</style>", svg, count=1)
    wide = re.search(r'<svg [^>]*\bwidth="([\d.]+)pt"', svg)
    narrow = (
        'class="lbl-narrow" ' if wide and float(wide[1]) < 72 * (style.NARROW + _PADDED) else ""
    )
    svg = svg.replace("<svg ", f'<svg {narrow}role="img" aria-label="{html.escape(alt)}" ', 1)
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure class="lbl-still">{svg}{below}</figure>'


def _shorter(places: str) -> str:
    """Coordinates to a tenth of a point, which is less than a pixel."""
    places = re.sub(r"(\d+\.\d)\d+", r"\1", places)
    return re.sub(r"\.0(?!\d)", "", re.sub(r"(?<!^) {2,}", " ", places))


def _without_bare_groups(svg: str) -> str:
    """The drawing without groups that only held a name that nothing refers to."""
    kept, stays = [], []
    for token in re.findall(r"<[^>]+>|[^<]+", svg):
        if token == "<g>" or (token.startswith("<g ") and not token.endswith("/>")):
            stays.append(token != "<g>")
            if not stays[-1]:
                continue
        elif token == "</g>" and not stays.pop():
            continue
        kept.append(token)
    return "".join(kept)


def _rules(look: str, said: str) -> str:
    """A style as a rule of the page; where it has pairs of colors, with a second one for dark."""
    dark = "".join(f"{m[1]}:{m[3]};" for m in _PAIR.finditer(look))
    light = _PAIR.sub(r"\1: \2", look)
    return f".{said}{{{light}}}" + (f'html[data-theme="dark"] .{said}{{{dark}}}' if dark else "")


# ---- lines and patches ---------------------------------------------------------------------------
def _painted(tag: str, kind: str, look: str) -> str:
    """A tag with the colors of the page. Words have theirs already."""

    def paint(m: re.Match[str]) -> str:
        color, line = m[2].lower(), m[1] == "stroke"
        if color == "#ffffff":
            return f"{m[1]}: {'var(--pst-color-background)' if line else 'transparent'}"
        name = _NAMES.get(color)
        if name:
            return f"{m[1]}: var(--fig-{'frozen-line' if line and name == 'frozen' else name})"
        if line or kind == "use":  # a line, or a dot of it
            return "{}: {} or {}".format(m[1], *_both(color, line=True))
        return m[0]  # a patch

    return tag if kind == "text" else tag.replace(look, _PAINT.sub(paint, look))


def _mixed(color: str, other: str, share: float) -> str:
    pairs = ((int(c[i : i + 2], 16) for c in (color, other)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


# ---- words ---------------------------------------------------------------------------------------
@dataclass
class _Patches:
    """What has been painted so far, the last on top."""

    painted: list[tuple[np.ndarray, str | Image.Image]] = field(default_factory=list)

    def path(self, tag: str) -> None:
        """A filled shape. One that shines through, or a white one, is no ground of its own."""
        filled = re.search(r"fill: (#[0-9a-f]{6})", tag)
        if filled and filled[1] != "#ffffff" and not _SEEN_THROUGH.search(tag):
            places = re.findall(r"-?[\d.]+(?:e-?\d+)?", re.search(r' d="([^"]*)"', tag)[1])
            self.painted.append((np.array(places, float).reshape(-1, 2), filled[1]))

    def image(self, tag: str) -> None:
        """A map of pixels: where it lies, as a matrix from the unit square to the drawing."""
        said = dict(re.findall(r' ([\w:]+)="([^"]*)"', tag))
        place = np.eye(3)
        for kind, numbers in re.findall(r"(\w+)\(([^)]*)\)", said.get("transform", "")):
            n = [float(x) for x in re.split(r"[ ,]+", numbers)]
            a, b, c, d, e, f = {
                "matrix": n, "translate": [1, 0, 0, 1, *n], "scale": [n[0], 0, 0, n[-1], 0, 0]
            }[kind]  # fmt: skip
            place = place @ [[a, c, e], [b, d, f], [0, 0, 1]]
        x, y, w, h = (float(said.get(key, 0)) for key in ("x", "y", "width", "height"))
        pixels = base64.b64decode(said["xlink:href"].split(",", 1)[1])
        picture = Image.open(io.BytesIO(pixels)).convert("RGBA")
        self.painted.append((place @ [[w, 0, x], [0, h, y], [0, 0, 1]], picture))

    def below(self, x: float, y: float) -> tuple[str, str]:
        """The color at a place on light and on dark pages. A map of pixels is the same on both."""
        for shape, ground in reversed(self.painted):
            if isinstance(ground, str):
                if _inside(shape, x, y):
                    return _both(ground)
                continue
            u, v = (np.linalg.inv(shape) @ [x, y, 1])[:2]
            if 0 <= u < 1 and 0 <= v < 1:
                pixel = ground.getpixel((int(u * ground.width), int(v * ground.height)))
                if pixel[3] > 127:
                    color = "#{:02x}{:02x}{:02x}".format(*pixel[:3])
                    return color, color
        return PAGE


def _inside(points: np.ndarray, x: float, y: float) -> bool:
    """Whether a polygon holds a place: a ray from it crosses its outline an odd number of times."""
    (x0, y0), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
    crossed = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        right = x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return bool(np.count_nonzero(crossed & right) % 2)


def _middle(tag: str, said: str) -> tuple[float, float] | None:
    """About the middle of a word; None where matplotlib placed its letters one by one."""
    place = re.search(r' x="([-\d.]+)" y="([-\d.]+)"|translate\(([-\d.]+) ([-\d.]+)\)', tag)
    size = re.search(r"font-size: ([\d.]+)px", tag)
    if place is None or size is None:
        return None
    x, y = (float(n) for n in place.groups() if n is not None)
    turned = np.deg2rad(float((re.search(r"rotate\((-?[\d.]+)", tag) or [0, 0])[1]))
    anchor = (re.search(r"text-anchor: (\w+)", tag) or ["", "start"])[1]
    along = 0.5 * float(size[1]) * len(said) * {"middle": 0, "start": 0.5, "end": -0.5}[anchor]
    up = 0.35 * float(size[1])
    return x + along * np.cos(turned) + up * np.sin(turned), (
        y + along * np.sin(turned) - up * np.cos(turned)
    )


def readable(svg: str) -> str:
    """The drawing, with every word in a color that can be read on what is behind it."""
    patches = _Patches()

    def each(m: re.Match[str]) -> str:
        tag, kind = m[0], m[1]
        if kind == "text":
            place = _middle(tag, svg[m.end() : svg.index("<", m.end())])
            if place is None:
                return tag
            fill = re.search(r"; fill: (#[0-9a-f]{6})", tag)
            color = fill[1] if fill else style.INK
            shown = _word(color, patches.below(*place))
            bare = tag.replace(fill[0], "") if fill else tag
            return bare if not shown else bare.replace('style="', f'style="{shown}; ', 1)
        if kind:
            getattr(patches, kind)(tag)
        return tag

    return _PAINTED.sub(each, svg)


def _both(color: str, line: bool = False) -> tuple[str, str]:
    """A color on light pages and on dark ones; a line is lighter there, a patch stays as it is."""
    name = _NAMES.get(color, "")
    if name == "frozen" and line:
        name = "frozen-line"
    return style.COLORS.get(name, (color, _mixed(color, "#ffffff", 0.4) if line else color))


def _word(color: str, grounds: tuple[str, str]) -> str:
    """How a word of this color is written on the grounds of the two themes."""
    if grounds == PAGE and color == style.INK:
        return ""  # as all words of the page
    shown = (
        next((c for c in (own, color) if style.contrast(c, on) >= READABLE), _moved(own, on))
        for own, on in zip(_both(color, line=True), grounds, strict=True)
    )
    return "fill: {} or {}".format(*shown)


def _moved(color: str, ground: str) -> str:
    """The nearest color towards black or white that can be read on the ground."""
    end = max("#000000", "#ffffff", key=lambda c: style.contrast(c, ground))
    steps = (_mixed(color, end, k / 20) for k in range(21))
    return next(c for c in steps if style.contrast(c, ground) >= READABLE or c == end)
