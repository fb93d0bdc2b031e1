"""Missing columns of stored rows, derived from the stored predictions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from imbench.contract.protocol import Place
from imbench.contract.records import Predictions
from imbench.scoring.columns import DRAWN, ORIGIN, UNKNOWN, column_order, schema
from imbench.scoring.fold_scores import derivable, derived, metric_columns, rule_columns
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.rules import RULES, Rule
from imbench.store.parquet import numbers_version, parsed

_OWN_RECALL = re.compile(r"recall\[\d+\]")


@dataclass(frozen=True)
class _Versioned:
    """A table whose entries have versions, the metadata key of the versions, and the columns of an entry."""

    kind: str
    kept: bytes
    entries: Mapping[str, Metric] | Mapping[str, Rule]
    columns: Callable[[str, int], Sequence[str]]

    def of(self, kept: pa.Schema) -> dict[str, int]:
        """The versions stated in a file; an entry that is not named has version 1."""
        found = parsed((kept.metadata or {}).get(self.kept, b"{}"), dict[str, int], f"the list of each {self.kind}")
        return {name: found.get(name, 1) for name in self.entries}


_VERSIONED = (
    _Versioned("metric", b"imbench.metrics", METRICS, lambda name, _: metric_columns([METRICS[name]])),
    _Versioned("decision rule", b"imbench.rules", RULES, rule_columns),
)


def lacking(rows: pa.Table) -> list[str]:
    """The derivable columns that these rows lack or have in another version of the metric or decision rule."""
    known, old = frozenset(rows.column_names), outdated(rows.schema)
    return [name for name in derivable(_classes(rows.schema)) if name not in known or name in old]


def outdated(kept: pa.Schema) -> dict[str, str]:
    """The columns with numbers of another version of a metric or decision rule, each with a description of the version.

    Parameters
    ----------
    kept : schema of a file of rows, with the versions that `with_versions` wrote to its metadata
    """
    return {
        column: f"{what.kind} {name} in version {version}; this imbench has version {what.entries[name].version}"
        for what in _VERSIONED
        for name, version in what.of(kept).items()
        if version != what.entries[name].version
        for column in what.columns(name, _classes(kept))
    }


def with_versions(rows: pa.Table) -> pa.Table:
    """The rows, marked with the present versions of metrics and decision rules."""
    versions = {what.kept: {n: e.version for n, e in what.entries.items() if e.version != 1} for what in _VERSIONED}
    texts = {key: json.dumps(of, sort_keys=True, separators=(",", ":")).encode() for key, of in versions.items() if of}
    others = {key: text for key, text in (rows.schema.metadata or {}).items() if key not in versions}
    return rows.replace_schema_metadata(others | texts)


def _classes(kept: pa.Schema) -> int:
    return sum(_OWN_RECALL.fullmatch(name) is not None for name in kept.names)


def upgrade_rows(rows: pa.Table, predictions: Sequence[Predictions], names: Collection[str]) -> pa.Table:
    """The rows with these columns derived from their predictions, replacing those of the same names.

    Measurements of training (exposure to the rarest class, the trained prior) stay null where they are missing, and
    metrics that need the prior are NaN. ``schema`` remains that of the file.
    """
    of_place = {p.place: derived(p, names) for p in predictions}
    found = [of_place[place] for place in places(rows)]
    kinds = schema()
    for name in names:
        kind = kinds.field(name).type if name in kinds.names else pa.float64()
        values = pa.array([row[name] for row in found], kind, from_pandas=False)
        at = rows.schema.get_field_index(name)
        rows = rows.append_column(name, values) if at < 0 else rows.set_column(at, name, values)
    return with_versions(rows.select(column_order(rows.column_names)))


def without_strangers(kept: pa.Table, rows: pa.Table) -> pa.Table:
    """Previously derived rows without columns of metrics and rules that no longer exist."""
    known = {*rows.column_names, *schema().names}
    known |= set(derivable(_classes(rows.schema)))
    return kept.select([name for name in kept.column_names if name in known])


def with_numbers(rows: pa.Table) -> pa.Table:
    """The rows with column ``numbers``, which rows of the first schema lack."""
    if "numbers" in rows.column_names:
        return rows
    rows = rows.append_column("numbers", pa.array([numbers_version(rows)] * rows.num_rows, pa.int64()))
    return rows.select(column_order(rows.column_names))


def with_drawn(rows: pa.Table) -> pa.Table:
    """The rows with draw and training seed, 0 in rows that are older than these columns."""
    for name in DRAWN:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.array([0] * rows.num_rows, pa.int64()))
        elif rows[name].null_count:
            rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(pa.int64()).fill_null(0))
    return rows


def places(rows: pa.Table) -> list[Place]:
    """The place of each row in its job."""
    rows = with_drawn(rows)
    return [Place(*numbers) for numbers in zip(*(rows[name].to_pylist() for name in Place._fields), strict=True)]


def with_origin(rows: pa.Table) -> pa.Table:
    """The rows with the code that made them, ``unknown`` where it was not recorded."""
    for name in ORIGIN:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.array([UNKNOWN] * rows.num_rows, pa.string()))
        elif rows[name].null_count:
            rows = rows.set_column(rows.column_names.index(name), name, rows[name].fill_null(UNKNOWN))
    return rows
