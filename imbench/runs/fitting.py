"""The work of a reference's job: an estimator fitted on each fold, on the rows and values that nets get."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from imbench.contract.errors import UsageError
from imbench.contract.heap import give_back_memory
from imbench.contract.records import Dataset, Exposure, Fold, Predictions, Preprocessing, Split
from imbench.contract.reference import Estimator, Reference
from imbench.contract.streams import stream
from imbench.data.preprocess import apply, blocks

# Seeds of estimators are whole numbers below this, the largest that scikit-learn takes.
_SEEDS = 2**32

# Sums of probabilities may differ from 1 by as much, as float32 does.
_ROUNDING = 1e-3


def fit_folds(
    reference: Reference, dataset: Dataset, folds: Sequence[Fold], fitted: Sequence[Preprocessing]
) -> list[Predictions]:
    """Fit an estimator on the training rows of each fold, and predict its validation and test rows.

    Numerical libraries use one thread, so that results do not depend on the number of workers.

    Parameters
    ----------
    fitted : preprocessing of each fold

    Raises
    ------
    UsageError
        If an estimator gives no probabilities.
    """
    found = []
    with threadpool_limits(1):
        for one in zip(folds, fitted, strict=True):
            found.append(_fit(reference, dataset, *one))
            give_back_memory()  # what is left between the pieces kept makes the next fold need more
    return found


def seed_of(dataset: Dataset, fold: Fold) -> int:
    """The ``random_state`` on a fold. All references have the same, as all strategies have the same initial weights."""
    return int(stream("reference", *dataset.stream_key, *fold.place.key).integers(_SEEDS))


def values_of(dataset: Dataset, rows: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """``(rows, features)`` float64: the values that nets get, images as rows of pixels."""
    values = np.empty((len(rows), math.prod(dataset.x.shape[1:])))
    done = 0
    for block in blocks(rows):  # at once, the steps of `apply` would take three times the memory
        values[done : done + len(block)] = apply(dataset.x[block], preprocessing).reshape(len(block), -1)
        done += len(block)
    return values


def _fit(reference: Reference, dataset: Dataset, fold: Fold, preprocessing: Preprocessing) -> Predictions:
    estimator = reference.make(seed_of(dataset, fold))
    y = dataset.y[fold.train]
    x = values_of(dataset, fold.train, preprocessing)
    start = time.perf_counter()
    estimator.fit(x, y)
    seconds = time.perf_counter() - start
    del x
    counts = np.bincount(y, minlength=dataset.classes)
    validation, test = (
        Split(
            dataset.rows[rows],
            dataset.y[rows],
            _probabilities(reference, estimator, values_of(dataset, rows, preprocessing), dataset.classes),
        )
        for rows in (fold.validation, fold.test)
    )
    prior = (counts > 0) / np.sum(counts > 0) if reference.balances(estimator) else counts / len(y)
    return Predictions(
        fold.repeat,
        fold.fold,
        validation,
        test,
        train_counts=counts,
        epochs=0,
        steps=0,
        floor_epoch=None,
        loss=np.nan,
        seconds=seconds,
        exposure=Exposure(np.nan, np.nan, np.nan, prior),
        draw=fold.draw,
        train_seed=fold.train_seed,
    )


def _probabilities(reference: Reference, estimator: Estimator, x: np.ndarray, classes: int) -> np.ndarray:
    """``(rows, classes)`` float32; 0 for a class that the estimator has not seen."""
    found = np.asarray(estimator.predict_proba(x), dtype=np.float64)
    seen = np.asarray(getattr(estimator, "classes_", np.arange(classes)), dtype=np.int64)
    if found.shape != (len(x), len(seen)):
        raise UsageError(
            f"reference {reference.spec} gives probabilities of shape {found.shape} for {len(x)} rows and "
            f"{len(seen)} classes; predict_proba must return one column for each class"
        )
    if not (np.isfinite(found).all() and (found >= 0).all() and (abs(found.sum(axis=1) - 1) < _ROUNDING).all()):
        raise UsageError(f"reference {reference.spec} gives values that are no probabilities: rows must sum to 1")
    proba = np.zeros((len(x), classes))
    proba[:, seen] = found
    return proba.astype(np.float32)
