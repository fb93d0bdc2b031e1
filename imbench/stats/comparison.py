"""Strategies compared over blocks, as arrays: ranks, tests and intervals that evaluations and boards share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbench.scoring.outcome import Floats, Integers
from imbench.stats.friedman import (
    Friedman,
    ImanDavenport,
    SmallSample,
    friedman,
    friedman_small_sample,
    friedman_undefined,
    iman_davenport,
)
from imbench.stats.intervals import mean_intervals, rank_intervals
from imbench.stats.nemenyi import critical_difference, runs
from imbench.stats.pairwise import AllPairs, PairTests, compare_pairs
from imbench.stats.ranks import Tolerance, average_ranks, rank, rank_sums
from imbench.stats.smallest_p import FAMILIES, undecidable
from imbench.stats.words import counted

# Below this many datasets intervals of skewed gains are too narrow.
FEW_DATASETS = 8

# The question that each family of tests answers.
_QUESTIONS = {
    "omnibus": "whether strategies differ at all",
    "pairs": "which pairs differ",
    "control": "which strategies differ from one reference, or from the best",
}

Order = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Strategies, by number, compared over blocks; `imbench.stats.evaluation.Evaluation` explains the quantities.

    Parameters
    ----------
    order : strategies, best average rank first
    average_ranks, rank_sums : ``(strategies,)``
    rank_intervals, gain_intervals : ``(strategies, 2)`` over datasets
    gains : ``(strategies,)`` mean gain over the reference
    cd, groups : critical difference of average ranks, and the sets of strategies within it
    pairs : Wilcoxon's tests of all pairs
    against_reference : those of each other strategy, best first, against the reference
    blocks, datasets : numbers of them
    notes : caveats and undefined results, one sentence each
    """

    order: Order
    average_ranks: Floats
    rank_sums: Floats
    rank_intervals: Floats
    gains: Floats
    gain_intervals: Floats
    friedman: Friedman
    small_sample: SmallSample
    iman_davenport: ImanDavenport
    cd: float
    groups: tuple[tuple[int, ...], ...]
    pairs: AllPairs
    against_reference: PairTests
    blocks: int
    datasets: int
    notes: tuple[str, ...]


def compare(
    gains: Floats,
    datasets: Integers,
    reference: int,
    alpha: float,
    tolerance: Tolerance,
    gain_bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Comparison:
    """Compare strategies over blocks.

    Parameters
    ----------
    gains : ``(blocks, strategies)`` finite scores, larger is better; at least 2 of each
    datasets : ``(blocks,)`` number of each block's dataset, 0 to n − 1
    reference : the strategy that gains are measured against
    alpha : the level of intervals, of the critical difference and of groups, in (0, 1)
    tolerance : when two scores of a block are tied
    gain_bounds : the smallest and the largest possible gain; intervals stay within
    """
    # Sums over blocks do not depend on how the caller's array lies in memory.
    gains = np.asfortranarray(gains)
    ranks = rank(gains, higher_is_better=True, tolerance=tolerance)
    n, k = ranks.shape
    means = average_ranks(ranks)
    order = best_first(gains, means)
    omnibus = friedman(ranks)
    f_test = iman_davenport(omnibus.statistic, n, k)
    cd = critical_difference(k, n, alpha)
    # NOTE: at least the critical difference apart is different (Demšar 2006, section 3.2.2).
    groups = runs(np.abs(means[:, None] - means) >= cd, order.tolist())
    over_reference = gains - gains[:, [reference]]
    pairs = compare_pairs(gains, tolerance)
    others = order[order != reference]
    count = int(datasets.max()) + 1
    return Comparison(
        order=order,
        average_ranks=means,
        rank_sums=rank_sums(ranks),
        rank_intervals=rank_intervals(ranks, datasets, alpha).T,
        gains=over_reference.mean(axis=0),
        gain_intervals=mean_intervals(over_reference, datasets, alpha, gain_bounds).T,
        friedman=omnibus,
        small_sample=friedman_small_sample(ranks),
        iman_davenport=f_test,
        cd=cd,
        groups=tuple(map(tuple, groups)),
        pairs=pairs,
        against_reference=pairs.between(others, np.full(len(others), reference)),
        blocks=n,
        datasets=count,
        notes=_notes(ranks, f_test, cd, count, alpha),
    )


def best_first(gains: Floats, ranks: Floats) -> Order:
    """Columns by rank; of tied columns the one with the larger mean first."""
    return np.lexsort((np.arange(len(ranks)), -gains.mean(axis=0), ranks))


def _notes(ranks: Floats, f_test: ImanDavenport, cd: float, datasets: int, alpha: float) -> tuple[str, ...]:
    n, k = ranks.shape
    undefined = friedman_undefined(ranks)
    # One note for all questions that this many blocks cannot decide.
    undecided = [
        f"{_QUESTIONS[family]} ({why.partition(': ')[2]})"
        for family in FAMILIES
        if (why := undecidable(family, n, k, alpha))
    ]
    if cd > k - 1:
        undecided.append(
            f"which average ranks differ by Nemenyi's test (the critical difference, {cd:.2f}, exceeds {k - 1}, the "
            f"largest possible difference of average ranks of {k} strategies)"
        )
    checks: Sequence[tuple[object, str]] = (
        (undefined, undefined),
        (
            np.isinf(f_test.statistic),
            "perfect agreement: all blocks rank the strategies alike, so Iman-Davenport's F is infinite and its p is 0",
        ),
        (undecided, f"cannot be decided with {counted(n, 'block')}: {'; '.join(undecided)}"),
        (
            datasets < FEW_DATASETS,
            f"intervals over fewer than {FEW_DATASETS} datasets are too narrow if gains are strongly skewed",
        ),
    )
    return tuple(note for applies, note in checks if applies)
