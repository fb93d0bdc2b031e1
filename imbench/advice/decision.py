"""What the advised recipe does to rows, in counts that need no statistics, and what its training takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbench.advice.goals import Goal
from imbench.scoring.outcome import Floats
from imbench.scoring.rules import ARGMAX, ruled_column
from imbench.stats.names import BASELINE


@dataclass(frozen=True)
class Decision:
    """The decisions of the recipe, means over folds; without a goal that decides, only the seconds.

    Parameters
    ----------
    classes : names of the classes
    threshold : for two classes, the median probability of the second class from which it is decided for; NaN otherwise.
        ``low`` and ``high`` are the smallest and the largest of the folds
    found, found_without : share of each class's rows that the recipe finds, and doing nothing does; empty without
        decisions
    seconds, seconds_without : of one training of the recipe, and of the plain net
    """

    classes: tuple[str, ...]
    threshold: float
    low: float
    high: float
    found: tuple[float, ...]
    found_without: tuple[float, ...]
    seconds: float
    seconds_without: float


def decision_of(rows: pd.DataFrame, goal: Goal, recipe: str, rule: str, classes: Sequence[str]) -> Decision:
    """The decisions of this recipe in the rows of one configuration, which include the plain net's."""
    by_name = rows["strategy"].astype(str)
    own, plain = rows[by_name == recipe], rows[by_name == BASELINE]
    thresholds = _thresholds(own, goal, rule)
    return Decision(
        classes=tuple(classes),
        threshold=float(np.median(thresholds)) if len(thresholds) else math.nan,
        low=float(thresholds.min(initial=1.0)) if len(thresholds) else math.nan,
        high=float(thresholds.max(initial=0.0)) if len(thresholds) else math.nan,
        found=_found(own, goal, rule, len(classes)),
        found_without=_found(plain, goal, goal.control, len(classes)),
        seconds=float(own["seconds"].mean()),
        seconds_without=float(plain["seconds"].mean()),
    )


def _thresholds(rows: pd.DataFrame, goal: Goal, rule: str) -> Floats:
    """``(folds,)`` thresholds on the probability of the second of two classes; none for more classes."""
    if not math.isnan(goal.threshold):
        return np.array([goal.threshold])
    if rule != "tuned" or "tuned_weight[1]" not in rows or "tuned_weight[2]" in rows:
        return np.empty(0)
    weight = rows["tuned_weight[1]"].dropna().to_numpy(dtype=np.float64)
    return np.asarray(1 / (1 + weight))


def _found(rows: pd.DataFrame, goal: Goal, rule: str, classes: int) -> tuple[float, ...]:
    if not goal.decides:
        return ()
    columns = [ruled_column(metric, rule) for metric in goal.found]
    columns = columns or [f"recall[{k}]{'' if rule == ARGMAX else f'@{rule}'}" for k in range(classes)]
    return tuple(float(rows[column].mean()) for column in columns) if {*columns} <= {*rows.columns} else ()
