"""Cost: how long strategies train, beside how well they do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imbench.stats.names import BASELINE
from imbench.stats.score_table import ScoreTable


@dataclass(frozen=True)
class Cost:
    """Training time of one strategy; wall-clock, so it is only as comparable as the machines were alike and idle.

    Parameters
    ----------
    seconds : mean over configurations of the seconds that one net takes
    ratio : to the baseline, geometric mean over the configurations that both have; NaN without a baseline
    configurations : with a time
    """

    protocol: str
    task: str
    strategy: str
    seconds: float
    ratio: float
    configurations: int


def costs(cells: ScoreTable) -> list[Cost]:
    """The cost of every strategy that has a time."""
    seconds = cells.mean["seconds"]
    own = seconds[:, cells.strategies.index(BASELINE)] if BASELINE in cells.strategies else None
    found = []
    for i, strategy in enumerate(cells.strategies):
        known = seconds[~np.isnan(seconds[:, i]), i]
        if len(known):
            found.append(
                Cost(cells.protocol, cells.task, strategy, float(known.mean()), _ratio(seconds[:, i], own), len(known))
            )
    return found


def _ratio(seconds: np.ndarray, baseline: np.ndarray | None) -> float:
    if baseline is None:
        return float("nan")
    both = (seconds > 0) & (baseline > 0)
    return float(np.exp(np.log(seconds[both] / baseline[both]).mean())) if both.any() else float("nan")
