"""Ranks of strategies within blocks (configurations), and Friedman's test of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imbench.contract.errors import UsageError
from imbench.scoring.outcome import Floats

if TYPE_CHECKING:
    import pandas as pd


# What a score close to zero is off by, as a share of the size that scores typically have: it is a difference of terms
# of about that size, each of them rounded.
_NOISE = 8 * float(np.finfo(np.float64).eps)


class Tolerance(NamedTuple):
    """How far apart two scores may be that are one result: ``absolute`` + ``relative`` · the larger one's size.

    Relative to the two scores alone, not to the largest of all: one diverged loss of 1e12 makes no ties of the others.
    """

    absolute: float
    relative: float

    def of(self, size: ArrayLike, typical: ArrayLike) -> Floats:
        """What scores of this size may differ by; of infinite ones the absolute part, lest they tie with all others.

        Parameters
        ----------
        size : array-like, the larger absolute value of two scores
        typical : array-like, `typical_sizes` of their blocks, whose rounding a score of 0 shows as 1e-17
        """
        sizes = np.asarray(size, dtype=np.float64)
        rounding = _NOISE * np.asarray(typical, dtype=np.float64)
        allowed: Floats = self.absolute + self.relative * np.where(np.isinf(sizes), 0.0, sizes) + rounding
        return allowed


# Rounding noise must neither make nor break a tie: 0.84 and 0.8399999999999999 are one result, and so are 100000.2 and
# the mean of 100000.1 and 100000.3, which differ by 1.5e-11.
GIVEN = Tolerance(0.0, 1e-12)
# Nets are float32, so that their scores change by some 1e-8 with the order of summation.
TRAINED = Tolerance(1e-6, 1e-12)


def typical_sizes(scores: Floats) -> Floats:
    """``(blocks, 1)`` how large the scores of each block of ``(blocks, strategies)`` are.

    The largest absolute value of the block, but at most the median of the table, so that a diverged score is not it.
    """
    sizes = np.where(np.isfinite(scores), np.abs(scores), 0.0)
    largest = sizes.max(axis=1, keepdims=True, initial=0.0)
    middle = float(np.median(sizes)) if sizes.size else 0.0
    typical: Floats = np.minimum(largest, middle)
    return typical


def equal(one: ArrayLike, other: ArrayLike, tolerance: Tolerance = GIVEN) -> NDArray[np.bool_]:
    """Whether ``(blocks,)`` scores are one result with those beside them."""
    both = np.stack([np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)], axis=1)
    allowed = tolerance.of(np.abs(both).max(axis=1), typical_sizes(both)[:, 0])
    same: NDArray[np.bool_] = ~(np.abs(both[:, 0] - both[:, 1]) > allowed)
    return same


def difference(one: ArrayLike, other: ArrayLike, tolerance: Tolerance = GIVEN) -> Floats:
    """``(blocks,)`` one − other, and 0 where they are one result, so that rounding is no difference; NaN stays."""
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    gap: Floats = a - b
    return np.where(equal(a, b, tolerance) & ~np.isnan(gap), 0.0, gap)


def tolerance_of(tolerance: Tolerance | float) -> Tolerance:
    """A tolerance from a plain number, which is absolute and comes on top of rounding.

    Raises
    ------
    UsageError
        For one that is negative or no number.
    """
    found = tolerance if isinstance(tolerance, Tolerance) else Tolerance(float(tolerance), GIVEN.relative)
    if not all(np.isfinite(part) and part >= 0 for part in found):
        raise UsageError(
            f"tolerance must be a number of at least 0, got {tolerance}; 1e-6 suits scores of trained nets"
        )
    return found


class Friedman(NamedTuple):
    """Friedman's chi-squared statistic and its p-value; both NaN where the test is undefined."""

    statistic: float
    pvalue: float


def rank(values: ArrayLike, *, higher_is_better: bool, tolerance: Tolerance = GIVEN) -> Floats:
    """Ranks within each block: 1 for the best strategy, the average rank for ties.

    Parameters
    ----------
    values : array-like, ``(blocks, strategies)``, no NaN
    higher_is_better : the metric's direction
    tolerance : neighbours within it, and chains of such, are tied

    Returns
    -------
    ``(blocks, strategies)`` float64; each block sums to k(k + 1)/2.

    Raises
    ------
    UsageError
        If the table is not two-dimensional or has a NaN (drop incomplete blocks with `complete_blocks`).
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise UsageError(f"values to rank must be (blocks, strategies), got shape {table.shape}")
    if np.isnan(table).any():
        block = int(np.isnan(table).any(axis=1).argmax())
        raise UsageError(f"values to rank have a NaN in block {block}; drop incomplete blocks with complete_blocks")
    costs = -table if higher_is_better else table
    blocks, strategies = costs.shape
    order = np.argsort(costs, axis=1, kind="stable")
    rising = np.take_along_axis(costs, order, axis=1)
    with np.errstate(invalid="ignore"):  # two infinities are a tie
        starts = np.diff(rising, axis=1, prepend=rising[:, :1]) > tolerance.of(
            _neighbours(np.abs(rising)), typical_sizes(table)
        )
    # (blocks, strategies) number of the tie group, unique across blocks
    group = np.cumsum(starts, axis=1) + np.arange(blocks)[:, None] * strategies
    position = np.broadcast_to(np.arange(1.0, strategies + 1.0), group.shape)
    size = np.bincount(group.ravel())
    average = np.bincount(group.ravel(), weights=position.ravel()) / np.maximum(size, 1)
    ranks = np.empty_like(costs)
    np.put_along_axis(ranks, order, average[group] if group.size else position, axis=1)
    return ranks


def _neighbours(sizes: Floats) -> Floats:
    """Of each and the one before it, along the last axis, the larger; the first as it is."""
    larger = sizes.copy()
    np.maximum(sizes[:, 1:], sizes[:, :-1], out=larger[:, 1:])
    return larger


def rank_sums(ranks: ArrayLike) -> Floats:
    """``(strategies,)`` sum over blocks of ``(blocks, strategies)`` ranks; smaller is better."""
    sums: Floats = np.asarray(ranks, dtype=np.float64).sum(axis=0)
    return sums


def average_ranks(ranks: ArrayLike) -> Floats:
    """``(strategies,)`` mean over blocks of ``(blocks, strategies)`` ranks, smaller is better; NaN without blocks."""
    blocks = len(np.asarray(ranks))
    return rank_sums(ranks) / (blocks or np.nan)


def friedman(ranks: ArrayLike) -> Friedman:
    """Friedman's test, with the correction for ties, that all strategies are equally good.

    Parameters
    ----------
    ranks : array-like, ``(blocks, strategies)`` of `rank`

    Returns
    -------
    The statistic and its p-value from chi-squared with k − 1 degrees of freedom (an approximation for many blocks);
    NaN where `friedman_undefined` says why. Formula: Conover, Practical Nonparametric Statistics (1999), section 5.8.
    """
    table = np.asarray(ranks, dtype=np.float64)
    if friedman_undefined(table):
        return Friedman(float("nan"), float("nan"))
    return friedman_from_sums(rank_sums(table), len(table), _ties(table))


def friedman_from_sums(sums: ArrayLike, blocks: int, ties: float = 0.0) -> Friedman:
    """Friedman's test from published sums of ranks.

    Parameters
    ----------
    sums : array-like, ``(strategies,)`` sums of ranks
    blocks : number of blocks N they were summed over
    ties : Σ (t³ − t) over all groups of t tied strategies in all blocks; 0 without ties
    """
    from scipy.special import chdtrc

    total = np.asarray(sums, dtype=np.float64)
    k = len(total)
    squares = ((total - blocks * (k + 1) / 2) ** 2).sum()
    statistic = 12 * squares / (blocks * k * (k + 1)) / (1 - ties / (blocks * k * (k**2 - 1)))
    return Friedman(float(statistic), float(chdtrc(k - 1, statistic)))


def friedman_undefined(ranks: ArrayLike) -> str:
    """Why Friedman's test says nothing of ``(blocks, strategies)`` ranks, or "" where it does."""
    table = np.asarray(ranks, dtype=np.float64)
    blocks, k = table.shape
    if blocks < 2:
        return f"Friedman's test needs at least 2 complete configurations, there {_are(blocks)}"
    if k < 2:
        return f"Friedman's test needs at least 2 strategies, there {_are(k)}"
    if _ties(table) >= blocks * k * (k**2 - 1):
        return "Friedman's test is undefined: all strategies are tied in every configuration"
    return ""


def complete_blocks(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Any]]:
    """The blocks (rows) of a blocks × strategies table that have every strategy, and the labels of those that don't."""
    whole = table.notna().all(axis=1)
    return table[whole], list(table.index[~whole])


def _ties(ranks: Floats) -> float:
    # A block without ties has sum of squares k(k + 1)(2k + 1)/6; each group of t tied ranks lowers it by (t³ − t)/12.
    blocks, k = ranks.shape
    return float(2 * blocks * k * (k + 1) * (2 * k + 1) - 12 * (ranks**2).sum())


def _are(count: int) -> str:
    return "is 1" if count == 1 else "are none"
