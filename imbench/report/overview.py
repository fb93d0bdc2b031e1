"""The first screen of a report: for each task one sentence, and one table of what a reader asks of a strategy."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imbench.report.answer import TUNED, answer
from imbench.report.columns import Column
from imbench.report.model import Model
from imbench.scoring.columns import UNKNOWN
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.rules import ARGMAX, EACH, ruled_column
from imbench.stats.board import Board, merit
from imbench.stats.leaderboard import FALLBACK
from imbench.stats.ranks import TRAINED
from imbench.stats.score_table import Floats, ScoreTable
from imbench.stats.words import counted
from imbench.store.source_marks import FAILED, NOT_CHECKED, Origin

# The metrics of every overview besides the leading ones: the probabilities at the natural prior, and the ranking.
ALWAYS = ("gmean", "bbs", "brier", "auprc")
# Ranks are shown for the first of the leading metrics; more would not fit beside the means.
MOST_RANKED = 2

PASSED = "passed"


@dataclass(frozen=True)
class Standing:
    """A strategy's average rank on one board, with its interval; NaN if undefined."""

    rank: float
    low: float
    high: float


UNRANKED = Standing(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Row:
    """A strategy or a reference.

    Parameters
    ----------
    means, best : for each column of the overview, the mean over configurations and whether no strategy has a better one
    standings : for each ranked board of the overview; empty for a reference
    ahead : for a reference and each ranked board, the configurations on which it is better than every strategy
    seconds : training time per net, NaN if unknown
    fallback : share of mini-batches that the strategy could not rebalance, NaN if unknown
    checks : result of the conformance checks (`imbench.store.source_marks.Origin.checks`), "" for a reference
    """

    name: str
    means: tuple[float, ...]
    best: tuple[bool, ...]
    standings: tuple[Standing, ...] = ()
    ahead: tuple[int, ...] = ()
    seconds: float = math.nan
    fallback: float = math.nan
    checks: str = ""

    @property
    def mark(self) -> str:
        """The mark of the checks: ✓ passed, ✗ failed, – not checked, ? unknown."""
        return "✓" if self.checks == PASSED else "✗" if self.checks.startswith(FAILED) else _MARKS.get(self.checks, "?")


_MARKS = {NOT_CHECKED: "–", "": ""}


@dataclass(frozen=True, eq=False)
class Overview:
    """The overview of one protocol and task.

    Parameters
    ----------
    answer : see `imbench.report.answer.answer`
    boards : the boards whose ranks are shown
    columns : the metrics shown, those of a ranked board first
    rows : the ranked strategies, best first by the first board
    references : the references, by name
    """

    protocol: str
    task: str
    answer: str
    boards: tuple[Board, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    references: tuple[Row, ...] = ()

    @property
    def first(self) -> Board:
        """The board that orders the rows."""
        return self.boards[0]

    @property
    def title(self) -> str:
        """The task, and what it was measured on."""
        first = self.first
        return f"{self.task.capitalize()}: {first.over} of {counted(first.tests.datasets, 'dataset')}"

    @property
    def slug(self) -> str:
        """A name for anchors."""
        return "".join(c if c.isalnum() else "-" for c in f"overview-{self.protocol}-{self.task}")

    def columns_of(self, board: Board) -> list[int]:
        """The numbers of the columns with a board's metric."""
        return [i for i, column in enumerate(self.columns) if column.metric == board.metric]

    @property
    def others(self) -> list[int]:
        """The numbers of the columns whose metric has no ranks here."""
        ranked = [board.metric for board in self.boards]
        return [i for i, column in enumerate(self.columns) if column.metric not in ranked]

    def knows(self, fact: str) -> bool:
        """Whether any row has a value of ``seconds`` or ``fallback``."""
        return any(not math.isnan(getattr(row, fact)) for row in (*self.rows, *self.references))


def overviews(model: Model) -> list[Overview]:
    """The overview of each protocol and task with a leading board."""
    return [one for scores in model.score_tables if (one := _overview(model, scores)) is not None]


def _overview(model: Model, scores: ScoreTable) -> Overview | None:
    where = (scores.protocol, scores.task)
    leading = [b for b in model.leading if (b.protocol, b.task) == where and b.rule != EACH]
    if not leading:
        return None
    boards = leading[:MOST_RANKED]
    columns = _columns(scores, [board.metric for board in boards], boards[0].rule)
    names = [row.name for row in boards[0].table]
    means = _means(scores, columns, names)
    standings = [{row.name: Standing(row.average_rank, row.rank_low, row.rank_high) for row in b.table} for b in boards]
    seconds = {c.strategy: c.seconds for c in model.costs if (c.protocol, c.task) == where}
    fallback = {c.strategy: c.process.get(FALLBACK, math.nan) for c in model.covered if (c.protocol, c.task) == where}
    checks, best = _checks(model.origins), _best(columns, means)
    rows = [
        Row(
            name,
            tuple(means[i].tolist()),
            tuple(best[i].tolist()),
            tuple(of.get(name, UNRANKED) for of in standings),
            (),
            seconds.get(name, math.nan),
            fallback.get(name, math.nan),
            checks.get(name, UNKNOWN),
        )
        for i, name in enumerate(names)
    ]
    together = next((one for one in model.reference_tables if (one.protocol, one.task) == where), None)
    references = _references(together, model.references, boards, columns) if together else []
    return Overview(*where, answer(scores, leading), tuple(boards), tuple(columns), tuple(rows), tuple(references))


def _references(
    scores: ScoreTable, references: Collection[str], boards: Sequence[Board], columns: Sequence[Column]
) -> list[Row]:
    """The references with a result on every configuration of the boards.

    Parameters
    ----------
    scores : strategies and references over the same configurations
    """
    found = []
    for i, name in enumerate(scores.strategies):
        if name not in references or not scores.complete[i]:
            continue
        means = [_means(scores, [c], [name])[0, 0] if c.name in scores.mean else math.nan for c in columns]
        seconds = scores.mean.get("seconds", np.full(scores.folds.shape, np.nan))[scores.inside, i]
        known = seconds[~np.isnan(seconds)]
        found.append(
            Row(
                name,
                tuple(map(float, means)),
                (False,) * len(columns),
                ahead=tuple(_ahead(scores, board, i) for board in boards),
                seconds=float(known.mean()) if len(known) else math.nan,
            )
        )
    return sorted(found, key=lambda row: row.name)


def _ahead(scores: ScoreTable, board: Board, reference: int) -> int:
    """The configurations of a board on which a reference is better than every strategy that the board ranks."""
    column = Column(board.metric, board.rule).name
    known = scores.mean.get(column, scores.mean[board.metric.name])
    where = [i for i, c in enumerate(scores.configurations) if c in set(board.configurations)]
    ranked = [scores.strategies.index(name) for name in board.names]
    worth = merit(board.metric, known[where])
    return int((worth[:, reference] > worth[:, ranked].max(axis=1, initial=-np.inf) + TRAINED.absolute).sum())


def _columns(scores: ScoreTable, ranked: Sequence[Metric], rule: str) -> list[Column]:
    """The metrics that the results have: plain, and metrics of decisions also with a tuned threshold."""
    metrics = dict.fromkeys([*ranked, *(METRICS[name] for name in ALWAYS)])
    found = []
    for metric in metrics:
        for one in dict.fromkeys([rule if metric in ranked else ARGMAX, *([TUNED] if metric.of_decisions else [])]):
            column = Column(metric, one if ruled_column(metric, one) != metric.name else ARGMAX)
            if column not in found and not np.isnan(scores.mean.get(column.name, np.array(np.nan))).all():
                found.append(column)
    return found


def _means(scores: ScoreTable, columns: Sequence[Column], names: Sequence[str]) -> Floats:
    """``(names, columns)`` means over the configurations of the boards on which all these strategies have a value."""
    at = [scores.strategies.index(name) for name in names]
    found = np.full((len(names), len(columns)), np.nan)
    for j, column in enumerate(columns):
        values = scores.mean[column.name][scores.inside][:, at]
        known = ~np.isnan(values).any(axis=1)
        if known.any():
            found[:, j] = values[known].mean(axis=0)
    return found


def _best(columns: Sequence[Column], means: Floats) -> np.ndarray:
    """``(names, columns)`` whether no other mean of the column is better; scores of nets within 1e-6 are tied."""
    found = np.zeros(means.shape, dtype=np.bool_)
    for j, column in enumerate(columns):
        worth = merit(column.metric, means[:, j])
        if not np.isnan(worth).all():
            found[:, j] = worth >= np.nanmax(worth) - TRAINED.absolute
    return found


def _checks(origins: Sequence[Origin]) -> Mapping[str, str]:
    """The result of the checks by strategy, and by its label with a version; of several sources the worst."""
    found: dict[str, str] = {}
    for origin in origins:
        for name in (origin.strategy, f"{origin.strategy}@{origin.version}"):
            found[name] = max(found.get(name, PASSED), origin.checks, key=_severity)
    return found


def _severity(checks: str) -> int:
    order = (PASSED, UNKNOWN, NOT_CHECKED, FAILED)
    result = checks.partition(":")[0]
    return order.index(result) if result in order else order.index(UNKNOWN)
