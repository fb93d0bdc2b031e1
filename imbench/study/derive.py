"""Rows of an older schema -> rows of this one, with what their predictions give."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from imbench.contract.records import Predictions
from imbench.study.columns import ORIGIN, SCHEMA, UNKNOWN, column_order
from imbench.study.fold_scores import derived
from imbench.study.parquet import numbers_version


def brought_up(rows: pa.Table, predictions: Sequence[Predictions]) -> pa.Table:
    """The rows of a file of an older schema with the columns they lack, as far as predictions give them.

    What was not measured while training, the exposure to the rarest class and the prior trained towards, stays null,
    and metrics that need the prior are NaN. ``schema`` goes on to say what the file was written as.
    """
    of_fold = {(p.repeat, p.fold): derived(p, rows.column_names) for p in predictions}
    found = [of_fold[where] for where in zip(rows["repeat"].to_pylist(), rows["fold"].to_pylist(), strict=True)]
    names = [name for name in dict.fromkeys(n for row in found for n in row) if name not in rows.column_names]
    for name in names:
        kind = SCHEMA.field(name).type if name in SCHEMA.names else pa.float64()
        rows = rows.append_column(name, pa.array([row.get(name) for row in found], kind, from_pandas=False))
    rows = with_numbers(rows)
    return rows.select(column_order(rows.column_names))


def with_numbers(rows: pa.Table) -> pa.Table:
    """The rows with ``numbers``, which rows of the first schema do not say themselves."""
    if "numbers" in rows.column_names:
        return rows
    return rows.append_column("numbers", pa.array([numbers_version(rows)] * rows.num_rows, pa.int64()))


def with_origin(rows: pa.Table) -> pa.Table:
    """The rows with what code made them, ``unknown`` where that was not kept."""
    for name in ORIGIN:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.array([UNKNOWN] * rows.num_rows, pa.string()))
        elif rows[name].null_count:
            rows = rows.set_column(rows.column_names.index(name), name, rows[name].fill_null(UNKNOWN))
    return rows
