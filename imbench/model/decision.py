"""How a model decides: class weights for its probabilities, from a decision rule or from costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.records import Split
from imbench.scoring.costs import cost_threshold
from imbench.scoring.outcome import Floats, Integers
from imbench.scoring.recalibration import Recalibration
from imbench.scoring.rules import RULES, fitted_weights
from imbench.scoring.tuning import weighted_decisions

COSTS = "costs"
# Rules that need the class frequencies in the batches, which references do not have.
OF_BATCHES = ("prior-corrected", "balanced-prior")


@dataclass(frozen=True)
class Decision:
    """The class of the largest w_j · p_j.

    Parameters
    ----------
    rule : key of `imbench.scoring.rules.RULES`, or ``costs``
    weights : ``(classes,)`` w, 0 or more, not all 0
    recalibrated : whether p are the recalibrated probabilities, else those of the nets
    costs : costs of a missed row of the second class and of a false alarm, if they decide
    """

    rule: str
    weights: tuple[float, ...]
    recalibrated: bool
    costs: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not all(np.isfinite(w) and w >= 0 for w in self.weights) or not any(self.weights):
            raise UsageError(f"weights of classes must be 0 or more and not all 0, got {list(self.weights)}")

    def __call__(self, raw: Floats, recalibrated: Floats) -> Integers:
        """``(rows,)`` class numbers, from ``(rows, classes)`` probabilities before and after recalibration."""
        with np.errstate(divide="ignore"):
            return weighted_decisions(recalibrated if self.recalibrated else raw, self.weights)

    def threshold(self, recalibration: Recalibration) -> float | None:
        """Of two classes, the stated probability of the second one above which it is decided; None for more."""
        if len(self.weights) != 2 or not all(self.weights):
            return None
        own = self.weights[0] / (self.weights[0] + self.weights[1])
        if self.recalibrated:
            return own
        return float(recalibration(np.array([[1 - own, own]]))[0, 1]) if recalibration.slope > 0 else None


def check_rule(rule: str, classes: int, costs: tuple[float, float] | None) -> None:
    """Raise `UsageError` for an unknown rule, and for costs of more than two classes."""
    if rule not in RULES:
        raise UsageError(f"unknown decision rule {rule!r}; {suggest(rule, RULES)}")
    if costs and classes != 2:
        raise UsageError(f"costs are for two classes, and this table has {classes}; leave them out and give --rule")


def decide_by(
    rule: str, costs: tuple[float, float] | None, validation: Split, trained: Floats | None, natural: Floats
) -> Decision:
    """The decision of a rule, fitted on validation rows.

    Parameters
    ----------
    rule : key of `imbench.scoring.rules.RULES`; ignored with costs
    validation : labels and probabilities of the nets
    trained : ``(classes,)`` class frequencies in the batches; None if there are no batches
    natural : ``(classes,)`` class counts of the training rows
    """
    ones = np.ones(len(natural))
    if costs:
        threshold = cost_threshold(*costs)
        return Decision(COSTS, (threshold, 1 - threshold), True, costs)
    if rule in OF_BATCHES:
        if trained is None:
            raise UsageError(f"rule {rule} needs batches, which a reference does not have; use --rule recalibrated")
        to = natural / natural.sum() if rule == "prior-corrected" else ones
        weights = np.divide(to, trained, out=ones.copy(), where=trained > 0)
    else:
        weights = fitted_weights(validation) if rule == "tuned" else ones
    return Decision(rule, tuple(map(float, weights)), rule == "recalibrated")
