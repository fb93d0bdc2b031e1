"""Gains over the baseline by imbalance ratio, as in the ReMix paper's Figures 5 and 6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imbench.stats.board import Board
from imbench.stats.intervals import mean_intervals
from imbench.stats.score_table import Configuration

# More ratios than this, as natural datasets have, are grouped into ranges between these edges.
SINGLE_RATIOS = 8
EDGES = (0.0, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

# The ratio label of the gain over all configurations.
ALL = "all"


@dataclass(frozen=True)
class Gain:
    """Mean gain of one competitor over the control at one imbalance ratio, with its interval over datasets.

    Positive is better for every metric: the gain is strategy − baseline if higher is better, and baseline − strategy if
    lower is better. The interval is NaN for a single dataset.
    """

    ir: str
    name: str
    gain: float
    low: float
    high: float
    configurations: int
    datasets: int


def gains_by_ir(board: Board) -> list[Gain]:
    """The gains of every competitor except the control, hardest ratio first; none without a control."""
    if not board.control:
        return []
    labels = ir_labels(board.configurations)
    found = []
    for label in sorted(set(labels.values()), key=_position):
        found += _gains(board, label, [i for i, c in enumerate(board.configurations) if labels[c] == label])
    return found


def gain_overall(board: Board) -> list[Gain]:
    """The gains of every competitor except the control over all configurations, under the ratio `ALL`."""
    return _gains(board, ALL, range(len(board.configurations))) if board.control and board.configurations else []


def _gains(board: Board, label: str, rows: Sequence[int]) -> list[Gain]:
    """The gains over these configurations of a board."""
    gains, datasets = board.gains[list(rows)], [board.datasets[i] for i in rows]
    codes = np.unique(np.asarray(datasets, dtype=object).astype(str), return_inverse=True)[1]
    means, spans = gains.mean(axis=0), mean_intervals(gains, codes, board.alpha, board.metric.difference_bounds).T
    return [
        Gain(label, name, float(means[i]), float(spans[i][0]), float(spans[i][1]), len(rows), len(set(datasets)))
        for i, name in enumerate(board.names)
        if name != board.control
    ]


def ir_labels(configurations: Sequence[Configuration]) -> dict[Configuration, str]:
    """The label of each configuration's imbalance ratio: the ratio itself (minority / majority), or a range."""
    exact = {c: f"{c.ir:.3g}" if c.ir == c.ir else "not stated" for c in configurations}
    if len(set(exact.values())) <= SINGLE_RATIOS:
        return exact
    return {c: _range(c.ir) if c.ir == c.ir else exact[c] for c in configurations}


def _range(ir: float) -> str:
    at = min(int(np.searchsorted(EDGES, ir, side="right")), len(EDGES) - 1)
    return f"{EDGES[at - 1]:g}–{EDGES[at]:g}"


def _position(label: str) -> float:
    return float(label.partition("–")[0]) if label[0].isdigit() else float("inf")
