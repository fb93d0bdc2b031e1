"""Quality against training time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from imbench.report.cost import Cost
from imbench.report.figures.labels import Box, place_labels
from imbench.report.figures.spec import FigureSpec, Line, Mark, Text, log_ticks, scale, text_width, ticks
from imbench.stats.board import Board
from imbench.stats.words import decimals, number

MOST = 40
# The height of a chart with many names, for each of them.
PER_ROW = 14.0
WIDTH, HEIGHT, LEFT, RIGHT, TOP = 520.0, 220.0, 48.0, 30.0, 14.0


def quality_against_time(board: Board, costs: Sequence[Cost], series: Mapping[str, int]) -> FigureSpec | None:
    """Mean score of a board's best `MOST` strategies against seconds per net; None if fewer than two have a time."""
    seconds = {cost.strategy: cost.seconds for cost in costs}
    rows = [row for row in board.table if seconds.get(row.name, 0) > 0 and math.isfinite(row.mean)][:MOST]
    if len(rows) < 2:
        return None
    times, means = [math.log10(seconds[row.name]) for row in rows], [row.mean for row in rows]
    height = max(HEIGHT, PER_ROW * len(rows))
    wide, tall = max(max(times) - min(times), 0.1), max(max(means) - min(means), 0.01)
    low, high = min(times) - 0.1 * wide, max(times) + 0.1 * wide
    x = scale(low, high, LEFT, WIDTH - RIGHT)
    y = scale(min(means) - 0.1 * tall, max(means) + 0.1 * tall, TOP + height, TOP)
    marks: list[Line | Mark | Text] = []
    steps = ticks(min(means) - 0.1 * tall, max(means) + 0.1 * tall)
    for tick in steps:
        marks += [
            Line(((LEFT, y(tick)), (WIDTH - RIGHT, y(tick))), "grid"),
            Text(LEFT - 6, y(tick) + 4, number(tick, decimals(steps)), "end", "muted", 11),
        ]
    taken = -math.inf
    for tick in log_ticks(10**low, 10**high):
        at, text = x(math.log10(tick)), f"{tick:g}"
        marks.append(Line(((at, TOP), (at, TOP + height)), "grid"))
        if at - text_width(text, 11) / 2 > taken:
            marks.append(Text(at, TOP + height + 15, text, "middle", "muted", 11))
            taken = at + text_width(text, 11) / 2 + 4
    marks.append(Text((LEFT + WIDTH - RIGHT) / 2, TOP + height + 32, "seconds per net (log scale)", "middle"))
    points = [(x(time), y(row.mean)) for row, time in zip(rows, times, strict=True)]
    labels = place_labels(points, [row.name for row in rows], Box(LEFT, TOP, WIDTH - RIGHT, TOP + height), 6)
    marks += [*(mark for mark in labels.marks if isinstance(mark, Line))]
    marks += [Mark(*point, series[row.name], 5) for point, row in zip(points, rows, strict=True)]
    marks += [Mark(x_, y_, series[rows[i].name], 3.5) for i, x_, y_ in labels.keys]
    marks += [mark for mark in labels.marks if isinstance(mark, Text)]
    values = "; ".join(f"{row.name}: {number(row.mean, 4)} in {number(seconds[row.name], 2)} s" for row in rows)
    return FigureSpec(
        f"cost-{board.slug}",
        f"Quality against training time: {board.title}, mean score ({board.metric.better} is better)",
        f"Mean score and seconds per net. {values}.",
        max(WIDTH, labels.right + 4),
        max(TOP + height + 42, labels.bottom + 4),
        tuple(marks),
    )
