"""Metrics of plugins: columns computed from stored predictions, without retraining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.protocol import Place
from imbench.scoring.fold_scores import added_columns
from imbench.scoring.metrics import Metric
from imbench.store.results import Results
from imbench.store.store import Store


def with_metrics(results: Results, metrics: Sequence[Metric]) -> Results:
    """The results with the columns of these metrics, under every decision rule that changes them.

    They are computed from the predictions of each finished job and never stored, so that a store does not depend on
    installed packages. `Results.metrics` then has them by name, for leaderboards, reports and tests.
    The metrics of imbench are always included.

    Raises
    ------
    UsageError
        If a metric has the name of another one, or fails on some predictions.
    """
    known = dict(results.metrics)
    for metric in metrics:
        if known.setdefault(metric.name, metric) != metric:
            raise UsageError(f"two metrics are called {metric.name!r}; rename the metric of the plugin")
    new = [metric for name, metric in known.items() if name not in results.metrics]
    if not new:
        return results
    rows = results.rows.copy()
    store = Store.open(results.store, create=False)
    done = rows["error"] == ""
    values = {}
    for key in rows.loc[done, "key"].unique():
        for p in store.predictions(str(key)):
            values[key, *p.place] = added_columns(new, p)
    where = list(zip(rows["key"], *(rows[name] for name in Place._fields), strict=True))
    for name in dict.fromkeys(name for of_fold in values.values() for name in of_fold):
        rows[name] = [values.get(fold, {}).get(name, np.nan) for fold in where]
    return replace(results, rows=rows, added=(*results.added, *new))
