"""Recalibration of probabilities on validation rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from imbench.scoring.logistic import fit_scaling, log_softmax
from imbench.scoring.outcome import Floats, Integers, Outcome

ASKED = "nothing, as asked"
PLATT, SCALING, NONE = "Platt scaling", "bias-corrected temperature scaling", "nothing: one class in validation rows"


@dataclass(frozen=True, eq=False)
class Recalibration:
    """A map of probabilities: p'_j ∝ p_j^slope · exp(bias_j) among the classes that were fitted.

    Parameters
    ----------
    slope : 1 keeps the spread of log-odds, below 1 shrinks it; never negative
    bias : ``(classes,)`` NaN for a class that was not fitted, which keeps its probability; 0 for the first fitted class
    method : `PLATT` for two fitted classes, `SCALING` for more, `NONE` if nothing could be fitted
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


def unchanged(classes: int) -> Recalibration:
    """No recalibration: all probabilities stay."""
    return Recalibration(1.0, np.full(classes, np.nan), ASKED)


def recalibration(y_true: ArrayLike, proba: ArrayLike) -> Recalibration:
    """Fit a recalibration to validation rows.

    For two classes it is Platt scaling of the log-odds: J. Platt, "Probabilistic outputs for support vector machines"
    (1999). For more it is bias-corrected temperature scaling, one slope for all classes and a bias for each but the
    first: A. Alexandari, A. Kundaje and A. Shrikumar, "Maximum likelihood with bias-corrected calibration is
    hard-to-beat at label shift adaptation" (ICML 2020). With N_j rows of class j, each counts as being of class j by
    (N_j + 1) / (N_j + 2), Platt's target, and of the other classes present by equal parts of the rest. So the fit
    exists and is finite for validation rows that can be separated perfectly, too.

    NOTE: a negative slope, which would reverse the net's order of rows, is replaced by 0: the best probabilities that
    ignore the net. A class without a validation row keeps its probability, and the others
    share the rest as fitted among themselves. With fewer than two classes present, all probabilities stay. Nothing is
    random.

    Parameters
    ----------
    y_true, proba : as in `imbench.scoring.metrics.score`
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
    """``(rows, classes)`` weight with which each row counts as each class."""
    rest = 1.0 / (counts + 2.0)
    of_class = np.repeat(rest[:, None] / (len(counts) - 1), len(counts), axis=1)  # (true class, class)
    np.fill_diagonal(of_class, 1.0 - rest)
    found: Floats = of_class[y]
    return found


def _logs(proba: Floats) -> Floats:
    # Nets give float32: smaller values are zero there.
    return np.log(np.maximum(proba, np.finfo(np.float32).tiny))
