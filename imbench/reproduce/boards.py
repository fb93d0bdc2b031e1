"""Boards of the paper's strategies, and the same boards with a column left out, replaced or raised."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from imbench.scoring.rules import ARGMAX, ruled_column
from imbench.stats.board import make_board
from imbench.stats.names import HEADLINE, labelled
from imbench.stats.score_table import make_score_tables

if TYPE_CHECKING:
    from imbench import Results
    from imbench.scoring.outcome import Floats
    from imbench.stats.board import Board


def boards_of(results: Results, metrics: Sequence[str] = HEADLINE, rule: str = ARGMAX) -> list[Board]:
    """The boards of these metrics under one decision rule, one for each protocol, task and metric."""
    known = [results.metrics[name] for name in metrics]
    columns = [ruled_column(metric, rule) for metric in known]
    cells = make_score_tables(labelled(results.rows), columns, scope=results.scope)
    return [make_board(cell, metric, [rule], rule) for cell in cells for metric in known]


def board_of(results: Results, task: str, metric: str, rule: str = ARGMAX) -> Board | None:
    """The board of one task and metric; None without results of this task."""
    return next((board for board in boards_of(results, [metric], rule) if board.task == task), None)


def without(board: Board, name: str) -> Board:
    """The board without this competitor."""
    kept = [i for i, other in enumerate(board.names) if other != name]
    return dataclasses.replace(board, entrants=tuple(board.entrants[i] for i in kept), scores=board.scores[:, kept])


def with_column(board: Board, name: str, other: str, scores: Floats) -> Board:
    """The board with another competitor in place of one.

    Parameters
    ----------
    name, other : names of the competitor that is replaced, and of the one that replaces it
    scores : ``(configurations,)`` scores of the other one
    """
    place = board.names.index(name)
    entrants = list(board.entrants)
    entrants[place] = dataclasses.replace(entrants[place], name=other)
    changed = board.scores.copy()
    changed[:, place] = scores
    return dataclasses.replace(board, entrants=tuple(entrants), scores=changed)


def raised(board: Board, name: str, margin: float) -> Board:
    """The board with the scores of one competitor better by this margin on every configuration."""
    shift = margin if board.metric.higher_is_better else -margin
    return dataclasses.replace(board, scores=board.scores + shift * (np.array(board.names) == name))
