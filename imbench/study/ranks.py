"""Ranks of strategies within blocks (configurations), and Friedman's test of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from imbench.contract.errors import UsageError
from imbench.study.outcome import Floats

if TYPE_CHECKING:
    import pandas as pd

# Rounding noise must neither make nor break a tie: 0.84 and 0.8399999999999999 are one result.
TIE = 1e-12


class Friedman(NamedTuple):
    """Friedman's chi-squared statistic and its p-value; both NaN where the test is undefined."""

    statistic: float
    pvalue: float


def rank(values: ArrayLike, *, higher_is_better: bool) -> Floats:
    """Ranks within each block: 1 for the best strategy, the average rank for ties.

    Parameters
    ----------
    values : array-like, ``(blocks, strategies)``, no NaN
    higher_is_better : the metric's direction

    Returns
    -------
    ``(blocks, strategies)`` float64; each block sums to k(k + 1)/2. Values that differ by at most 1e-12, and chains
    of such, are tied.

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
        starts = np.diff(rising, axis=1, prepend=rising[:, :1]) > TIE
    # (blocks, strategies) number of the tie group, unique across blocks
    group = np.cumsum(starts, axis=1) + np.arange(blocks)[:, None] * strategies
    position = np.broadcast_to(np.arange(1.0, strategies + 1.0), group.shape)
    size = np.bincount(group.ravel())
    average = np.bincount(group.ravel(), weights=position.ravel()) / np.maximum(size, 1)
    ranks = np.empty_like(costs)
    np.put_along_axis(ranks, order, average[group] if group.size else position, axis=1)
    return ranks


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
