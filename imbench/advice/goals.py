"""What a model is for, and the metric that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.costs import cost_metric, costs_of
from imbench.scoring.metrics import METRICS, Metric


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
    """

    name: str
    purpose: str
    metric: Metric
    rules: tuple[str, ...]
    control: str
    doing_nothing: str


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
        ),
        Goal("ranking", "ranking", METRICS["auroc"], ("argmax",), "argmax", "a plain net"),
        Goal(
            "probabilities",
            "probabilities",
            METRICS["brier"],
            ("argmax", "recalibrated"),
            "argmax",
            "a plain net",
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
    return Goal(
        "decisions",
        "decisions at your costs",
        cost_metric(*costs),
        ("recalibrated",),
        "recalibrated",
        "a plain net with the threshold of your costs",
    )
