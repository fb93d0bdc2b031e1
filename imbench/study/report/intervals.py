"""Intervals: bootstrap over datasets, which are the independent units; variants of one dataset are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS, LEVEL, SEED = 2000, 0.95, 0


def mean_interval(values: Floats, datasets: Sequence[str]) -> Floats:
    """Percentile interval (Efron 1979) of the mean over blocks, whole datasets drawn with replacement.

    Parameters
    ----------
    values : ``(blocks, columns)``, no NaN
    datasets : of each block

    Returns
    -------
    ``(columns, 2)`` low and high ends; NaN for fewer than two datasets, which say nothing of others.
    """
    codes = np.unique(np.asarray(datasets, dtype=object).astype(str), return_inverse=True)[1]
    number = int(codes.max()) + 1 if len(codes) else 0
    if number < 2:
        return np.full((values.shape[1], 2), np.nan)
    sums = np.zeros((number, values.shape[1]))
    np.add.at(sums, codes, values)
    sizes = np.bincount(codes).astype(np.float64)
    # One fixed stream: equal results give equal intervals.
    draws = np.random.default_rng(SEED).multinomial(number, np.full(number, 1 / number), size=DRAWS)
    means = (draws @ sums) / (draws @ sizes)[:, None]
    tail = (1 - LEVEL) / 2
    return np.quantile(means, [tail, 1 - tail], axis=0).T.copy()
