"""Maximum-likelihood fits of log-odds, by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from imbench.scoring.outcome import Floats

# Newton's method converges quadratically; halved steps need a few more.
_STEPS, _HALVINGS, _FLAT = 100, 30, 1e-12
# Probabilities of nets are float32 with relative rounding errors of about 1e-7, which are absolute errors of log-odds.
# Rows closer than this count as equal: their order is not an overlap that a slope can be fitted to.
ROUNDING = 1e-6
_SLOPE_TOLERANCE, _SCALING_TOLERANCE = 1e-12, 1e-10


def logistic_slope(log_odds: Floats, positive: NDArray[np.bool_]) -> float:
    """The b of the maximum-likelihood fit logit P(positive) = a + b · log_odds.

    D. R. Cox, "Two further applications of a model for binary regression", Biometrika 45 (1958).

    Parameters
    ----------
    log_odds, positive : ``(rows,)``

    Returns
    -------
    The slope; NaN if the fit does not exist: only positive or only negative rows, or log-odds of positive and
    negative rows that do not overlap (A. Albert and J. A. Anderson, Biometrika 71, 1984) by more than rounding.
    """
    yes, no = log_odds[positive], log_odds[~positive]
    if not len(yes) or not len(no) or min(yes.max() - no.min(), no.max() - yes.min()) <= ROUNDING:
        return float("nan")
    # Standardised, so that the two parameters are of one scale; the slope is scaled back at the end.
    scale = float(log_odds.std())
    z = (log_odds - log_odds.mean()) / scale
    rows = _LabelledRows(z, z**2, positive.astype(np.float64), np.flatnonzero(positive), np.empty((3, len(z))))
    share = positive.mean()
    with np.errstate(over="ignore"):  # of an exponential; the probability is 0 there, as it should be
        fit = _newton(_SlopeFit.at(np.array([np.log(share / (1 - share)), 0.0]), rows), _SLOPE_TOLERANCE)
    return float(fit[1] / scale)


def fit_scaling(log_proba: Floats, targets: Floats) -> tuple[float, Floats]:
    """The a ≥ 0 and b that maximise Σ t_j ln softmax(a · log_proba + b)_j, with b = 0 for the first class.

    Parameters
    ----------
    log_proba : ``(rows, classes)``, up to a constant for each row
    targets : ``(rows, classes)`` rows sum to one; with only 0 and 1 a fit exists only if classes overlap

    Returns
    -------
    ``a``, and ``(classes,)`` b. If all rows are equal, a is 0.
    """
    # Centred by row and class, and scaled, so that all parameters are of one size; undone at the end.
    z = log_proba - log_proba.mean(axis=1, keepdims=True)
    centre = z.mean(axis=0)
    z = z - centre
    spread = float(z.std())
    scale = spread if spread > ROUNDING else 1.0
    # Rows that differ only by rounding count as equal.
    z = z / scale if spread > ROUNDING else np.zeros_like(z)

    shares = targets.mean(axis=0)
    # From the best fit with a = 0: Newton's steps from a saturated net would be endless.
    start = np.concatenate([[0.0], np.log(shares[1:] / shares[0])])  # (1 + classes − 1,)
    fit = _newton(_ScalingFit(start, _TargetedRows(z, z**2, targets)), _SCALING_TOLERANCE)
    slope = float(fit[0] / scale)
    if slope * scale < _SCALING_TOLERANCE:
        # The loss is convex: with a constrained to 0 or above, it is smallest at 0, where b is the log of the shares.
        return 0.0, np.log(shares / shares[0])
    bias: Floats = np.concatenate([[0.0], fit[1:]]) - slope * (centre - centre[0])
    return slope, bias


def log_softmax(scores: Floats) -> Floats:
    """``(rows, classes)`` ln softmax of ``(rows, classes)`` scores."""
    top: Floats = scores - scores.max(axis=1, keepdims=True)
    found: Floats = top - np.log(np.exp(top).sum(axis=1, keepdims=True))
    return found


class _Fit(Protocol):
    """Parameters, and a convex loss there."""

    @property
    def parameters(self) -> Floats: ...

    @property
    def loss(self) -> float: ...

    @property
    def gradient(self) -> Floats:
        """``(parameters,)``."""

    @property
    def information(self) -> Floats:
        """``(parameters, parameters)`` Hessian, invertible."""

    def after(self, step: Floats) -> Self:
        """The same fit with parameters that are a step further."""

    def is_surely_no_larger(self, before: Self, step: Floats) -> bool:
        """Whether the loss is certain not to be larger than ``before`` the step, without being computed."""


@dataclass(frozen=True)
class _LabelledRows:
    """Of each row: log-odds and their squares, and 1 for a positive row; the numbers of the positive rows.

    ``space`` is ``(3, rows)`` for what is computed on the way to derivatives: new memory would cost more than that.
    """

    z: Floats
    squared: Floats
    label: Floats
    positive: NDArray[np.intp]
    space: Floats


@dataclass(frozen=True)
class _SlopeFit:
    """The fit P(positive) = sigmoid(a + b z).

    Parameters
    ----------
    falling : ``(rows,)`` −(a + b z)
    size : sum of its absolute values over the positive rows
    missing : sum of 1 − P(positive) over the positive rows
    """

    parameters: Floats
    rows: _LabelledRows
    gradient: Floats
    information: Floats
    falling: Floats
    size: float
    missing: float

    @classmethod
    def at(cls, parameters: Floats, rows: _LabelledRows) -> _SlopeFit:
        """The fit with these parameters."""
        intercept, slope = parameters
        falling = -slope * rows.z
        falling -= intercept
        p, gap, weight = rows.space
        np.exp(falling, out=p)
        p += 1.0
        np.divide(1.0, p, out=p)
        np.subtract(p, rows.label, out=gap)
        np.subtract(1.0, p, out=weight)
        weight *= p
        total, weighted = float(weight.sum()), float(weight @ rows.z)
        ridge = _ridge(total)
        information = np.array([[total + ridge, weighted], [weighted, float(weight @ rows.squared) + ridge]])
        size, missing = np.abs(falling[rows.positive]).sum(), -gap[rows.positive].sum()
        return cls(parameters, rows, np.array([gap.sum(), gap @ rows.z]), information, falling, size, missing)

    def after(self, step: Floats) -> _SlopeFit:
        return _SlopeFit.at(self.parameters + step, self.rows)

    def is_surely_no_larger(self, before: _SlopeFit, step: Floats) -> bool:
        """See `_Fit.is_surely_no_larger`: `loss` takes as long as all else, and most steps do not need it.

        A convex loss rose by at most its slope along the step at the step's end. Rounding adds less than 5e-15 of the
        sums in each loss, which are at most the loss and twice ``size``; and the loss is at least ``missing``.
        """
        rise = float(self.gradient @ step) + 2e-14 * max(self.size, before.size)
        return rise <= _FLAT / 2 * (1.0 + before.missing)

    @cached_property
    def loss(self) -> float:
        line = -self.falling
        return float(np.logaddexp(0.0, line).sum() - line[self.rows.positive].sum())


@dataclass(frozen=True)
class _TargetedRows:
    """``(rows, classes)`` centred log-probabilities, their squares, and targets."""

    z: Floats
    squared: Floats
    targets: Floats


@dataclass(frozen=True)
class _ScalingFit:
    """The fit softmax(a z + b), with b = 0 for the first class."""

    parameters: Floats
    rows: _TargetedRows

    def after(self, step: Floats) -> _ScalingFit:
        return _ScalingFit(self.parameters + step, self.rows)

    def is_surely_no_larger(self, before: _ScalingFit, step: Floats) -> bool:
        return False  # the loss costs little beside what the derivatives need, too

    @cached_property
    def loss(self) -> float:
        return -float((self.rows.targets * self._log_proba).sum())

    @property
    def gradient(self) -> Floats:
        return self._derivatives[0]

    @property
    def information(self) -> Floats:
        return self._derivatives[1]

    @cached_property
    def _derivatives(self) -> tuple[Floats, Floats]:
        z, p = self.rows.z, np.exp(self._log_proba)
        gap = p - self.rows.targets
        mean = (p * z).sum(axis=1)
        gradient = np.concatenate([[(gap * z).sum()], gap[:, 1:].sum(axis=0)])
        information = np.empty((len(gradient), len(gradient)))
        information[0, 0] = ((p * self.rows.squared).sum(axis=1) - mean**2).sum()
        information[0, 1:] = information[1:, 0] = (p * (z - mean[:, None]))[:, 1:].sum(axis=0)
        information[1:, 1:] = np.diag(p[:, 1:].sum(axis=0)) - p[:, 1:].T @ p[:, 1:]
        return gradient, information + _ridge(float(np.trace(information))) * np.eye(len(information))

    @cached_property
    def _log_proba(self) -> Floats:
        found: Floats = self.parameters[0] * self.rows.z
        found[:, 1:] += self.parameters[1:]
        return log_softmax(found)


def _newton(fit: _Fit, tolerance: float) -> Floats:
    """The ``(parameters,)`` at which the loss is smallest, by Newton's method with halved steps from ``fit``.

    A step that moves no parameter by more than ``tolerance`` is the last one.
    """
    for _ in range(_STEPS):
        step = -np.asarray(np.linalg.solve(fit.information, fit.gradient), dtype=np.float64)
        for _ in range(_HALVINGS):
            following = fit.after(step)
            # Near the end the loss is flat to rounding, and Newton's full steps still gain digits.
            if following.is_surely_no_larger(fit, step) or following.loss <= fit.loss + _FLAT * (1.0 + abs(fit.loss)):
                break
            step /= 2
        else:
            break
        fit = following
        if np.abs(step).max() < tolerance:
            break
    return fit.parameters


def _ridge(size: float) -> float:
    """What is added to a Hessian's diagonal, to make it invertible; where the gradient is 0, no step changes."""
    return 1e-12 * (size + 1.0)
