"""Leaderboards: the boards of results as tables, one for each protocol, task and metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.metrics import Metric, known_metrics
from imbench.scoring.rules import ARGMAX, EACH, RULES, ruled_column
from imbench.stats.board import Board, Entrant, make_board
from imbench.stats.competitors import BASELINE, CONFIGURATION, HEADLINE, competitor
from imbench.stats.labelled import LABELLED, labelled
from imbench.stats.ranks import average_ranks, friedman, friedman_undefined, rank_sums
from imbench.stats.scope import Scope
from imbench.stats.score_table import SAME, ScoreTable, all_cells

# The share of a net's batches with which its strategy could not do what it was asked to.
FALLBACK = "fallback_share"


@dataclass(frozen=True)
class Dropped:
    """A configuration that is not ranked, and the strategies of which the metric is undefined there."""

    dataset: str
    variant: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class TunedBaseline:
    """How a strategy under another decision rule would rank if it competed with those of a leaderboard.

    Parameters
    ----------
    name : such as ``baseline+tuned``
    mean, average_rank : its own, over the configurations ranked
    place : 1 is best; competitors of equal rank sums share the better place
    competitors : how many compete, itself included
    """

    name: str
    mean: float
    average_rank: float
    place: int
    competitors: int


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """One task and metric under one protocol and decision rule.

    Parameters
    ----------
    protocol, task, metric : what is ranked
    table : a row for each strategy, best first: ``strategy``, ``mean`` over configurations of the mean over folds,
        ``rank_sum`` and ``average_rank`` (1 is best, so smaller is better), ``configurations`` ranked, ``zero_folds``
        of them in which a class that has test rows is never hit (NaN where rows do not say), and the table's
        ``friedman`` statistic and its asymptotic ``p``
    configurations : (dataset, variant) of those ranked
    dropped : those on which the metric is undefined for some strategy
    partial : (strategy, number of configurations it lacks) of strategies that are not ranked because they lack some
    unranked : strategies without a single result
    same : groups of strategies that gave the same predictions, ranked once under the first name
    remarks : all of that in sentences
    over : what the board is over, such as ``suite tabular, 18 configurations``
    undefined : why Friedman's test says nothing; "" where it does
    rule : how decisions are made, a key of `imbench.scoring.rules.RULES`, or ``each``
    challenger : under ``argmax`` and for a metric of decisions, how the baseline with a tuned threshold would rank
    fallbacks : (strategy, share of its batches) of the strategies that could not do with some batches what they were
        asked to, the largest share first; mean over the nets of which it is known
    """

    protocol: str
    task: str
    metric: Metric
    table: pd.DataFrame
    configurations: tuple[tuple[str, str], ...]
    dropped: tuple[Dropped, ...] = ()
    partial: tuple[tuple[str, int], ...] = ()
    unranked: tuple[str, ...] = ()
    same: tuple[tuple[str, ...], ...] = ()
    remarks: tuple[str, ...] = ()
    over: str = ""
    undefined: str = ""
    rule: str = ARGMAX
    challenger: TunedBaseline | None = None
    fallbacks: tuple[tuple[str, float], ...] = ()


def leaderboards(
    frame: pd.DataFrame, metrics: Sequence[str] = HEADLINE, rule: str = ARGMAX, scope: Scope | None = None
) -> list[Leaderboard]:
    """The leaderboards of these rows (see `Store.frame`), in the order of protocols, tasks and metrics.

    A strategy in two versions counts as two; rows are left out whose numbers an older version decided than the newest.

    Parameters
    ----------
    frame : a row for each fold
    metrics : names of `imbench.scoring.metrics.METRICS`
    rule : one decision rule for all strategies (a metric that it does not change is as it is), or ``each``: every
        strategy under every rule competes, as ``baseline+tuned`` where the rule is not ``argmax``
    scope : which configurations the boards are over; None derives them from the rows

    Raises
    ------
    UsageError
        For a metric or rule that does not exist, or that these rows do not have.
    """
    unknown = [name for name in metrics if name not in known_metrics()]
    if unknown:
        raise UsageError(f"unknown metric {unknown[0]!r}; {suggest(unknown[0], known_metrics())}")
    wanted = [known_metrics()[name] for name in metrics]
    rows = _with_zeros(labelled(frame))
    kept = [name for name in leaderboard_columns(metrics, rule) if name in rows and name not in _FACTS]
    rules = {metric.name: rules_of(list(rows.columns), metric, rule) for metric in wanted}
    return [
        _leaderboard(cells, metric, rules[metric.name], rule)
        for cells in all_cells(rows, kept, scope=scope)
        for metric in wanted
    ]


_FACTS = frozenset({*LABELLED, *CONFIGURATION, "key", "repeat", "fold", "error", "ir"})


def leaderboard_columns(metrics: Sequence[str] = HEADLINE, rule: str = ARGMAX) -> list[str]:
    """The columns that leaderboards of these metrics under this rule read: all that `Store.frame` need be asked for."""
    rules = dict.fromkeys([ARGMAX, "tuned", *RULES] if rule == EACH else [ARGMAX, "tuned", rule])
    ruled = [ruled_column(known_metrics()[metric], r) for metric in metrics for r in rules]
    facts = [*LABELLED, *CONFIGURATION, "key", "repeat", "fold", "error", "ir"]
    return list(dict.fromkeys([*facts, *ruled, *metrics, *(zero_column(r) for r in rules), FALLBACK, *SAME]))


def zero_column(rule: str) -> str:
    """The column that says how many classes a fold never hit under a rule."""
    return "zero_recall" if rule == ARGMAX else f"zero_recall@{rule}"


def rules_of(columns: Sequence[str], metric: Metric, rule: str) -> list[str]:
    """The rules that compete: those of ``each`` that change the metric and that rows with these columns have.

    Raises
    ------
    UsageError
        If the rows do not have the one rule asked for.
    """
    if rule == EACH:
        changed = [r for r in RULES if r == ARGMAX or ruled_column(metric, r) != metric.name]
        return [r for r in changed if ruled_column(metric, r) in columns]
    column = ruled_column(metric, rule)
    if column not in columns:
        raise UsageError(f"these results have no column {column!r}; read them with imbench.load, which adds it")
    return [rule]


def _with_zeros(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with 1 where a fold never hits some class, and 0 where it hits all, so that means count folds."""
    zeros = [name for name in rows if str(name).startswith("zero_recall")]
    changed = {str(name): (rows[name] > 0).astype(float).where(rows[name].notna()) for name in zeros}
    return rows.assign(**changed) if changed else rows


def _leaderboard(cells: ScoreTable, metric: Metric, rules: Sequence[str], rule: str) -> Leaderboard:
    board = make_board(cells, metric, rules, rule)
    test = friedman(board.ranks)
    order = list(board.order)
    blocks = len(board.configurations)
    table = pd.DataFrame(
        {
            "strategy": [board.names[i] for i in order],
            "mean": board.means[order],
            "rank_sum": rank_sums(board.ranks)[order] if blocks else np.nan,
            "average_rank": average_ranks(board.ranks)[order],
            "configurations": blocks,
            "zero_folds": [_zero_folds(cells, board, board.entrants[i]) for i in order],
            "friedman": test.statistic,
            "p": test.pvalue,
        }
    )
    return Leaderboard(
        board.protocol,
        board.task,
        metric,
        table,
        configurations=tuple((c.dataset, c.variant) for c in board.configurations),
        dropped=tuple(Dropped(c.dataset, c.variant, names) for c, names in board.dropped),
        partial=tuple((one.name, len(one.lacks)) for one in board.partial),
        unranked=board.absent,
        same=board.same,
        remarks=board.remarks,
        over=board.over,
        undefined=friedman_undefined(board.ranks),
        rule=rule,
        challenger=_challenger(cells, metric) if rule == ARGMAX else None,
        fallbacks=_fallbacks(cells),
    )


def _zero_folds(cells: ScoreTable, board: Board, entrant: Entrant) -> float:
    """Folds of the configurations ranked in which a class that has test rows is never hit; NaN where unknown."""
    column = zero_column(entrant.rule)
    if column not in cells.mean:
        return float("nan")
    ranked = set(board.configurations)
    inside = [i for i, c in enumerate(cells.configurations) if c in ranked]
    at = cells.strategies.index(entrant.strategy)
    shares, folds = cells.mean[column][inside, at], cells.folds[inside, at]
    known = ~np.isnan(shares)
    return float(np.round(shares[known] * folds[known]).sum()) if known.any() else float("nan")


def _challenger(cells: ScoreTable, metric: Metric) -> TunedBaseline | None:
    """The baseline with a tuned threshold among the strategies ranked, if rows have both."""
    tuned = Entrant(competitor(BASELINE, "tuned"), BASELINE, "tuned")
    has = metric.of_decisions and ruled_column(metric, "tuned") in cells.mean and BASELINE in cells.strategies
    if not has:
        return None
    board = make_board(cells, metric, [ARGMAX], ARGMAX, also=[tuned])
    if tuned.name not in board.names or not board.configurations:
        return None
    sums, mine = rank_sums(board.ranks), board.names.index(tuned.name)
    return TunedBaseline(
        tuned.name,
        float(board.means[mine]),
        float(average_ranks(board.ranks)[mine]),
        # Sums of ranks are halves, so this far apart they are not equal.
        1 + int(np.sum(sums < sums[mine] - 0.25)),
        len(board.names),
    )


def _fallbacks(cells: ScoreTable) -> tuple[tuple[str, float], ...]:
    """The strategies that fell back with some batch, and with which share of them."""
    if FALLBACK not in cells.mean:
        return ()
    found = []
    for j, name in enumerate(cells.strategies):
        shares, folds = cells.mean[FALLBACK][:, j], cells.folds[:, j]
        known = ~np.isnan(shares) & (folds > 0)
        if known.any() and (share := float(np.average(shares[known], weights=folds[known]))) > 0:
            found.append((name, share))
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))
