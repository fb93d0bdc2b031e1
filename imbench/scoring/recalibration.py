"""Recalibration: probabilities moved to what the validation rows say, by Newton's method on a few parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from imbench.scoring.calibration import ROUNDING
from imbench.scoring.outcome import Floats, Integers, Outcome

PLATT, SCALING, NONE = "Platt scaling", "bias-corrected temperature scaling", "nothing: one class in validation rows"

# Newton's method converges quadratically; halved steps need a few more.
_STEPS, _HALVINGS, _TOLERANCE, _FLAT = 100, 30, 1e-10, 1e-12


@dataclass(frozen=True, eq=False)
class Recalibration:
    """A map of probabilities: p'_j ∝ p_j^slope · exp(bias_j) among the classes that were fitted.

    Parameters
    ----------
    slope : 1 leaves the spread of log-odds as it is, below 1 draws them together; never negative
    bias : ``(classes,)`` NaN for a class that was not fitted, which keeps its probability; the first fitted has 0
    method : `PLATT` for two classes fitted, `SCALING` for more, `NONE` where nothing could be fitted
    """

    slope: float
    bias: Floats
    method: str

    def __call__(self, proba: ArrayLike) -> Floats:
        """``(rows, classes)`` probabilities recalibrated; each row sums to one."""
        given = np.asarray(proba, dtype=np.float64)
        fitted = ~np.isnan(self.bias)
        moved = given.copy()
        if fitted.any():
            share = np.maximum(1.0 - given[:, ~fitted].sum(axis=1, keepdims=True), 0.0)
            moved[:, fitted] = share * np.exp(_log_softmax(self.slope * _logs(given[:, fitted]) + self.bias[fitted]))
        return moved


def recalibration(y_true: ArrayLike, proba: ArrayLike) -> Recalibration:
    """The recalibration that validation rows ask for.

    For two classes it is Platt scaling of the log-odds: J. Platt, "Probabilistic outputs for support vector machines"
    (1999). For more it is bias-corrected temperature scaling, one slope for all classes and a bias for each but the
    first: A. Alexandari, A. Kundaje and A. Shrikumar, "Maximum likelihood with bias-corrected calibration is
    hard-to-beat at label shift adaptation" (ICML 2020). With N_j rows of class j, each counts as being of class j by
    (N_j + 1) / (N_j + 2), Platt's target, and of the other classes present by equal parts of the rest. So the fit
    exists and is finite for validation rows that can be separated perfectly, too.

    NOTE: a fit with a negative slope, which would turn the net's order of rows round, has slope 0 instead: the best
    probabilities that do not look at the net. A class without a validation row keeps its probability, and the others
    share the rest as fitted among themselves. With fewer than two classes present, all stay as they are. Nothing is
    random.

    Parameters
    ----------
    y_true, proba : as `imbench.scoring.metrics.score` takes them
    """
    outcome = Outcome(y_true, proba)  # type: ignore[arg-type]
    present = np.flatnonzero(outcome.present)
    bias = np.full(outcome.classes, np.nan)
    if len(present) < 2:
        return Recalibration(1.0, bias, NONE)
    targets = _targets(np.searchsorted(present, outcome.y), outcome.counts[present])
    slope, bias[present] = fit_scaling(_logs(outcome.proba[:, present]), targets)
    return Recalibration(slope, bias, PLATT if len(present) == 2 else SCALING)


def fit_scaling(log_proba: Floats, targets: Floats) -> tuple[float, Floats]:
    """The a ≥ 0 and b that maximise Σ t_j ln softmax(a · log_proba + b)_j, b of the first class being 0.

    Parameters
    ----------
    log_proba : ``(rows, classes)``, up to a number for each row
    targets : ``(rows, classes)`` summing to one; with 0 and 1 alone a fit exists only where classes overlap

    Returns
    -------
    ``a``, and ``(classes,)`` b. Where all rows are alike a is 0.
    """
    # Centred by row and class, and scaled, so that all parameters are of one size; undone at the end.
    z = log_proba - log_proba.mean(axis=1, keepdims=True)
    centre = z.mean(axis=0)
    z = z - centre
    spread = float(z.std())
    scale = spread if spread > ROUNDING else 1.0
    # Rows that differ by rounding alone are alike.
    z = z / scale if spread > ROUNDING else np.zeros_like(z)
    shares = targets.mean(axis=0)
    # From the best fit with a = 0: Newton's steps from a saturated net would be endless.
    fit = np.concatenate([[0.0], np.log(shares[1:] / shares[0])])  # (1 + classes − 1,)
    loss = _loss(fit, z, targets)
    for _ in range(_STEPS):
        gradient, information = _derivatives(fit, z, targets)
        # A hair of a ridge keeps it invertible; where the gradient is zero, and so the fit, it changes nothing.
        ridge = 1e-12 * (np.trace(information) + 1.0) * np.eye(len(fit))
        step = -np.linalg.solve(information + ridge, gradient)
        for _ in range(_HALVINGS):
            following = _loss(fit + step, z, targets)
            if following <= loss + _FLAT * (1.0 + abs(loss)):
                break
            step /= 2
        else:
            break
        fit, loss = fit + step, following
        if np.abs(step).max() < _TOLERANCE:
            break
    slope = float(fit[0] / scale)
    if slope * scale < _TOLERANCE:
        # The loss is convex: with a held at 0 or above, it is smallest at 0, where b alone is the log of the shares.
        return 0.0, np.log(shares / shares[0])
    bias: Floats = np.concatenate([[0.0], fit[1:]]) - slope * (centre - centre[0])
    return slope, bias


def _targets(y: Integers, counts: Integers) -> Floats:
    """``(rows, classes)`` how far each row counts as being of each class."""
    rest = 1.0 / (counts + 2.0)
    of_class = np.repeat(rest[:, None] / (len(counts) - 1), len(counts), axis=1)  # (true class, class)
    np.fill_diagonal(of_class, 1.0 - rest)
    found: Floats = of_class[y]
    return found


def _derivatives(fit: Floats, z: Floats, targets: Floats) -> tuple[Floats, Floats]:
    """``(parameters,)`` gradient and ``(parameters, parameters)`` Hessian of the loss."""
    p = np.exp(_log_softmax(_scores(fit, z)))
    gap = p - targets
    mean = (p * z).sum(axis=1)
    gradient = np.concatenate([[(gap * z).sum()], gap[:, 1:].sum(axis=0)])
    information = np.empty((len(fit), len(fit)))
    information[0, 0] = ((p * z**2).sum(axis=1) - mean**2).sum()
    information[0, 1:] = information[1:, 0] = (p * (z - mean[:, None]))[:, 1:].sum(axis=0)
    information[1:, 1:] = np.diag(p[:, 1:].sum(axis=0)) - p[:, 1:].T @ p[:, 1:]
    return gradient, information


def _loss(fit: Floats, z: Floats, targets: Floats) -> float:
    return -float((targets * _log_softmax(_scores(fit, z))).sum())


def _scores(fit: Floats, z: Floats) -> Floats:
    scores: Floats = fit[0] * z
    scores[:, 1:] += fit[1:]
    return scores


def _log_softmax(scores: Floats) -> Floats:
    top: Floats = scores - scores.max(axis=1, keepdims=True)
    found: Floats = top - np.log(np.exp(top).sum(axis=1, keepdims=True))
    return found


def _logs(proba: Floats) -> Floats:
    # Nets give float32: what is smaller is zero to them.
    return np.log(np.maximum(proba, np.finfo(np.float32).tiny))
