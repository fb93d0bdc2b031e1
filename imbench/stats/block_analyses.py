"""A store's results evaluated on both levels: configurations as blocks, as in the paper, and datasets as blocks."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.metrics import Metric, known_metrics
from imbench.scoring.rules import ARGMAX, EACH, RULES, ruled_column
from imbench.stats.board import make_board
from imbench.stats.competitors import CONFIGURATION
from imbench.stats.equivalence import FEWEST_FOLDS, TOO_FEW_FOLDS
from imbench.stats.evaluation import Evaluation
from imbench.stats.labelled import LABELLED, labelled
from imbench.stats.leaderboard import rules_of
from imbench.stats.scope import Scope
from imbench.stats.score_table import SAME, ScoreTable, all_cells
from imbench.stats.within import FOLD, compare_within


@dataclass(frozen=True, eq=False)
class BlockAnalyses:
    """One task and metric under one protocol.

    Parameters
    ----------
    protocol, task, metric, rule : what is evaluated
    over : the configurations, such as ``suite tabular, 18 configurations``
    configurations : each variant of a dataset is a block, intervals resample datasets; None where that cannot be done
    datasets : the mean over a dataset's variants is a block; None where that cannot be done
    within : each strategy against the reference over the folds of each configuration (see `compare_within`), empty
        unless asked for
    notes : why a level is missing, and who is not ranked
    """

    protocol: str
    task: str
    metric: Metric
    rule: str
    over: str
    configurations: Evaluation | None
    datasets: Evaluation | None
    within: pd.DataFrame
    notes: tuple[str, ...]


def evaluate_rows(
    rows: pd.DataFrame,
    metric: str,
    *,
    task: str | None = None,
    protocol: str | None = None,
    rule: str = ARGMAX,
    alpha: float = 0.05,
    reference: str | None = None,
    within: bool = True,
    scope: Scope | None = None,
) -> list[BlockAnalyses]:
    """Evaluate per-fold rows (see `Store.frame`), for each protocol and task or the one asked for.

    Parameters
    ----------
    rows : with the columns of `level_columns`
    rule : a decision rule for all strategies, or ``each`` to let every strategy compete under every rule
    within : whether to compare within each configuration, too: the one comparison that a single configuration allows,
        since its folds are no blocks
    scope : which configurations are compared; None derives them from the rows

    Raises
    ------
    UsageError
        For a metric, rule, task or protocol that the rows do not have, or if nothing can be evaluated.
    """
    if metric not in known_metrics():
        raise UsageError(f"unknown metric {metric!r}; {suggest(metric, known_metrics())}")
    known = labelled(rows)
    for column, wanted in (("task", task), ("protocol", protocol)):
        there = sorted(map(str, known[column].unique()))
        if wanted is not None and wanted not in there:
            raise UsageError(f"no results of {column} {wanted!r}; {suggest(wanted, there)}")
        known = known if wanted is None else known[known[column] == wanted]
    measured = [name for name in dict.fromkeys(_ruled(metric, rule)) if name in known]
    found = []
    for cells in all_cells(known, measured, scope=scope):
        mine = known[(known["protocol"] == cells.protocol) & (known["task"] == cells.task)] if within else known
        found.append(_levels(mine, cells, known_metrics()[metric], rule, alpha, reference, within))
    if not any(levels.configurations or len(levels.within) for levels in found):
        notes = [note for levels in found for note in levels.notes]
        if notes and not within and len(known["strategy"].unique()) > 1:
            notes.append("to compare strategies over the folds of each configuration add --within")
        raise UsageError("; ".join(notes) or "the store holds no results")
    return found


def level_columns(metric: str, within: bool = True, rule: str = ARGMAX) -> list[str]:
    """The columns that `evaluate_rows` reads: all that `Store.frame` need be asked for."""
    facts = [*LABELLED, *CONFIGURATION, *FOLD, "error", "ir", *(["n_train", "n_test"] if within else [])]
    return list(dict.fromkeys([*facts, *_ruled(metric, rule), *SAME]))


def _ruled(metric: str, rule: str) -> list[str]:
    """The plain column of a metric, and those under the rules."""
    return [metric, *(ruled_column(known_metrics()[metric], r) for r in (RULES if rule == EACH else [rule]))]


def _levels(
    rows: pd.DataFrame, cells: ScoreTable, metric: Metric, rule: str, alpha: float, reference: str | None, inside: bool
) -> BlockAnalyses:
    rules = rules_of(list(cells.mean), metric, rule)
    board = make_board(cells, metric, rules, rule, alpha)
    if reference is not None and reference in board.names:
        board = make_board(cells, metric, rules, rule, alpha, control=reference)
    elif reference is not None:
        raise UsageError(f"reference {reference!r} is not ranked; {suggest(reference, board.names)}")
    notes = list(board.remarks)
    found: dict[str, Evaluation | None] = {"configurations": None, "datasets": None}
    for name, tests in (("configurations", board.evaluation), ("datasets", board.evaluation_by_dataset)):
        if isinstance(tests, str):
            # What cannot be compared over configurations cannot be over datasets either.
            notes.append(f"{cells.task}, protocol {cells.protocol}, {name} as blocks: {tests}")
            break
        found[name] = tests
    over = (
        found["configurations"].reference if found["configurations"] else board.control or next(iter(board.names), "")
    )
    # Of a single strategy there is nothing to compare with.
    inside = inside and bool(over) and len(board.names) > 1
    within = compare_within(rows, metric, over, alpha) if inside else pd.DataFrame()
    if len(within) and (within["folds"] < FEWEST_FOLDS).any():
        notes.append(TOO_FEW_FOLDS.format(int(within["folds"].min())))
    return BlockAnalyses(
        cells.protocol,
        cells.task,
        metric,
        rule,
        board.over,
        found["configurations"],
        found["datasets"],
        within,
        tuple(notes),
    )
