"""Levels of categorical columns: rare ones are pooled, and missing values are a level or an indicator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from imbench.data.canonical import Table

# Rows that a level needs among the training rows of a fold to be an input of its own, as many as rules of thumb ask of
# each cell of a table of counts.
LEAST_ROWS = 5
MISSING_LEVEL = "(missing)"
INDICATOR = "missing"


def with_levels(table: Table, absent: Mapping[str, np.ndarray]) -> Table:
    """Pool levels that are rare in all rows, give missing categories a level, and add indicators of missing values.

    A level with fewer than `LEAST_ROWS` rows in the whole table has fewer in each fold's training rows, where
    `imbench.data.preprocess.fit` pools the others. So no choice here depends on test rows: it only saves columns.
    A pooled value has the code -1, and 0 in the columns of all levels.

    Parameters
    ----------
    table : numeric columns, and categorical columns with their levels
    absent : ``(rows,)`` bool by column, for columns of which an indicator is added

    Returns
    -------
    The table without columns of which no level is left. Indicators are its last columns, in the order of ``absent``.
    """
    x, names, categories = [], [], []
    for j, (name, levels) in enumerate(zip(table.names, table.categories, strict=True)):
        values, kept = (table.x[:, j], ()) if not levels else _pooled(table.x[:, j], levels)
        if levels and not kept:
            continue
        x.append(values)
        names.append(name)
        categories.append(kept)
    for name, gone in absent.items():
        x.append(np.where(gone, 0.0, -1.0))
        names.append(name)
        categories.append((INDICATOR,))
    least = LEAST_ROWS if any(categories) else 1
    packed = np.empty((len(table.y), len(x)), order="F")
    for j, values in enumerate(x):
        packed[:, j] = values
    return replace(table, x=packed, names=tuple(names), categories=tuple(categories), least=least)


def _pooled(codes: np.ndarray, levels: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """New codes and the levels that are left, with `MISSING_LEVEL` last."""
    missing = np.isnan(codes)
    number = np.where(missing, len(levels), codes).astype(np.int64)
    rows = np.bincount(number, minlength=len(levels) + 1)
    kept = np.flatnonzero(rows >= LEAST_ROWS)
    new = np.full(len(rows), -1.0)
    new[kept] = np.arange(len(kept))
    return new[number], tuple((*levels, MISSING_LEVEL)[k] for k in kept)
