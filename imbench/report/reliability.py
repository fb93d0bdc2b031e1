"""Reliability curves from stored predictions: observed class frequency by predicted probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbench.contract.errors import StoreError
from imbench.contract.records import Predictions
from imbench.stats.names import CONFIGURATION
from imbench.store.contents import Contents
from imbench.store.results import Results
from imbench.store.store import Store

Floats = NDArray[np.float64]

BINS = 10

# Reading predictions takes most of a report's time; with more jobs than this, evenly spread configurations are used.
MOST_JOBS, MOST_STRATEGIES = 400, 8

# A bin with fewer rows than this, over all configurations, is mostly noise.
FEWEST_ROWS = 50


@dataclass(frozen=True, eq=False)
class Curve:
    """One strategy's curve for one protocol and task; all configurations have the same weight.

    Parameters
    ----------
    predicted, observed : ``(bins,)`` mean predicted probability and observed frequency of the class; NaN in bins with
        fewer than `FEWEST_ROWS` rows
    share : ``(bins,)`` share of all predictions
    rows : ``(bins,)`` number of predictions
    configurations, of : configurations used, and configurations in the store
    """

    protocol: str
    task: str
    strategy: str
    predicted: Floats
    observed: Floats
    share: Floats
    rows: NDArray[np.int64]
    configurations: int
    of: int


def curves(
    results: Results, labelled_rows: pd.DataFrame, leading: Mapping[tuple[str, str], Sequence[str]]
) -> list[Curve]:
    """The curves of the leading strategies of each protocol and task; none if there are too few predictions.

    For two classes, the probability is that of the minority (class 1); for more, each class counts against the rest.

    Parameters
    ----------
    leading : strategies by (protocol, task), the most important first
    """
    if not (results.store / "predictions").is_dir() or labelled_rows.empty:
        return []
    jobs = labelled_rows[labelled_rows["error"] == ""].drop_duplicates("key")
    store = Store(results.store)
    known, found = store.contents(), []
    for (of_protocol, of_task), group in jobs.groupby(["protocol", "task"], sort=True):
        protocol, task = str(of_protocol), str(of_task)
        shown = [s for s in leading.get((protocol, task), ()) if (group["strategy"] == s).any()][:MOST_STRATEGIES]
        mine = group[group["strategy"].isin(shown)]
        numbers = mine.groupby(CONFIGURATION, sort=True).ngroup()
        total = int(numbers.max()) + 1 if len(mine) else 0
        kept = _spread(total, max(MOST_JOBS // max(len(shown), 1), 1))
        for strategy in shown:
            keys = mine["key"][(mine["strategy"] == strategy) & numbers.isin(kept)].tolist()
            sums = [_sums(folds) for folds in (_read(store, key, known) for key in keys) if folds]
            if sums:
                found.append(_curve(protocol, task, strategy, np.array(sums), total))
    return [curve for curve in found if np.isfinite(curve.observed).any()]


def _spread(total: int, most: int) -> list[int]:
    return sorted({round(i) for i in np.linspace(0, total - 1, min(total, most))}) if total else []


def _read(store: Store, key: str, known: Contents) -> list[Predictions]:
    try:
        return store.predictions(key, known)
    except StoreError:  # rows without predictions still count everywhere else
        return []


def _sums(folds: Sequence[Predictions]) -> Floats:
    """``(3, bins)``: rows, summed probability and summed hits of one job's test predictions."""
    first = 1 if folds[0].test.proba.shape[1] == 2 else 0
    p = np.concatenate([fold.test.proba[:, first:].astype(np.float64).ravel() for fold in folds])
    hit = np.concatenate(
        [(fold.test.y[:, None] == np.arange(first, fold.test.proba.shape[1])).ravel() for fold in folds]
    )
    # Bins are [lo, hi), the last one closed, as those of the calibration errors.
    at = np.searchsorted(np.arange(1, BINS) / BINS, p, side="right")
    return np.stack([np.bincount(at, weights=w, minlength=BINS) for w in (np.ones_like(p), p, hit.astype(np.float64))])


def _curve(protocol: str, task: str, strategy: str, sums: Floats, of: int) -> Curve:
    rows = sums[:, 0].sum(axis=0)
    weights = sums / sums[:, :1].sum(axis=2, keepdims=True)  # each configuration sums to one
    count, p, hits = weights.sum(axis=0)
    seen = np.where(rows >= FEWEST_ROWS, count, np.nan)
    return Curve(
        protocol, task, strategy, p / seen, hits / seen, count / len(sums), rows.astype(np.int64), len(sums), of
    )
