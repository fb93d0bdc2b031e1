"""A metric against the values of one parameter: a panel for each dataset, a line for each imbalance ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from imbench.report.figures.spec import FigureSpec, Line, Mark, Text, legend, scale, text_width, ticks
from imbench.stats.sweep import is_number
from imbench.stats.words import decimals, number, span

PANEL, HEIGHT, LEFT, TOP, GAP, COLUMNS = 250.0, 190.0, 50.0, 26.0, 16.0, 3
# Values whose ratio of largest to smallest reaches this get a logarithmic axis.
DECADE = 10.0


@dataclass(frozen=True)
class Point:
    """The mean at one value of the parameter, with its interval, NaN if undefined."""

    value: object
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Trace:
    """One line of a panel.

    Parameters
    ----------
    panel, name : title of the panel, and label of the line in it
    points : points in the order of the values
    level : mean of the reference, drawn as a dashed line; NaN without
    """

    panel: str
    name: str
    points: tuple[Point, ...]
    level: float


def value_lines(
    name: str, title: str, parameter: str, reference: str, traces: Sequence[Trace], basis: str = ""
) -> FigureSpec:
    """The figure of these traces: a logarithmic axis for values that span decades, equal distances for text.

    Parameters
    ----------
    name, title : see `FigureSpec`
    parameter : label of the axis
    reference : name of the dashed lines; "" without
    basis : what the points are, below the panels; default: means over folds, with intervals
    """
    panels = list(dict.fromkeys(trace.panel for trace in traces))
    marks: list[Line | Mark | Text] = []
    top = TOP
    for row in (panels[i : i + COLUMNS] for i in range(0, len(panels), COLUMNS)):
        bottoms = []
        for column, panel in enumerate(row):
            inside = [trace for trace in traces if trace.panel == panel]
            drawn, bottom = _panel(panel, inside, parameter, (PANEL + LEFT + GAP) * column, top)
            marks += drawn
            bottoms.append(bottom)
        top = max(bottoms) + TOP
    dashed = f"; dashed: {reference}" if reference else ""
    basis = basis or f"bars: intervals of the mean over folds, clipped at the edge{dashed}"
    marks.append(Text(LEFT, top - TOP + 6, basis, color="muted", size=10))
    return FigureSpec(
        name,
        title,
        " ".join(_described(trace, parameter, reference) for trace in traces),
        (PANEL + LEFT + GAP) * min(COLUMNS, len(panels)),
        top,
        tuple(marks),
    )


def _panel(
    panel: str, traces: Sequence[Trace], parameter: str, left: float, top: float
) -> tuple[list[Line | Mark | Text], float]:
    x0, x1 = left + LEFT, left + LEFT + PANEL
    named, below = legend([(t.name, i + 1) for i, t in enumerate(traces)], x0, top + 16, PANEL)
    y0, y1 = below - 4, below - 4 + HEIGHT
    marks: list[Line | Mark | Text] = [Text(x0, top, panel, size=12), *named]
    values = list(dict.fromkeys(point.value for trace in traces for point in trace.points))
    places = _places(values, x0 + 12, x1 - 12)
    low, high = _range(traces)
    y, steps = scale(low, high, y1, y0), ticks(low, high)
    digits = decimals(steps)
    for tick in steps:
        marks += [
            Line(((x0, y(tick)), (x1, y(tick))), "grid"),
            Text(x0 - 6, y(tick) + 4, number(tick, digits), "end", "muted", 10),
        ]
    taken = -math.inf
    for value in values:
        at, text = places[value], f"{value:g}" if is_number(value) else str(value)
        marks.append(Line(((at, y1), (at, y1 + 4)), "muted"))
        if at - text_width(text, 10) / 2 > taken:
            marks.append(Text(at, y1 + 15, text, "middle", "muted", 10))
            taken = at + text_width(text, 10) / 2
    marks += [Line(((x0, y1), (x1, y1)), "muted"), Text((x0 + x1) / 2, y1 + 30, parameter, "middle", "text", 11)]
    for i, trace in enumerate(traces):
        # Lines are shifted sideways so that their bars do not overlap.
        shift = 2.5 * (i - (len(traces) - 1) / 2)
        points = [(places[p.value] + shift, p) for p in trace.points if math.isfinite(p.mean)]
        if math.isfinite(trace.level):
            marks.append(Line(((x0, y(trace.level)), (x1, y(trace.level))), i + 1, 1.0, (4.0, 3.0)))
        if len(points) > 1:
            marks.append(Line(tuple((at, y(p.mean)) for at, p in points), i + 1, 1.6))
        for at, p in points:
            if math.isfinite(p.low) and math.isfinite(p.high):
                ends = (y(max(p.low, low)), y(min(p.high, high)))
                marks.append(Line(((at, ends[0]), (at, ends[1])), i + 1, 1.2))
            marks.append(Mark(at, y(p.mean), i + 1, 3.2))
    return marks, y1 + 44


def _range(traces: Sequence[Trace]) -> tuple[float, float]:
    """The range of a panel: all means and levels, and intervals up to half of that range on each side."""
    shown = [v for t in traces for v in (t.level, *(p.mean for p in t.points)) if math.isfinite(v)]
    low, high = min(shown, default=0.0), max(shown, default=1.0)
    ends = [v for t in traces for p in t.points for v in (p.low, p.high) if math.isfinite(v)]
    most = (high - low) or 0.05 * abs(high) or 0.05
    room = 0.05 * most
    return max(low - most / 2, min([low, *ends])) - room, min(high + most / 2, max([high, *ends])) + room


def _places(values: Sequence[object], start: float, end: float) -> dict[object, float]:
    """The position of each value on the axis."""
    numbers = [float(value) for value in values if is_number(value)]  # type: ignore[arg-type]
    if len(numbers) < len(values):
        at = scale(0, len(values) - 1, start, end)
        return {value: at(place) for place, value in enumerate(values)}
    if min(numbers) > 0 and max(numbers) >= DECADE * min(numbers):
        numbers = [math.log10(n) for n in numbers]
    at = scale(min(numbers), max(numbers), start, end)
    return {value: at(n) for value, n in zip(values, numbers, strict=True)}


def _described(trace: Trace, parameter: str, reference: str) -> str:
    points = ", ".join(f"{p.value} → {number(p.mean)} {_between(p)}".rstrip() for p in trace.points)
    level = f"; {reference} {number(trace.level)}" if math.isfinite(trace.level) else ""
    return f"{trace.panel}, {trace.name}: {parameter} {points}{level}."


def _between(point: Point) -> str:
    between = span(point.low, point.high, 3)
    return f"({between})" if between else ""
