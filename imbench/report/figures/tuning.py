"""What trials give: regret against their number, and quality against their training time."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from imbench.report.figures.spec import FigureSpec, Line, Mark, Text, legend, log_ticks, scale, text_width, ticks
from imbench.report.tuned import TunedBoards
from imbench.stats.words import decimals, number

# More lines could not be followed.
MOST = 12
WIDTH, HEIGHT, LEFT, RIGHT, TOP = 520.0, 240.0, 56.0, 24.0, 16.0


@dataclass(frozen=True)
class _Curve:
    """The points of one competitor: ``tuned@k`` by k, and the ensemble of all trials, if it is shown."""

    name: str
    tuned: tuple[tuple[float, float], ...]
    ensemble: tuple[tuple[float, float], ...]
    dashed: bool


def regret(tuned: pd.DataFrame, one: TunedBoards, series: Mapping[str, int]) -> FigureSpec | None:
    """Regret of ``tuned@k`` against k, a line for each strategy; None with fewer than two trials.

    Parameters
    ----------
    tuned : see `imbench.report.model.Model.tuned`
    """
    curves = _curves(tuned, one, "k", "regret", (), ensembles=False)
    title = f"Regret against the number of trials: {one.tuned.title} (lower is better)"
    return _figure("regret", title, "k, trials chosen from", one, curves, series, logarithmic=False)


def budget(
    tuned: pd.DataFrame, one: TunedBoards, series: Mapping[str, int], references: Collection[str] = ()
) -> FigureSpec | None:
    """Mean test score against training time of k trials: ``tuned@k`` as a line, the ensemble as a large mark.

    Lines of references are dashed.
    """
    curves = _curves(tuned, one, "budget_seconds", "mean", references, ensembles=True)
    better = one.tuned.metric.better
    title = f"Quality against training time of all trials: {one.tuned.title} ({better} is better)"
    axis = "seconds of training per net, all k trials (log scale)"
    return _figure("budget", title, axis, one, curves, series, logarithmic=True)


def _curves(
    tuned: pd.DataFrame, one: TunedBoards, across: str, up: str, references: Collection[str], *, ensembles: bool
) -> list[_Curve]:
    """Curves of the strategies, best first, then of the references."""
    mine = (tuned["protocol"] == one.protocol) & (tuned["task"] == one.task)
    rows = tuned[mine & (tuned["metric"] == one.column.metric.name)]
    names = [row.name for row in one.tuned.table]
    names += sorted(set(map(str, rows["strategy"])) & set(references))
    found = []
    for name in names[:MOST]:
        of = rows[rows["strategy"] == name]
        line, last = (
            tuple((float(x), float(y)) for x, y in of.loc[where, [across, up]].itertuples(index=False) if _drawn(x, y))
            for where in (of["selection"].str.startswith("tuned@"), of["selection"].str.startswith("ensemble@"))
        )
        if line:
            found.append(_Curve(name, line, last if ensembles else (), name in references))
    return found


def _drawn(x: float, y: float) -> bool:
    return x > 0 and math.isfinite(x) and math.isfinite(y)


def _figure(
    kind: str,
    title: str,
    axis: str,
    one: TunedBoards,
    curves: Sequence[_Curve],
    series: Mapping[str, int],
    *,
    logarithmic: bool,
) -> FigureSpec | None:
    if max((len(curve.tuned) for curve in curves), default=0) < 2:
        return None
    points = [point for curve in curves for point in (*curve.tuned, *curve.ensemble)]
    named, top = legend([(c.name, series.get(c.name, 0)) for c in curves], LEFT, TOP, WIDTH - LEFT - RIGHT)
    bottom = top + HEIGHT
    marks: list[Line | Mark | Text] = [*named]
    up, grid = _vertical([y for _, y in points], top, bottom)
    across, steps = _horizontal([x for x, _ in points], bottom, logarithmic=logarithmic)
    marks += [*grid, *steps, Text((LEFT + WIDTH - RIGHT) / 2, bottom + 32, axis, "middle")]
    for curve in curves:
        of = series.get(curve.name, 0)
        line = [(across(x), up(y)) for x, y in curve.tuned]
        marks.append(Line(tuple(line), of, 1.6, (5.0, 3.0) if curve.dashed else ()))
        marks += [Mark(x, y, of, 3.2) for x, y in line]
        for x, y in ((across(x), up(y)) for x, y in curve.ensemble):
            marks += [Line((line[-1], (x, y)), of, 1.0, (1.5, 2.5)), Mark(x, y, of, 6)]
    return FigureSpec(
        f"{kind}-{one.slug}",
        title,
        " ".join(map(_described, curves)),
        WIDTH,
        bottom + 42,
        tuple(marks),
    )


def _vertical(values: Sequence[float], top: float, bottom: float) -> tuple[Callable[[float], float], list[Line | Text]]:
    """The scale of the scores, and its grid."""
    low, high = min(values), max(values)
    room = 0.08 * max(high - low, 0.01)
    at, steps = scale(low - room, high + room, bottom, top), ticks(low - room, high + room)
    digits = decimals(steps)
    marks: list[Line | Text] = []
    for tick in steps:
        marks.append(Line(((LEFT, at(tick)), (WIDTH - RIGHT, at(tick))), "grid"))
        marks.append(Text(LEFT - 6, at(tick) + 4, number(tick, digits), "end", "muted", 11))
    return at, marks


def _horizontal(
    values: Sequence[float], bottom: float, *, logarithmic: bool
) -> tuple[Callable[[float], float], list[Line | Text]]:
    """The scale of the budget, and its ticks: every number of trials, or round times."""
    on_axis: Callable[[float], float] = math.log10 if logarithmic else float
    low, high = on_axis(min(values)), on_axis(max(values))
    if logarithmic and high - low < 0.1:
        low, high = low - 0.05, high + 0.05
    place = scale(low, high, LEFT + 14, WIDTH - RIGHT - 14)
    steps = log_ticks(10**low, 10**high) if logarithmic else sorted(set(values))

    def at(value: float) -> float:
        return place(on_axis(value))

    marks: list[Line | Text] = [Line(((LEFT, bottom), (WIDTH - RIGHT, bottom)), "muted")]
    taken = -math.inf
    for tick in steps:
        x, text = at(tick), f"{tick:g}"
        marks.append(Line(((x, bottom), (x, bottom + 4)), "muted"))
        if x - text_width(text, 11) / 2 > taken:
            marks.append(Text(x, bottom + 15, text, "middle", "muted", 11))
            taken = x + text_width(text, 11) / 2 + 4
    return at, marks


def _described(curve: _Curve) -> str:
    line = ", ".join(f"{x:.3g} → {number(y)}" for x, y in curve.tuned)
    last = "".join(f"; ensemble {x:.3g} → {number(y)}" for x, y in curve.ensemble)
    return f"{curve.name}: {line}{last}."
