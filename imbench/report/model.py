"""The model: everything that a report shows, gathered once as plain values for all its formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.protocol import caveats
from imbench.report.columns import Column, choose, columns_of, headline
from imbench.report.cost import Cost, costs
from imbench.report.coverage import READ_BY_COVERAGE, Covered, Failure, covered, failures
from imbench.report.evidence import Evidence, evidence
from imbench.report.figures.sample_grid import SampleGrid
from imbench.report.figures.spec import series_of
from imbench.report.gains import Gain, gains_by_ir
from imbench.report.images import Images, images_of
from imbench.report.provenance import commands, data_hashes, facts, fingerprint
from imbench.report.reliability import Curve, curves
from imbench.report.spread import Spread, spread_of
from imbench.report.tuned import TunedBoards, curves_of, tuned_boards
from imbench.report.verdict import Verdict, verdict
from imbench.scoring.metrics import Metric
from imbench.scoring.rules import EACH, RULES
from imbench.stats.board import Board, make_board
from imbench.stats.names import CONFIGURATION, HEADLINE, file_name, labelled, strategy_of, without_trials
from imbench.stats.references import (
    beside,
    is_reference,
    of_strategies,
    reference_tables,
    references_in,
    with_distinct_names,
)
from imbench.stats.scope import KnownSuite, Scope
from imbench.stats.score_table import ScoreTable, make_score_tables
from imbench.stats.words import counted, scrub
from imbench.store.completeness import completeness
from imbench.store.results import Results
from imbench.store.source_marks import Origin, origins, source_notes
from imbench.store.trials import has_trials

ALPHA = 0.05

# Testing all pairs of 200 strategies takes a second per board; 5 strategies have a few hundred pairs in all. Under four
# decision rules 200 strategies have 320,000 pairs, which take minutes, and no difference survives their correction.
MOST_PAIRS = 100_000


@dataclass(frozen=True)
class Options:
    """What to show, and facts that a store does not contain.

    Parameters
    ----------
    metrics : names of the leading metrics; empty for all metrics, led by g-mean and balanced Brier score
    rules : decision rules, or ``each`` for boards that rank all of them together; empty for all in the results
    alpha : level of the tests, in (0, 1)
    modality : modality of each dataset, such as ``{"segment": "tabular"}``
    commands : shell commands that reproduce the results; empty to list every configuration
    title : title of the page; "" for the default
    suites : installed suites; the report says which of them the results cover
    families : family of each dataset that has one (`imbench.stats.scope.Scope`); empty for those of the results
    sample_grids : grid of each image dataset, or why there is none (see `imbench.report.images.wanted_samples`)
    date : day of the results, such as ``2026-11-28``; "" to show none
    citations : publication to cite for each dataset, such as ``{"segment": "UCI, 1990"}``
    """

    metrics: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    alpha: float = ALPHA
    modality: Mapping[str, str] | None = None
    commands: tuple[str, ...] = ()
    title: str = ""
    sample_grids: Mapping[str, SampleGrid | str] | None = None
    suites: tuple[KnownSuite, ...] = ()
    families: Mapping[str, str] = field(default_factory=dict)
    date: str = ""
    citations: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise UsageError(f"alpha must lie between 0 and 1, got {self.alpha!r}; 0.05 is usual")

    def scope_of(self, results: Results) -> Scope:
        """The scope of boards of a store's results."""
        return Scope(suites=self.suites, families=self.families or results.scope.families)


@dataclass(frozen=True, eq=False)
class Model:
    """Everything a report shows.

    Parameters
    ----------
    notes : covered and missing configurations (`imbench.store.completeness`), and caveats of the protocols
    jobs, configurations : their numbers in the store
    columns : metrics under decision rules, those of ``headline`` first
    boards : the leading ones first; ``left_out``: metrics without boards because there are too many strategies
    fingerprint : see `imbench.report.provenance.fingerprint`
    lacking : a sentence for each decision rule that is missing from some results, and for boards that rank too many
        competitors, with the reason
    origins : the source code behind the jobs of each strategy
    title : title of the page; "" for the default
    images : the image section; None without images
    references : names of the competitors that are references (`imbench.references`); no board of ``boards`` ranks them
    reference_tables : for each of ``score_tables``, the scores of strategies and references over the same
        configurations; empty without references
    reference_boards : by slug of a leading board, the board over the same configurations that ranks strategies and
        references together; empty without references
    date : day of the results; "" if unknown
    citations : (dataset, publication to cite), for the datasets that state one
    spread : intervals over nets, and variance components of draws, splits and training seeds
    evidence : rows of the rarest class behind each configuration
    tuned : for each strategy and selection among its trials, scores and budget by each leading metric
        (`imbench.report.tuned.curves_of`); without rows for results without trials
    budgets : boards of default, tuned and ensembled configurations for each leading metric; empty without trials
    selected_by : title of the metric that selects among trials; "" without trials
    """

    notes: tuple[str, ...]
    jobs: int
    configurations: int
    columns: tuple[Column, ...]
    headline: tuple[str, ...]
    score_tables: tuple[ScoreTable, ...]
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
    references: frozenset[str] = frozenset()
    reference_tables: tuple[ScoreTable, ...] = ()
    reference_boards: Mapping[str, Board] = field(default_factory=dict)
    date: str = ""
    citations: tuple[tuple[str, str], ...] = ()
    spread: Spread = field(default_factory=lambda: Spread({}, (), ()))
    evidence: tuple[Evidence, ...] = ()
    tuned: pd.DataFrame = field(default_factory=pd.DataFrame)
    budgets: tuple[TunedBoards, ...] = ()
    selected_by: str = ""

    @cached_property
    def leading(self) -> tuple[Board, ...]:
        """The boards of the leading metrics: under the first decision rule, and with all rules in one ranking."""
        return tuple(b for b in self.boards if _leads(b.metric.name, b.rule, self.headline, self.columns))

    @cached_property
    def others(self) -> tuple[Board, ...]:
        """The boards that are not among the leading ones."""
        return tuple(b for b in self.boards if b not in self.leading)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each leading board."""
        return tuple(verdict(board) for board in self.leading)

    @cached_property
    def gains(self) -> Mapping[str, tuple[Gain, ...]]:
        """Gains by imbalance ratio, by slug of the board."""
        return {board.slug: tuple(gains_by_ir(board)) for board in self.boards}

    @cached_property
    def series(self) -> Mapping[str, int]:
        """The series number of each competitor (`imbench.report.figures.spec.series_of`)."""
        names = [name for scores in self.score_tables for name in scores.strategies]
        names += [name for one in self.budgets for board in one.boards.values() for name in board.names]
        return series_of(names, self.references)

    @cached_property
    def zero_rules(self) -> tuple[str, ...]:
        """Decision rules for which the rows count nets that miss a class."""
        return tuple(rule for rule in RULES if any(rule in one.zero_recall for one in self.covered))

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """Protocols, in order."""
        return tuple(dict.fromkeys(scores.protocol for scores in self.score_tables))


def notes_of(rows: pd.DataFrame, options: Options) -> tuple[str, ...]:
    """Notes on these rows as a whole: caveats, completeness and doubtful sources."""
    sentences = [*completeness(rows, options.suites), *source_notes(rows)]
    return (*caveats(rows["protocol"]), *map(scrub, sentences))


def gather(results: Results, options: Options) -> Model:
    """Read the results and run all tests.

    Raises
    ------
    UsageError
        For a metric or rule that the results do not have.
    """
    tuning = results.tuning() if has_trials(results.rows) else None
    results = replace(results, rows=without_trials(results.rows))
    whole = results.rows
    rows = labelled(of_strategies(whole))
    plain = [rule for rule in options.rules if rule != EACH]
    columns = choose(columns_of(_known(rows), results.metrics), options.metrics, () if EACH in options.rules else plain)
    measured = [c.name for c in columns_of(_known(rows), results.metrics)] + [c for c in rows.columns if "[" in c]
    measured += [name for name in ("steps", "seconds") if name in rows]
    scope = results.scope if results.scope.whole else options.scope_of(results)
    score_tables = make_score_tables(rows, measured, options.modality, scope)
    lead = headline(columns, options.metrics)
    plain_lead = [c for name in lead for c in columns if c.metric.name == name and c.rule == columns[0].rule]
    boards, left_out, crowded = _boards(score_tables, columns, lead, options)
    first = {(b.protocol, b.task): b for b in reversed(boards)}
    leading = {where: _leading(board) for where, board in first.items()}
    # Not all columns: a copy of millions of rows takes seconds for each protocol and task.
    trained = rows[[name for name in rows.columns if name in READ_BY_COVERAGE]]
    groups = {
        (c.protocol, c.task): trained[((rows["protocol"] == c.protocol) & (rows["task"] == c.task)).to_numpy()]
        for c in score_tables
    }
    modality = options.modality or {}
    opening = [board for board in boards if _leads(board.metric.name, board.rule, lead, columns)]
    together = everything = rows
    if is_reference(whole).any():
        together, everything = beside(whole), labelled(with_distinct_names(whole))
    with_references = (
        reference_tables(together, score_tables, measured, scope, modality) if together is not rows else []
    )
    return Model(
        notes=notes_of(results.rows, options),
        jobs=int(everything["key"].nunique()),
        configurations=len(everything[CONFIGURATION].drop_duplicates()),
        columns=tuple(columns),
        headline=tuple(lead),
        score_tables=tuple(score_tables),
        boards=tuple(boards),
        left_out=tuple(left_out),
        curves=tuple(curves(results, rows, leading)),
        costs=tuple(cost for scores in score_tables for cost in costs(scores)),
        covered=tuple(one for scores in score_tables for one in covered(scores, groups[scores.protocol, scores.task])),
        failures=tuple(failures(everything)),
        facts=facts(everything, results.metrics),
        data=tuple(data_hashes(everything)),
        fingerprint=fingerprint(everything),
        commands=options.commands or tuple(commands(results.rows)),
        alpha=options.alpha,
        origins=tuple(origins(results.rows)),
        lacking=(*_lacking(rows, plain), *crowded),
        title=options.title,
        spread=spread_of(
            rows, opening, [column for column in columns if _leads(column.metric.name, column.rule, lead, columns)]
        ),
        evidence=tuple(evidence(results, rows, score_tables)),
        images=images_of(score_tables, opening, results.rows, modality, options.sample_grids or {}),
        references=references_in(together),
        reference_tables=tuple(with_references),
        reference_boards=_reference_boards(opening, with_references, columns, options.alpha),
        date=options.date,
        citations=_citations(rows, options.citations or {}),
        tuned=curves_of(tuning, plain_lead) if tuning else pd.DataFrame(),
        budgets=tuple(tuned_boards(tuning, plain_lead, modality, scope, options.alpha)) if tuning else (),
        selected_by=tuning.metric.title if tuning else "",
    )


def _citations(rows: pd.DataFrame, known: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What to cite for the datasets of these rows, sorted by name."""
    names = sorted(set(map(str, rows["dataset"])))
    return tuple((file_name(name), scrub(known[name])) for name in names if known.get(name))


def _reference_boards(
    leading: Sequence[Board], tables: Sequence[ScoreTable], columns: Sequence[Column], alpha: float
) -> dict[str, Board]:
    """The board of strategies and references beside each leading board, by its slug."""
    of = {(scores.protocol, scores.task): scores for scores in tables}
    found = {}
    for board in leading:
        rules = [c.rule for c in columns if c.metric == board.metric] if board.rule == EACH else [board.rule]
        if scores := of.get((board.protocol, board.task)):
            found[board.slug] = make_board(scores, board.metric, rules, board.rule, alpha)
    return found


def _lacking(rows: pd.DataFrame, wanted: Sequence[str]) -> list[str]:
    """A sentence for each decision rule that some jobs have no value for."""
    done = rows[rows["error"] == ""]
    jobs, found = done["key"].nunique(), []
    for rule in (RULES[name] for name in wanted or RULES if name in RULES):
        column = f"{HEADLINE[0]}@{rule.name}"
        has = done.loc[done[column].notna(), "key"].nunique() if column in done else 0
        if rule.needs and has < jobs:
            missing = f"{jobs - has:,} of {counted(jobs, 'job')}"
            found.append(f"decision rule {rule.name} is missing for {missing}: it needs {rule.needs}")
    return found


def _known(rows: pd.DataFrame) -> list[str]:
    """Columns with any value: an old store has none for newer decision rules."""
    return [str(name) for name in rows.columns if rows[name].notna().any() or (rows.empty and name in HEADLINE)]


def _boards(
    score_tables: Sequence[ScoreTable], columns: Sequence[Column], lead: Sequence[str], options: Options
) -> tuple[list[Board], list[str], list[str]]:
    """The leading boards, then others up to `MOST_PAIRS` pairs; the metrics of omitted boards; notes on crowded ones.

    A board that ranks all decision rules together is crowded if it has more pairs alone. It is made on request only.
    """
    planned = [(scores, *board) for scores in score_tables for board in _plan(columns, options.rules)]
    planned.sort(key=lambda plan: not _leads(plan[1].name, plan[3], lead, columns))
    made, left_out, crowded, pairs = [], [], [], 0
    for scores, metric, rules, rule in planned:
        competitors = len(scores.strategies) * len(rules)
        pairs += competitors**2 // 2
        leads = _leads(metric.name, rule, lead, columns)
        if leads and rule == EACH and EACH not in options.rules and competitors**2 // 2 > MOST_PAIRS:
            crowded.append(
                f"{counted(len(scores.strategies), 'strategy', 'strategies')} under each of {len(rules)} decision "
                "rules are too many to be ranked together by default; --rule each ranks them"
            )
        elif pairs <= MOST_PAIRS or leads:
            made.append(make_board(scores, metric, rules, rule, options.alpha))
        else:
            left_out.append(metric.name)
    return made, list(dict.fromkeys(left_out)), list(dict.fromkeys(crowded))


def _plan(columns: Sequence[Column], wanted: Sequence[str]) -> list[tuple[Metric, list[str], str]]:
    """(metric, rules, rule) of each board: one for each column, and one that ranks all rules of a metric."""
    found = []
    for metric in dict.fromkeys(column.metric for column in columns):
        rules = [column.rule for column in columns if column.metric == metric]
        found += [(metric, [rule], rule) for rule in rules if not wanted or rule in wanted]
        if len(rules) > 1 and (EACH in wanted or len(wanted) != 1):
            found.append((metric, rules, EACH))
    return found


def _leads(metric: str, rule: str, lead: Sequence[str], columns: Sequence[Column]) -> bool:
    return metric in lead and rule in (columns[0].rule, EACH)


def _leading(board: Board) -> Sequence[str]:
    """Strategies in the order in which they get a reliability curve: the control, then the best."""
    names = [strategy_of(row.name) for row in board.table]
    return list(dict.fromkeys([*([board.control] if board.control else []), *names]))
