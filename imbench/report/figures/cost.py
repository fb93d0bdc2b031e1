"""Quality against training time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from imbench.report.cost import Cost
from imbench.report.figures.spec import FigureSpec, Line, Mark, Text, scale, text_width, ticks
from imbench.stats.board import Board
from imbench.stats.words import decimals, number

MOST = 20
WIDTH, HEIGHT, LEFT, RIGHT, TOP = 520.0, 220.0, 48.0, 30.0, 14.0


def quality_against_time(board: Board, costs: Sequence[Cost], series: Mapping[str, int]) -> FigureSpec | None:
    """Mean score of a board's best `MOST` strategies against seconds per net; None if fewer than two have a time."""
    seconds = {cost.strategy: cost.seconds for cost in costs}
    rows = [row for row in board.table if seconds.get(row.name, 0) > 0 and math.isfinite(row.mean)][:MOST]
    if len(rows) < 2:
        return None
    times, means = [math.log10(seconds[row.name]) for row in rows], [row.mean for row in rows]
    wide, tall = max(max(times) - min(times), 0.1), max(max(means) - min(means), 0.01)
    low, high = min(times) - 0.1 * wide, max(times) + 0.1 * wide
    x = scale(low, high, LEFT, WIDTH - RIGHT)
    y = scale(min(means) - 0.1 * tall, max(means) + 0.1 * tall, TOP + HEIGHT, TOP)
    marks: list[Line | Mark | Text] = []
    steps = ticks(min(means) - 0.1 * tall, max(means) + 0.1 * tall)
    for tick in steps:
        marks += [
            Line(((LEFT, y(tick)), (WIDTH - RIGHT, y(tick))), "grid"),
            Text(LEFT - 6, y(tick) + 4, number(tick, decimals(steps)), "end", "muted", 11),
        ]
    for tick in ticks(10**low, 10**high, 6):
        if tick > 0:
            at = x(math.log10(tick))
            marks += [
                Line(((at, TOP), (at, TOP + HEIGHT)), "grid"),
                Text(at, TOP + HEIGHT + 15, f"{tick:g}", "middle", "muted", 11),
            ]
    marks.append(Text((LEFT + WIDTH - RIGHT) / 2, TOP + HEIGHT + 32, "seconds per net (log scale)", "middle"))
    taken: list[tuple[float, float, float]] = []
    for row, time in zip(rows, times, strict=True):
        at, height = x(time), y(row.mean)
        marks.append(Mark(at, height, series[row.name], 5))
        marks.append(_label(row.name, at, height, taken))
    values = "; ".join(f"{row.name}: {number(row.mean, 4)} in {number(seconds[row.name], 2)} s" for row in rows)
    return FigureSpec(
        f"cost-{board.slug}",
        f"Quality against training time: {board.title}, mean score ({board.metric.better} is better)",
        f"Mean score and seconds per net. {values}.",
        WIDTH,
        TOP + HEIGHT + 42,
        tuple(marks),
    )


def _label(name: str, at: float, height: float, taken: list[tuple[float, float, float]]) -> Text:
    """A name beside its point, moved up or down until it overlaps no other name."""
    left = at + text_width(name) + 10 > WIDTH
    start = at - text_width(name) - 10 if left else at + 10
    shifts = (step * direction for step in range(0, 200, 13) for direction in (1, -1))
    free = (
        height + 4 + shift
        for shift in shifts
        if all(abs(height + 4 + shift - y) >= 13 or start > b or start + text_width(name) < a for a, b, y in taken)
    )
    y = next(free, height + 4)
    taken.append((start, start + text_width(name), y))
    return Text(at - 10 if left else at + 10, y, name, "end" if left else "start", size=11)
