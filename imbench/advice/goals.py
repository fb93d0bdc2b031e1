"""What a model is for, and the metric that follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.costs import cost_metric, cost_threshold, costs_of
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.outcome import Outcome


@dataclass(frozen=True)
class Goal:
    """One use of a model, and how candidates are compared for it.

    Parameters
    ----------
    name : value of ``--goal``
    purpose : the use in words, for a sentence such as "for decisions"
    metric : metric that decides
    rules : decision rules under which every candidate competes, keys of `imbench.scoring.rules.RULES`
    control : rule of the baseline that every candidate is compared with: what one does without rebalancing
    doing_nothing : the control in words
    gloss : what the metric measures, in words
    decides : whether the classes of rows are decided
    threshold : probability of the second class from which it is decided for, where the goal fixes it; else NaN
    found : for a fixed threshold, the metrics of the share of each class's rows that is found
    """

    name: str
    purpose: str
    metric: Metric
    rules: tuple[str, ...]
    control: str
    doing_nothing: str
    gloss: str
    decides: bool = False
    threshold: float = math.nan
    found: tuple[Metric, ...] = ()


GOALS: Mapping[str, Goal] = {
    goal.name: goal
    for goal in (
        Goal(
            "decisions",
            "decisions",
            METRICS["gmean"],
            ("tuned",),
            "tuned",
            "a plain net with a tuned threshold",
            "the geometric mean of the shares of each class that are found",
            decides=True,
        ),
        Goal(
            "ranking",
            "ranking",
            METRICS["auroc"],
            ("argmax",),
            "argmax",
            "a plain net",
            "the chance that a row of one class is ranked above one of another",
        ),
        Goal(
            "probabilities",
            "probabilities",
            METRICS["brier"],
            ("argmax", "recalibrated"),
            "argmax",
            "a plain net",
            "half the mean squared distance of probabilities from what happened",
        ),
    )
}


def goal_of(name: str, cost_fn: float | None = None, cost_fp: float | None = None) -> Goal:
    """The goal of this name; with costs, decisions that minimise the mean cost of a row.

    Raises
    ------
    UsageError for an unknown goal, one cost without the other, costs that are not positive, and costs with a goal other
    than decisions.
    """
    if name not in GOALS:
        raise UsageError(f"unknown goal {name!r}; {suggest(name, GOALS)}")
    costs = costs_of(cost_fn, cost_fp)
    if costs is None:
        return GOALS[name]
    if name != "decisions":
        raise UsageError(f"costs are of decisions; leave out --goal {name}, or the costs")
    threshold = cost_threshold(*costs)
    return Goal(
        "decisions",
        "decisions at your costs",
        cost_metric(*costs),
        ("recalibrated",),
        "recalibrated",
        "a plain net with the threshold of your costs",
        "what a row costs on average",
        decides=True,
        threshold=threshold,
        found=_found_from(threshold),
    )


def _found_from(threshold: float) -> tuple[Metric, Metric]:
    """The shares of the rows of two classes that are found with this threshold."""

    def share(k: int) -> Metric:
        def found(outcome: Outcome) -> float:
            mine = outcome.proba[outcome.y == k, 1] >= threshold
            return float((mine == bool(k)).mean()) if outcome.classes == 2 and len(mine) else math.nan

        definition = f"Share of the rows of class {k} that a threshold of {threshold:g} finds."
        return Metric(f"found-{k}", f"Found of class {k}", found, True, definition, bounds=(0.0, 1.0))

    return share(0), share(1)
