"""Strategies compared over the folds of each configuration, by the corrected resampled t-test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.metrics import Metric
from imbench.scoring.outcome import Floats
from imbench.stats.competitors import CONFIGURATION
from imbench.stats.equivalence import corrected_t, fold_interval
from imbench.stats.pairwise import holm
from imbench.stats.ranks import TRAINED, difference

FOLD = ["repeat", "fold"]


def compare_within(rows: pd.DataFrame, metric: Metric, reference: str, alpha: float = 0.05) -> pd.DataFrame:
    """Each strategy against the reference within each configuration, over folds that both have.

    Parameters
    ----------
    rows : per-fold rows of one protocol and task (see `Store.frame`)
    metric : what to compare by
    reference : the strategy that gains are over
    alpha : intervals have level 1 − alpha

    Returns
    -------
    A row for each configuration and strategy: ``dataset``, ``variant``, ``strategy``, ``folds`` compared, ``gain``,
    the mean over folds, positive is better, its interval ``low`` to ``high``, ``p`` of `corrected_t` with the rows' own
    share of tested rows, and ``p_holm`` over the strategies of one configuration; NaN below two common folds, and the
    interval below four (`imbench.stats.equivalence.fold_interval`). For a metric with a target the gain is in distance
    from it. Scores tie as those of trained nets do.

    Raises
    ------
    UsageError
        If the reference is no strategy of these rows.
    """
    if reference not in set(rows["strategy"]):
        raise UsageError(f"reference {reference!r} is no strategy; {suggest(reference, sorted(set(rows['strategy'])))}")
    texts = [name for name in [*CONFIGURATION, "strategy"] if isinstance(rows[name].dtype, pd.CategoricalDtype)]
    ranked = metric.ranked(rows[metric.name].to_numpy(dtype=np.float64))
    rows = rows.astype(dict.fromkeys(texts, "str")).assign(**{metric.name: ranked})
    found = []
    for (dataset, variant, _), group in rows.groupby(CONFIGURATION, sort=True):
        scores = group.pivot_table(index=FOLD, columns="strategy", values=metric.name, aggfunc="mean", dropna=False)
        if reference not in scores:
            continue
        share = float((group["n_test"] / (group["n_test"] + group["n_train"])).mean())
        tests: list[dict[str, Any]] = [
            {"dataset": dataset, "variant": variant, "strategy": name}
            | _compared(difference(scores[name], scores[reference], TRAINED), share, alpha, metric)
            for name in scores.columns
            if name != reference
        ]
        told = [test for test in tests if not np.isnan(test["p"])]
        for test, corrected in zip(told, holm([test["p"] for test in told]), strict=True):
            test["p_holm"] = float(corrected)
        found += tests
    columns = ["dataset", "variant", "strategy", "folds", "gain", "low", "high", "p", "p_holm"]
    return pd.DataFrame(found, columns=columns)


def _compared(differences: Floats, share: float, alpha: float, metric: Metric) -> dict[str, Any]:
    gains = differences[~np.isnan(differences)] * (1 if metric.higher_is_better else -1)
    if len(gains) < 2:
        return {"folds": len(gains)} | dict.fromkeys(("gain", "low", "high", "p", "p_holm"), float("nan"))
    test = corrected_t(gains, share, alpha)
    low, high = fold_interval(gains, share, alpha, metric.difference_bounds)
    return {"folds": len(gains), "gain": test.mean, "low": low, "high": high, "p": test.pvalue}
