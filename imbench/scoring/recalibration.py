"""Recalibration: probabilities moved to what the validation rows say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from imbench.scoring.logistic import fit_scaling, log_softmax
from imbench.scoring.outcome import Floats, Integers, Outcome

PLATT, SCALING, NONE = "Platt scaling", "bias-corrected temperature scaling", "nothing: one class in validation rows"


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
            moved[:, fitted] = share * np.exp(log_softmax(self.slope * _logs(given[:, fitted]) + self.bias[fitted]))
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


def _targets(y: Integers, counts: Integers) -> Floats:
    """``(rows, classes)`` how far each row counts as being of each class."""
    rest = 1.0 / (counts + 2.0)
    of_class = np.repeat(rest[:, None] / (len(counts) - 1), len(counts), axis=1)  # (true class, class)
    np.fill_diagonal(of_class, 1.0 - rest)
    found: Floats = of_class[y]
    return found


def _logs(proba: Floats) -> Floats:
    # Nets give float32: what is smaller is zero to them.
    return np.log(np.maximum(proba, np.finfo(np.float32).tiny))
