"""Costs of wrong decisions between two classes, and the threshold and metric that follow from them."""

from __future__ import annotations

import math

import numpy as np

from imbench.contract.errors import UsageError
from imbench.scoring.metrics import Metric
from imbench.scoring.outcome import Outcome


def costs_of(cost_fn: float | None, cost_fp: float | None) -> tuple[float, float] | None:
    """Both costs, or None if neither is given.

    Raises
    ------
    UsageError for one cost without the other, and for costs that are not positive.
    """
    if cost_fn is None and cost_fp is None:
        return None
    if cost_fn is None or cost_fp is None:
        given, missing = ("--cost-fn", "--cost-fp") if cost_fp is None else ("--cost-fp", "--cost-fn")
        raise UsageError(f"{given} needs {missing} as well: only their ratio matters, so {missing} 1 is usual")
    for option, cost in (("--cost-fn", cost_fn), ("--cost-fp", cost_fp)):
        if not (math.isfinite(cost) and cost > 0):
            raise UsageError(f"{option} must be a positive number, got {cost:g}")
    return cost_fn, cost_fp


def cost_threshold(cost_fn: float, cost_fp: float) -> float:
    """The probability of class 1 from which deciding for it is cheaper (C. Elkan, IJCAI 2001, Equation 2).

    >>> round(cost_threshold(10, 1), 4)
    0.0909
    """
    return cost_fp / (cost_fp + cost_fn)


def cost_metric(cost_fn: float, cost_fp: float) -> Metric:
    """The mean cost of a row of two classes, decided by the threshold of the costs.

    Parameters
    ----------
    cost_fn : cost of taking a row of class 1 for one of class 0
    cost_fp : cost of taking a row of class 0 for one of class 1
    """
    threshold = cost_threshold(cost_fn, cost_fp)

    def cost(outcome: Outcome) -> float:
        if outcome.classes != 2:
            return math.nan
        positive = outcome.proba[:, 1] >= threshold
        wrong = np.where(outcome.y == 1, cost_fn * ~positive, cost_fp * positive)
        return float(wrong.mean())

    return Metric(
        "cost",
        "Mean cost",
        cost,
        higher_is_better=False,
        definition=f"Mean cost of a row: {cost_fn:g} for a missed row of class 1, {cost_fp:g} for a false alarm.",
        bounds=(0.0, max(cost_fn, cost_fp)),
    )
