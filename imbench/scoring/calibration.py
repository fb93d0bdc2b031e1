"""Logistic recalibration: how far log-odds are too extreme or too modest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbench.scoring.outcome import Floats

# Newton's method on two parameters converges quadratically; halved steps need a few more.
_STEPS, _HALVINGS, _TOLERANCE, _FLAT = 100, 30, 1e-12, 1e-12
# Probabilities of nets are float32, each rounded by some 1e-7 of itself, and what is relative to odds is absolute to
# their logarithm. Rows closer than this have one probability: their order is no overlap to fit a slope to.
ROUNDING = 1e-6


def logistic_slope(log_odds: Floats, positive: NDArray[np.bool_]) -> float:
    """The b of the maximum-likelihood fit logit P(positive) = a + b · log_odds.

    D. R. Cox, "Two further applications of a model for binary regression", Biometrika 45 (1958).

    Parameters
    ----------
    log_odds, positive : ``(rows,)``

    Returns
    -------
    The slope; NaN where the fit does not exist: rows of one kind only, or positive and negative rows whose log-odds
    do not overlap (A. Albert and J. A. Anderson, Biometrika 71, 1984) by more than rounding.
    """
    yes, no = log_odds[positive], log_odds[~positive]
    if not len(yes) or not len(no) or min(yes.max() - no.min(), no.max() - yes.min()) <= ROUNDING:
        return float("nan")
    # Standardised, so that the two parameters are of one scale; the slope is scaled back at the end.
    scale = float(log_odds.std())
    z = (log_odds - log_odds.mean()) / scale
    share = positive.mean()
    fit = np.array([np.log(share / (1 - share)), 0.0])
    loss = _loss(fit, z, positive)
    for _ in range(_STEPS):
        with np.errstate(over="ignore"):  # far on the other side p is 0, as it should be
            p = 1.0 / (1.0 + np.exp(-(fit[0] + fit[1] * z)))
        gap, weight = positive - p, p * (1.0 - p)
        weighted = weight @ z
        # A hair of a ridge keeps it invertible; where the gap is zero, and so the fit, it changes nothing.
        ridge = 1e-12 * (weight.sum() + 1.0)
        information = np.array([[weight.sum() + ridge, weighted], [weighted, weight @ z**2 + ridge]])
        step = np.linalg.solve(information, [gap.sum(), gap @ z])
        for _ in range(_HALVINGS):
            following = _loss(fit + step, z, positive)
            # Near the end the loss is flat to rounding, and Newton's full steps still gain digits of the slope.
            if following <= loss + _FLAT * (1.0 + abs(loss)):
                break
            step /= 2
        else:
            break
        fit, loss = fit + step, following
        if np.abs(step).max() < _TOLERANCE:
            break
    return float(fit[1] / scale)


def _loss(fit: Floats, z: Floats, positive: NDArray[np.bool_]) -> float:
    line = fit[0] + fit[1] * z
    return float(np.logaddexp(0.0, line).sum() - line[positive].sum())
