"""A store's results evaluated twice: with configurations as blocks, as in the paper, and with datasets as blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.rules import ARGMAX, EACH, RULES, ruled_column
from imbench.stats.bayes import ROPE, check_rope
from imbench.stats.board import make_board
from imbench.stats.evaluation import Evaluation
from imbench.stats.fold_table import SIZES
from imbench.stats.leaderboard import rules_of
from imbench.stats.names import CONFIGURATION, LABELLED, labelled
from imbench.stats.references import KIND, beside, is_reference, of_strategies, reference_tables
from imbench.stats.scope import Scope
from imbench.stats.score_table import SAME, ScoreTable, make_score_tables
from imbench.stats.within import FEWEST_FOLDS, FOLD, TOO_FEW_FOLDS, compare_within


@dataclass(frozen=True, eq=False)
class BlockAnalyses:
    """One task and metric under one protocol.

    Parameters
    ----------
    protocol, task, metric, rule : the results analysed
    over : the configurations in words, such as ``suite tabular, 18 configurations``
    configurations : each variant of a dataset is a block, intervals take whole datasets; None if impossible
    datasets : the mean over a dataset's variants is a block; None if impossible
    within : each strategy against the reference over the folds of each configuration (see `compare_within`); empty
        unless requested
    notes : reasons why an evaluation is impossible or strategies are not ranked
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
    known_metrics: Mapping[str, Metric] = METRICS,
    references: bool = False,
    rope: float = ROPE,
) -> list[BlockAnalyses]:
    """Evaluate per-fold rows (see `Store.frame`), for each protocol and task, or the given ones.

    Parameters
    ----------
    rows : with the columns of `analysis_columns`
    rule : a decision rule for all strategies; with ``each`` every strategy competes under every rule
    within : also compare within each configuration. For a single configuration this is the only possible
        comparison, since folds are not blocks
    scope : the configurations to compare; None derives them from the rows
    known_metrics : metrics by name; `Results.metrics` has those of plugins as well
    references : compare strategies and references together, over the configurations of the strategies
    rope : the largest gain that does not matter, for the Bayesian tests

    Raises
    ------
    UsageError
        For a metric, rule, task or protocol without results, or if no evaluation is possible.
    """
    check_rope(rope)
    if metric not in known_metrics:
        raise UsageError(f"unknown metric {metric!r}; {suggest(metric, known_metrics)}")
    if references and not is_reference(rows).any():
        raise UsageError("these results have no references; imbench run trains them")
    known = beside(rows) if references else labelled(of_strategies(rows))
    # A colon at the end of a name means its default settings, wherever results are selected.
    for column, wanted in (("task", task), ("protocol", protocol and protocol.rstrip().removesuffix(":"))):
        there = sorted(map(str, known[column].unique()))
        if wanted is not None and wanted not in there:
            raise UsageError(f"no results of {column} {wanted!r}; {suggest(wanted, there)}")
        known = known if wanted is None else known[known[column] == wanted]
    measured = [name for name in dict.fromkeys(_ruled(known_metrics[metric], rule)) if name in known]
    found = []
    own = make_score_tables(of_strategies(known), measured, scope=scope)
    for score_table in reference_tables(known, own, measured, scope) if references else own:
        mine = (
            known[(known["protocol"] == score_table.protocol) & (known["task"] == score_table.task)]
            if within
            else known
        )
        found.append(_analyse(mine, score_table, known_metrics[metric], rule, alpha, reference, within, rope))
    if not any(one.configurations or len(one.within) for one in found):
        notes = [note for one in found for note in one.notes]
        if notes and not within and len(known["strategy"].unique()) > 1:
            notes.append("to compare strategies over the folds of each configuration, add --within")
        raise UsageError("; ".join(notes) or "the store has no results")
    return found


def analysis_columns(metric: str, rule: str = ARGMAX) -> list[str]:
    """The columns that `evaluate_rows` reads for a metric of `METRICS`, for `Store.frame`."""
    facts = [*LABELLED, KIND, *CONFIGURATION, *FOLD, "error", "ir", *SIZES]
    return list(dict.fromkeys([*facts, *_ruled(METRICS[metric], rule), *SAME]))


def _ruled(metric: Metric, rule: str) -> list[str]:
    """The plain column of a metric and its columns under the rules."""
    return [metric.name, *(ruled_column(metric, r) for r in (RULES if rule == EACH else [rule]))]


def _analyse(
    rows: pd.DataFrame,
    score_table: ScoreTable,
    metric: Metric,
    rule: str,
    alpha: float,
    reference: str | None,
    inside: bool,
    rope: float,
) -> BlockAnalyses:
    rules = rules_of(list(score_table.mean), metric, rule)
    board = make_board(score_table, metric, rules, rule, alpha, rope=rope)
    if reference is not None and reference in board.names:
        board = make_board(score_table, metric, rules, rule, alpha, control=reference, rope=rope)
    elif reference is not None:
        raise UsageError(f"reference {reference!r} is not ranked; {suggest(reference, board.names)}")
    notes = list(board.remarks)
    found: dict[str, Evaluation | None] = {"configurations": None, "datasets": None}
    for name, tests in (("configurations", board.evaluation), ("datasets", board.evaluation_by_dataset)):
        if isinstance(tests, str):
            # If configurations cannot be compared, neither can datasets.
            notes.append(f"{score_table.task}, protocol {score_table.protocol}, {name} as blocks: {tests}")
            break
        found[name] = tests
    over = (
        found["configurations"].reference if found["configurations"] else board.control or next(iter(board.names), "")
    )
    # A single strategy has nothing to be compared with.
    inside = inside and bool(over) and len(board.names) > 1
    within = compare_within(rows, metric, over, alpha) if inside else pd.DataFrame()
    if len(within) and (within["folds"] < FEWEST_FOLDS).any():
        notes.append(TOO_FEW_FOLDS.format(int(within["folds"].min())))
    return BlockAnalyses(
        score_table.protocol,
        score_table.task,
        metric,
        rule,
        board.over,
        found["configurations"],
        found["datasets"],
        within,
        tuple(notes),
    )
