"""Cost: the training time of strategies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imbench.stats.names import BASELINE
from imbench.stats.score_table import ScoreTable


@dataclass(frozen=True)
class Cost:
    """Wall-clock training time of one strategy; comparable only between equal machines under equal load.

    Parameters
    ----------
    seconds : seconds per net, mean over configurations
    ratio : time relative to the baseline, geometric mean over the configurations of both; NaN without a baseline
    configurations : number of configurations with a time
    """

    protocol: str
    task: str
    strategy: str
    seconds: float
    ratio: float
    configurations: int


def costs(scores: ScoreTable) -> list[Cost]:
    """The cost of every strategy with recorded times."""
    seconds = scores.mean["seconds"]
    baseline = seconds[:, scores.strategies.index(BASELINE)] if BASELINE in scores.strategies else None
    found = []
    for i, strategy in enumerate(scores.strategies):
        known = seconds[~np.isnan(seconds[:, i]), i]
        if len(known):
            ratio = _ratio(seconds[:, i], baseline)
            found.append(Cost(scores.protocol, scores.task, strategy, float(known.mean()), ratio, len(known)))
    return found


def _ratio(seconds: np.ndarray, baseline: np.ndarray | None) -> float:
    if baseline is None:
        return float("nan")
    both = (seconds > 0) & (baseline > 0)
    return float(np.exp(np.log(seconds[both] / baseline[both]).mean())) if both.any() else float("nan")
