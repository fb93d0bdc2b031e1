"""Maximum-likelihood fits of log-odds, by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Newton's method converges quadratically; halved steps need a few more.
_STEPS, _HALVINGS, _FLAT = 100, 30, 1e-12
# Probabilities of nets are float32 with relative rounding errors of about 1e-7, which are absolute errors of log-odds.
# Rows closer than this count as equal: their order is not an overlap that a slope can be fitted to.
ROUNDING = 1e-6
# After a step of size s, Newton's next one is smaller by the factor s · max |z|, where |z| ≤ √rows: a slope's last step
# leaves less than 1e-13.
_SLOPE_TOLERANCE, _SCALING_TOLERANCE = 1e-8, 1e-10
# Standardised log-odds that differ by no more are equal: rounding of logarithms differs by about 1e-14.
_SAME = 1e-12


@dataclass(frozen=True, eq=False)
class SlopeFit:
    """The maximum-likelihood fit logit P(positive) = a + b · log_odds.

    D. R. Cox, "Two further applications of a model for binary regression", Biometrika 45 (1958).

    Parameters
    ----------
    z : ``(rows,)`` standardised log-odds, positive rows first
    scale : standard deviation of the log-odds
    parameters : ``(2,)`` intercept and slope for ``z``; NaN if the fit does not exist
    """

    z: Floats
    scale: float
    parameters: Floats

    @property
    def slope(self) -> float:
        """b; NaN if the fit does not exist."""
        return float(self.parameters[1] / self.scale)


def fit_slope(log_odds: Floats, positive: NDArray[np.bool_], like: SlopeFit | None = None) -> SlopeFit:
    """Fit the slope of log-odds.

    Parameters
    ----------
    log_odds, positive : ``(rows,)``
    like : the fit of other log-odds of the same rows. It saves time and changes the result by rounding only: if the
        log-odds are equal up to shift and scale, so are the parameters, and otherwise the search starts there.

    Returns
    -------
    The fit. It does not exist if all rows are positive or all are negative, or if log-odds of positive and
    negative rows do not overlap (A. Albert and J. A. Anderson, Biometrika 71, 1984) by more than rounding.
    """
    yes, no = log_odds[positive], log_odds[~positive]
    if not len(yes) or not len(no) or min(yes.max() - no.min(), no.max() - yes.min()) <= ROUNDING:
        return SlopeFit(log_odds, 1.0, np.full(2, np.nan))
    # Standardised, so that the two parameters are of one scale; the slope is scaled back at the end.
    z = np.concatenate([yes, no])
    z -= z.mean()
    scale = float(z.std())
    z /= scale
    known = like if like is not None and not np.isnan(like.parameters[1]) else None
    if known is not None and np.abs(z - known.z).max() <= _SAME:
        return SlopeFit(z, scale, known.parameters)
    rows = _LabelledRows(z, len(yes))
    with np.errstate(over="ignore"):  # of an exponential; the probability is 0 there, as it should be
        start = _SlopeAt.of(rows.start if known is None else known.parameters, rows)
        return SlopeFit(z, scale, _newton(start, _SLOPE_TOLERANCE))


def logistic_slope(log_odds: Floats, positive: NDArray[np.bool_]) -> float:
    """The b of `fit_slope`, NaN if the fit does not exist."""
    return fit_slope(log_odds, positive).slope


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
    def step(self) -> Floats:
        """``(parameters,)`` Newton's step: minus the gradient, divided by the Hessian."""

    def after(self, step: Floats) -> Self:
        """The same fit with parameters that are a step further."""

    def is_surely_no_larger(self, before: Self, step: Floats) -> bool:
        """Whether the loss is certain not to be larger than ``before`` the step, without being computed."""


class _LabelledRows:
    """Standardised log-odds ``z``, the first ``positive`` of them of positive rows, and sums that all fits need.

    ``space`` is ``(2, rows)`` for what is computed on the way to derivatives: new memory would cost more than that.
    """

    def __init__(self, z: Floats, positive: int) -> None:
        self.z, self.positive = z, positive
        self.squared, self.ones, self.space = z * z, np.ones(len(z)), np.empty((2, len(z)))
        self.sum, self.size = float(z[:positive].sum()), float(np.abs(z[:positive]).sum())

    @property
    def start(self) -> Floats:
        """``(2,)`` intercept and slope after Newton's first step from the best fit without a slope."""
        share = self.positive / len(self.z)
        return np.array([np.log(share / (1.0 - share)), self.sum / self.positive / (1.0 - share)])


@dataclass(frozen=True, eq=False)
class _SlopeAt:
    """The fit P(positive) = sigmoid(a + b z).

    Parameters
    ----------
    gradient, information : as in `_Fit`, ``(g_a, g_b)`` and ``(h_aa, h_ab, h_bb)``
    size : not less than the sum of |a + b z| over the positive rows
    missing : sum of 1 − P(positive) over the positive rows
    """

    parameters: Floats
    rows: _LabelledRows
    gradient: tuple[float, float]
    information: tuple[float, float, float]
    size: float
    missing: float

    @classmethod
    def of(cls, parameters: Floats, rows: _LabelledRows) -> _SlopeAt:
        """The fit with these parameters."""
        intercept, slope = parameters.tolist()
        z, ones, positive = rows.z, rows.ones, rows.positive
        p, weight = rows.space
        np.multiply(z, -slope, out=p)
        p -= intercept
        np.exp(p, out=p)
        p += 1.0
        np.reciprocal(p, out=p)
        np.multiply(p, p, out=weight)
        np.subtract(p, weight, out=weight)  # p (1 − p)
        total = float(weight @ ones)
        ridge = _ridge(total)
        gradient = float(p @ ones) - positive, float(p @ z) - rows.sum
        information = total + ridge, float(weight @ z), float(weight @ rows.squared) + ridge
        size = positive * abs(intercept) + abs(slope) * rows.size
        return cls(parameters, rows, gradient, information, size, positive - float(p[:positive] @ ones[:positive]))

    @property
    def step(self) -> Floats:
        (g, k), (h, m, n) = self.gradient, self.information
        determinant = h * n - m * m
        return np.array([(m * k - n * g) / determinant, (m * g - h * k) / determinant])

    def after(self, step: Floats) -> _SlopeAt:
        return _SlopeAt.of(self.parameters + step, self.rows)

    def is_surely_no_larger(self, before: _SlopeAt, step: Floats) -> bool:
        """See `_Fit.is_surely_no_larger`: `loss` takes as long as all else, and most steps do not need it.

        A convex loss rose by at most its slope along the step at the step's end. Rounding adds less than 5e-15 of the
        sums in each loss, which are at most the loss and twice ``size``; and the loss is at least ``missing``.
        """
        rise = self.gradient[0] * step[0] + self.gradient[1] * step[1] + 2e-14 * max(self.size, before.size)
        return bool(rise <= _FLAT / 2 * (1.0 + before.missing))

    @cached_property
    def loss(self) -> float:
        intercept, slope = self.parameters.tolist()
        line = slope * self.rows.z + intercept
        softplus = np.log1p(np.exp(-np.abs(line))) + np.maximum(line, 0.0)  # ln(1 + exp(line)), faster than logaddexp
        return float(softplus.sum() - line[: self.rows.positive].sum())


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
    def step(self) -> Floats:
        z, p = self.rows.z, np.exp(self._log_proba)
        gap = p - self.rows.targets
        mean = (p * z).sum(axis=1)
        gradient = np.concatenate([[(gap * z).sum()], gap[:, 1:].sum(axis=0)])
        information = np.empty((len(gradient), len(gradient)))
        information[0, 0] = ((p * self.rows.squared).sum(axis=1) - mean**2).sum()
        information[0, 1:] = information[1:, 0] = (p * (z - mean[:, None]))[:, 1:].sum(axis=0)
        information[1:, 1:] = np.diag(p[:, 1:].sum(axis=0)) - p[:, 1:].T @ p[:, 1:]
        information += _ridge(float(np.trace(information))) * np.eye(len(information))
        return -np.asarray(np.linalg.solve(information, gradient), dtype=np.float64)

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
        step = fit.step
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
