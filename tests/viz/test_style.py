"""How methods look: two of them never look alike, on a light page or on a dark one."""

import re
from itertools import combinations

import numpy as np
import pytest

from stompp_lite.viz import style

PAGES = ("#ffffff", "#11171d")


def oklab(color):
    """A color in OKLab (Ottosson 2020), in which equal distances look about equal."""
    levels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ] @ linear
    return [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ] @ np.cbrt(cones)


@pytest.mark.parametrize("theme", [0, 1])
def test_two_methods_differ_in_color_and_in_marker(theme):
    for a, b in combinations(style.METHODS.values(), 2):
        pair = [(look.color, look.dark)[theme] for look in (a, b)]
        distance = np.linalg.norm(oklab(pair[0]) - oklab(pair[1]))
        assert distance > 0.09, f"{a.label} {pair[0]} and {b.label} {pair[1]}: {distance:.3f}"
        assert a.marker != b.marker, f"{a.label} and {b.label} have one marker, {a.marker}"


def test_every_line_stands_out_from_its_page():
    """WCAG 2.1, 1.4.11: a ratio of 3 for what a figure is made of."""
    for look in style.METHODS.values():
        for color, page in zip((look.color, look.dark), PAGES, strict=True):
            assert style.contrast(color, page) >= 3, f"{look.label}: {color} on {page}"
    for color, page in zip(style.COLORS["frozen-line"], PAGES, strict=True):
        assert style.contrast(color, page) >= 3


def test_frozen_is_dark_and_free_is_light_in_both_themes():
    for frozen, free in zip(style.COLORS["frozen"], style.COLORS["free"], strict=True):
        assert style.contrast(frozen, "#ffffff") >= 4.5 and style.contrast(free, "#000000") >= 10
        assert style.contrast(frozen, free) >= 3


def test_contrast_is_wcags():
    assert style.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert style.contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)
    assert style.contrast("#ffffff", "#777777") == style.contrast("#777777", "#ffffff")


def test_the_pages_colors_are_the_figures():
    rules = dict(re.findall(r'html\[data-theme="(\w+)"\] { (.+) }', style.css()))
    assert set(rules) == {"light", "dark"}
    for name, pair in style.COLORS.items():
        for theme, color in zip(("light", "dark"), pair, strict=True):
            assert f"--fig-{name}: {color};" in rules[theme]
    assert {f"--fig-{m.replace('+', '-')}" for m in style.METHODS} <= set(
        re.findall(r"--fig-[\w-]+", rules["dark"])
    )
