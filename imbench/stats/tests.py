"""Test results of a board as the plain values that reports show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imbench.scoring.outcome import Floats
from imbench.stats.comparison import Comparison
from imbench.stats.friedman import friedman_undefined
from imbench.stats.pairwise import PairTests
from imbench.stats.ranks import average_ranks, rank_sums
from imbench.stats.smallest_p import FAMILIES, undecidable
from imbench.stats.words import p_in_text


@dataclass(frozen=True)
class Pair:
    """Two competitors compared over blocks; wins, ties and losses are those of the first."""

    wins: int
    ties: int
    losses: int
    p: float
    p_holm: float
    effect: float
    method: str

    def turned(self) -> Pair:
        """The same comparison from the second's point of view."""
        return Pair(self.losses, self.ties, self.wins, self.p, self.p_holm, -self.effect, self.method)


@dataclass(frozen=True, eq=False)
class TestResults:
    """Competitors ranked over blocks, with the tests and intervals.

    Parameters
    ----------
    names : names of the competitors, in the order of the columns
    average_ranks, rank_sums : ``(competitors,)``; 1 is best
    rank_intervals, gain_intervals : ``(competitors, 2)`` over datasets; NaN for a single dataset
    blocks, datasets : numbers of them
    friedman, iman_davenport : (statistic, p); NaN if undefined, for the reason in ``undefined``
    small_sample : Friedman's p-value for few blocks, and its kind: ``exact``, ``permutation`` or ``asymptotic``
    cd : Nemenyi's critical difference of average ranks
    groups : maximal sets of competitors whose average ranks differ by less than ``cd``
    pairs : tests by (first, second), in the order of names; corrected over all pairs
    against_control : each other competitor against the control; corrected over these pairs only
    undecidable : by family of tests (`imbench.stats.smallest_p.FAMILIES`), why tests cannot decide with this
        many blocks; "" where they can
    notes : caveats of the tests, one sentence each
    """

    names: tuple[str, ...]
    average_ranks: Floats
    rank_sums: Floats
    rank_intervals: Floats
    gain_intervals: Floats
    blocks: int
    datasets: int
    friedman: tuple[float, float]
    small_sample: tuple[float, str]
    iman_davenport: tuple[float, float]
    cd: float
    groups: tuple[tuple[str, ...], ...]
    pairs: Mapping[tuple[str, str], Pair]
    against_control: Mapping[str, Pair]
    undefined: str
    undecidable: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def p(self) -> float:
        """Friedman's p-value: the one for few blocks where available, else the asymptotic one."""
        return self.small_sample[0] if self.small_sample[0] == self.small_sample[0] else self.friedman[1]

    @property
    def named(self) -> str:
        """The p-value with its kind: ``exact p = .021``."""
        method = self.small_sample[1] if self.small_sample[0] == self.small_sample[0] else ""
        return f"{method or 'asymptotic'} {p_in_text(self.p)}"

    def pair(self, first: str, second: str) -> Pair | None:
        """The comparison of these two from the first's point of view; None if they were not compared."""
        if (first, second) in self.pairs:
            return self.pairs[first, second]
        found = self.pairs.get((second, first))
        return found.turned() if found else None


def test_results(found: Comparison, names: Sequence[str], control: str, alpha: float) -> TestResults:
    """A comparison of these competitors as plain values.

    Parameters
    ----------
    control : the reference of the comparison
    alpha : its level
    """
    k = len(names)
    first, second = ([names[i] for i in numbers.tolist()] for numbers in (found.pairs.first, found.pairs.second))
    others = [names[i] for i in found.order.tolist() if names[i] != control]
    return TestResults(
        names=tuple(names),
        average_ranks=found.average_ranks,
        rank_sums=found.rank_sums,
        rank_intervals=found.rank_intervals,
        gain_intervals=found.gain_intervals,
        blocks=found.blocks,
        datasets=found.datasets,
        friedman=(found.friedman.statistic, found.friedman.pvalue),
        small_sample=(found.small_sample.pvalue, found.small_sample.method),
        iman_davenport=(found.iman_davenport.statistic, found.iman_davenport.pvalue),
        cd=found.cd,
        groups=tuple(tuple(names[i] for i in group) for group in found.groups),
        pairs=dict(zip(zip(first, second, strict=True), _pairs(found.pairs.tests), strict=True)),
        against_control=dict(zip(others, _pairs(found.against_reference), strict=True)),
        undefined="; ".join(found.notes[:1]) if np.isnan(found.friedman.statistic) else "",
        undecidable={family: undecidable(family, found.blocks, k, alpha) for family in FAMILIES},
        notes=found.notes,
    )


def _pairs(tests: PairTests) -> list[Pair]:
    columns = (tests.wins, tests.ties, tests.losses, tests.p, tests.p_holm, tests.effect, tests.method)
    return [Pair(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def untested(names: Sequence[str], ranks: Floats, datasets: int, reason: str) -> TestResults:
    """Ranks without tests.

    Parameters
    ----------
    names : names of the competitors
    ranks : ``(blocks, competitors)``
    datasets : their number
    reason : why there are no tests
    """
    blocks, k = ranks.shape
    nan, none = float("nan"), np.full((k, 2), np.nan)
    return TestResults(
        names=tuple(names),
        average_ranks=average_ranks(ranks) if blocks else np.full(k, np.nan),
        rank_sums=rank_sums(ranks),
        rank_intervals=none,
        gain_intervals=none,
        blocks=blocks,
        datasets=datasets,
        friedman=(nan, nan),
        small_sample=(nan, ""),
        iman_davenport=(nan, nan),
        cd=nan,
        groups=(),
        pairs={},
        against_control={},
        undefined=friedman_undefined(ranks) or reason,
        undecidable={},
        notes=(),
    )
