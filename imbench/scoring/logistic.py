"""Maximum-likelihood fits of log-odds, by Newton's method."""

from __future__ import annotations

from collections.abc import Callable

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

    def loss(fit: Floats) -> float:
        line = fit[0] + fit[1] * z
        return float(np.logaddexp(0.0, line).sum() - line[positive].sum())

    def derivatives(fit: Floats) -> tuple[Floats, Floats]:
        with np.errstate(over="ignore"):  # p is 0 there, as it should be
            p = 1.0 / (1.0 + np.exp(-(fit[0] + fit[1] * z)))
        gap, weight = p - positive, p * (1.0 - p)
        weighted = weight @ z
        information = np.array([[weight.sum(), weighted], [weighted, weight @ z**2]])
        return np.array([gap.sum(), gap @ z]), _with_ridge(information, weight.sum())

    share = positive.mean()
    fit = _newton(np.array([np.log(share / (1 - share)), 0.0]), loss, derivatives, _SLOPE_TOLERANCE)
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

    def scores(fit: Floats) -> Floats:
        found: Floats = fit[0] * z
        found[:, 1:] += fit[1:]
        return found

    def loss(fit: Floats) -> float:
        return -float((targets * log_softmax(scores(fit))).sum())

    def derivatives(fit: Floats) -> tuple[Floats, Floats]:
        p = np.exp(log_softmax(scores(fit)))
        gap = p - targets
        mean = (p * z).sum(axis=1)
        gradient = np.concatenate([[(gap * z).sum()], gap[:, 1:].sum(axis=0)])
        information = np.empty((len(fit), len(fit)))
        information[0, 0] = ((p * z**2).sum(axis=1) - mean**2).sum()
        information[0, 1:] = information[1:, 0] = (p * (z - mean[:, None]))[:, 1:].sum(axis=0)
        information[1:, 1:] = np.diag(p[:, 1:].sum(axis=0)) - p[:, 1:].T @ p[:, 1:]
        return gradient, _with_ridge(information, np.trace(information))

    shares = targets.mean(axis=0)
    # From the best fit with a = 0: Newton's steps from a saturated net would be endless.
    start = np.concatenate([[0.0], np.log(shares[1:] / shares[0])])  # (1 + classes − 1,)
    fit = _newton(start, loss, derivatives, _SCALING_TOLERANCE)
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


def _newton(
    start: Floats,
    loss: Callable[[Floats], float],
    derivatives: Callable[[Floats], tuple[Floats, Floats]],
    tolerance: float,
) -> Floats:
    """The ``(parameters,)`` at which a convex loss is smallest, by Newton's method with halved steps.

    Parameters
    ----------
    start : the first guess
    derivatives : ``(parameters,)`` gradient and ``(parameters, parameters)`` Hessian, invertible
    tolerance : a step that moves no parameter by more than this is the last one
    """
    fit, lowest = start, loss(start)
    for _ in range(_STEPS):
        gradient, information = derivatives(fit)
        step = -np.linalg.solve(information, gradient)
        for _ in range(_HALVINGS):
            following = loss(fit + step)
            # Near the end the loss is flat to rounding, and Newton's full steps still gain digits.
            if following <= lowest + _FLAT * (1.0 + abs(lowest)):
                break
            step /= 2
        else:
            break
        fit, lowest = fit + step, following
        if np.abs(step).max() < tolerance:
            break
    return fit


def _with_ridge(information: Floats, size: float) -> Floats:
    """The Hessian with a tiny ridge, which makes it invertible; where the gradient is 0, no step changes."""
    ridged: Floats = information + 1e-12 * (size + 1.0) * np.eye(len(information))
    return ridged
