"""Elo ratings of strategies: the Bradley-Terry model by maximum likelihood, with intervals over datasets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imbench.scoring.outcome import Floats
from imbench.stats.intervals import expanded_level, resampled_means

# The rating of the anchor, as in TabArena; 400 points more are 10 to 1 odds.
ANCHOR, SCALE = 1000.0, 400.0

# Resamples of the interval. Each needs a fit.
RESAMPLES = 1000

_STEPS, _FAR = 60, 2.0
# Sums of average ranks are whole multiples of 1/2N; this far apart they differ.
_EQUAL = 1e-9


class Elo(NamedTuple):
    """Elo ratings: ``rating``, and the interval ``low`` to ``high``, each ``(strategies,)``."""

    rating: Floats
    low: Floats
    high: Floats


def elo(
    ranks: ArrayLike,
    datasets: ArrayLike,
    anchor: int | None = None,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Elo:
    """Elo ratings from ranks within blocks.

    Each block is a game between every two strategies, and a tie is half a win. The probability that i beats j is
    1 / (1 + 10^((R_j − R_i) / 400)), and the ratings are the maximum-likelihood ones (Bradley and Terry 1952; as in
    TabArena). Since every strategy plays every other one in all blocks, the ratings depend on the average ranks only
    and order the strategies as those do.

    Strategies that win every game against the anchor's group have no finite rating, and the same applies to those that
    lose every game: they are at ∞ and −∞. A group is a smallest set of strategies that wins or loses every game against
    all others.

    Parameters
    ----------
    ranks : array-like, ``(blocks, strategies)``, 1 is best, ties share the average rank
    datasets : array-like, ``(blocks,)`` number of each block's dataset, 0 to n − 1
    anchor : the strategy whose rating is 1000; None: the mean of the ratings is 1000, that of the largest group if
        there are several
    alpha : intervals have level 1 − alpha
    resamples : draws of whole datasets for the intervals, which are expanded percentile intervals as those of
        `imbench.stats.intervals.bootstrap_means`
    seed : seed of the draws

    Returns
    -------
    Intervals are NaN for a single dataset and for the anchor.

    >>> elo([[1, 2], [1, 2], [2, 1], [1, 2]], [0, 1, 2, 3], anchor=1).rating.round(1).tolist()
    [1190.8, 1000.0]
    """
    table = np.asarray(ranks, dtype=np.float64)
    which = np.asarray(datasets, dtype=np.int64)
    strategies = table.shape[1]
    rating = _ratings(table.mean(axis=0, keepdims=True), anchor)[0]
    count = len(np.unique(which))
    if count < 2:
        return Elo(rating, *np.full((2, strategies), np.nan))
    # Resamples of few datasets repeat.
    means = np.round(np.concatenate(list(resampled_means(table, which, resamples, seed))), 9)
    distinct, repeated = np.unique(means, axis=0, return_inverse=True)
    drawn = _ratings(distinct, anchor)[repeated.ravel()]
    level = expanded_level(alpha, count)
    # Without interpolation, which would make NaN of an infinite and a finite rating.
    low = np.quantile(drawn, level, axis=0, method="lower")
    high = np.quantile(drawn, 1 - level, axis=0, method="higher")
    if anchor is not None:
        low[anchor] = high[anchor] = np.nan
    return Elo(rating, low, high)


def _ratings(ranks: Floats, anchor: int | None) -> Floats:
    """``(fits, strategies)`` ratings from average ranks."""
    strategies = ranks.shape[1]
    wins = strategies - ranks  # mean number of others beaten in a block
    group = _groups(wins)
    together = group[:, :, None] == group[:, None, :]
    below = (group[:, :, None] > group[:, None, :]).sum(axis=2)
    strength = _fit(wins - below, together) * (SCALE / np.log(10))
    if anchor is None:
        size = together.sum(axis=2)
        # The largest group; of equal ones the best.
        centre = np.argmax(size + group / (strategies + 1), axis=1)
        own = np.take_along_axis(group, centre[:, None], axis=1)
        inside = group == own
        zero = (strength * inside).sum(axis=1, keepdims=True) / inside.sum(axis=1, keepdims=True)
    else:
        own, zero = group[:, [anchor]], strength[:, [anchor]]
    rated = ANCHOR + (strength - zero)
    return np.where(group == own, rated, np.where(group > own, np.inf, -np.inf))


def _groups(wins: Floats) -> NDArray[np.int64]:
    """The number of each strategy's group, 0 for the weakest.

    The m weakest strategies lose every game against the others exactly if they won only those among themselves,
    m(m − 1)/2 in a block (Landau 1953).
    """
    strategies = wins.shape[1]
    order = np.argsort(wins, axis=1, kind="stable")
    total = np.cumsum(np.take_along_axis(wins, order, axis=1), axis=1)
    size = np.arange(1, strategies + 1)
    closed = total <= size * (size - 1) / 2 + _EQUAL * size
    number = np.cumsum(closed, axis=1) - closed
    group = np.empty(wins.shape, dtype=np.int64)
    np.put_along_axis(group, order, number, axis=1)
    return group


def _fit(wins: Floats, together: NDArray[np.bool_]) -> Floats:
    """``(fits, strategies)`` log-strengths with these mean wins inside each group, by Newton's method; mean 0."""
    fits, strategies = wins.shape
    found = np.zeros((fits, strategies))
    open_ = np.arange(fits)
    diagonal = np.arange(strategies)
    for _ in range(_STEPS):
        if not len(open_):
            break
        here, inside = found[open_], together[open_]
        # P(i beats j); with itself a half, which `wins` does not have.
        p = inside / (1 + np.exp(here[:, None, :] - here[:, :, None]))
        gap = wins[open_] - (p.sum(axis=2) - 0.5)
        curvature = -p * (1 - p) * inside
        curvature[:, diagonal, diagonal] = 0.0
        curvature[:, diagonal, diagonal] = -curvature.sum(axis=2)
        # A constant added to a group changes nothing: its direction is fixed by the mean.
        step = np.linalg.solve(curvature + inside, gap[..., None])[..., 0]
        longest = np.abs(step).max(axis=1, keepdims=True, initial=0.0)
        found[open_] = here + step * np.minimum(1.0, _FAR / np.maximum(longest, _FAR))
        open_ = open_[longest[:, 0] > 1e-10]
    return found
