"""Equal budgets: boards of default, tuned and ensembled configurations, and which conclusions tuning changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from imbench.report.answer import in_text
from imbench.report.columns import Column
from imbench.stats.board import Board, make_board
from imbench.stats.board_changes import NOT_SHOWN, BoardChanges, Change, compared
from imbench.stats.names import labelled
from imbench.stats.ranks import TRAINED
from imbench.stats.references import beside, is_reference, of_strategies, reference_tables
from imbench.stats.scope import Scope
from imbench.stats.score_table import make_score_tables
from imbench.stats.smallest_p import undecidable
from imbench.stats.words import counted, listed
from imbench.store.trials import DEFAULT, Tuning

# A sentence names at most four strategies.
MOST_PAIRS_NAMED = 2


@dataclass(frozen=True, eq=False)
class TunedBoards:
    """The boards of one protocol, task and metric, for each selection among the trials.

    Parameters
    ----------
    boards : board of strategies by selection (`imbench.store.trials.Tuning.shown`), ``default`` first
    reference_boards : the same of strategies and references with trials; empty without such references
    """

    protocol: str
    task: str
    column: Column
    boards: Mapping[str, Board]
    reference_boards: Mapping[str, Board] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """A name for anchors and files."""
        return self.tuned.slug

    @property
    def selection(self) -> str:
        """The best of all trials, ``tuned@K``."""
        return next((name for name in self.boards if name.startswith("tuned@")), list(self.boards)[-1])

    @property
    def tuned(self) -> Board:
        """The board of `selection`."""
        return self.boards[self.selection]

    @cached_property
    def changes(self) -> BoardChanges | None:
        """What `tuned` concludes otherwise than the default board; None if they share fewer than two strategies."""
        default = self.boards.get(DEFAULT)
        if default is None:
            return None
        names = [name for name in default.names if name in self.tuned.names]
        shared = {(c.dataset, c.variant) for c in default.configurations}
        shared &= {(c.dataset, c.variant) for c in self.tuned.configurations}
        if len(names) < 2 or not shared:
            return None
        return compared(*(_among(board, names, shared) for board in (default, self.tuned)))


def tuned_boards(
    tuning: Tuning, columns: Sequence[Column], modality: Mapping[str, str], scope: Scope, alpha: float
) -> list[TunedBoards]:
    """The boards of these columns, for each protocol and task of a tuned run."""
    columns = [column for column in columns if column.name in tuning.rows]
    names = [column.name for column in columns]
    own: dict[tuple[str, str, Column], dict[str, Board]] = {}
    together: dict[tuple[str, str, Column], dict[str, Board]] = {}
    for selection in tuning.shown:
        rows = tuning.select(selection)
        tables = make_score_tables(labelled(of_strategies(rows)), names, modality, scope)
        with_references = (
            reference_tables(beside(rows), tables, names, scope, modality) if is_reference(rows).any() else []
        )
        for found, several in ((own, tables), (together, with_references)):
            for scores in several:
                for column in columns:
                    board = make_board(scores, column.metric, [column.rule], column.rule, alpha)
                    found.setdefault((scores.protocol, scores.task, column), {})[selection] = board
    return [TunedBoards(*about, boards, together.get(about, {})) for about, boards in own.items()]


def _among(board: Board, names: Sequence[str], configurations: set[tuple[str, str]]) -> Board:
    """The board of these competitors and configurations alone."""
    at = [board.names.index(name) for name in names]
    rows = [i for i, c in enumerate(board.configurations) if (c.dataset, c.variant) in configurations]
    return replace(
        board,
        entrants=tuple(board.entrants[i] for i in at),
        control=board.control if board.control in names else "",
        scores=board.scores[np.ix_(rows, at)],
        configurations=tuple(board.configurations[i] for i in rows),
        score_table=(board.score_table[0], board.score_table[1][rows]) if board.score_table else None,
    )


def curves_of(tuning: Tuning, columns: Sequence[Column]) -> pd.DataFrame:
    """`Tuning.curves` of each of these columns, with the columns ``metric``, ``rule`` and ``selected_by``."""
    found = [
        tuning.curves(column.metric.name, column.rule).assign(
            metric=column.metric.name, rule=column.rule, selected_by=tuning.metric.name
        )
        for column in columns
        if column.name in tuning.rows
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


@dataclass(frozen=True)
class Cell:
    """Mean and average rank of a competitor on one board; NaN where it is not ranked. ``best``: no mean is better."""

    mean: float
    rank: float
    best: bool = False


@dataclass(frozen=True, eq=False)
class BudgetTable:
    """What a reader sees of one protocol and task.

    Parameters
    ----------
    heads : metric and selection of each cell of a row
    rows : strategies, best first by `TunedBoards.tuned` of the first metric
    references : references with trials, by name; they have no ranks among strategies
    """

    several: tuple[TunedBoards, ...]
    heads: tuple[tuple[TunedBoards, str], ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    references: tuple[tuple[str, tuple[Cell, ...]], ...]

    @property
    def first(self) -> TunedBoards:
        """The boards of the first metric."""
        return self.several[0]

    @property
    def conclusions(self) -> list[str]:
        """A title and sentences for each metric."""
        return [conclusions(one) for one in self.several]

    @property
    def remarks(self) -> list[str]:
        """Which competitors the boards do not rank, and why."""
        return list(dict.fromkeys(remark for one, name in self.heads for remark in one.boards[name].remarks))


def budget_tables(budgets: Sequence[TunedBoards], references: frozenset[str]) -> list[BudgetTable]:
    """One table for each protocol and task of these boards."""
    groups: dict[tuple[str, str], list[TunedBoards]] = {}
    for one in budgets:
        groups.setdefault((one.protocol, one.task), []).append(one)
    return [_table(several, references) for several in groups.values()]


def _table(several: Sequence[TunedBoards], references: frozenset[str]) -> BudgetTable:
    heads = [(one, name) for one in several for name in one.boards]
    own = [_cells(one.boards[name]) for one, name in heads]
    order = [row.name for row in several[0].tuned.table]
    names = list(dict.fromkeys([*order, *(name for cells in own for name in cells)]))
    beside_ = [_cells(one.reference_boards[name]) if name in one.reference_boards else {} for one, name in heads]
    known = sorted({name for cells in beside_ for name in cells} & references)
    unranked = Cell(math.nan, math.nan)
    return BudgetTable(
        tuple(several),
        tuple(heads),
        tuple((name, tuple(cells.get(name, unranked) for cells in own)) for name in names),
        tuple((name, tuple(Cell(cells.get(name, unranked).mean, math.nan) for cells in beside_)) for name in known),
    )


def _cells(board: Board) -> dict[str, Cell]:
    """The cell of each competitor that a board ranks."""
    if not board.configurations:
        return {}
    merits = board.merit.mean(axis=0)
    best = merits >= merits.max(initial=-np.inf) - TRAINED.absolute
    ranks = board.tests.average_ranks
    return {name: Cell(float(board.means[i]), float(ranks[i]), bool(best[i])) for i, name in enumerate(board.names)}


def trials_of(selection: str) -> str:
    """The number of trials that a selection chooses from.

    >>> trials_of("tuned@8"), trials_of("default")
    ('8', '1')
    """
    return selection.partition("@")[2] or "1"


def about_tuning(budgets: Sequence[TunedBoards], selected_by: str) -> str:
    """What every strategy gets, and what selects, in sentences."""
    trials = trials_of(budgets[0].selection)
    return (
        f"Every strategy gets the same budget, {counted(int(trials), 'trial')}: its default, and draws from its own "
        f"search space and one that all share. In each fold tuned@{trials} is the trial with the best "
        f"{in_text(selected_by)} on validation rows, and ensemble@{trials} is the mean of trials chosen greedily on "
        "the same rows. Selection never sees a test row."
    )


def conclusions(one: TunedBoards) -> str:
    """Which pairs of strategies differ with tuned configurations but not by default, and the other way round."""
    title, changes = one.tuned.metric.title, one.changes
    if changes is None:
        return f"{title}: fewer than two strategies have results for both {DEFAULT} and {one.selection}."
    blocks, names = len(changes.a.configurations), changes.a.names
    if blocks < 2 or undecidable("pairs", blocks, len(names), changes.a.alpha):
        return f"{title}: which strategies differ cannot be decided with {counted(blocks, 'configuration')}."
    if not changes.changes:
        differ = sum(pair.p_holm <= changes.a.alpha for pair in changes.a.tests.pairs.values())
        if not differ:
            return f"{title}: no two strategies are shown to differ, neither by default nor with {one.selection}."
        same = "the same " + ("pair of strategies differs" if differ == 1 else f"{differ} pairs of strategies differ")
        return f"{title}: tuning changes no conclusion; {same}."
    found = [f"{title}: tuning changes {len(changes.changes)} of {counted(changes.pairs, 'conclusion')}."]
    kinds = {
        f"Shown with {one.selection} only": [_better(c, c.b) for c in changes.changes if c.a == NOT_SHOWN],
        "Shown by default only": [_better(c, c.a) for c in changes.changes if c.b == NOT_SHOWN],
        f"Reversed, with {one.selection}": [_better(c, c.b) for c in changes.changes if NOT_SHOWN not in (c.a, c.b)],
    }
    found += [f"{kind}: {listed(pairs, MOST_PAIRS_NAMED)}." for kind, pairs in kinds.items() if pairs]
    return " ".join(found)


def _better(change: Change, conclusion: str) -> str:
    """The pair of a change in words, for a conclusion that one of them is better."""
    first = conclusion == f"{change.first} is better"
    winner, loser = (change.first, change.second) if first else (change.second, change.first)
    return f"{winner} is better than {loser}"
