"""Every pair of strategies by Wilcoxon's signed-rank test, all pairs at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from imbench.scoring.outcome import Floats, Integers
from imbench.stats.ranks import GIVEN, Tolerance, typical_sizes

# Up to this many differences the null distribution is counted; above, it is close to normal. Counts up to 2^50 are
# whole in float64.
EXACT = 50
# Differences in memory at a time, so that the arrays of a step stay in cache; and shares of null distributions.
_CHUNK, _SHARES = 100_000, 100_000


def wilcoxon(gains: ArrayLike, first: ArrayLike, second: ArrayLike, tolerance: Tolerance = GIVEN) -> pd.DataFrame:
    """Wilcoxon's two-sided signed-rank test of pairs of strategies over the same blocks.

    Differences of tied scores are dropped, the others are ranked by size and tie within the same tolerance: adding a
    constant to all scores changes nothing. With at most 50 differences left the p-value is exact, also with ties: the
    share of all 2^n signs of these ranks with at least as extreme a sum. With more it comes from the normal
    approximation with tie-corrected variance n(n + 1)(2n + 1)/24 − Σ(t³ − t)/48 and no continuity correction (Wilcoxon
    1945; Conover 1999, section 5.7; scipy's ``wilcoxon`` with ``zero_method="wilcox", correction=False``). If none is
    left, p = 1.

    Parameters
    ----------
    gains : array-like, ``(blocks, strategies)``, larger is better, no NaN
    first, second : array-like, ``(pairs,)`` column numbers
    tolerance : two scores within it are tied

    Returns
    -------
    A row for each pair: ``statistic`` (the smaller of the two rank sums), ``p``, ``p_holm`` (`holm` over these pairs),
    ``effect`` (matched-pairs rank-biserial correlation (W₊ − W₋)/(W₊ + W₋), −1 to 1, positive where the first is
    better; Kerby 2014), ``wins``, ``ties`` and ``losses`` of the first, and ``method``: ``exact`` or
    ``asymptotic``.
    """
    return _tested(gains, first, second, tolerance).table()


class PairTests(NamedTuple):
    """Tests of a family of pairs: the columns of `wilcoxon` but for ``p_holm``, each ``(pairs,)``."""

    statistic: Floats
    p: Floats
    effect: Floats
    wins: Integers
    ties: Integers
    losses: Integers
    method: NDArray[np.str_]

    @property
    def p_holm(self) -> Floats:
        """`holm` over these pairs."""
        return holm(self.p)

    def table(self) -> pd.DataFrame:
        """The table of `wilcoxon`."""
        columns = ("statistic", "p", "p_holm", "effect", "wins", "ties", "losses", "method")
        return pd.DataFrame({name: getattr(self, name) for name in columns})


@dataclass(frozen=True, eq=False)
class AllPairs:
    """Wilcoxon's tests of every pair of columns; the tests of fewer pairs, in either order, follow from them.

    Parameters
    ----------
    first, second : ``(pairs,)`` columns of each pair
    tests : one for each pair; the family is all pairs
    """

    first: Integers
    second: Integers
    tests: PairTests

    def between(self, first: ArrayLike, second: ArrayLike) -> PairTests:
        """The tests of these ``(pairs,)`` columns, as a family of their own; equal to those of `wilcoxon`."""
        one, other = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
        columns = int(self.second.max(initial=0)) + 1
        number = np.zeros((columns, columns), dtype=np.int64)
        number[self.first, self.second] = number[self.second, self.first] = np.arange(len(self.first))
        picked: list[Any] = [values[number[one, other]] for values in self.tests]
        tests, turned = PairTests(*picked), one > other
        return tests._replace(
            effect=np.where(turned, 0.0 - tests.effect, tests.effect),
            wins=np.where(turned, tests.losses, tests.wins),
            losses=np.where(turned, tests.wins, tests.losses),
        )


def compare_pairs(gains: ArrayLike, tolerance: Tolerance = GIVEN) -> AllPairs:
    """Every pair of the columns of ``(blocks, strategies)`` scores by Wilcoxon's test (see `wilcoxon`)."""
    table = np.asarray(gains, dtype=np.float64)
    first, second = np.triu_indices(table.shape[1], 1)
    return AllPairs(first, second, _tested(table, first, second, tolerance))


def holm(pvalues: ArrayLike) -> Floats:
    """Holm's step-down correction of ``(tests,)`` p-values: max over p_(i) ≤ p_(j) of (m − i + 1) p_(i), at most 1.

    Holm, A simple sequentially rejective multiple test procedure (1979).
    """
    p = np.asarray(pvalues, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return corrected


def _tested(gains: ArrayLike, first: ArrayLike, second: ArrayLike, tolerance: Tolerance) -> PairTests:
    columns = np.ascontiguousarray(np.asarray(gains, dtype=np.float64).T)  # (strategies, blocks)
    one, other = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    typical = typical_sizes(columns.T).T  # (1, blocks)
    chunk = max(_CHUNK // max(columns.shape[1], 1), 1)
    parts = [
        _signed_ranks(columns[one[start : start + chunk]], columns[other[start : start + chunk]], tolerance, typical)
        for start in range(0, len(one), chunk)
    ]
    plus, wins, n, ties, pattern = (np.concatenate(part) for part in zip(*parts, strict=True))
    total = n * (n + 1) / 2
    statistic = np.minimum(plus, total - plus)
    exact = n <= EXACT
    p = np.where(exact, _exact(statistic, np.where(exact, n, 0), pattern), _normal(statistic, n, ties))
    return PairTests(
        statistic=statistic,
        p=p,
        effect=np.divide(2 * plus - total, total, out=np.zeros(len(n)), where=total > 0),
        wins=wins,
        ties=columns.shape[1] - n,
        losses=n - wins,
        method=np.where(exact, "exact", "asymptotic"),
    )


def _signed_ranks(
    one: Floats, other: Floats, tolerance: Tolerance, typical: Floats
) -> tuple[Floats, Integers, Integers, Floats, Integers]:
    """For each row of ``(pairs, blocks)``: sum of positive ranks, numbers of positive and non-zero, Σ(t³ − t), pattern.

    The pattern is 0 without ties or with too many differences for an exact p-value. Otherwise it has a bit for each
    non-zero difference, the highest bit for the smallest one, which is set if the difference starts a group of ties.
    """
    pairs, blocks = one.shape
    differences = one - other
    # The rounding error of a difference depends on the scores behind it, not on its size.
    slack = tolerance.of(np.maximum(np.abs(one), np.abs(other)), typical)
    # Sorted by size with the sign in the lowest bit: one sort instead of an argsort and two gathers.
    keys = np.abs(differences).view(np.int64) & ~1
    size = keys.view(np.float64)
    nonzero = size > slack
    keys *= nonzero
    keys |= nonzero & (differences > 0)
    unsorted = keys.copy()
    keys.sort(axis=1)
    positive = keys & 1
    keys &= ~1
    n = nonzero.sum(axis=1)
    starts = np.empty((pairs, blocks), dtype=np.bool_)
    starts[:, :1] = True
    # With the largest slack of a pair: no tie is missed, and what may be one is looked at again below.
    widest = slack.max(axis=1, keepdims=True, initial=0.0)
    np.greater(size[:, 1:] - size[:, :-1], widest, out=starts[:, 1:])
    zeros = blocks - n
    plus = (positive @ np.arange(1.0, blocks + 1.0)) - zeros * positive.sum(axis=1)
    ties, pattern = np.zeros(pairs), np.zeros(pairs, dtype=np.int64)
    # Zeros form one group; if more groups are missing, there are ties.
    tied = np.flatnonzero(starts.sum(axis=1) < n + (zeros > 0))
    if len(tied):
        order = np.argsort(unsorted[tied], axis=1, kind="stable")
        sorted_slack = np.take_along_axis(slack[tied], order, axis=1)
        allowed = np.maximum(sorted_slack[:, 1:], sorted_slack[:, :-1])
        # Nothing ties with a zero.
        from_zero = size[tied][:, :-1] == 0
        starts[tied, 1:] = np.diff(size[tied], axis=1) > np.where(from_zero, 0.0, allowed)
        plus[tied], ties[tied] = _tied_ranks(positive[tied], starts[tied], zeros[tied])
        last = starts[tied, -EXACT:] & (size[tied, -EXACT:] > 0)
        pattern[tied] = (last @ (1 << np.arange(last.shape[1])[::-1])) * ((ties[tied] > 0) & (n[tied] <= EXACT))
    return plus, positive.sum(axis=1), n, ties, pattern


def _tied_ranks(positive: Integers, starts: NDArray[np.bool_], zeros: Integers) -> tuple[Floats, Floats]:
    """Sum of positive ranks and Σ(t³ − t) of sorted rows, given the starts of their groups of ties."""
    pairs, blocks = starts.shape
    begin = np.flatnonzero(starts)
    length = np.diff(begin, append=starts.size)
    row, place = np.divmod(begin, blocks)
    rank = place + (length + 1) / 2 - zeros[row]
    plus = np.bincount(row, weights=rank * np.add.reduceat(positive.ravel(), begin), minlength=pairs)
    counted = (place > 0) | (zeros[row] == 0)  # the zeros themselves do not count as ties
    ties = np.bincount(row, weights=(length**3.0 - length) * counted, minlength=pairs)
    return plus.astype(np.float64), ties.astype(np.float64)


def _exact(statistic: Floats, n: Integers, pattern: Integers) -> Floats:
    """Two-sided p of the smaller rank sum of n differences with this pattern of ties (0: none)."""
    share = _cumulative()[n, np.floor(statistic).astype(np.int64) * (n > 0)]
    tied = np.flatnonzero(pattern)
    if len(tied):
        share[tied] = _tied_cumulative(pattern[tied], np.rint(2 * statistic[tied]).astype(np.int64))
    return np.minimum(2 * share, 1.0)


@cache
def _cumulative() -> Floats:
    """``(51, 1276)`` P(W ≤ w) for n differences: the share of the 2^n sets of ranks 1 … n with a sum of at most w."""
    counts = np.zeros((EXACT + 1, EXACT * (EXACT + 1) // 2 + 1))
    counts[0, 0] = 1.0
    for n in range(1, EXACT + 1):
        counts[n] = counts[n - 1] / 2
        counts[n, n:] += counts[n - 1, :-n] / 2
    return np.cumsum(counts, axis=1)


def _tied_cumulative(pattern: Integers, doubled: Integers) -> Floats:
    """P(2W ≤ doubled) of each pattern of ties: doubled midranks are whole numbers.

    Pairs with the same pattern share a distribution, and patterns with similar largest sums are computed together.
    """
    distinct, which = np.unique(pattern, return_inverse=True)
    furthest = np.zeros(len(distinct), dtype=np.int64)
    np.maximum.at(furthest, which, doubled)
    order = np.argsort(furthest, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    by_place = np.argsort(place[which], kind="stable")  # pairs in the order of their patterns
    sorted_place = place[which][by_place]
    found = np.empty(len(pattern))
    start = 0
    while start < len(order):
        # As many patterns as fit, given the largest sum, which is that of the last.
        sizes = (furthest[order[start:]] + 1 + 2 * EXACT) * np.arange(1, len(order) - start + 1)
        end = start + max(int(np.searchsorted(sizes, _SHARES, side="right")), 1)
        shares = _tied_shares(_doubled_midranks(distinct[order[start:end]]), int(furthest[order[end - 1]]))
        pairs = by_place[np.searchsorted(sorted_place, start) : np.searchsorted(sorted_place, end)]
        found[pairs] = np.cumsum(shares, axis=1)[place[which[pairs]] - start, doubled[pairs]]
        start = end
    return found


def _doubled_midranks(pattern: Integers) -> Integers:
    """``(patterns, 50)`` twice the rank of each difference, ascending, padded with zeros on the left."""
    starts = (pattern[:, None] >> np.arange(EXACT)[::-1] & 1).astype(np.bool_)
    there = np.maximum.accumulate(starts, axis=1)
    rank = np.cumsum(there, axis=1)
    first = np.maximum.accumulate(np.where(starts, rank, 0), axis=1)
    ends = np.append(starts[:, 1:], np.ones((len(pattern), 1), dtype=np.bool_), axis=1)
    last = np.minimum.accumulate(np.where(ends, rank, EXACT)[:, ::-1], axis=1)[:, ::-1]
    doubled: Integers = (first + last) * there
    return doubled


def _tied_shares(ranks: Integers, most: int) -> Floats:
    """``(patterns, most + 1)`` share of all sets of these doubled ranks with each sum."""
    patterns, pad = len(ranks), 2 * EXACT
    width = pad + most + 1
    # Padded on the left, so that sum − rank is always a valid index.
    shares = np.zeros((patterns, width))
    shares[:, pad] = 1.0
    begin = width * np.arange(patterns) + pad
    for rank in ranks.T[(ranks > 0).any(axis=0)]:
        # (patterns, most + 1): each pattern's shares shifted by its rank.
        moved = np.lib.stride_tricks.sliding_window_view(shares.ravel(), most + 1)[begin - rank]
        moved += shares[:, pad:]
        np.multiply(moved, 0.5, out=shares[:, pad:])
    return shares[:, pad:]


def _normal(statistic: Floats, n: Integers, ties: Floats) -> Floats:
    """Two-sided p of the smaller rank sum by the normal approximation; 1 if all differences are zero."""
    from scipy.special import ndtr

    mean = n * (n + 1) / 4
    variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    z = np.divide(statistic - mean, np.sqrt(variance), out=np.zeros(len(n)), where=n > 0)
    p: Floats = np.minimum(2 * ndtr(z), 1.0)
    return p
