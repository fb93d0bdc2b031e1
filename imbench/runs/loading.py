"""The results of a store in Python, without what training needs: PyTorch alone takes seconds to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imbench.runs.registry import Registry
from imbench.store.results import Results
from imbench.store.results import load as load_results


def load(store: str | Path, metrics: Sequence[str] = (), plugins: Sequence[str] = ()) -> Results:
    """All results of a store.

    Parameters
    ----------
    store : folder of results
    metrics : metrics of installed packages to compute in addition to imbench's metrics
    plugins : paths of Python files, as in `run`

    Raises
    ------
    StoreError if the folder is not a store, UsageError for an unknown metric.
    """
    registry = Registry(tuple(plugins))
    found = replace(load_results(Path(store)), scope=registry.scope())
    return registry.with_metrics(found, metrics)
