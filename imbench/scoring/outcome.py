"""Outcome: true classes and predicted probabilities of the same rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imbench.contract.errors import UsageError
from imbench.scoring.logistic import Floats as Floats
from imbench.scoring.logistic import SlopeFit, fit_slope

# Softmax in float32 over a hundred classes sums to one within about 1e-6.
SUM_TOLERANCE = 1e-4

_MISSING = ("NoneType", "NAType", "NaTType")
_ENCODE = "encode labels as 0 to K-1, for example with np.unique(labels, return_inverse=True)[1]"

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Outcome:
    """True classes and predicted probabilities of the same rows, checked, and the counts that metrics share.

    Parameters
    ----------
    y : array-like, ``(rows,)`` whole class numbers in ``[0, classes)``, of any numeric type, including whole
        floats, bool and objects
    proba : array-like, ``(rows, classes)``, at least one row and two classes, non-negative, each row summing to one
        within 1e-4, of any numeric type; converted to float64 and not renormalised. Rows of float16 rarely sum
        to one.
    decided : ``(rows,)`` class decided for each row by a decision rule; None for the class of largest probability, the
        first if tied
    origin : the outcome from which a decision rule made this one, see `under`; its values are not checked again

    Raises
    ------
    UsageError
        For values that do not qualify; the message names the argument, the row and the fix.
    """

    y: Integers
    proba: Floats
    decided: Integers | None = None
    origin: Outcome | None = None

    def __post_init__(self) -> None:
        if self.origin is not None:
            return
        object.__setattr__(self, "proba", _probabilities(self.proba))
        object.__setattr__(self, "y", _class_numbers(self.y, *self.proba.shape))

    def under(self, *, proba: Floats | None = None, decided: Integers | None = None) -> Outcome:
        """The same rows with the probabilities or decisions of a rule, and with what they have in common computed once.

        ``proba`` is ``(rows, classes)``, made from these probabilities; None for the same ones.
        """
        return Outcome(self.y, self.proba if proba is None else proba, decided, self)

    @property
    def classes(self) -> int:
        """Number of classes K, present or not."""
        return int(self.proba.shape[1])

    @cached_property
    def counts(self) -> Integers:
        """``(classes,)`` rows of each class."""
        return np.bincount(self.y, minlength=self.classes) if self.origin is None else self.origin.counts

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """``(classes,)`` whether y_true contains the class."""
        return self.counts > 0

    @cached_property
    def by_class(self) -> Floats:
        """``(classes, rows)`` the probabilities of each class, one after another in memory, which is faster to read."""
        return np.ascontiguousarray(self.proba.T)

    @cached_property
    def predicted(self) -> Integers:
        """``(rows,)`` decided class: the one of largest probability, the first if tied, unless a rule decided."""
        predicted: Integers = self.proba.argmax(axis=1) if self.decided is None else self.decided
        return predicted

    @cached_property
    def confusion(self) -> Integers:
        """``(classes, classes)`` rows of each true class (first axis) and predicted class (second axis)."""
        counts = np.bincount(self.y * self.classes + self.predicted, minlength=self.classes**2)
        return counts.reshape(self.classes, self.classes)

    @cached_property
    def own_proba(self) -> Floats:
        """``(rows,)`` probability given to the row's true class."""
        own: Floats = self.proba[np.arange(len(self.y)), self.y]
        return own

    @cached_property
    def half_squared(self) -> Floats:
        """``(rows,)`` ½‖e_y − p‖², in 0 … 1; for two classes it is (1 − p_y)²."""
        gap = self.proba.copy()
        gap[np.arange(len(self.y)), self.y] -= 1.0
        squares: Floats = np.einsum("rc,rc->r", gap, gap)
        return 0.5 * squares

    @cached_property
    def recalls(self) -> Floats:
        """``(classes,)`` share of each class's rows that were predicted as it; NaN for an absent class."""
        return self.class_means(self.predicted == self.y)

    @cached_property
    def log_odds(self) -> Floats:
        """``(rows, classes)`` ln p_j − ln Σ_(k≠j) p_k; both clipped from below at float64's ε = 2.2e-16.

        The sum of the others keeps digits that 1 − p_j would lose for p_j close to one.
        """
        smallest = np.finfo(np.float64).eps
        logs = np.log(np.maximum(self.proba, smallest))
        if self.classes == 2:
            odds: Floats = logs - logs[:, ::-1]
            return odds
        others = self.proba @ (1.0 - np.eye(self.classes))
        logs -= np.log(np.maximum(others, smallest))
        return logs

    @cached_property
    def slopes(self) -> tuple[SlopeFit, ...]:
        """The logistic fit of each class's `log_odds`; of two classes, whose slopes are equal, the second one's alone.

        Fits of probabilities that a rule made begin with those of `origin`: for two classes, rules shift and scale
        log-odds, which leaves the standardised fit as it is.
        """
        classes = range(1 if self.classes == 2 else 0, self.classes)
        likes = [None] * len(classes) if self.origin is None else self.origin.slopes
        return tuple(fit_slope(self.log_odds[:, j], self.y == j, like) for j, like in zip(classes, likes, strict=True))

    @cached_property
    def thresholds(self) -> list[tuple[Integers, Integers]]:
        """For each class against the rest, the true and the false positives as its threshold falls.

        One entry for each distinct probability, largest first, so that rows of equal probability count at once.
        """
        return [_positives(self.y == j, proba) for j, proba in enumerate(self.by_class)]

    @cached_property
    def class_brier(self) -> Floats:
        """``(classes,)`` mean of `half_squared` over the rows of each class; NaN for an absent class."""
        return self.class_means(self.half_squared)

    @cached_property
    def surprise(self) -> Floats:
        """``(rows,)`` −ln of the probability given to the row's class, clipped to [ε, 1 − ε], float64's ε = 2.2e-16."""
        epsilon = np.finfo(np.float64).eps
        surprise: Floats = -np.log(np.clip(self.own_proba, epsilon, 1.0 - epsilon))
        return surprise

    @cached_property
    def average_precisions(self) -> Floats:
        """``(classes,)`` one-vs-rest average precision Σ (R_n − R_(n−1)) P_n; NaN for a class without a row."""
        return np.array(
            [
                np.sum(np.diff(tp, prepend=0) * (tp / (tp + fp))) / count if count else np.nan
                for (tp, fp), count in zip(self.thresholds, self.counts.tolist(), strict=True)
            ]
        )

    def class_means(self, values: ArrayLike) -> Floats:
        """``(classes,)`` mean of ``(rows,)`` values over the rows of each true class; NaN for an absent class."""
        sums = np.bincount(self.y, weights=np.asarray(values, dtype=np.float64), minlength=self.classes)
        means: Floats = np.divide(sums, self.counts, out=np.full(self.classes, np.nan), where=self.present)
        return means


def _positives(is_class: NDArray[np.bool_], proba: Floats) -> tuple[Integers, Integers]:
    order = np.argsort(proba)[::-1]  # in any order where equal: they count at once
    falling = proba[order]
    last_of_equals = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(falling) - 1)
    true_positives = np.cumsum(is_class[order])[last_of_equals]
    return true_positives, last_of_equals + 1 - true_positives


def _probabilities(proba: ArrayLike) -> Floats:
    given = _as_array(proba, "proba")
    if given.dtype.kind not in "iufbO":
        raise UsageError(f"proba must be numbers, got {_called(given)}; give the probabilities as float32 or float64")
    if given.dtype == object:
        _refuse_others(given, "proba", "give the probabilities as float32 or float64")
    values: Floats = given.astype(np.float64)
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2:
        raise UsageError(f"proba must be (rows, classes) with at least 1 row and 2 classes, got shape {values.shape}")
    with np.errstate(invalid="ignore"):  # infinities of both signs
        off = np.abs(values.sum(axis=1) - 1)
    if values.min() >= 0 and off.max() <= SUM_TOLERANCE:  # neither with a NaN
        return values
    for wrong, complaint in (
        (~np.isfinite(values).all(axis=1), "is not finite; the net may have diverged"),
        ((values < 0).any(axis=1), "has a negative probability"),
        (off > SUM_TOLERANCE, _no_sum(given.dtype)),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            raise UsageError(f"proba row {row} {complaint}: {values[row, :10].tolist()}")
    return values


def _no_sum(dtype: np.dtype) -> str:
    if dtype == np.float16:
        return (
            f"does not sum to one within {SUM_TOLERANCE:g}, and proba is float16, with 3 decimals; convert "
            "logits to float32, then apply softmax"
        )
    return "does not sum to one; apply softmax to logits first"


def _class_numbers(y: ArrayLike, rows: int, classes: int) -> Integers:
    values = _as_array(y, "y_true")
    if values.shape != (rows,):
        raise UsageError(f"y_true must be one class number for each of proba's {rows} rows, got shape {values.shape}")
    if values.dtype.kind not in "iufbO":
        raise UsageError(f"y_true must contain whole class numbers, got {_called(values)}; {_ENCODE}")
    if values.dtype == object:
        _refuse_others(values, "y_true", _ENCODE)
    # Object arrays one by one: they may contain whole numbers larger than any array type.
    is_whole = (
        np.array([math.isfinite(v) and v == int(v) for v in values])
        if values.dtype == object
        else (np.isfinite(values) & (values == np.floor(values)))
    )
    if not is_whole.all():
        row = int(np.argmin(is_whole))
        raise UsageError(
            f"y_true must contain whole class numbers, got {values[row]!s} in row {row} ({values.dtype}); {_ENCODE}"
        )
    least, most = int(values.min()), int(values.max())
    if least < 0 or most >= classes:
        raise UsageError(
            f"y_true must be 0 to {classes - 1} for proba's {classes} columns, "
            f"got {least} to {most}; give proba a column for every class"
        )
    numbers: Integers = values.astype(np.int64)
    return numbers


def _as_array(values: ArrayLike, name: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except Exception as error:  # lists of other lengths, and what other libraries' arrays raise: tensors of a GPU, …
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        kind = type(values).__name__
        raise UsageError(f"{name} must be numbers, and NumPy cannot read them from this {kind}: {reason}") from None


def _refuse_others(values: NDArray[Any], name: str, fix: str) -> None:
    """Raise UsageError for the first element of an object array that is not a real number."""
    for at, value in np.ndenumerate(values):
        if not isinstance(value, Real | np.bool_ | Decimal):
            kind = type(value).__name__
            what = "a missing value" if kind in _MISSING else f"{value!r} ({kind})"
            raise UsageError(f"{name} must be numbers, got {what} in row {at[0]} (dtype object); {fix}")


def _called(values: NDArray[Any]) -> str:
    text = "text" if values.dtype.kind in "US" else "values"
    example = f", such as {values.flat[0]!s}" if values.size else ""
    return f"{text} of dtype {values.dtype}{example}"
