"""Intervals of means over configurations, as the evaluator draws them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imbench.scoring.outcome import Floats
from imbench.stats.intervals import bootstrap_means


def mean_interval(values: Floats, datasets: Sequence[str], alpha: float) -> Floats:
    """Bootstrap interval of level 1 − alpha of the mean over blocks, whole datasets drawn with replacement.

    Parameters
    ----------
    values : ``(blocks, columns)``, no NaN
    datasets : of each block

    Returns
    -------
    ``(columns, 2)`` low and high ends; NaN for fewer than two datasets, which say nothing of others.
    """
    codes = np.unique(np.asarray(datasets, dtype=object).astype(str), return_inverse=True)[1]
    if not len(codes):
        return np.full((values.shape[1], 2), np.nan)
    ends: Floats = bootstrap_means(values, codes, alpha).T
    return ends
