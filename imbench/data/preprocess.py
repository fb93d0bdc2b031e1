"""Imputation and standardisation, fitted inside one fold without its test rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imbench.contract.modality import MODALITIES
from imbench.contract.records import Dataset, Fold, Preprocessing

_BLOCK = 8192  # rows processed at a time, to avoid a copy of x
_BRIGHTEST = 255.0


def fit(dataset: Dataset, fold: Fold, clip: float) -> Preprocessing:
    """Fit the preprocessing of a fold on its train and validation rows together, as in the ReMix paper.

    The ``scaling`` of the dataset's modality selects the method, a key of `SCALINGS`. Scaled values are clipped to
    ``[-clip, clip]``.
    """
    return SCALINGS[MODALITIES[dataset.card.modality].scaling](dataset, fold, clip)


def _fitted(dataset: Dataset, fold: Fold, clip: float) -> Preprocessing:
    """Mean imputation and standardisation of columns, as scikit-learn's SimpleImputer followed by StandardScaler.

    Missing values are replaced by the mean of their column, and count in the population standard deviation. A constant
    numeric column has scale 1, so that other values in test rows still have an effect. The column of a category that no
    or every training row has is scaled by 0, since a net cannot learn from it, and so is a column without any value in
    the training rows. The columns of categories with fewer than ``dataset.least`` rows are scaled by 0 as well, which
    pools them: rows of any of them have the same values. Everything is computed in float64. A row of weight
    2 counts as two rows.
    """
    half = np.sort(np.concatenate([fold.train, fold.validation]))
    mean, present = _mean(dataset.x, half, dataset.weight)
    total = len(half) if dataset.weight is None else dataset.weight[half].sum()
    variance = _squares(dataset.x, half, mean, dataset.weight) / total
    categorical = np.array([kind == "categorical" for kind in dataset.feature_kinds])
    constant = _is_constant(variance, mean, len(half))
    deviation = np.sqrt(np.where(constant, 1.0, variance))
    scale = np.where(constant, dataset.unit, 1.0 / deviation)
    rare = np.rint(mean * present) < dataset.least if dataset.least > 1 else np.zeros(len(mean), dtype=bool)
    scale = np.where(((constant | rare) & categorical) | (present == 0), 0.0, scale)
    return Preprocessing(mean.astype(np.float32), scale.astype(np.float32), clip)


def _pixels(dataset: Dataset, fold: Fold, clip: float) -> Preprocessing:
    """Pixels are divided by 255; center and scale are ``(channels, 1, 1)``."""
    channels = np.zeros((dataset.x.shape[1], 1, 1), dtype=np.float32)
    return Preprocessing(channels, channels + np.float32(1 / _BRIGHTEST), clip)


def _unscaled(dataset: Dataset, fold: Fold, clip: float) -> Preprocessing:
    """Values are not scaled, for example token numbers."""
    zero = np.zeros((1,) * (dataset.x.ndim - 1), dtype=np.float32)
    return Preprocessing(zero, zero + np.float32(1), float("inf"))


# The methods that `Modality.scaling` refers to.
SCALINGS: dict[str, Callable[[Dataset, Fold, float], Preprocessing]] = {
    "fitted": _fitted,
    "pixels": _pixels,
    "none": _unscaled,
}


def apply(x: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """``clip((x - center) * scale)`` with 0 for missing values, ``(rows, features)`` float32.

    A plain version of what the engines compute.
    """
    scaled = (x.astype(np.float32) - preprocessing.center) * preprocessing.scale
    return np.clip(np.where(np.isnan(scaled), np.float32(0), scaled), -preprocessing.clip, preprocessing.clip)


def blocks(rows: np.ndarray) -> list[np.ndarray]:
    """The row numbers in pieces, to prepare one at a time."""
    return [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]


def _mean(x: np.ndarray, rows: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """``(features,)`` means of the values that are not missing (0 if all are), and the weight of these values."""
    total, present = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for block in blocks(rows):
        values = x[block].astype(np.float64)
        missing, known = np.isnan(values), 1.0 if weight is None else weight[block, None]
        total += np.where(missing, 0.0, values * known).sum(axis=0)
        present += np.where(missing, 0.0, known).sum(axis=0)
    return total / np.where(present > 0, present, 1.0), present


def _squares(x: np.ndarray, rows: np.ndarray, mean: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """``(features,)`` sums of squared deviations from the mean; a missing value has deviation 0."""
    total = np.zeros(x.shape[1])
    for block in blocks(rows):
        distance = x[block].astype(np.float64) - mean
        known = 1.0 if weight is None else weight[block, None]
        total += np.where(np.isnan(distance), 0.0, distance**2 * known).sum(axis=0)
    return total


def _is_constant(variance: np.ndarray, mean: np.ndarray, rows: int) -> np.ndarray:
    # Upper bound of the variance that rounding errors give a constant column, as in scikit-learn's StandardScaler.
    eps = np.finfo(np.float64).eps
    return np.asarray(variance <= rows * eps * variance + (rows * mean * eps) ** 2)
