"""What a sampler is asked to do, cut down to what the rows of one batch allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from imblearn.over_sampling import SMOTE
from imblearn.utils import check_sampling_strategy

from imbench_imblearn.samplers import defaults

# Neighbours looked for among the rows of one class, the row itself not counted, and among all rows of the batch.
_IN_CLASS = {
    "SMOTE": "k_neighbors",
    "BorderlineSMOTE": "k_neighbors",
    "SVMSMOTE": "k_neighbors",
    "KMeansSMOTE": "k_neighbors",
    "SMOTENC": "k_neighbors",
    "SMOTEN": "k_neighbors",
    "ADASYN": "n_neighbors",
}
_IN_BATCH = {
    "BorderlineSMOTE": "m_neighbors",
    "SVMSMOTE": "m_neighbors",
    "EditedNearestNeighbours": "n_neighbors",
    "RepeatedEditedNearestNeighbours": "n_neighbors",
    "AllKNN": "n_neighbors",
    "NeighbourhoodCleaningRule": "n_neighbors",
}
# Neighbours among the rows of the batch's smallest class, seen from another one.
_IN_SMALLEST = {"NearMiss": "n_neighbors"}
# Samplers that begin with a SMOTE of their own.
_NESTED = ("SMOTEENN", "SMOTETomek")


@dataclass(frozen=True)
class Fitted:
    """Arguments for one batch.

    Parameters
    ----------
    arguments : of the sampler, ``random_state`` excepted
    cut : whether they are less than what was asked for
    """

    arguments: Mapping[str, Any]
    cut: bool


def fitted_to(name: str, arguments: Mapping[str, Any], y: np.ndarray) -> Fitted | None:
    """The arguments with which the sampler can work on a batch of these ``(batch,)`` class numbers.

    Neighbours are as many as there are, if fewer than asked for. A class with a single row has none: it is left as it
    is, and the others are sampled. None if no class is left to sample.

    Raises
    ------
    ValueError
        Where imbalanced-learn cannot make a ``sampling_strategy`` of what was asked for and these counts.
    """
    if name in _NESTED:
        inner = fitted_to("SMOTE", {k: v for k, v in arguments.items() if k == "sampling_strategy"}, y)
        if inner is None:
            return None
        return Fitted({**arguments, "smote": SMOTE(**inner.arguments)}, inner.cut)
    fitted, cut = dict(arguments), False
    counts = dict(zip(*(values.tolist() for values in np.unique(y, return_counts=True)), strict=True))
    if name in _IN_CLASS:
        wanted = check_sampling_strategy(arguments.get("sampling_strategy", "auto"), y, "over-sampling")
        grown = {label: new for label, new in wanted.items() if new > 0}
        able = {label: new for label, new in grown.items() if counts[label] > 1}
        if grown and not able:
            return None
        if able != grown:
            fitted["sampling_strategy"] = {label: counts[label] + new for label, new in able.items()}
            cut = True
        if able:
            cut |= _lower(name, _IN_CLASS, fitted, min(counts[label] for label in able) - 1)
    cut |= _lower(name, _IN_BATCH, fitted, len(y) - 1)
    cut |= _lower(name, _IN_SMALLEST, fitted, min(counts.values()))
    return Fitted(fitted, cut)


def _lower(name: str, table: Mapping[str, str], arguments: dict[str, Any], most: int) -> bool:
    """Lower the number of neighbours that the table names for this sampler; whether that was needed."""
    key = table.get(name)
    if key is None or arguments.get(key, defaults(name)[key]) <= most:
        return False
    arguments[key] = most
    return True
