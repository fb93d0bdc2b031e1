"""What stored rows lack -> columns derived from the stored predictions."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence

import pyarrow as pa

from imbench.contract.records import Predictions
from imbench.scoring.columns import ORIGIN, UNKNOWN, column_order, schema
from imbench.scoring.fold_scores import derivable, derived, metric_columns
from imbench.scoring.metrics import METRICS
from imbench.store.parquet import numbers_version

# Which versions of metrics the numbers of a file are of; one that is not named is of version 1.
_VERSIONS = b"imbench.metrics"
_OWN_RECALL = re.compile(r"recall\[\d+\]")


def lacking(rows: pa.Table) -> list[str]:
    """The columns that these rows lack, or have of another version of a metric, and that predictions give."""
    classes = sum(_OWN_RECALL.fullmatch(name) is not None for name in rows.column_names)
    known, outdated = frozenset(rows.column_names), frozenset(outdated_columns(versions_of(rows)))
    return [name for name in derivable(classes) if name not in known or name in outdated]


def outdated_columns(versions: dict[str, int]) -> list[str]:
    """The columns of metrics that had other versions when these were the versions."""
    return metric_columns(m for m in METRICS.values() if versions.get(m.name, 1) != m.version)


def versions_of(rows: pa.Table) -> dict[str, int]:
    """The versions of metrics that the file says its numbers are of."""
    found: dict[str, int] = json.loads((rows.schema.metadata or {}).get(_VERSIONS, b"{}"))
    return found


def with_versions(rows: pa.Table) -> pa.Table:
    """The rows, saying that their numbers are of this imbench's versions of metrics."""
    versions = {metric.name: metric.version for metric in METRICS.values() if metric.version != 1}
    text = json.dumps(versions, sort_keys=True, separators=(",", ":")).encode()
    return rows.replace_schema_metadata({**(rows.schema.metadata or {}), _VERSIONS: text})


def upgrade_rows(rows: pa.Table, predictions: Sequence[Predictions], names: Collection[str]) -> pa.Table:
    """The rows with these columns derived from their predictions, in place of what they have under these names.

    What can only be measured while training, the exposure to the rarest class and the prior trained towards, stays
    null where it was not, and metrics that need the prior are NaN. ``schema`` goes on to say what the file was written
    as.
    """
    of_fold = {(p.repeat, p.fold): derived(p, names) for p in predictions}
    found = [of_fold[where] for where in zip(rows["repeat"].to_pylist(), rows["fold"].to_pylist(), strict=True)]
    kinds = schema()
    for name in names:
        kind = kinds.field(name).type if name in kinds.names else pa.float64()
        values = pa.array([row[name] for row in found], kind, from_pandas=False)
        at = rows.schema.get_field_index(name)
        rows = rows.append_column(name, values) if at < 0 else rows.set_column(at, name, values)
    return with_versions(rows.select(column_order(rows.column_names)))


def without_strangers(kept: pa.Table, rows: pa.Table) -> pa.Table:
    """What was derived before, without columns of metrics and rules that are gone since."""
    known = {*rows.column_names, *schema().names}
    known |= set(derivable(sum(_OWN_RECALL.fullmatch(name) is not None for name in rows.column_names)))
    return kept.select([name for name in kept.column_names if name in known])


def with_numbers(rows: pa.Table) -> pa.Table:
    """The rows with ``numbers``, which rows of the first schema do not say themselves."""
    if "numbers" in rows.column_names:
        return rows
    rows = rows.append_column("numbers", pa.array([numbers_version(rows)] * rows.num_rows, pa.int64()))
    return rows.select(column_order(rows.column_names))


def with_origin(rows: pa.Table) -> pa.Table:
    """The rows with what code made them, ``unknown`` where that was not kept."""
    for name in ORIGIN:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.array([UNKNOWN] * rows.num_rows, pa.string()))
        elif rows[name].null_count:
            rows = rows.set_column(rows.column_names.index(name), name, rows[name].fill_null(UNKNOWN))
    return rows
