"""Leaderboards: the boards of results as tables, one for each protocol, task and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.old_names import old_attributes
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.rules import ARGMAX, EACH, RULES, ruled_column
from imbench.stats.board import Board, Entrant, make_board
from imbench.stats.friedman import friedman, friedman_undefined
from imbench.stats.names import BASELINE, CONFIGURATION, HEADLINE, LABELLED, competitor, labelled
from imbench.stats.ranks import average_ranks, rank_sums
from imbench.stats.references import KIND, beside, is_reference, of_strategies, reference_tables
from imbench.stats.scope import Scope
from imbench.stats.score_table import SAME, ScoreTable, make_score_tables

# The share of a net's batches that its strategy could not rebalance.
FALLBACK = "fallback_share"


@dataclass(frozen=True)
class Dropped:
    """A configuration that is not ranked, and the strategies for which the metric is undefined there."""

    dataset: str
    variant: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class TunedBaseline:
    """Where the baseline with a tuned threshold would rank among the strategies of a leaderboard.

    Parameters
    ----------
    name : ``baseline+tuned``
    mean, average_rank : over the ranked configurations
    place : 1 is best; competitors with equal rank sums share the better place
    competitors : number of competitors, itself included
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
    protocol, task, metric : the results ranked
    table : a row for each strategy, best first: ``strategy``, ``mean`` over configurations of the mean over folds,
        ``rank_sum`` and ``average_rank`` (1 is best), number of ``configurations``, ``zero_folds`` (folds that missed a
        class entirely; NaN if unknown), and the ``friedman`` statistic of the board with its asymptotic ``p``
    configurations : (dataset, variant) of the ranked ones
    dropped : configurations on which the metric is undefined for some strategies
    partial : (strategy, number of missing configurations) of strategies not ranked because of missing results
    unranked : strategies without any result
    same : groups of strategies with the same predictions, ranked once under the first name
    remarks : all of these in sentences
    over : the configurations in words, such as ``suite tabular, 18 configurations``
    undefined : why Friedman's test is undefined; "" if it is defined
    rule : the decision rule, a key of `imbench.scoring.rules.RULES`, or ``each``
    tuned_baseline : under ``argmax`` and for a metric of decisions, where the baseline with a tuned threshold would
        rank
    fallbacks : (strategy, share of batches) of the strategies that fell back in some batches, largest share first; mean
        over the nets for which it is known
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
    tuned_baseline: TunedBaseline | None = None
    fallbacks: tuple[tuple[str, float], ...] = ()

    if not TYPE_CHECKING:
        __getattr__ = old_attributes("Leaderboard")


def leaderboards(
    frame: pd.DataFrame,
    metrics: Sequence[str] = HEADLINE,
    rule: str = ARGMAX,
    scope: Scope | None = None,
    known_metrics: Mapping[str, Metric] = METRICS,
    references: bool = False,
) -> list[Leaderboard]:
    """The leaderboards of these rows (see `Store.frame`), in the order of protocols, tasks and metrics.

    Strategies alone are ranked, unless ``references`` asks for boards that rank references among them, over the same
    configurations. Two versions of a strategy count as two. Results whose numbers come from an older version
    (column ``numbers``) have separate boards.

    Parameters
    ----------
    frame : a row for each fold
    metrics : names of metrics
    known_metrics : metrics by name; `Results.metrics` has those of plugins as well
    rule : one decision rule for all strategies, or ``each``: every strategy competes under every rule that changes
        the metric, as ``baseline+tuned`` where the rule is not ``argmax``
    scope : the configurations of the boards; None derives them from the rows
    references : rank strategies and references together; without references there are no such boards

    Raises
    ------
    UsageError
        For an unknown metric or rule, or one without a column in these rows.
    """
    unknown = [name for name in metrics if name not in known_metrics]
    if unknown:
        raise UsageError(f"unknown metric {unknown[0]!r}; {suggest(unknown[0], known_metrics)}")
    wanted = [known_metrics[name] for name in metrics]
    rows = _with_zeros(labelled(of_strategies(frame)))
    kept = [name for name in leaderboard_columns(metrics, rule, known_metrics) if name in rows and name not in _FACTS]
    rules = {metric.name: rules_of(list(rows.columns), metric, rule) for metric in wanted}
    score_tables = make_score_tables(rows, kept, scope=scope)
    if references:
        among = is_reference(frame).any()
        score_tables = reference_tables(_with_zeros(beside(frame)), score_tables, kept, scope) if among else []
    return [
        _leaderboard(score_table, metric, rules[metric.name], rule) for score_table in score_tables for metric in wanted
    ]


_FACTS = frozenset({*LABELLED, KIND, *CONFIGURATION, "key", "repeat", "fold", "error", "ir"})


def leaderboard_columns(
    metrics: Sequence[str] = HEADLINE, rule: str = ARGMAX, known_metrics: Mapping[str, Metric] = METRICS
) -> list[str]:
    """The columns that leaderboards of these metrics under this rule read, for `Store.frame`."""
    rules = dict.fromkeys([ARGMAX, "tuned", *RULES] if rule == EACH else [ARGMAX, "tuned", rule])
    ruled = [ruled_column(known_metrics[metric], r) for metric in metrics for r in rules]
    facts = [*LABELLED, KIND, *CONFIGURATION, "key", "repeat", "fold", "error", "ir"]
    return list(dict.fromkeys([*facts, *ruled, *metrics, *(zero_column(r) for r in rules), FALLBACK, *SAME]))


def zero_column(rule: str) -> str:
    """The column with the number of classes that a fold missed entirely under a rule."""
    return "zero_recall" if rule == ARGMAX else f"zero_recall@{rule}"


def rules_of(columns: Sequence[str], metric: Metric, rule: str) -> list[str]:
    """The rules that compete: the one given, or for ``each`` all that change the metric and have a column.

    Raises
    ------
    UsageError
        If the rows have no column for the given rule.
    """
    if rule == EACH:
        changed = [r for r in RULES if r == ARGMAX or ruled_column(metric, r) != metric.name]
        return [r for r in changed if ruled_column(metric, r) in columns]
    column = ruled_column(metric, rule)
    if column not in columns:
        raise UsageError(f"these results have no column {column!r}; read them with imbench.load, which adds it")
    return [rule]


def _with_zeros(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with 1 where a fold missed some class entirely, else 0, so that means count folds."""
    zeros = [name for name in rows if str(name).startswith("zero_recall")]
    changed = {str(name): (rows[name] > 0).astype(float).where(rows[name].notna()) for name in zeros}
    return rows.assign(**changed) if changed else rows


def _leaderboard(score_table: ScoreTable, metric: Metric, rules: Sequence[str], rule: str) -> Leaderboard:
    board = make_board(score_table, metric, rules, rule)
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
            "zero_folds": [_zero_folds(score_table, board, board.entrants[i]) for i in order],
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
        tuned_baseline=_tuned_baseline(score_table, metric) if rule == ARGMAX else None,
        fallbacks=_fallbacks(score_table),
    )


def _zero_folds(score_table: ScoreTable, board: Board, entrant: Entrant) -> float:
    """Folds of the ranked configurations that missed a class entirely; NaN if unknown."""
    column = zero_column(entrant.rule)
    if column not in score_table.mean:
        return float("nan")
    ranked = set(board.configurations)
    inside = [i for i, c in enumerate(score_table.configurations) if c in ranked]
    at = score_table.strategies.index(entrant.strategy)
    shares, folds = score_table.mean[column][inside, at], score_table.folds[inside, at]
    known = ~np.isnan(shares)
    return float(np.round(shares[known] * folds[known]).sum()) if known.any() else float("nan")


def _tuned_baseline(score_table: ScoreTable, metric: Metric) -> TunedBaseline | None:
    """The baseline with a tuned threshold among the ranked strategies, if the rows have both."""
    tuned = Entrant(competitor(BASELINE, "tuned"), BASELINE, "tuned")
    has = (
        metric.of_decisions and ruled_column(metric, "tuned") in score_table.mean and BASELINE in score_table.strategies
    )
    if not has:
        return None
    board = make_board(score_table, metric, [ARGMAX], ARGMAX, also=[tuned])
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


def _fallbacks(score_table: ScoreTable) -> tuple[tuple[str, float], ...]:
    """The strategies that fell back in some batches, and the share of these batches."""
    if FALLBACK not in score_table.mean:
        return ()
    found = []
    for j, name in enumerate(score_table.strategies):
        shares, folds = score_table.mean[FALLBACK][:, j], score_table.folds[:, j]
        known = ~np.isnan(shares) & (folds > 0)
        if known.any() and (share := float(np.average(shares[known], weights=folds[known]))) > 0:
            found.append((name, share))
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))
