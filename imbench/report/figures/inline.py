"""Figures as SVG inside the page, coloured by its style sheet (with a dark mode) and with a text alternative."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from imbench.report.figures.spec import FigureSpec, Line, Mark, Text, colour_of, polygon, shape_of


def inline_svg(spec: FigureSpec) -> str:
    """An ``<svg>`` element with a title and a description as its text alternative."""
    name = escape(spec.name)
    wide, high = _n(spec.width), _n(spec.height)
    body = "".join(_DRAW[type(mark)](mark) for mark in spec.marks)
    return (
        f'<svg class="figure" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" role="img" '
        f'aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{escape(spec.title)}</title>'
        f'<desc id="{name}-d">{escape(spec.description)}</desc>{body}</svg>'
    )


def _line(mark: Line) -> str:
    if len(mark.points) < 2:
        return ""
    dash = f' stroke-dasharray="{" ".join(map(_n, mark.dash))}"' if mark.dash else ""
    width = "" if mark.width == 1 else f' stroke-width="{_n(mark.width)}"'
    return f'<path class="l {_color(mark.color)}" d="{_path([*mark.points])}"{width}{dash}/>'


def _mark(mark: Mark) -> str:
    shape, color = shape_of(mark.series), _color(mark.series)
    if shape in ("circle", "ring"):
        kind = "l" if shape == "ring" else "f"
        return f'<circle class="{kind} {color}" cx="{_n(mark.x)}" cy="{_n(mark.y)}" r="{_n(mark.size)}"/>'
    open_ = shape in ("plus", "cross")
    paths = "".join(_path(ring) + ("" if open_ else "Z") for ring in polygon(mark))
    width = ' stroke-width="2"' if open_ else ""
    return f'<path class="{"l" if open_ else "f"} {color}" d="{paths}"{width}/>'


def _text(mark: Text) -> str:
    size = "" if mark.size == 12 else f' font-size="{_n(mark.size)}"'
    anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
    place = f'x="{_n(mark.x)}" y="{_n(mark.y)}"'
    return f'<text class="f {_color(mark.color)}" {place}{anchor}{size}>{escape(mark.text)}</text>'


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _color(color: str | int) -> str:
    return f"s{colour_of(color)}" if isinstance(color, int) else f"c-{color}"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


_DRAW: dict[type, Callable[[Any], str]] = {Line: _line, Mark: _mark, Text: _text}
