"""Ranks of strategies within blocks, and when two scores are tied."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imbench.contract.errors import UsageError
from imbench.scoring.outcome import Floats

if TYPE_CHECKING:
    pass


# Rounding error of a score close to zero, as a share of the typical size of scores: it is a difference of rounded terms
# of about that size.
_NOISE = 8 * float(np.finfo(np.float64).eps)


class Tolerance(NamedTuple):
    """The largest difference of two tied scores: ``absolute`` + ``relative`` · size of the larger score.

    Relative to the two scores only, not to the largest of all: one diverged loss of 1e12 must not tie the others.
    """

    absolute: float
    relative: float

    def of(self, size: ArrayLike, typical: ArrayLike) -> Floats:
        """The largest difference of tied scores of this size; for infinite scores the absolute part only.

        Parameters
        ----------
        size : array-like, the larger absolute value of two scores
        typical : array-like, `typical_sizes` of their blocks: with their rounding a score of 0 may show as 1e-17
        """
        sizes = np.asarray(size, dtype=np.float64)
        rounding = _NOISE * np.asarray(typical, dtype=np.float64)
        allowed: Floats = self.absolute + self.relative * np.where(np.isinf(sizes), 0.0, sizes) + rounding
        return allowed


# Rounding must neither make nor break a tie: 0.84 and 0.8399999999999999 are tied, and so are 100000.2 and the mean of
# 100000.1 and 100000.3, which differ by 1.5e-11.
GIVEN = Tolerance(0.0, 1e-12)
# Nets are float32: their scores change by about 1e-8 with the order of summation.
TRAINED = Tolerance(1e-6, 1e-12)


def typical_sizes(scores: Floats) -> Floats:
    """``(blocks, 1)`` typical size of the scores of each block, from ``(blocks, strategies)``.

    The largest absolute value of the block, at most the median of the table, so that a diverged score does not count.
    """
    sizes = np.where(np.isfinite(scores), np.abs(scores), 0.0)
    largest = sizes.max(axis=1, keepdims=True, initial=0.0)
    middle = float(np.median(sizes)) if sizes.size else 0.0
    typical: Floats = np.minimum(largest, middle)
    return typical


def equal(one: ArrayLike, other: ArrayLike, tolerance: Tolerance = GIVEN) -> NDArray[np.bool_]:
    """Whether scores of two strategies are tied, ``(blocks,)``, or of several pairs, ``(blocks, pairs)``."""
    both = np.stack([np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)])
    sizes = np.abs(both)
    finite = np.where(np.isfinite(both), sizes, 0.0)
    # As `typical_sizes` of the table of each pair.
    middle = np.median(finite, axis=(0, 1)) if finite.size else 0.0
    allowed = tolerance.of(sizes.max(axis=0), np.minimum(finite.max(axis=0), middle))
    same: NDArray[np.bool_] = ~(np.abs(both[0] - both[1]) > allowed)
    return same


def difference(one: ArrayLike, other: ArrayLike, tolerance: Tolerance = GIVEN) -> Floats:
    """``(blocks,)`` one − other, 0 where they are tied; NaN stays."""
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    gap: Floats = a - b
    return np.where(equal(a, b, tolerance) & ~np.isnan(gap), 0.0, gap)


def tolerance_of(tolerance: Tolerance | float) -> Tolerance:
    """A tolerance from a plain number, which is absolute and added to rounding.

    Raises
    ------
    UsageError
        For a negative number or NaN.
    """
    found = tolerance if isinstance(tolerance, Tolerance) else Tolerance(float(tolerance), GIVEN.relative)
    if not all(np.isfinite(part) and part >= 0 for part in found):
        raise UsageError(
            f"tolerance must be a number of at least 0, got {tolerance}; 1e-6 suits scores of trained nets"
        )
    return found


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
        If the table is not two-dimensional or has a NaN.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise UsageError(f"values to rank must be (blocks, strategies), got shape {table.shape}")
    if np.isnan(table).any():
        block = int(np.isnan(table).any(axis=1).argmax())
        raise UsageError(f"values to rank have a NaN in block {block}; remove blocks with a missing score")
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
    """The larger of each value and the one before it, along the last axis; the first value is kept."""
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
