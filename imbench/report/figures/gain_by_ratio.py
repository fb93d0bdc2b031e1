"""Gain over the baseline by imbalance ratio, as the ReMix paper's Figures 5 and 6, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from imbench.report.figures.spec import FigureSpec, Line, Mark, Text, legend, scale, text_width, ticks
from imbench.report.gains import ALL, Gain
from imbench.stats.board import Board
from imbench.stats.words import counted, decimals, level, number, span

MOST = 7
WIDTH, HEIGHT, LEFT, RIGHT = 520.0, 220.0, 48.0, 12.0


def gain_by_ratio(board: Board, gains: Sequence[Gain], series: Mapping[str, int]) -> FigureSpec | None:
    """The figure of a board's gains; None without gains. At most the best `MOST` competitors are drawn."""
    names = [row.name for row in board.table if row.name != board.control][:MOST]
    shown = [gain for gain in gains if gain.name in names]
    if not shown:
        return None
    ratios = list(dict.fromkeys(gain.ir for gain in shown))
    captions = {ratio: _caption(next(gain for gain in shown if gain.ir == ratio)) for ratio in ratios}
    widest = max(text_width(text, size) for lines in captions.values() for text, size in lines)
    column = max((WIDTH - LEFT - RIGHT) / len(ratios), widest + 6)
    right = LEFT + column * len(ratios)
    head, top = legend([(name, series[name]) for name in names], LEFT, 16, right - LEFT)
    ends = [v for g in shown for v in (g.gain, g.low, g.high) if math.isfinite(v)] + [0.0]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low or 1.0)
    y = scale(low - room, high + room, top + HEIGHT, top)
    marks: list[Line | Mark | Text] = list(head)
    steps = ticks(low - room, high + room)
    for tick in steps:
        marks += [
            Line(((LEFT, y(tick)), (right, y(tick))), "text" if tick == 0 else "grid", 1),
            Text(LEFT - 6, y(tick) + 4, number(tick, decimals(steps), sign=tick != 0), "end", "muted", 11),
        ]
    for i, ratio in enumerate(ratios):
        middle = LEFT + column * (i + 0.5)
        here = [gain for gain in shown if gain.ir == ratio]
        if i:
            edge = LEFT + column * i
            marks.append(Line(((edge, top), (edge, top + HEIGHT)), "grid", 1))
        marks += [
            Text(middle, top + HEIGHT + 17 + 14 * line, text, "middle", "muted" if line else "text", size)
            for line, (text, size) in enumerate(captions[ratio])
        ]
        gap = min(24.0, 0.8 * column / len(names))
        for gain in here:
            at = middle + gap * (names.index(gain.name) - (len(names) - 1) / 2)
            if math.isfinite(gain.low):
                marks.append(Line(((at, y(gain.low)), (at, y(gain.high))), series[gain.name], 1.5))
            marks.append(Mark(at, y(gain.gain), series[gain.name]))
    values = "; ".join(
        f"{_ratio(g.ir)}, {g.name}: {number(g.gain, 3, sign=True)} {_between(g)}".rstrip() for g in shown
    )
    formula = board.formula
    return FigureSpec(
        f"gain-{board.slug}",
        f"Gain over {board.control} by imbalance ratio: {board.title} ({formula}; above 0 is better)",
        f"Mean gain at each imbalance ratio, with {level(board.alpha)} intervals over datasets. {values}.",
        right + RIGHT,
        top + HEIGHT + 52,
        tuple(marks),
    )


def _caption(gain: Gain) -> tuple[tuple[str, float], ...]:
    """The lines under a ratio with the sizes of their text."""
    basis = (f"{gain.configurations} config.", counted(gain.datasets, "dataset"))
    return (_ratio(gain.ir), 12.0), *((text, 10.0) for text in basis)


def _between(gain: Gain) -> str:
    between = span(gain.low, gain.high, 3, sign=True)
    return f"({between})" if between else ""


def _ratio(label: str) -> str:
    return "all ratios" if label == ALL else f"IR {label}"
