"""Scores of a recipe in cross-validation, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from imbench.contract.errors import UsageError
from imbench.model.decision import COSTS, Decision
from imbench.scoring.costs import cost_metric
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.rules import ARGMAX, ruled_column
from imbench.stats.within import fold_interval, fold_means, tested_share
from imbench.store.added import with_metrics
from imbench.store.results import Results

RECALIBRATED = "recalibrated"
_OF_DECISIONS = ("gmean", "balanced_accuracy", "mcc")
_OF_PROBABILITIES = ("brier", "bbs", "log_loss", "ece", "calibration_slope")


@dataclass(frozen=True)
class Score:
    """One metric of a recipe over the folds.

    Parameters
    ----------
    name, title : the metric
    of : what is scored: ``order``, ``decisions``, ``probabilities`` after recalibration or ``before recalibration``
    mean : mean over folds
    low, high : 95 % interval of the mean by Nadeau and Bengio's corrected t; NaN for fewer than 4 folds
    """

    name: str
    title: str
    of: str
    mean: float
    low: float
    high: float


def rows_of(results: Results, recipe: str) -> pd.DataFrame:
    """The folds of a recipe. Raises `UsageError` if it failed."""
    rows = results.rows[results.rows["strategy"].astype(str) == recipe]
    failed = rows[rows["error"] != ""]
    if len(failed) or not len(rows):
        why = str(failed["error"].iloc[0]).strip().splitlines()[-1] if len(failed) else "it has no results"
        raise UsageError(f"{recipe} cannot be cross-validated on this table: {why}")
    return rows


def scores_of(
    results: Results, recipe: str, decision: Decision, recall: Sequence[str], recalibrated: bool
) -> tuple[Score, ...]:
    """The scores of a recipe whose classes are decided so.

    Parameters
    ----------
    recall : labels of the classes
    recalibrated : whether the model recalibrates its probabilities
    """
    rule = RECALIBRATED if decision.rule == COSTS else decision.rule
    metrics: list[tuple[Metric, str, str]] = [(METRICS["auroc"], ARGMAX, "order"), (METRICS["auprc"], ARGMAX, "order")]
    if decision.costs is not None:
        cost = cost_metric(*decision.costs)
        results = with_metrics(results, [cost])
        metrics.append((cost, rule, "decisions"))
    else:
        metrics += [(METRICS[name], rule, "decisions") for name in _OF_DECISIONS]
    stated = RECALIBRATED if recalibrated else ARGMAX
    metrics += [(METRICS[name], stated, "probabilities") for name in _OF_PROBABILITIES]
    if recalibrated:
        metrics += [(METRICS[name], ARGMAX, "before recalibration") for name in _OF_PROBABILITIES]
    rows = rows_of(results, recipe)
    share = tested_share(rows)
    columns = [(ruled_column(metric, by), metric.name, metric.title, of, metric.bounds) for metric, by, of in metrics]
    if decision.costs is None:
        suffix = "" if rule == ARGMAX else f"@{rule}"
        columns += [
            (f"recall[{number}]{suffix}", "recall", f"Recall of {label}", "decisions", (0.0, 1.0))
            for number, label in enumerate(recall)
        ]
    found = []
    for column, name, title, of, bounds in columns:
        if column not in rows:
            continue
        values = fold_means(rows, column).dropna().to_numpy(dtype=float)
        if not len(values):
            continue
        low, high = fold_interval(values, share, 0.05, bounds)
        found.append(Score(name, title, of, float(values.mean()), low, high))
    return tuple(found)
