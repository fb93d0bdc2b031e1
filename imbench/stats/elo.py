"""Elo ratings of strategies: the Bradley-Terry model by maximum likelihood, with intervals over datasets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imbench.scoring.outcome import Floats, Integers
from imbench.stats.intervals import over_datasets

# The rating of the anchor, as in TabArena; 400 points more are 10 to 1 odds.
ANCHOR, SCALE = 1000.0, 400.0

_STEPS, _FAR = 60, 2.0
# Sums of average ranks are whole multiples of 1/2N; this far apart they differ.
_EQUAL = 1e-9


class Elo(NamedTuple):
    """Elo ratings: ``rating``, and the interval ``low`` to ``high``, each ``(strategies,)``."""

    rating: Floats
    low: Floats
    high: Floats


def elo(ranks: ArrayLike, datasets: ArrayLike, anchor: int | None = None, alpha: float = 0.05) -> Elo:
    """Elo ratings from ranks within blocks.

    Each block is a game between every two strategies, and a tie is half a win. The probability that i beats j is
    1 / (1 + 10^((R_j − R_i) / 400)), and the ratings are the maximum-likelihood ones (Bradley and Terry 1952; as in
    TabArena). Since every strategy plays every other one in all blocks, the ratings depend on the average ranks only
    and order the strategies as those do.

    Strategies that win every game against the anchor's group have no finite rating, and the same applies to those that
    lose every game: they are at ∞ and −∞. A group is a smallest set of strategies that wins or loses every game against
    all others.

    Intervals are for other datasets like these (`imbench.stats.intervals.over_datasets`): a block's influence on the
    ratings is the inverse of the Fisher information times how many wins it has more than expected (White 1982).

    NOTE: TabArena draws datasets with replacement. Few datasets often leave a strategy of a draw without a defeat, and
    so without a finite rating; such intervals cover at most 84 % with 5 datasets and 91 % with 7.

    Parameters
    ----------
    ranks : array-like, ``(blocks, strategies)``, 1 is best, ties share the average rank
    datasets : array-like, ``(blocks,)`` number of each block's dataset, 0 to n − 1
    anchor : the strategy whose rating is 1000; None: the mean of the ratings is 1000, that of the largest group if
        there are several
    alpha : intervals have level 1 − alpha

    Returns
    -------
    Intervals are NaN for a single dataset, for the anchor, and for infinite ratings.

    >>> elo([[1, 2], [1, 2], [2, 1], [1, 2]], [0, 1, 2, 3], anchor=1).rating.round(1).tolist()
    [1190.8, 1000.0]
    """
    table = np.asarray(ranks, dtype=np.float64)
    strategies = table.shape[1]
    wins = strategies - table  # (blocks, strategies) how many others each one beats
    mean = wins.mean(axis=0)
    group = _groups(mean)
    together = group[:, None] == group
    strength, information = _fit(mean - (group[:, None] > group).sum(axis=1), together)
    # With itself, a strategy's group is joined by its sum, which no block changes.
    influence = np.linalg.solve(information + together, (wins - mean).T).T
    if anchor is None:
        # The largest group; of equal ones the best.
        size = together.sum(axis=1)
        rated = together[np.argmax(size + group / (strategies + 1))]
        zero = rated / rated.sum()
    else:
        rated = together[anchor]
        zero = np.eye(strategies)[anchor]
    rating = ANCHOR + (strength - strength @ zero) * _POINTS
    away = np.where(group > group[rated][0], np.inf, -np.inf)
    low, high = over_datasets(rating, (influence - (influence @ zero)[:, None]) * _POINTS, datasets, alpha)
    none = ~rated if anchor is None else ~rated | (np.arange(strategies) == anchor)
    return Elo(np.where(rated, rating, away), np.where(none, np.nan, low), np.where(none, np.nan, high))


# Points of a rating for one of a log-strength.
_POINTS = SCALE / np.log(10)


def _groups(wins: Floats) -> Integers:
    """``(strategies,)`` the number of each strategy's group, 0 for the weakest, from mean wins in a block.

    The m weakest strategies lose every game against the others exactly if they won only those among themselves,
    m(m − 1)/2 in a block (Landau 1953).
    """
    order = np.argsort(wins, kind="stable")
    size = np.arange(1, len(wins) + 1)
    closed = np.cumsum(wins[order]) <= size * (size - 1) / 2 + _EQUAL * size
    group = np.empty(len(wins), dtype=np.int64)
    group[order] = np.cumsum(closed) - closed
    return group


def _fit(wins: Floats, together: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Log-strengths with these mean wins inside each group, by Newton's method, mean 0; and the Fisher information.

    The information is that of one block, ``(strategies, strategies)``.
    """
    found = np.zeros(len(wins))
    for _ in range(_STEPS):
        # P(i beats j); with itself a half, which `wins` does not have.
        p = together / (1 + np.exp(found - found[:, None]))
        information = -p * (1 - p) * together
        np.fill_diagonal(information, 0.0)
        np.fill_diagonal(information, -information.sum(axis=1))
        # A constant added to a group changes nothing: its direction is fixed by the mean.
        step = np.linalg.solve(information + together, wins - (p.sum(axis=1) - 0.5))
        longest = np.abs(step).max(initial=0.0)
        if longest <= 1e-10:
            break
        found = found + step * min(1.0, _FAR / longest)
    return found, information
