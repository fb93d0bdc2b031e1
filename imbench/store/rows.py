"""The rows of results: one for each fold of a job, the same columns in every store."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from imbench.contract.records import NUMBERS_VERSION, Job, Predictions, Trial
from imbench.scoring.columns import ORIGIN, class_of, schema
from imbench.scoring.columns import column_order as column_order
from imbench.scoring.fold_scores import rows_hashes, scored
from imbench.store.derive import with_versions
from imbench.store.parquet import ROWS_SCHEMA

if TYPE_CHECKING:
    import pandas as pd

# Columns whose values come with the facts.
_GIVEN = ("ir", "rows_hash", *ORIGIN)

# Characters of a failure's message that are stored with each of its folds.
MOST_OF_AN_ERROR = 16_000

SORTED_BY = ("task", "dataset", "ir", "variant", "protocol", "strategy", "key", "draw", "repeat", "fold", "train_seed")


def finished_rows(job: Job, predictions: Sequence[Predictions], facts: Mapping[str, Any]) -> pa.Table:
    """The scored rows of a finished job, one for each net by draw, repeat, fold and training seed.

    Columns: the job (dataset … fold), ``n_train`` rows without validation rows, ``n_test``, ``seconds`` of training,
    the metrics of `imbench.scoring.metrics.score`, those that another decision rule changes (``gmean@tuned``, see
    `imbench.scoring.rules`), measurements of training, ``zero_recall`` (classes with test rows that were missed
    entirely), ``absent`` and ``absent_validation`` (class numbers without a test or validation row, joined with ``+``),
    exposure to the rarest class (`imbench.contract.records.Exposure`), identity, ``error`` ("" here), then the facts.
    ``rows_hash`` is SHA-256 over the rows of the variant, of the validation part and of the test part, each sorted, so
    it fixes the training rows too.

    Raises
    ------
    UsageError
        For predictions that are not probabilities, for example from a diverged net.
    ValueError
        If facts redefine a column.
    """
    common = _common(job, facts)
    hashes = rows_hashes(predictions)
    ordered = sorted(predictions, key=lambda p: p.place)
    rows = [common | scored(p) | {"rows_hash": hashes[p.place]} | _facts(facts) for p in ordered]
    return with_versions(_table(rows))


def failed_rows(job: Job, error: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each net of a failed job, with its error and without metrics, as plain JSON values."""
    common = _common(job, facts) | {"error": _cut(error.strip()) or "failed without a message"} | _facts(facts)
    return [common | place._asdict() for place in job.protocol.places()]


def _cut(error: str) -> str:
    """An error of a length that a person may read; its end, which says most, is kept longer than its beginning."""
    if len(error) <= MOST_OF_AN_ERROR:
        return error
    head, tail = MOST_OF_AN_ERROR // 4, MOST_OF_AN_ERROR - MOST_OF_AN_ERROR // 4
    return f"{error[:head]}\n[… {len(error) - head - tail:,} of {len(error):,} characters cut]\n{error[-tail:]}"


def failed_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows of `failed_rows` with the columns of finished jobs, null without a value."""
    return _table(rows)


def joined(tables: Sequence[pa.Table], columns: Collection[str] | None = None) -> pa.Table:
    """The rows of all tables with the columns of any; a fact that is text in one table is text in all.

    With ``columns`` only these, and text as dictionaries, so that many rows take little memory.
    """
    whole = [schema().empty_table(), *tables]
    if columns is not None:
        wanted = frozenset(columns)
        whole = [as_dictionaries(t.select([n for n in t.column_names if n in wanted])) for t in whole]
    kinds: dict[str, set[pa.DataType]] = {}
    for table in whole:
        for column in table.schema:
            kinds.setdefault(column.name, set()).add(column.type)
    mixed = mixed_columns(kinds)
    together = pa.concat_tables([_as_text(table, mixed) for table in whole], promote_options="permissive")
    together = together.unify_dictionaries()
    return together.select(column_order(together.column_names))


def mixed_columns(kinds: Mapping[str, AbstractSet[pa.DataType]]) -> set[str]:
    """The columns, by name with the types they have in several tables, that are text in one and not in another."""
    numbers = {pa.null(), pa.int64(), pa.float64()}
    return {name for name, types in kinds.items() if len(types - numbers) > 0 < len(types) - 1}


def fact_values(frame: pd.DataFrame, metrics: Collection[str] = ()) -> dict[str, list[str]]:
    """The facts (versions, hardware, threads) of these rows by name, each with its distinct values as sorted text."""
    known = frozenset(schema().names)
    others = (n for n in frame.columns if n not in known and n.partition("@")[0] not in metrics)
    names = sorted(n for n in others if class_of(n) is None)
    # A whole number is read as a float if another row lacks it.
    return {n: sorted({str(int(v)) if _is_whole(v) else str(v) for v in frame[n].dropna().unique()}) for n in names}


def identity_text(job: Job) -> str:
    """The canonical JSON whose SHA-256 is the job's key."""
    return json.dumps(job.identity(), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _common(job: Job, facts: Mapping[str, Any]) -> dict[str, Any]:
    ir = facts.get("ir", job.variant.ir)
    return {
        "dataset": job.variant.dataset,
        "variant": job.variant.name,
        "task": job.variant.task,
        "ir": None if ir is None else float(ir),
        "strategy": job.strategy,
        "protocol": job.protocol.name,
        "key": job.key,
        "data_hash": job.data_hash,
        "strategy_version": job.strategy_version,
        "kind": job.kind,
        "schema": ROWS_SCHEMA,
        "numbers": NUMBERS_VERSION,
        "error": "",
        "protocol_fields": json.dumps(job.protocol.identity(), sort_keys=True, separators=(",", ":")),
    } | _trial(job.trial)


def _trial(trial: Trial | None) -> dict[str, Any]:
    if trial is None:
        return {}
    return {"trial": trial.number, "trial_strategy": trial.strategy, "trial_protocol": trial.protocol}


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    known = frozenset(schema().names)
    taken = [name for name in facts if name not in _GIVEN and (name in known or class_of(name) is not None)]
    if taken:
        raise ValueError(f"fact {taken[0]!r} has the name of a column; rename the fact")
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in facts.items()}
    for name, value in plain.items():
        if not isinstance(value, str | int | float | None):
            raise ValueError(f"fact {name!r} must be text, a number, true, false or None, got {type(value).__name__}")
    return {name: value for name, value in plain.items() if name != "ir"}


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    kinds = schema()
    known = frozenset(kinds.names)
    names = column_order({name for row in rows for name in row} | known)
    columns = {
        name: pa.array(
            [row.get(name) for row in rows], kinds.field(name).type if name in known else None, from_pandas=False
        )
        for name in names
    }
    return pa.table(columns)


def _as_text(table: pa.Table, names: set[str]) -> pa.Table:
    fields = [pa.field(f.name, pa.string()) if f.name in names else f for f in table.schema]
    return table.cast(pa.schema(fields)) if names & set(table.column_names) else table


def as_dictionaries(table: pa.Table) -> pa.Table:
    """The table with text as dictionaries, which take little memory."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            table = table.set_column(i, field.name, table[field.name].dictionary_encode())
    return table


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()
