"""Figures as a few kinds of marks in pixels, y downwards, independent of the renderer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from imbench.scoring.rules import RULES
from imbench.stats.names import BASELINE, competitor

Point = tuple[float, float]

# The first is the baseline's grey; the next five are Okabe and Ito's, darkened to a contrast of 3:1 on white where they
# need it. `report.css` has the same, and lighter ones for dark mode. Shapes distinguish series in print without colours
# and for colour-blind readers, and series that share a colour.
COLOURS = (
    *("#5a5a5a", "#0072b2", "#d55e00", "#00805d", "#b0508a", "#a66f00"),
    *("#5b4bc4", "#c2223f", "#2f8fa3", "#6b7f00", "#8a4b1f", "#1b3a8f"),
)
SHAPES = ("circle", "square", "triangle", "diamond", "down", "plus", "cross", "ring")
SERIES = len(COLOURS)


def colour_of(series: int) -> int:
    """The number of a series' colour."""
    return series % SERIES


def shape_of(series: int) -> str:
    """The shape of a series; those of the same colour differ."""
    return SHAPES[(series + series // SERIES) % len(SHAPES)]


def series_of(strategies: Iterable[str], references: Iterable[str] = ()) -> Mapping[str, int]:
    """The series number of each competitor, which fixes its colour and shape on every chart and strip of a report.

    A strategy has one colour under all decision rules; 0, which is grey, is the baseline's alone. Strategies that have
    to share a colour differ in shape.

    >>> series_of(["baseline", "mixup", "remix"])["remix+tuned"] % SERIES
    2
    """
    found: dict[str, int] = {}
    names = [*sorted(set(strategies) - {BASELINE}), *sorted(references)]
    for place, name in enumerate(names):
        lap, colour = divmod(place, SERIES - 1)
        found |= _under_each_rule(name, 1 + colour, lap)
    return found | _under_each_rule(BASELINE, 0, 0)


def _under_each_rule(name: str, colour: int, lap: int) -> dict[str, int]:
    return {competitor(name, rule): colour + SERIES * (lap + 3 * i) for i, rule in enumerate(RULES)}


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
    return shapes.get(shape_of(mark.series), [])


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers in [low, high] with steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Numbers in [low, high] for a logarithmic axis: 1, 2 and 5 times powers of ten, else those of `ticks`."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    inside = [round(tick, 12) for tick in found if low <= tick <= high]
    return inside if len(inside) > 1 else [tick for tick in ticks(low, high) if tick > 0]


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A map from values in [low, high] to pixels in [start, end]; the middle if all values are equal."""
    if not high > low:
        return lambda value: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)


# Widths of characters as shares of the font's size, in DejaVu Sans, which is wider than other sans-serif fonts.
_WIDTHS = {**dict.fromkeys("fijlrtI.,:;'|()[]!- ", 0.42), **dict.fromkeys("mwMW@%+=", 0.98)}


def text_width(text: str, size: float = 12.0) -> float:
    """The width of a text in pixels, for layout: rather too wide than too narrow."""
    return size * sum(_WIDTHS.get(c, 0.78 if c.isupper() else 0.64 if c.isascii() else 0.9) for c in text)


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
