"""What a sampler is asked to do, cut down to what the rows of one batch allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from imblearn.utils import check_sampling_strategy

from imbench.contract.spec import Options
from imbench_imblearn.samplers import arguments, defaults

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
    grown : number of classes that a sampler with neighbours of the same class adds rows to
    smote : those of the SMOTE that the sampler begins with; None if it begins with none
    """

    arguments: Mapping[str, Any]
    cut: bool
    grown: int = 0
    smote: Fitted | None = None


@lru_cache(maxsize=4096)
def fitted_to(name: str, options: Options, counts: tuple[int, ...]) -> Fitted | None:
    """The arguments with which the sampler can work on a batch of this many rows of each class, ``(classes,)``.

    Neighbours are as many as there are, if fewer than asked for. A class with a single row has none: it is left as it
    is, and the others are sampled. None if no class is left to sample.

    Raises
    ------
    ValueError
        Where imbalanced-learn cannot make a ``sampling_strategy`` of what was asked for and these counts.
    """
    given = arguments(options)
    if name in _NESTED:
        inner = fitted_to("SMOTE", tuple(item for item in options if item[0] == "sampling_strategy"), counts)
        return None if inner is None else Fitted(given, inner.cut, smote=inner)
    cut, able = False, {}
    if name in _IN_CLASS:
        wanted = targets(given.get("sampling_strategy", "auto"), counts, "over-sampling")
        grown = {label: new for label, new in wanted.items() if new > 0}
        able = {label: new for label, new in grown.items() if counts[label] > 1}
        if grown and not able:
            return None
        if able != grown:
            given["sampling_strategy"] = {label: counts[label] + new for label, new in able.items()}
            cut = True
        if able:
            cut |= _lower(name, _IN_CLASS, given, min(counts[label] for label in able) - 1)
    cut |= _lower(name, _IN_BATCH, given, sum(counts) - 1)
    cut |= _lower(name, _IN_SMALLEST, given, min(count for count in counts if count))
    return Fitted(given, cut, len(able))


@lru_cache(maxsize=4096)
def targets(sampling_strategy: str | float, counts: tuple[int, ...], sampling_type: str) -> Mapping[int, int]:
    """What imbalanced-learn makes of a ``sampling_strategy``, which depends on the rows of each class only."""
    found: Mapping[int, int] = check_sampling_strategy(
        sampling_strategy, np.repeat(np.arange(len(counts)), counts), sampling_type
    )
    return found


def _lower(name: str, table: Mapping[str, str], given: dict[str, Any], most: int) -> bool:
    """Lower the number of neighbours that the table names for this sampler; whether that was needed."""
    key = table.get(name)
    if key is None or given.get(key, defaults(name)[key]) <= most:
        return False
    given[key] = most
    return True
