"""Student's intervals, over datasets and over folds, kept within the bounds of a quantity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from imbench.scoring.outcome import Floats
from imbench.stats.nemenyi import check_alpha


def clip_interval(ends: tuple[float, float], bounds: tuple[float, float]) -> tuple[float, float]:
    """The ends of an interval, limited to the bounds of the quantity; NaN stays.

    >>> clip_interval((-1.5, 0.2), (-1.0, 1.0))
    (-1.0, 0.2)
    """
    low, high = np.clip(ends, *bounds).tolist()
    return low, high


def student_half(error: ArrayLike, freedom: float, alpha: float) -> Floats:
    """Half the width of Student's interval of level 1 − alpha: t · error; NaN without an error, 0 if it is 0."""
    from scipy.special import stdtrit

    errors = np.asarray(error, dtype=np.float64)
    quantile = -float(stdtrit(freedom, alpha / 2)) if freedom > 0 else float("nan")
    return np.where(errors > 0, quantile * errors, np.where(errors == 0, 0.0, np.nan))


def student_interval(
    mean: float, error: float, freedom: float, alpha: float, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """The interval ``mean ± t · error`` of level 1 − alpha, within bounds; NaN without an error."""
    check_alpha(alpha)
    half = float(student_half(error if np.isfinite(error) else np.nan, freedom, alpha))
    return clip_interval((mean - half, mean + half), bounds)


def mean_intervals(
    values: ArrayLike, datasets: ArrayLike, alpha: float = 0.05, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Floats:
    """``(2, columns)`` intervals of the mean over blocks, within bounds, as by `over_datasets`; NaN without blocks.

    Parameters
    ----------
    values : array-like, ``(blocks, columns)``
    datasets : array-like, ``(blocks,)`` number of each block's dataset, 0 to n − 1

    >>> mean_intervals([[0.1], [0.3], [0.2]], [0, 1, 2], bounds=(-1, 1)).ravel().round(3).tolist()
    [-0.048, 0.448]
    """
    table = np.asarray(values, dtype=np.float64)
    if not len(table):
        return np.full((2, table.shape[1]), np.nan)
    # Sums do not depend on how the caller's array lies in memory.
    return over_datasets(table.mean(axis=0), np.asfortranarray(table - table.mean(axis=0)), datasets, alpha, bounds)


def rank_intervals(ranks: ArrayLike, datasets: ArrayLike, alpha: float = 0.05) -> Floats:
    """``(2, strategies)`` intervals of average ranks over blocks, as by `over_datasets`.

    Datasets that agree on who is best do so by chance too: the variance of one dataset is that of the datasets and of
    half a dataset more with ranks at random, whose variance is (k² − 1) / 12. Half a dataset is also the prior of the
    Bayesian signed-rank test.

    Parameters
    ----------
    ranks : array-like, ``(blocks, strategies)``, k strategies, 1 is best
    datasets : array-like, ``(blocks,)`` number of each block's dataset, 0 to n − 1
    """
    table = np.asarray(ranks, dtype=np.float64)
    k = table.shape[1]
    return over_datasets(table.mean(axis=0), table - table.mean(axis=0), datasets, alpha, (1, k), (k**2 - 1) / 12)


def over_datasets(
    estimates: Floats,
    influence: Floats,
    datasets: ArrayLike,
    alpha: float,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    prior: float | None = None,
) -> Floats:
    """Intervals of level 1 − alpha of estimates that are, or nearly are, means over blocks.

    Blocks of one dataset are not independent, so the variance is that of sums over whole datasets (Liang and Zeger
    1986): Σ w² d² / c, with w the share of the blocks that a dataset has and d the mean influence of its blocks. With
    residuals around a mean, Σ w² d² is too small on average, by the factor c = 1 + Σw² − 2Σw³ / Σw² for datasets of
    equal variance; for n datasets with equally many blocks c = (n − 1) / n, and the interval is Student's of the means
    over datasets, with n − 1 degrees of freedom.

    NOTE: otherwise degrees of freedom are half way between n − 1, with which intervals cover too seldom, and those of
    Bell and McCaffrey (2002; Satterthwaite's for datasets of equal variance), with which they cover far too often:
    93 % and 99 % of normal gains on 5 datasets with 6, 3, 1, 1 and 1 configurations.

    An expanded percentile bootstrap (Hesterberg 2015), which cannot exceed the range of the data, covers 87 % with 4
    datasets and 92 % with 5. ``tests/benchmarks/test_coverage.py`` measures the coverage.

    Parameters
    ----------
    estimates : ``(columns,)``
    influence : ``(blocks, columns)`` how far each block moves the estimates, times the number of blocks; for a mean,
        values − mean
    datasets : array-like, ``(blocks,)`` number of each block's dataset, 0 to n − 1
    prior : variance of half a dataset more, beside that of these datasets; None: of these datasets only

    Returns
    -------
    ``(2, columns)`` lower and upper ends, within bounds; NaN for a single dataset.
    """
    which = np.asarray(datasets, dtype=np.int64)
    sizes = np.bincount(which).astype(np.float64)
    if len(sizes) < 2:
        return np.full((2, influence.shape[1]), np.nan)
    sums = np.zeros((len(sizes), influence.shape[1]))
    np.add.at(sums, which, influence)
    weights = sizes / len(which)
    trace, freedom = _small_sample(weights)
    variance = ((sums / len(which)) ** 2).sum(axis=0) / trace  # of one dataset
    if prior is not None:
        variance = ((len(sizes) - 1) * variance + 0.5 * prior) / (len(sizes) - 0.5)
    half = student_half(np.sqrt(variance * (weights**2).sum()), freedom, alpha)
    ends: Floats = np.clip([estimates - half, estimates + half], *bounds)
    return ends


def _small_sample(weights: Floats) -> tuple[float, float]:
    """c Σw² and the degrees of freedom of `over_datasets`, for the shares w of the blocks that datasets have.

    With A = D M Mᵀ D, M = I − 1wᵀ and D the diagonal matrix of w, the first is tr A, and Bell and McCaffrey's degrees
    of freedom are (tr A)² / tr A², both here as sums.
    """
    w = weights
    s2, s3, s4 = (float((w**power).sum()) for power in (2, 3, 4))
    trace = s2 * (1 + s2) - 2 * s3
    off = s2**4 + 2 * s2 * s4 - 4 * s2**2 * s3 + 2 * s3**2  # all entries of A² as if off the diagonal
    squared = off + float((w**4 * ((1 + s2 - 2 * w) ** 2 - (s2 - 2 * w) ** 2)).sum())
    return trace, (trace**2 / squared + len(w) - 1) / 2
