"""Reliability curves: observed frequency against predicted probability, each strategy with the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from imbench.report.figures.spec import FigureSpec, Line, Mark, Text, scale
from imbench.report.reliability import Curve
from imbench.stats.names import BASELINE
from imbench.stats.words import number

PANEL, GAP, LEFT, TOP, COLUMNS = 140.0, 34.0, 36.0, 30.0, 4


def reliability(curves: Sequence[Curve], series: Mapping[str, int]) -> FigureSpec | None:
    """One panel for each strategy of a protocol and task, with the baseline's curve in each; None without curves."""
    if not curves:
        return None
    before = next((c for c in curves if c.strategy == BASELINE), None)
    panels = [c for c in curves if c.strategy != BASELINE] or list(curves)
    marks: list[Line | Mark | Text] = []
    for i, curve in enumerate(panels):
        x0, y0 = LEFT + (PANEL + GAP) * (i % COLUMNS), TOP + (PANEL + GAP + 22) * (i // COLUMNS)
        marks += _frame(x0, y0, curve.strategy)
        for one in dict.fromkeys((before, curve)):
            if one is not None:
                marks += _curve(one, x0, y0, series[one.strategy])
    rows = -(-len(panels) // COLUMNS)
    task = curves[0].task
    what = "the minority" if task == "binary" else "a class"
    return FigureSpec(
        f"reliability-{_slug(curves[0])}",
        f"Reliability: {task}, observed frequency of {what} against its predicted probability",
        "On the diagonal, probabilities are calibrated; below it, they are too high. "
        + " ".join(_described(c) for c in curves),
        LEFT + (PANEL + GAP) * min(COLUMNS, len(panels)),
        TOP + (PANEL + GAP + 22) * rows,
        tuple(marks),
    )


def _frame(x0: float, y0: float, name: str) -> list[Line | Mark | Text]:
    x, y = scale(0, 1, x0, x0 + PANEL), scale(0, 1, y0 + PANEL, y0)
    marks: list[Line | Mark | Text] = [Text(x0, y0 - 8, name)]
    for tick in (0.0, 0.5, 1.0):
        marks += [
            Line(((x0, y(tick)), (x0 + PANEL, y(tick))), "grid"),
            Line(((x(tick), y0), (x(tick), y0 + PANEL)), "grid"),
            Text(x0 - 5, y(tick) + 4, f"{tick:g}", "end", "muted", 10),
            Text(x(tick), y0 + PANEL + 14, f"{tick:g}", "middle", "muted", 10),
        ]
    return [*marks, Line(((x(0), y(0)), (x(1), y(1))), "muted", 1)]


def _curve(curve: Curve, x0: float, y0: float, series: int) -> list[Line | Mark | Text]:
    x, y = scale(0, 1, x0, x0 + PANEL), scale(0, 1, y0 + PANEL, y0)
    known = np.isfinite(curve.observed)
    points = tuple(
        (x(float(p)), y(float(o))) for p, o in zip(curve.predicted[known], curve.observed[known], strict=True)
    )
    dash = (4.0, 3.0) if curve.strategy == BASELINE else ()
    # The area of a point grows with the share of predictions in its bin.
    sizes = 2.0 + 5.0 * np.sqrt(curve.share[known])
    return [
        Line(points, series, 1.6, dash),
        *(Mark(*at, series, float(s)) for at, s in zip(points, sizes, strict=True)),
    ]


def _described(curve: Curve) -> str:
    known = np.isfinite(curve.observed)
    pairs = ", ".join(
        f"{number(float(p), 2)} → {number(float(o), 2)}"
        for p, o in zip(curve.predicted[known], curve.observed[known], strict=True)
    )
    return f"{curve.strategy}: {pairs}."


def _slug(curve: Curve) -> str:
    return "".join(c if c.isalnum() else "-" for c in f"{curve.protocol}-{curve.task}")
