"""The model: everything a report shows, gathered once as plain values, so that every form says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from imbench.contract.errors import UsageError
from imbench.study.leaderboard import CONFIGURATION, HEADLINE, labelled
from imbench.study.report.boards import Board, make_board, plan_boards
from imbench.study.report.cells import Cells, all_cells
from imbench.study.report.columns import EVERY_RULE, Column, choose, columns_of, headline
from imbench.study.report.cost import Cost, costs
from imbench.study.report.coverage import Covered, Failure, covered, failures
from imbench.study.report.figures.contact_sheet import Sheet
from imbench.study.report.gains import Gain, gains_by_ir
from imbench.study.report.images import Images, images_of
from imbench.study.report.provenance import commands, data_hashes, facts, fingerprint
from imbench.study.report.reliability import Curve, curves
from imbench.study.report.verdict import Verdict, verdict
from imbench.study.report.words import counted, scrub
from imbench.study.results import Results
from imbench.study.rules import RULES
from imbench.study.source_marks import Origin, origins

ALPHA = 0.05

# Testing all pairs of 200 strategies takes a second a board; a store of 5 strategies has a few hundred pairs in all.
MOST_PAIRS = 100_000


@dataclass(frozen=True)
class Options:
    """What to show and what a store does not know.

    Parameters
    ----------
    metrics : names; those asked for lead the report; none means all, led by g-mean and balanced Brier score
    rules : decision rules; none means all that the results have
    alpha : level of the tests, in (0, 1)
    modality : of datasets by name, such as ``{"segment": "tabular"}``
    commands : that make the results again; none means every configuration spelt out
    title : of the page; "" for the report's own
    sheets : of samples, by dataset of images (see `imbench.study.report.images.wanted_samples`), or why there is none
    """

    metrics: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    alpha: float = ALPHA
    modality: Mapping[str, str] | None = None
    commands: tuple[str, ...] = ()
    title: str = ""
    sheets: Mapping[str, Sheet | str] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise UsageError(f"alpha must lie between 0 and 1, got {self.alpha!r}; 0.05 is usual")


@dataclass(frozen=True, eq=False)
class Model:
    """Everything a report shows.

    Parameters
    ----------
    jobs, configurations : how many the store holds
    columns : metrics under rules, those of ``headline`` first
    boards : the leading ones first; ``left_out``: metrics that a store with so many strategies has no boards of
    fingerprint : see `imbench.study.report.provenance.fingerprint`
    lacking : which results have no value under a decision rule, and why, a sentence for each rule
    origins : what code made the jobs of each strategy
    title : of the page; "" for the report's own
    images : what is of images alone; None where there are none
    """

    notes: tuple[str, ...]
    jobs: int
    configurations: int
    columns: tuple[Column, ...]
    headline: tuple[str, ...]
    cells: tuple[Cells, ...]
    boards: tuple[Board, ...]
    left_out: tuple[str, ...]
    curves: tuple[Curve, ...]
    costs: tuple[Cost, ...]
    covered: tuple[Covered, ...]
    failures: tuple[Failure, ...]
    facts: Mapping[str, tuple[str, ...]]
    data: tuple[tuple[str, str], ...]
    fingerprint: str
    commands: tuple[str, ...]
    alpha: float
    origins: tuple[Origin, ...] = ()
    lacking: tuple[str, ...] = ()
    title: str = ""
    images: Images | None = None

    @cached_property
    def leading(self) -> tuple[Board, ...]:
        """The boards that open the report: the headline metrics under the first rule, and where rules compete."""
        return tuple(b for b in self.boards if _leads(b.metric.name, b.rule, self.headline, self.columns))

    @cached_property
    def others(self) -> tuple[Board, ...]:
        """The boards beyond the leading ones."""
        return tuple(b for b in self.boards if b not in self.leading)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each leading board."""
        return tuple(verdict(board) for board in self.leading)

    @cached_property
    def gains(self) -> Mapping[str, tuple[Gain, ...]]:
        """Gains by imbalance ratio, by the slug of their board."""
        return {board.slug: tuple(gains_by_ir(board)) for board in self.boards}

    @cached_property
    def zero_rules(self) -> tuple[str, ...]:
        """Decision rules under which it is known how often a class is never hit."""
        return tuple(rule for rule in RULES if any(rule in one.zero_recall for one in self.covered))

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """Protocols, in order."""
        return tuple(dict.fromkeys(cell.protocol for cell in self.cells))


def gather(results: Results, options: Options) -> Model:
    """Read and test everything.

    Raises
    ------
    UsageError
        For a metric or rule that the results do not have.
    """
    rows = labelled(results.rows)
    columns = choose(columns_of(_known(rows)), options.metrics, options.rules)
    measured = [c.name for c in columns_of(_known(rows))] + [c for c in rows.columns if "[" in c] + ["seconds"]
    cells = all_cells(rows, measured, options.modality or {})
    lead = headline(columns, options.metrics)
    boards, left_out = _boards(cells, columns, lead, options.alpha)
    first = {(b.protocol, b.task): b for b in reversed(boards)}
    leading = {where: _leading(board) for where, board in first.items()}
    groups = {(c.protocol, c.task): rows[(rows["protocol"] == c.protocol) & (rows["task"] == c.task)] for c in cells}
    modality = options.modality or {}
    opening = [board for board in boards if _leads(board.metric.name, board.rule, lead, columns)]
    return Model(
        notes=tuple(scrub(note) for note in results.notes),
        jobs=int(rows["key"].nunique()),
        configurations=len(rows[CONFIGURATION].drop_duplicates()),
        columns=tuple(columns),
        headline=tuple(lead),
        cells=tuple(cells),
        boards=tuple(boards),
        left_out=tuple(left_out),
        curves=tuple(curves(results, rows, leading)),
        costs=tuple(cost for cell in cells for cost in costs(cell)),
        covered=tuple(one for cell in cells for one in covered(cell, groups[cell.protocol, cell.task])),
        failures=tuple(failures(rows)),
        facts=facts(rows),
        data=tuple(data_hashes(rows)),
        fingerprint=fingerprint(rows),
        commands=options.commands or tuple(commands(results.rows)),
        alpha=options.alpha,
        origins=tuple(origins(results.rows)),
        lacking=tuple(_lacking(rows, options.rules)),
        title=options.title,
        images=images_of(cells, opening, columns, results.rows, modality, options.sheets or {}),
    )


def _lacking(rows: pd.DataFrame, wanted: Sequence[str]) -> list[str]:
    """For each rule that needs what not all results have: how many jobs lack it."""
    done = rows[rows["error"] == ""]
    jobs, found = done["key"].nunique(), []
    for rule in (RULES[name] for name in wanted or RULES if name in RULES):
        column = f"{HEADLINE[0]}@{rule.name}"
        has = done.loc[done[column].notna(), "key"].nunique() if column in done else 0
        if rule.needs and has < jobs:
            found.append(f"{rule.name} is missing for {jobs - has:,} of {counted(jobs, 'job')}: it needs {rule.needs}")
    return found


def _known(rows: pd.DataFrame) -> list[str]:
    """Columns that hold something: an old store has no value of a newer rule."""
    return [str(name) for name in rows.columns if rows[name].notna().any() or (rows.empty and name in HEADLINE)]


def _boards(
    cells: Sequence[Cells], columns: Sequence[Column], lead: Sequence[str], alpha: float
) -> tuple[list[Board], list[str]]:
    """The leading boards, then the others as long as all pairs are not too many; metrics of those left out."""
    planned = [(cell, rule, of) for cell in cells for rule, of in plan_boards(columns)]
    planned.sort(key=lambda plan: not _leads(plan[2][0].metric.name, plan[1], lead, columns))
    made, left_out, pairs = [], [], 0
    for cell, rule, of in planned:
        pairs += (len(cell.strategies) * len(of)) ** 2 // 2
        if pairs <= MOST_PAIRS or _leads(of[0].metric.name, rule, lead, columns):
            made.append(make_board(cell, of, rule, alpha))
        else:
            left_out.append(of[0].metric.name)
    return made, list(dict.fromkeys(left_out))


def _leads(metric: str, rule: str, lead: Sequence[str], columns: Sequence[Column]) -> bool:
    return metric in lead and rule in (columns[0].rule, EVERY_RULE)


def _leading(board: Board) -> Sequence[str]:
    """Strategies worth a curve: the control, then the best."""
    names = [row.name.partition(" + ")[0] for row in board.table]
    return list(dict.fromkeys([*([board.control] if board.control else []), *names]))
