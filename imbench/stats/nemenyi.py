"""Nemenyi's test: all pairs of strategies by the difference of their average ranks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imbench.contract.errors import UsageError
from imbench.scoring.outcome import Floats

# Nodes of the trapezoid rule around q/2. The integrand is analytic and falls as exp(−t²), so steps of 0.1 leave an
# error below 1e-11 for up to 1,000 strategies.
_NODES = np.linspace(-9.0, 9.0, 181)
_CHUNK = 20_000


def critical_difference(strategies: int, blocks: int, alpha: float = 0.05) -> float:
    """The critical difference: how far apart two average ranks must be to differ at alpha, among all pairs of k.

    CD = q_α(k, ∞)/√2 · √(k(k + 1)/6N), q the upper quantile of the range of k standard normals (Nemenyi 1963; Demšar
    2006, section 3.2.2 and Table 5).

    Parameters
    ----------
    strategies, blocks : k and N, each at least 2
    alpha : significance level, in (0, 1)

    Raises
    ------
    UsageError
        For fewer strategies or blocks, or an alpha out of range.

    >>> round(critical_difference(4, 14, alpha=0.10), 4)
    1.1181
    """
    if min(strategies, blocks) < 2:
        raise UsageError(f"a critical difference needs 2 strategies and 2 blocks, got {strategies} and {blocks}")
    check_alpha(alpha)
    return float(_range_quantile(alpha, strategies) / np.sqrt(2) * _error(strategies, blocks))


@lru_cache(maxsize=256)
def _range_quantile(alpha: float, strategies: int) -> float:
    """The upper quantile of the range of standard normals, to the last digit, which many boards share."""
    low, high = 0.0, 1.0
    while normal_range_sf([high], strategies)[0] > alpha:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if normal_range_sf([middle], strategies)[0] > alpha else (low, middle)
    return high


def nemenyi(average_ranks: ArrayLike, blocks: int) -> Floats:
    """``(strategies, strategies)`` p-values of Nemenyi's test of average ranks over this many blocks; diagonal 1.

    p = P(range of k standard normals ≥ √2 |R_i − R_j| / √(k(k + 1)/6N)).
    """
    means = np.asarray(average_ranks, dtype=np.float64)
    k = len(means)
    first, second = np.triu_indices(k, 1)
    gaps = np.abs(means[first] - means[second]) / _error(k, blocks)
    pvalues = np.ones((k, k))
    pvalues[first, second] = pvalues[second, first] = normal_range_sf(np.sqrt(2) * gaps, k)
    return pvalues


def normal_range_sf(q: ArrayLike, strategies: int) -> Floats:
    """P(range of k independent standard normals ≥ q): the studentized range with infinite degrees of freedom.

    1 − k ∫ φ(z) [Φ(z) − Φ(z − q)]^(k−1) dz, written as k ∫ φ(z) Φ(z)^(k−1) (1 − [1 − Φ(z − q)/Φ(z)]^(k−1)) dz, which
    keeps its relative precision where it is small. scipy's ``studentized_range.sf`` gives the same, one at a time.

    Parameters
    ----------
    q : array-like, ``(pairs,)``, non-negative
    strategies : k, at least 2
    """
    from scipy.special import log_ndtr, ndtr

    values = np.asarray(q, dtype=np.float64)
    result = np.empty(values.shape)
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK, None]
        z = part / 2 + _NODES  # (pairs, nodes)
        ratio = np.minimum(ndtr(z - part) / ndtr(z), 1.0)
        with np.errstate(divide="ignore"):  # q = 0: the ratio is 1 and its complement's logarithm −∞
            beyond = -np.expm1((strategies - 1) * np.log1p(-ratio))
        density = np.exp(-(z**2) / 2 + (strategies - 1) * log_ndtr(z)) / np.sqrt(2 * np.pi)
        result[start : start + _CHUNK] = strategies * (density * beyond).sum(axis=1) * (_NODES[1] - _NODES[0])
    result[values == 0] = 1.0  # up to rounding it is
    return np.clip(result, 0.0, 1.0)


def runs(apart: NDArray[np.bool_], order: Sequence[int]) -> list[list[int]]:
    """The longest runs of two or more strategies, consecutive in this order, in which no pair differs.

    Runs, because a bar of a CD diagram spans everything between its ends: no bar may span a pair that differs.

    Parameters
    ----------
    apart : ``(strategies, strategies)`` symmetric, whether two strategies differ
    order : strategies by average rank

    Returns
    -------
    Strategy numbers of each run, in this order; no run lies within another.
    """
    position = np.asarray(order)
    sorted_apart = apart[np.ix_(position, position)]
    found: list[list[int]] = []
    reach = 0
    for start in range(len(position)):
        end = max(reach, start + 1)
        while end < len(position) and not sorted_apart[start:end, end].any():
            end += 1
        if end > max(reach, start + 1):
            found.append(position[start:end].tolist())
        reach = max(reach, end)
    return found


def check_alpha(alpha: float) -> None:
    """Raise UsageError unless alpha is a level, in (0, 1)."""
    if not 0 < alpha < 1:
        raise UsageError(f"alpha must be between 0 and 1, got {alpha}; 0.05 is usual")


def _error(strategies: int, blocks: int) -> float:
    """Standard error of the difference of two average ranks."""
    return float(np.sqrt(strategies * (strategies + 1) / (6 * blocks)))
