"""Test results of a board as the plain values that reports show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbench.scoring.outcome import Floats
from imbench.stats.evaluation import Evaluation
from imbench.stats.friedman import friedman_undefined
from imbench.stats.ranks import average_ranks, rank_sums
from imbench.stats.smallest_p import FAMILIES
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
    rank_intervals, gain_intervals : ``(competitors, 2)`` bootstrap over datasets; NaN for a single dataset
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


def as_test_results(found: Evaluation | str, names: Sequence[str], ranks: Floats, datasets: int) -> TestResults:
    """The plain values of an evaluation.

    Parameters
    ----------
    found : the evaluation, or why it is impossible
    names : names of the competitors
    ranks : ``(blocks, competitors)``, used if there is no evaluation
    datasets : their number
    """
    if isinstance(found, str):
        return _untested(names, ranks, datasets, found)
    small, asymptotic = found.friedman_small_sample, found.friedman
    return TestResults(
        names=tuple(names),
        average_ranks=np.array(found.average_ranks, dtype=np.float64),
        rank_sums=np.array(found.rank_sums, dtype=np.float64),
        rank_intervals=found.rank_intervals.to_numpy(),
        gain_intervals=found.gains[["low", "high"]].to_numpy(),
        blocks=found.n_blocks,
        datasets=found.n_datasets,
        friedman=(asymptotic.statistic, asymptotic.pvalue),
        small_sample=(small.pvalue, small.method),
        iman_davenport=(found.iman_davenport.statistic, found.iman_davenport.pvalue),
        cd=found.nemenyi_cd,
        groups=tuple(tuple(map(str, group)) for group in found.groups),
        pairs=_pairs(found.wilcoxon),
        against_control=_control(found.against_reference),
        undefined="; ".join(found.notes[:1]) if np.isnan(asymptotic.statistic) else "",
        undecidable={family: found.undecidable(family) for family in FAMILIES},
        notes=found.notes,
    )


def _pairs(table: pd.DataFrame) -> dict[tuple[str, str], Pair]:
    columns = ["first", "second", "wins", "ties", "losses", "p", "p_holm", "effect", "method"]
    rows = zip(*(table[name].tolist() for name in columns), strict=True)
    return {(str(first), str(second)): Pair(*rest) for first, second, *rest in rows}


def _control(table: pd.DataFrame) -> dict[str, Pair]:
    columns = ["strategy", "wins", "ties", "losses", "p", "p_holm", "effect", "method"]
    rows = zip(*(table[name].tolist() for name in columns), strict=True)
    return {str(name): Pair(*rest) for name, *rest in rows}


def _untested(names: Sequence[str], ranks: Floats, datasets: int, reason: str) -> TestResults:
    """Ranks without tests, for too few blocks or competitors."""
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
