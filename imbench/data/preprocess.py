"""Imputation and standardisation, fitted inside one fold; test rows are never used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imbench.contract.modality import MODALITIES
from imbench.contract.records import Dataset, Fold, Preprocessing

_BLOCK = 8192  # rows gathered at a time, so that fitting needs no copy of x
_BRIGHTEST = 255.0


def fit(dataset: Dataset, fold: Fold, clip: float) -> Preprocessing:
    """Fit on the fold's training half, its train and validation rows together, as the paper does.

    How is the ``scaling`` of the dataset's modality, a key of `SCALINGS`.
    """
    return SCALINGS[MODALITIES[dataset.card.modality].scaling](dataset, fold, clip)


def _fitted(dataset: Dataset, fold: Fold, clip: float) -> Preprocessing:
    """Imputation and standardisation of columns.

    The mean of the values present; missing ones take it; then the population standard deviation, missing ones
    included (scikit-learn's SimpleImputer, then StandardScaler). A column without spread keeps scale 1, so that
    different values in test rows are still seen. A category that no training row has, or all have, gets scale 0, since
    a net can have learnt nothing about it. So does a column with no value in the training half. All is computed
    in float64.
    """
    half = np.sort(np.concatenate([fold.train, fold.validation]))
    mean, present = _mean(dataset.x, half)
    variance = _squares(dataset.x, half, mean) / len(half)
    categorical = np.array([kind == "categorical" for kind in dataset.feature_kinds])
    constant = _is_constant(variance, mean, len(half))
    deviation = np.sqrt(np.where(constant, 1.0, variance))
    scale = np.where(constant, dataset.unit, 1.0 / deviation)
    scale = np.where((constant & categorical) | (present == 0), 0.0, scale)
    return Preprocessing(mean.astype(np.float32), scale.astype(np.float32), clip)


def _pixels(dataset: Dataset, fold: Fold, clip: float) -> Preprocessing:
    """Images are pixels / 255, with one center and scale a channel, shaped to broadcast."""
    channels = np.zeros((dataset.x.shape[1], 1, 1), dtype=np.float32)
    return Preprocessing(channels, channels + np.float32(1 / _BRIGHTEST), clip)


def _unscaled(dataset: Dataset, fold: Fold, clip: float) -> Preprocessing:
    """Values as they are, such as the numbers of tokens."""
    zero = np.zeros((1,) * (dataset.x.ndim - 1), dtype=np.float32)
    return Preprocessing(zero, zero + np.float32(1), float("inf"))


# What the table of modalities names as ``scaling``.
SCALINGS: dict[str, Callable[[Dataset, Fold, float], Preprocessing]] = {
    "fitted": _fitted,
    "pixels": _pixels,
    "none": _unscaled,
}


def apply(x: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """``clip((x - center) * scale)``, missing -> 0: ``(rows, features)`` float32. The plain form of what engines do."""
    scaled = (x.astype(np.float32) - preprocessing.center) * preprocessing.scale
    return np.clip(np.where(np.isnan(scaled), np.float32(0), scaled), -preprocessing.clip, preprocessing.clip)


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]


def _mean(x: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(features,)`` means of the values present (0 if there are none), and how many there are."""
    total, present = np.zeros(x.shape[1]), np.zeros(x.shape[1], dtype=np.int64)
    for block in _blocks(rows):
        values = x[block].astype(np.float64)
        missing = np.isnan(values)
        total += np.where(missing, 0.0, values).sum(axis=0)
        present += (~missing).sum(axis=0)
    return total / np.maximum(present, 1), present


def _squares(x: np.ndarray, rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """``(features,)`` sums of squared distances from the mean; a missing value is at the mean."""
    total = np.zeros(x.shape[1])
    for block in _blocks(rows):
        distance = x[block].astype(np.float64) - mean
        total += np.where(np.isnan(distance), 0.0, distance**2).sum(axis=0)
    return total


def _is_constant(variance: np.ndarray, mean: np.ndarray, rows: int) -> np.ndarray:
    # What rounding alone leaves of a constant column's variance: the bound of scikit-learn's StandardScaler.
    eps = np.finfo(np.float64).eps
    return np.asarray(variance <= rows * eps * variance + (rows * mean * eps) ** 2)
