"""Boards: competitors ranked over configurations, one board for each protocol, task, metric and decision rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imbench.study.metrics import Metric
from imbench.study.ranks import TIE
from imbench.study.cells import BASELINE, Cells, Configuration, Floats
from imbench.study.report.columns import EVERY_RULE, PLAIN_RULE, Column
from imbench.study.standing import Standing, stand


@dataclass(frozen=True)
class Competitor:
    """A row of a board: a strategy, or a strategy under a decision rule where rules compete.

    Parameters
    ----------
    mean : over the configurations ranked, each the mean over its folds
    average_rank, rank_sum : 1 is best; ``rank_low``, ``rank_high``: bootstrap interval over datasets
    gain : mean over configurations of how much better than the control it scores, whatever the metric's direction
    wins, ties, losses : configurations against the control
    p_control, p_best : Wilcoxon's p after Holm, against the control and the competitor of best average rank
    dataset_rank : average rank with datasets as blocks
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


@dataclass(frozen=True, eq=False)
class Board:
    """One board.

    Parameters
    ----------
    control : the competitor that gains are over; "" where there is none
    scores : ``(configurations, competitors)`` of the configurations ranked, competitors as in ``names``
    configurations : those ranked; ``dropped``: the others with the competitors they lack
    absent : strategies without any result
    standing, by_dataset : the tests with configurations and with datasets as blocks
    alpha : level of the tests
    """

    protocol: str
    task: str
    metric: Metric
    rule: str
    names: tuple[str, ...]
    control: str
    scores: Floats
    configurations: tuple[Configuration, ...]
    dropped: tuple[tuple[Configuration, tuple[str, ...]], ...]
    absent: tuple[str, ...]
    standing: Standing
    by_dataset: Standing
    alpha: float

    @property
    def slug(self) -> str:
        """A name for anchors and files."""
        parts = (self.protocol, self.task, self.metric.name, self.rule)
        return "-".join("".join(c if c.isalnum() else "-" for c in part).strip("-") for part in parts)

    @property
    def title(self) -> str:
        """Task, metric and rule in words."""
        rule = "" if self.rule == PLAIN_RULE else f", {'rules compete' if self.rule == EVERY_RULE else self.rule}"
        return f"{self.task}, {self.metric.title}{rule}"

    @property
    def sign(self) -> int:
        """1 where higher is better, −1 where lower is."""
        return 1 if self.metric.higher_is_better else -1

    @cached_property
    def gains(self) -> Floats:
        """``(configurations, competitors)`` how much better than the control; NaN without a control."""
        if not self.control:
            return np.full(self.scores.shape, np.nan)
        return self.sign * (self.scores - self.scores[:, [self.names.index(self.control)]])

    def against(self, first: str, second: str) -> tuple[int, int, int]:
        """Configurations in which the first scores better than the second, equally well (within 1e-12), and worse."""
        one, other = self.scores[:, self.names.index(first)], self.scores[:, self.names.index(second)]
        gap = self.sign * (one - other)
        wins, losses = int((gap > TIE).sum()), int((gap < -TIE).sum())
        return wins, len(gap) - wins - losses, losses

    @cached_property
    def table(self) -> tuple[Competitor, ...]:
        """The competitors, best average rank first; the better mean decides between equals, then the name."""
        means = self.scores.mean(axis=0) if len(self.scores) else np.full(len(self.names), np.nan)
        order = sorted(
            range(len(self.names)),
            key=lambda i: (self.standing.average_ranks[i], -self.sign * means[i], self.names[i]),
        )
        best = self.names[order[0]] if order else ""
        gain = self.gains.mean(axis=0) if len(self.gains) else np.full(len(self.names), np.nan)
        spans = self.standing.gain_intervals
        return tuple(self._row(i, best, float(means[i]), float(gain[i]), spans[i]) for i in order)

    def _row(self, i: int, best: str, mean: float, gain: float, span: Floats) -> Competitor:
        name, standing = self.names[i], self.standing
        against = standing.pair(name, self.control) if self.control and name != self.control else None
        won = self.against(name, self.control) if self.control and name != self.control else (None, None, None)
        leader = standing.pair(name, best) if name != best else None
        own = name == self.control
        rank_low, rank_high = (float(end) for end in standing.rank_intervals[i])
        gain_low, gain_high = (float("nan") if own else float(end) for end in span)
        return Competitor(
            name=name,
            mean=mean,
            average_rank=float(standing.average_ranks[i]),
            rank_low=rank_low,
            rank_high=rank_high,
            rank_sum=float(standing.rank_sums[i]),
            gain=float("nan") if own else gain,
            gain_low=gain_low,
            gain_high=gain_high,
            wins=won[0],
            ties=won[1],
            losses=won[2],
            p_control=against.p_holm if against else float("nan"),
            p_best=leader.p_holm if leader else float("nan"),
            dataset_rank=float(self.by_dataset.average_ranks[i]),
        )


def plan_boards(columns: Sequence[Column]) -> list[tuple[str, list[Column]]]:
    """(rule, columns) of each board: one for each column, and one where all rules of a metric compete if several do."""
    found = []
    for metric in dict.fromkeys(c.metric.name for c in columns):
        rules = [c for c in columns if c.metric.name == metric]
        found += [(c.rule, [c]) for c in rules]
        if len(rules) > 1:
            found.append((EVERY_RULE, rules))
    return found


def make_board(cells: Cells, columns: Sequence[Column], rule: str, alpha: float) -> Board:
    """The board of these columns of one metric; under `EVERY_RULE` each strategy competes under each column's rule."""
    metric = columns[0].metric
    scores = np.concatenate([cells.mean[c.name] for c in columns], axis=1)
    plain = rule != EVERY_RULE
    names = [s if plain or c.rule == PLAIN_RULE else f"{s} + {c.rule}" for c in columns for s in cells.strategies]
    # A strategy without a single result would drop every configuration.
    has = ~np.isnan(scores).all(axis=0)
    kept = [name for name, there in zip(names, has, strict=True) if there]
    scores = scores[:, has]
    whole = ~np.isnan(scores).any(axis=1)
    ranked = tuple(c for c, there in zip(cells.configurations, whole, strict=True) if there)
    dropped = tuple(
        (c, tuple(name for name, gone in zip(kept, np.isnan(row), strict=True) if gone))
        for c, row, there in zip(cells.configurations, scores, whole, strict=True)
        if not there
    )
    datasets = [c.dataset for c in ranked]
    complete, control = scores[whole], BASELINE if BASELINE in kept else ""
    standing, by_dataset = (
        stand(
            complete,
            kept,
            datasets,
            higher=metric.higher_is_better,
            alpha=alpha,
            control=control,
            by_dataset=level,
        )
        for level in (False, True)
    )
    return Board(
        cells.protocol,
        cells.task,
        metric,
        rule,
        tuple(kept),
        control,
        complete,
        ranked,
        dropped,
        tuple(name for name, there in zip(names, has, strict=True) if not there),
        standing,
        by_dataset,
        alpha,
    )
