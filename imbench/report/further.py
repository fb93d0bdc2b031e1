"""Further columns beside a board, in a table of their own: shown where the results have them, and never ranked by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from imbench.stats.board import Board
from imbench.stats.words import number, span


@dataclass(frozen=True)
class Shown:
    """A column of the page made of one or several columns of ``leaderboard.csv``.

    Parameters
    ----------
    title, definition : of the page's column
    value : column of the number or text
    low, high : columns of its interval; "" without one
    digits : decimals of a number
    percent : whether a share is shown in percent
    """

    title: str
    definition: str
    value: str
    low: str = ""
    high: str = ""
    digits: int = 3
    percent: bool = False

    def text(self, row: Mapping[str, object]) -> str:
        """The cell of a row."""
        value = row[self.value]
        if isinstance(value, str):
            return value or "–"
        found = _number(value)
        if self.percent:
            return number(100 * found, 0) + (" %" if found == found else "")
        within = span(_number(row[self.low]), _number(row[self.high]), self.digits) if self.low in row else ""
        return f"{number(found, self.digits)} ({within})" if within else number(found, self.digits)


FURTHER = (
    Shown("Median", "Median over configurations, beside the mean", "median", digits=4),
    Shown("Median gain", "Median over configurations of the gain over the baseline", "gain_median", digits=4),
    Shown("Largest share", "Share of the mean gain that one configuration makes", "largest_share", percent=True),
    Shown("of", "The configuration that makes this share", "largest"),
    Shown(
        "Elo",
        "Elo rating with its interval over datasets; it depends on the pool of strategies that are rated together",
        "elo",
        "elo_low",
        "elo_high",
        0,
    ),
    Shown(
        "P better",
        "Bayesian signed-rank test: probability of being better than the baseline",
        "signed_rank_better",
        digits=2,
    ),
    Shown("P equivalent", "The same: probability of no difference that matters", "signed_rank_equivalent", digits=2),
    Shown("P worse", "The same: probability of being worse", "signed_rank_worse", digits=2),
    Shown(
        "P better, by folds",
        "Hierarchical correlated t-test over folds and datasets: probability of being better",
        "hierarchical_better",
        digits=2,
    ),
    Shown(
        "Gain, by folds",
        "The same: mean gain with its credible interval",
        "hierarchical_gain",
        "hierarchical_low",
        "hierarchical_high",
    ),
)


def further(rows: pd.DataFrame) -> tuple[list[Shown], list[tuple[str, list[str]]]]:
    """The further columns that rows of ``leaderboard.csv`` have values of, and (competitor, cells) of each row.

    >>> columns, cells = further(pd.DataFrame({"strategy": ["remix"], "elo": [1012.3], "median": [float("nan")]}))
    >>> [column.title for column in columns], cells
    (['Elo'], [('remix', ['1012'])])
    """
    columns = [one for one in FURTHER if one.value in rows and rows[one.value].replace("", None).notna().any()]
    return columns, [(str(row["strategy"]), [one.text(row) for one in columns]) for row in _records(rows)]


def _records(rows: pd.DataFrame) -> Sequence[Mapping[str, object]]:
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


@dataclass(frozen=True, eq=False)
class Beside:
    """What the page shows beside a leading board.

    Parameters
    ----------
    sentences : what its means rest on (`imbench.report.evidence.basis`)
    columns, rows : columns that go beyond ranks and tests, and the cells of each competitor
    """

    board: Board
    sentences: list[str]
    columns: list[Shown]
    rows: list[tuple[str, list[str]]]
