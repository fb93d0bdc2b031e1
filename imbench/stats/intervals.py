"""Bootstrap intervals of means over datasets, and intervals kept within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from imbench.scoring.outcome import Floats, Integers

RESAMPLES = 10_000
# Weights in memory at a time, a row for each resample.
_CHUNK = 4_000_000


def clip_interval(ends: tuple[float, float], bounds: tuple[float, float]) -> tuple[float, float]:
    """The ends of an interval, limited to the bounds of the quantity; NaN stays.

    >>> clip_interval((-1.5, 0.2), (-1.0, 1.0))
    (-1.0, 0.2)
    """
    low, high = np.clip(ends, *bounds).tolist()
    return low, high


def bootstrap_means(values: ArrayLike, datasets: ArrayLike, alpha: float = 0.05, seed: int = 0) -> Floats:
    """Intervals of level 1 − alpha of the mean over blocks, from resamples of whole datasets.

    Blocks of one dataset are not independent, so a resample draws all of them together. The interval is the expanded
    percentile interval: quantiles are taken at Φ(√(n/(n − 1)) t_{α/2, n−1}), n datasets, so that for few datasets
    it is about as wide as Student's (Hesterberg, What teachers should know about the bootstrap, 2015,
    section 5.3). No resample exceeds the range of the data: below about 8 datasets the interval is still too narrow.

    Parameters
    ----------
    values : array-like, ``(blocks, columns)``
    datasets : array-like, ``(blocks,)`` number of each block's dataset, 0 to n − 1
    alpha : 1 − the level of the intervals, in (0, 1)
    seed : seed of the 10,000 resamples; equal seeds give equal intervals

    Returns
    -------
    ``(2, columns)`` lower and upper ends; NaN for a single dataset.
    """
    table, which = np.asarray(values, dtype=np.float64), np.asarray(datasets, dtype=np.int64)
    n, columns = int(which.max(initial=0)) + 1, table.shape[1]
    if n < 2:
        return np.full((2, columns), np.nan)
    means = np.empty((RESAMPLES, columns), order="F")  # the resamples of a column lie together for its quantiles
    start = 0
    for part in resampled_means(table, which, RESAMPLES, seed):
        means[start : start + len(part)] = part
        start += len(part)
    low = expanded_level(alpha, n)
    ends: Floats = np.quantile(means, [low, 1 - low], axis=0)
    return ends


def resampled_means(values: Floats, datasets: Integers, resamples: int, seed: int = 0) -> Iterator[Floats]:
    """``(resamples, columns)`` means over blocks when whole datasets are drawn with replacement, in chunks.

    Parameters
    ----------
    values : ``(blocks, columns)``
    datasets : ``(blocks,)`` number of each block's dataset, 0 to n − 1
    """
    sizes = np.bincount(datasets).astype(np.float64)
    n = len(sizes)
    sums = np.zeros((n, values.shape[1]))
    np.add.at(sums, datasets, values)
    for weights in (_kept_weights if resamples * n <= _CHUNK else _weights)(n, resamples, seed):
        yield (weights @ sums) / (weights @ sizes)[:, None]


@lru_cache(maxsize=4)
def _kept_weights(n: int, resamples: int, seed: int) -> list[Floats]:
    return list(_weights(n, resamples, seed))


def _weights(n: int, resamples: int, seed: int) -> Iterator[Floats]:
    """``(resamples, datasets)`` how often each dataset was drawn, in chunks."""
    rng = np.random.default_rng(seed)
    chunk = max(_CHUNK // n, 1)
    for start in range(0, resamples, chunk):
        yield rng.multinomial(n, np.full(n, 1 / n), size=min(chunk, resamples - start)).astype(np.float64)


def expanded_level(alpha: float, n: int) -> float:
    """The quantile of resampled means over n datasets at which an interval of level 1 − alpha begins (Hesterberg)."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(np.sqrt(n / (n - 1)) * stdtrit(n - 1, alpha / 2)))
