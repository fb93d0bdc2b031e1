"""Fitted references as plain arrays: linear models, trees, and class frequencies."""

from __future__ import annotations

from typing import Any

from imbench.contract.errors import UsageError
from imbench.contract.records import Preprocessing
from imbench.contract.reference import Reference
from imbench.model.fitted import Scorer


def check_storable(reference: Reference) -> None:
    """Raise `UsageError` for a reference that a model folder cannot store, before it is fitted."""
    raise UsageError(f"a model of the reference {reference.spec} cannot be stored; choose a strategy")


def scorer_of(estimator: Any, preprocessing: Preprocessing, classes: int) -> Scorer:
    """A fitted estimator as arrays."""
    raise NotImplementedError
