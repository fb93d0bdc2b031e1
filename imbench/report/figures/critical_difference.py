"""Critical-difference diagram (Demšar 2006): average ranks on an axis, bars joining those that do not differ."""

from __future__ import annotations

import math

from imbench.report.figures.spec import FigureSpec, Line, Mark, Text, scale, text_width
from imbench.stats.board import Board
from imbench.stats.words import counted, listed, number

MOST = 40
WIDTH, TOP, STEP = 520.0, 58.0, 17.0
# The least width of the axis between the names, however long they are, and for each rank on it.
LEAST_AXIS, LEAST_RANK = 220.0, 18.0
# Distance of the bars, and all of them together if they are many.
BAR, MOST_BARS = 8.0, 120.0


def critical_difference(board: Board) -> FigureSpec | None:
    """The diagram of a board; None if the critical difference is undefined.

    A bar joins competitors whose average ranks differ by less than the critical difference, so no bar joins two that
    differ by Nemenyi's test. At most the best `MOST` competitors are drawn.
    """
    tests = board.tests
    if tests.undefined or not math.isfinite(tests.cd) or len(board.table) < 2:
        return None
    rows = board.table[:MOST]
    ranks = {row.name: row.average_rank for row in rows}
    most = max(2, math.ceil(max(ranks.values())))
    label = max(text_width(f"{name}  00.00") for name in ranks)
    width = max(WIDTH, 2 * (label + 24) + max(LEAST_AXIS, LEAST_RANK * (most - 1)))
    x = scale(1, most, label + 24, width - label - 24)
    marks: list[Line | Mark | Text] = [Line(((x(1), TOP), (x(most), TOP)), "text", 1.2)]
    every = max(1, math.ceil((most - 1) / 12))
    for tick in range(1, most + 1, every):
        marks += [
            Line(((x(tick), TOP), (x(tick), TOP - 5)), "text", 1.2),
            Text(x(tick), TOP - 9, str(tick), "middle", "muted", 11),
        ]
    end = min(x(1 + tests.cd), width - 70)  # its label follows it
    marks += [Line(((x(1), 16), (end, 16)), "text", 1.6)]
    marks += [Line(((at, 12), (at, 20)), "text", 1.6) for at in (x(1), end)]
    marks += [Text(end + 8, 20, f"CD {number(tests.cd, 2)}", "start", "text", 12)]
    groups = [[n for n in group if n in ranks] for group in tests.groups]
    groups = [group for group in groups if len(group) > 1]
    below, bar = TOP + 10, min(BAR, MOST_BARS / max(len(groups), 1))
    for group in groups:
        low, high = min(ranks[n] for n in group), max(ranks[n] for n in group)
        marks.append(Line(((x(low) - 3, below), (x(high) + 3, below)), "text", min(4, bar / 2)))
        below += bar
    half = math.ceil(len(rows) / 2)
    for i, row in enumerate(rows):
        left = i < half
        y = below + 16 + STEP * (i if left else len(rows) - 1 - i)
        side = x(1) - 14 if left else x(most) + 14
        at = x(row.average_rank)
        marks.append(Line(((at, TOP), (at, y), (side, y)), "muted", 1))
        text = f"{row.name}  {number(row.average_rank, 2)}" if left else f"{number(row.average_rank, 2)}  {row.name}"
        marks.append(Text(side + (-5 if left else 5), y + 4, text, "end" if left else "start"))
    values = "; ".join(f"{name} {number(rank, 2)}" for name, rank in ranks.items())
    together = "; ".join(listed(group, MOST) for group in groups) or "none"
    more = len(board.table) - len(rows)
    return FigureSpec(
        f"cd-{board.slug}",
        f"Critical-difference diagram: {board.title}",
        f"Average ranks over {counted(len(board.configurations), 'configuration')}, 1 is best: {values}"
        + (f"; {more} more are not shown" if more else "")
        + f". Critical difference {number(tests.cd, 2)}; joined by a bar: {together}.",
        width,
        below + 24 + STEP * half,
        tuple(marks),
    )
