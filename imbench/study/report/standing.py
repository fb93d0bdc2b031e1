"""Standing: what the tests say of a table of scores, as the plain values a report shows.

The only module of the report that calls the evaluator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from imbench.study.ranks import friedman, friedman_undefined, rank

Floats = NDArray[np.float64]

DRAWS, LEVEL = 2000, 0.95


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
        """The same comparison seen from the second."""
        return Pair(self.losses, self.ties, self.wins, self.p, self.p_holm, -self.effect, self.method)


@dataclass(frozen=True, eq=False)
class Standing:
    """Competitors ranked over blocks, with the tests and intervals.

    Parameters
    ----------
    names : of the competitors, in the order of the columns given
    average_ranks, rank_sums : ``(competitors,)``; 1 is best
    rank_intervals : ``(competitors, 2)`` bootstrap over datasets; NaN for a single dataset
    blocks, datasets : how many
    friedman, iman_davenport : (statistic, p); NaN where ``undefined`` says why
    cd : Nemenyi's critical difference of average ranks
    groups : maximal sets of competitors whose average ranks differ by less than ``cd``
    pairs : by (first, second), in the order of names
    """

    names: tuple[str, ...]
    average_ranks: Floats
    rank_sums: Floats
    rank_intervals: Floats
    blocks: int
    datasets: int
    friedman: tuple[float, float]
    iman_davenport: tuple[float, float]
    cd: float
    groups: tuple[tuple[str, ...], ...]
    pairs: Mapping[tuple[str, str], Pair]
    undefined: str

    def pair(self, first: str, second: str) -> Pair | None:
        """The comparison of these two, seen from the first; None where there is none."""
        if (first, second) in self.pairs:
            return self.pairs[first, second]
        found = self.pairs.get((second, first))
        return found.turned() if found else None


def stand(scores: Floats, names: Sequence[str], datasets: Sequence[str], *, higher: bool, alpha: float) -> Standing:
    """The standing of ``(blocks, competitors)`` scores without NaN.

    Parameters
    ----------
    datasets : of each block; intervals draw whole datasets
    higher : whether higher scores are better
    alpha : level of the critical difference
    """
    from scipy.stats import f as f_distribution
    from scipy.stats import studentized_range

    from imbench.study.report.intervals import mean_interval

    ranks = rank(scores, higher_is_better=higher)
    blocks, k = ranks.shape
    test = friedman(ranks)
    average = ranks.mean(axis=0) if blocks else np.full(k, np.nan)
    statistic = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.float64((blocks - 1) * test.statistic) / (blocks * (k - 1) - test.statistic) if k > 1 else np.nan
    iman = (float(statistic), float(f_distribution.sf(statistic, k - 1, (k - 1) * (blocks - 1))))
    cd = np.nan
    if blocks and k > 1:
        cd = float(studentized_range.ppf(1 - alpha, k, np.inf)) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * blocks))
    return Standing(
        tuple(names),
        average,
        ranks.sum(axis=0),
        mean_interval(ranks, datasets),
        blocks,
        len(set(datasets)),
        (test.statistic, test.pvalue),
        iman,
        float(cd),
        _groups(names, average, float(cd)),
        _pairs(scores if higher else -scores, names),
        friedman_undefined(ranks),
    )


def _groups(names: Sequence[str], average: Floats, cd: float) -> tuple[tuple[str, ...], ...]:
    order = np.argsort(average, kind="stable")
    found: list[tuple[int, int]] = []
    for start in range(len(order)):
        end = start
        while end + 1 < len(order) and average[order[end + 1]] - average[order[start]] < cd:
            end += 1
        if end > start and (not found or end > found[-1][1]):
            found.append((start, end))
    return tuple(tuple(names[order[i]] for i in range(a, b + 1)) for a, b in found)


def _pairs(scores: Floats, names: Sequence[str]) -> dict[tuple[str, str], Pair]:
    from scipy.stats import wilcoxon

    found: list[tuple[tuple[str, str], tuple[int, int, int], float, float]] = []
    for a, b in combinations(range(len(names)), 2):
        gap = scores[:, a] - scores[:, b]
        gap = np.where(np.abs(gap) <= 1e-12, 0.0, gap)
        wins, losses = int((gap > 0).sum()), int((gap < 0).sum())
        p, effect = 1.0, 0.0
        if wins + losses:
            p = float(wilcoxon(gap[gap != 0], zero_method="wilcox", correction=False, method="approx").pvalue)
            size = np.argsort(np.argsort(np.abs(gap[gap != 0]))) + 1.0
            effect = float((size * np.sign(gap[gap != 0])).sum() / size.sum())
        found.append(((names[a], names[b]), (wins, len(gap) - wins - losses, losses), p, effect))
    order = sorted(range(len(found)), key=lambda i: found[i][2])
    holm, worst = {}, 0.0
    for place, i in enumerate(order):
        worst = min(1.0, max(worst, found[i][2] * (len(found) - place)))
        holm[i] = worst
    return {key: Pair(*wtl, p, holm[i], effect, "asymptotic") for i, (key, wtl, p, effect) in enumerate(found)}
