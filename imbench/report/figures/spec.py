"""Figures as a few kinds of marks in pixels, y downwards, independent of the renderer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Point = tuple[float, float]

# Okabe and Ito's colours, darkened to a contrast of 3:1 on white where they need it; the first is the control's.
# `report.css` has the same, and lighter ones for dark mode. Shapes distinguish series in print without colours and for
# colour-blind readers.
COLOURS = ("#5a5a5a", "#0072b2", "#d55e00", "#00805d", "#b0508a", "#a66f00", "#2b86b8", "#1a1a1a")
SHAPES = ("circle", "square", "triangle", "diamond", "down", "plus", "cross", "ring")
SERIES = len(COLOURS)


@dataclass(frozen=True)
class Line:
    """A polyline; ``color`` is ``text``, ``muted``, ``grid`` or the number of a series."""

    points: tuple[Point, ...]
    color: str | int = "text"
    width: float = 1.0
    dash: tuple[float, ...] = ()


@dataclass(frozen=True)
class Mark:
    """A point of a series, in the series' shape."""

    x: float
    y: float
    series: int
    size: float = 4.0


@dataclass(frozen=True)
class Text:
    """Text; ``anchor`` is ``start``, ``middle`` or ``end``; ``y`` is the baseline."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    color: str | int = "text"
    size: float = 12.0


@dataclass(frozen=True)
class FigureSpec:
    """A figure.

    Parameters
    ----------
    name : used for files and anchors
    title : one line on the content
    description : text alternative for readers who cannot see the figure, with the numbers
    width, height : size in pixels
    """

    name: str
    title: str
    description: str
    width: float
    height: float
    marks: tuple[Line | Mark | Text, ...] = field(repr=False, default=())


def polygon(mark: Mark) -> list[list[Point]]:
    """The outline of a mark: one closed ring, two strokes for plus and cross, nothing for circle and ring."""
    x, y, r = mark.x, mark.y, mark.size
    shapes: dict[str, list[list[Point]]] = {
        "square": [[(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]],
        "triangle": [[(x, y - 1.2 * r), (x + 1.1 * r, y + 0.8 * r), (x - 1.1 * r, y + 0.8 * r)]],
        "down": [[(x, y + 1.2 * r), (x + 1.1 * r, y - 0.8 * r), (x - 1.1 * r, y - 0.8 * r)]],
        "diamond": [[(x, y - 1.3 * r), (x + 1.3 * r, y), (x, y + 1.3 * r), (x - 1.3 * r, y)]],
        "plus": [[(x - r, y), (x + r, y)], [(x, y - r), (x, y + r)]],
        "cross": [[(x - r, y - r), (x + r, y + r)], [(x - r, y + r), (x + r, y - r)]],
    }
    return shapes.get(SHAPES[mark.series % SERIES], [])


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers in [low, high] with steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A map from values in [low, high] to pixels in [start, end]; the middle if all values are equal."""
    if not high > low:
        return lambda value: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)


def text_width(text: str, size: float = 12.0) -> float:
    """The approximate width of a text in pixels, for layout."""
    return 0.58 * size * len(text)


def legend(names: Sequence[tuple[str, int]], x: float, y: float, width: float) -> tuple[list[Mark | Text], float]:
    """Marks with names in rows from (x, y), and the y below the last row."""
    marks: list[Mark | Text] = []
    at = x
    for name, series in names:
        need = text_width(name) + 30
        if at > x and at + need > x + width:
            at, y = x, y + 18
        marks += [Mark(at + 5, y - 4, series), Text(at + 14, y, name)]
        at += need
    return marks, y + 18
