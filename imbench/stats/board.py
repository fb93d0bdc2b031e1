"""Boards: competitors ranked over configurations, with tests; every surface shows these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.metrics import Metric
from imbench.scoring.outcome import Integers
from imbench.scoring.rules import ARGMAX, EACH, ruled_column
from imbench.stats.bayes import ROPE
from imbench.stats.comparison import compare
from imbench.stats.evaluate import evaluate
from imbench.stats.evaluation import Evaluation
from imbench.stats.names import BASELINE, competitor
from imbench.stats.ranks import TRAINED, average_ranks, equal, rank
from imbench.stats.score_table import Configuration, Floats, ScoreTable
from imbench.stats.supplement import Supplement
from imbench.stats.tests import TestResults, test_results, untested
from imbench.stats.words import counted, listed


@dataclass(frozen=True)
class Entrant:
    """A strategy under a decision rule, as it competes on a board."""

    name: str
    strategy: str
    rule: str


@dataclass(frozen=True)
class Partial:
    """An entrant that is not ranked, and the configurations of the board on which it has no result."""

    name: str
    lacks: tuple[Configuration, ...]


@dataclass(frozen=True)
class Competitor:
    """A row of a board: a strategy, or one under a decision rule on boards that rank each rule.

    Parameters
    ----------
    mean : over the configurations ranked, each the mean over its folds
    average_rank, rank_sum : 1 is best; ``rank_low``, ``rank_high``: interval over datasets
    gain : mean over configurations of the gain over the control, positive is better; for a metric with a target, the
        reduction of the distance from it
    wins, ties, losses : configurations against the control
    p_control : Wilcoxon's p against the control after Holm's correction over the pairs with it
    p_best : Wilcoxon's p against the competitor of best average rank after Holm's correction over all pairs
    dataset_rank : average rank with datasets as blocks
    median, gain_median : medians over configurations, beside the means ``mean`` and ``gain``
    largest, largest_share : the configuration that adds most to the mean gain, and the share of the mean gain that it
        makes: above 1 if the other configurations together go the other way; "" and NaN without a gain
    """

    name: str
    mean: float
    average_rank: float
    rank_low: float
    rank_high: float
    rank_sum: float
    gain: float
    gain_low: float
    gain_high: float
    wins: int | None
    ties: int | None
    losses: int | None
    p_control: float
    p_best: float
    dataset_rank: float
    median: float
    gain_median: float
    largest: str
    largest_share: float


@dataclass(frozen=True, eq=False)
class Board:
    """One board: a metric under a decision rule, or under each, for one protocol and task.

    Parameters
    ----------
    rule : a key of `imbench.scoring.rules.RULES`, or ``each``
    entrants : the ranked ones, which have a result on every configuration of the board
    control : the competitor that gains are measured against; "" if there is none
    scores : ``(configurations, competitors)`` means over folds
    configurations : the ranked ones
    declared : those that an entrant needs results on to be ranked
    dropped : configurations on which the metric is undefined for some competitors, with their names
    partial : entrants without results on some configurations of the board
    absent : entrants without any result
    outside : configurations of the rows outside the board
    same : groups of strategies with the same predictions; the first of each group is ranked
    scope : the name of the set of configurations, such as ``suite tabular``; "" if it has none
    alpha : level of the tests
    rope : the largest gain that does not matter, for Bayesian tests
    score_table : the scores behind the board, and the places of its configurations in it
    """

    protocol: str
    task: str
    metric: Metric
    rule: str
    entrants: tuple[Entrant, ...]
    control: str
    scores: Floats
    configurations: tuple[Configuration, ...]
    declared: tuple[Configuration, ...]
    dropped: tuple[tuple[Configuration, tuple[str, ...]], ...]
    partial: tuple[Partial, ...]
    absent: tuple[str, ...]
    outside: tuple[Configuration, ...]
    same: tuple[tuple[str, ...], ...]
    scope: str
    alpha: float
    rope: float = ROPE
    score_table: tuple[ScoreTable, Integers] | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The competitors, as the columns of ``scores``."""
        return tuple(entrant.name for entrant in self.entrants)

    @property
    def slug(self) -> str:
        """A name for anchors and files."""
        parts = (self.protocol, self.task, self.metric.name, self.rule)
        return "-".join("".join(c if c.isalnum() else "-" for c in part).strip("-") for part in parts)

    @property
    def title(self) -> str:
        """Task, metric and rule in words."""
        rule = "" if self.rule == ARGMAX else f", {'each decision rule' if self.rule == EACH else self.rule}"
        return f"{self.task}, {self.metric.title}{rule}"

    @property
    def formula(self) -> str:
        """How gains are computed: ``strategy − baseline``."""
        if self.metric.target is not None:
            target = f"{self.metric.target:g}"
            return f"|{self.control} − {target}| − |strategy − {target}|"
        return f"strategy − {self.control}" if self.metric.higher_is_better else f"{self.control} − strategy"

    @property
    def over(self) -> str:
        """The configurations in words: ``suite tabular, 18 configurations``."""
        configurations = counted(len(self.configurations), "configuration")
        return f"{self.scope}, {configurations}" if self.scope else configurations

    @cached_property
    def ranked(self) -> Floats:
        """``(configurations, competitors)`` ranked values: scores, or their distance from the metric's target."""
        return self.metric.ranked(self.scores)

    @cached_property
    def merit(self) -> Floats:
        """`ranked`, with the sign chosen so that larger is better."""
        return merit(self.metric, self.scores)

    @cached_property
    def ranks(self) -> Floats:
        """``(configurations, competitors)`` 1 is best; scores of nets within 1e-6 are tied."""
        return rank(self.ranked, higher_is_better=self.metric.higher_is_better, tolerance=TRAINED)

    @cached_property
    def means(self) -> Floats:
        """``(competitors,)`` means over configurations; NaN without any."""
        return self.scores.mean(axis=0) if len(self.scores) else np.full(len(self.names), np.nan)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Competitors, best average rank first; ties are broken by the better mean, then by name."""
        ranks = np.round(average_ranks(self.ranks), 9)
        merit = self.merit.mean(axis=0) if len(self.merit) else np.zeros(len(self.names))
        return tuple(sorted(range(len(self.names)), key=lambda i: (ranks[i], -merit[i], self.names[i])))

    @cached_property
    def gains(self) -> Floats:
        """``(configurations, competitors)`` gain over the control; NaN without a control."""
        if not self.control:
            return np.full(self.scores.shape, np.nan)
        return self.merit - self.merit[:, [self.names.index(self.control)]]

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """The dataset of each ranked configuration; datasets of one family count as one."""
        return tuple(c.original for c in self.configurations)

    def against(self, first: str, second: str) -> tuple[int, int, int]:
        """Configurations in which the first scores better than the second, equally well (within 1e-6), and worse."""
        wins, ties, losses = _outcomes(*(self.merit[:, [self.names.index(name)]] for name in (first, second)))
        return int(wins[0]), int(ties[0]), int(losses[0])

    @cached_property
    def _against_control(self) -> list[tuple[int, int, int]]:
        """`against` of each competitor and the control."""
        control = np.broadcast_to(self.merit[:, [self.names.index(self.control)]], self.merit.shape)
        wins, ties, losses = (counts.tolist() for counts in _outcomes(self.merit, control))
        return list(zip(wins, ties, losses, strict=True))

    def win_rates(self, names: Sequence[str]) -> Floats:
        """``(names, names)`` share of configurations in which one beats another; a tie is half, and NaN with itself."""
        places = [self.names.index(name) for name in names]
        if not len(self.merit) or not places:
            return np.full((len(places), len(places)), np.nan)
        scores, k = self.merit[:, places], len(places)
        wins, ties, _ = _outcomes(np.repeat(scores, k, axis=1), np.tile(scores, k))
        shares: Floats = ((wins + 0.5 * ties) / len(scores)).reshape(k, k)
        np.fill_diagonal(shares, np.nan)
        return shares

    @cached_property
    def evaluation(self) -> Evaluation | str:
        """The tests with configurations as blocks and intervals over datasets; or why they are impossible."""
        return self._evaluated("clusters")

    @cached_property
    def evaluation_by_dataset(self) -> Evaluation | str:
        """The tests with datasets as blocks, each the mean over its configurations."""
        return self._evaluated("blocks")

    def _evaluated(self, role: Literal["blocks", "clusters"]) -> Evaluation | str:
        names = [c.dataset for c in self.configurations]
        index = pd.MultiIndex.from_arrays([names, [c.variant for c in self.configurations]])
        table = pd.DataFrame(self.ranked, index, list(self.names))
        if not table.index.is_unique:  # other data under one name
            table.index = pd.MultiIndex.from_arrays([names, range(len(table))])
        table.index.names = ["dataset", "variant"]
        try:
            found = evaluate(
                table,
                higher_is_better=self.metric.higher_is_better,
                alpha=self.alpha,
                reference=self.control or None,
                tolerance=TRAINED,
                bounds=self.metric.bounds,
                blocks=list(self.datasets) if role == "blocks" else None,
                clusters=list(self.datasets) if role == "clusters" else None,
            )
        except UsageError as error:
            return str(error)
        return replace(found, supplement=self.supplement_by_dataset if role == "blocks" else self.supplement)

    @cached_property
    def supplement(self) -> Supplement:
        """Elo ratings and Bayesian tests with configurations as blocks; Elo intervals draw datasets."""
        folds, share = self._folds
        return self._supplement(self.merit, self._dataset_codes, folds, share)

    @cached_property
    def supplement_by_dataset(self) -> Supplement:
        """The same with datasets as blocks, each the mean over its configurations, fold by fold."""
        folds, share = self._folds
        if folds is not None and share is not None:
            blocks = [np.flatnonzero(self._dataset_codes == code) for code in range(len(set(self.datasets)))]
            shape = (len(blocks), *folds.shape[1:])
            folds = np.array([folds[block].mean(axis=0) for block in blocks]).reshape(shape)
            share = np.array([share[block].mean() for block in blocks])
        return self._supplement(self._dataset_means, np.arange(len(self._dataset_means)), folds, share)

    def _supplement(self, gains: Floats, datasets: Integers, folds: Floats | None, share: Floats | None) -> Supplement:
        reference = self.names.index(self.control) if self.control else None
        return Supplement(gains, datasets, reference, self.alpha, TRAINED, self.rope, folds, share)

    @property
    def _folds(self) -> tuple[Floats | None, Floats | None]:
        """``(configurations, competitors, folds)`` merit of folds, and ``(configurations,)`` share of test rows."""
        if self.score_table is None or self.score_table[0].single is None:
            return None, None
        table, places = self.score_table
        assert table.single is not None
        rules = {entrant.rule for entrant in self.entrants}
        cubes = {rule: table.single.scores(ruled_column(self.metric, rule)) for rule in rules}
        found = []
        for entrant in self.entrants:
            cube = cubes[entrant.rule]
            if cube is None:
                return None, None
            found.append(merit(self.metric, cube[places, table.strategies.index(entrant.strategy)]))
        share = table.single.test_share
        return (np.stack(found, axis=1) if found else None), (None if share is None else share[places])

    @cached_property
    def tests(self) -> TestResults:
        """The tests with configurations as blocks, as plain values."""
        return self._tests(self.merit, self._dataset_codes, "evaluation")

    @cached_property
    def tests_by_dataset(self) -> TestResults:
        """The tests with datasets as blocks, as plain values."""
        means = self._dataset_means
        if self._are_comparable(self.merit) and np.array_equal(means, self.merit):
            return self.tests  # each dataset has one configuration
        return self._tests(means, np.arange(len(means)), "evaluation_by_dataset")

    @cached_property
    def _dataset_means(self) -> Floats:
        """``(datasets, competitors)`` mean merit over each dataset's configurations."""
        means = pd.DataFrame(self.merit).groupby(self._dataset_codes, sort=False).mean().to_numpy()
        # pandas forgets the width of an empty table
        return means.reshape(len(set(self.datasets)), len(self.names))

    @cached_property
    def _dataset_codes(self) -> Integers:
        """``(configurations,)`` number of each one's dataset, in the order in which they come."""
        number = {name: i for i, name in enumerate(dict.fromkeys(self.datasets))}
        return np.array([number[name] for name in self.datasets], dtype=np.int64)

    def _tests(self, gains: Floats, datasets: Integers, evaluation: str) -> TestResults:
        """The tests over ``(blocks, competitors)`` gains; ``evaluation`` is the attribute with the same numbers."""
        if not self._are_comparable(gains):
            ranks = rank(gains, higher_is_better=True, tolerance=TRAINED)
            return untested(self.names, ranks, len(set(self.datasets)), str(getattr(self, evaluation)))
        # A report has hundreds of boards: `evaluate` gives the same numbers and takes several times as long.
        reference = self.names.index(self.control) if self.control else 0
        found = compare(gains, datasets, reference, self.alpha, TRAINED, self.metric.difference_bounds)
        return test_results(found, self.names, self.names[reference], self.alpha)

    def _are_comparable(self, gains: Floats) -> bool:
        return len(gains) >= 2 and len(self.names) >= 2 and bool(np.isfinite(self.merit).all())

    @cached_property
    def table(self) -> tuple[Competitor, ...]:
        """The competitors, best first."""
        best = self.names[self.order[0]] if self.order else ""
        return tuple(self._row(i, best) for i in self.order)

    def _row(self, i: int, best: str) -> Competitor:
        name, tests = self.names[i], self.tests
        against = tests.against_control.get(name) if name != self.control else None
        won = self._against_control[i] if self.control and name != self.control else (None, None, None)
        leader = tests.pair(name, best) if name != best else None
        own = name == self.control
        rank_low, rank_high = (float(end) for end in tests.rank_intervals[i])
        gain_low, gain_high = (float("nan") if own else float(end) for end in tests.gain_intervals[i])
        largest, share = ("", float("nan")) if own else self._largest_gain(i)
        return Competitor(
            name=name,
            mean=float(self.means[i]),
            average_rank=float(tests.average_ranks[i]),
            rank_low=rank_low,
            rank_high=rank_high,
            rank_sum=float(tests.rank_sums[i]),
            gain=float("nan") if own or not len(self.gains) else float(self.gains[:, i].mean()),
            gain_low=gain_low,
            gain_high=gain_high,
            wins=won[0],
            ties=won[1],
            losses=won[2],
            p_control=against.p_holm if against and self.control else float("nan"),
            p_best=leader.p_holm if leader else float("nan"),
            dataset_rank=float(self.tests_by_dataset.average_ranks[i]),
            median=_median(self.scores[:, i]),
            gain_median=float("nan") if own else _median(self.gains[:, i]),
            largest=largest,
            largest_share=share,
        )

    def _largest_gain(self, i: int) -> tuple[str, float]:
        """The configuration that adds most to a competitor's mean gain, and its share of it."""
        gains = self.gains[:, i]
        total = float(gains.sum()) if len(gains) else float("nan")
        if not abs(total) > TRAINED.absolute * len(gains) or not np.isfinite(total):
            return "", float("nan")
        at = int(np.argmax(gains * np.sign(total)))
        return self.configurations[at].label, float(gains[at] / total)

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """Caveats on which competitors are ranked over which configurations, one sentence each."""
        return (*self._same(), *self._undefined(), *self._partial(), *self._absent(), *self._outside())

    def _same(self) -> list[str]:
        return [
            f"same predictions, ranked once as {group[0]}: {listed(group)}"
            for group in self.same
            if any(entrant.strategy == group[0] for entrant in self.entrants)
        ]

    def _undefined(self) -> list[str]:
        return [
            f"not ranked: {c.label}, where the metric is undefined for {listed(names)}" for c, names in self.dropped
        ]

    def _partial(self) -> list[str]:
        total = len(self.declared)
        alike: dict[tuple[Configuration, ...], list[str]] = {}
        for one in self.partial:
            alike.setdefault(one.lacks, []).append(one.name)
        found = [
            f"not ranked: {listed(names)} {'lacks' if len(names) == 1 else 'lack'} {len(lacks)} of {total} "
            f"configurations ({listed([c.label for c in lacks])})"
            for lacks, names in alike.items()
        ]
        return [*found, self._common] if found and self._common else found

    def _absent(self) -> list[str]:
        verb = "has" if len(self.absent) == 1 else "have"
        return [f"not ranked: {listed(self.absent)} {verb} no results"] if self.absent else []

    def _outside(self) -> list[str]:
        if not self.outside:
            return []
        count = len(self.outside)
        return [
            f"{counted(count, 'more configuration')} with results {'is' if count == 1 else 'are'} "
            f"not part of this board: {listed([c.label for c in self.outside])}"
        ]

    @cached_property
    def _common(self) -> str:
        """If fewer than two entrants are ranked: the configurations that all share, and how to compare there."""
        if len(self.entrants) > 1:
            return ""
        lacking = {c for one in self.partial for c in one.lacks}
        common = [c for c in self.declared if c not in lacking]
        if not common:
            return "no configuration has results of all of them"
        specs = " ".join(f"--dataset {c.spec}" for c in common[:_SHOWN])
        more = f" and {len(common) - _SHOWN} more" if len(common) > _SHOWN else ""
        configurations = counted(len(common), "configuration")
        return f"all of them have results on {configurations}: compare there with {specs}{more}"


_SHOWN = 6


def merit(metric: Metric, scores: Floats) -> Floats:
    """Scores with the sign chosen so that larger is better; for a metric with a target, minus the distance from it."""
    ranked = metric.ranked(scores)
    return ranked if metric.higher_is_better else -ranked


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _outcomes(one: Floats, other: Floats) -> tuple[Integers, Integers, Integers]:
    """``(pairs,)`` blocks in which one is better, tied, and worse, of ``(blocks, pairs)`` merits."""
    tied = equal(one, other, TRAINED)
    wins, ties = (~tied & (one > other)).sum(axis=0), tied.sum(axis=0)
    return wins, ties, len(one) - wins - ties


def entrants_of(strategies: Sequence[str], rules: Sequence[str], rule: str) -> list[Entrant]:
    """The entrants: each strategy under the rule, or under each of several rules as ``baseline+tuned``."""
    each = rule == EACH
    return [Entrant(competitor(s, r) if each else s, s, r) for r in rules for s in strategies]


def make_board(
    score_table: ScoreTable,
    metric: Metric,
    rules: Sequence[str],
    rule: str,
    alpha: float = 0.05,
    *,
    also: Sequence[Entrant] = (),
    control: str | None = None,
    rope: float = ROPE,
) -> Board:
    """The board of a metric under one rule; with ``each`` every strategy competes under each of these rules.

    Parameters
    ----------
    score_table : means with the columns of the metric under these rules
    rules : decision rules that compete, one unless ``rule`` is ``each``
    also : further entrants
    control : the competitor that gains are measured against; None for ``baseline`` if it competes
    rope : the largest gain that does not matter, for Bayesian tests

    Raises
    ------
    UsageError
        For a control that does not compete.
    """
    inside = score_table.inside
    wanted = [*entrants_of(score_table.strategies, rules, rule), *also]
    at = [score_table.strategies.index(entrant.strategy) for entrant in wanted]
    columns = [
        score_table.mean[ruled_column(metric, entrant.rule)][:, i] for entrant, i in zip(wanted, at, strict=True)
    ]
    scores = np.stack(columns, axis=1)[inside] if columns else np.empty((int(inside.sum()), 0))
    configurations = [c for c, there in zip(score_table.configurations, inside, strict=True) if there]
    # A result without a value under a rule lacks what the rule needs. The plain rule needs nothing: without a value
    # under it the metric is undefined.
    has = np.stack(
        [_has(score_table, metric, entrant, i)[inside] for entrant, i in zip(wanted, at, strict=True)], axis=1
    )
    repeated = {name for group in score_table.same for name in group[1:]}
    any_ = np.asarray(has.any(axis=0))
    every = np.asarray(has.all(axis=0)) & (len(configurations) > 0)
    defined = ~np.asarray(np.isnan(scores).all(axis=0))
    ranked = [j for j, entrant in enumerate(wanted) if every[j] and defined[j] and entrant.strategy not in repeated]
    kept = scores[:, ranked]
    whole = ~np.asarray(np.isnan(kept).any(axis=1)) & (len(ranked) > 0)
    names = [wanted[j].name for j in ranked]
    if control is not None and control not in names:
        raise UsageError(f"reference {control!r} does not compete on this board; {suggest(control, names)}")
    return Board(
        score_table.protocol,
        score_table.task,
        metric,
        rule,
        tuple(wanted[j] for j in ranked),
        control if control is not None else BASELINE if BASELINE in names else "",
        kept[whole],
        tuple(c for c, there in zip(configurations, whole, strict=True) if there),
        tuple(configurations),
        tuple(
            (c, tuple(name for name, gone in zip(names, np.isnan(row), strict=True) if gone))
            for c, row, there in zip(configurations, kept, whole, strict=True)
            if not there and names
        ),
        tuple(
            Partial(wanted[j].name, tuple(c for c, there in zip(configurations, has[:, j], strict=True) if not there))
            for j in range(len(wanted))
            if any_[j] and not every[j]
        ),
        tuple(wanted[j].name for j in range(len(wanted)) if not any_[j] or (every[j] and not defined[j])),
        tuple(c for c, there in zip(score_table.configurations, inside, strict=True) if not there),
        tuple(score_table.same),
        score_table.scope,
        alpha,
        rope,
        (score_table, np.flatnonzero(inside)[whole]),
    )


def _has(score_table: ScoreTable, metric: Metric, entrant: Entrant, i: int) -> np.ndarray:
    """``(configurations,)`` whether an entrant has a result."""
    done = score_table.folds[:, i] > 0
    if entrant.rule == ARGMAX or metric.name not in score_table.mean:
        return np.asarray(done)
    plain, ruled = (score_table.mean[name][:, i] for name in (metric.name, ruled_column(metric, entrant.rule)))
    return np.asarray(done & (np.isnan(plain) | ~np.isnan(ruled)))
