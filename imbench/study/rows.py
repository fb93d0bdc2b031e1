"""The rows of results: one for each fold of a job, the same columns in every store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from imbench.contract.records import SCHEMA_VERSION, Job, Predictions
from imbench.study.metrics import METRICS, score

if TYPE_CHECKING:
    import pandas as pd

_WHAT = {
    "dataset": pa.string(),
    "variant": pa.string(),
    "task": pa.string(),
    "ir": pa.float64(),
    "strategy": pa.string(),
    "protocol": pa.string(),
    "repeat": pa.int64(),
    "fold": pa.int64(),
    "n_train": pa.int64(),
    "n_test": pa.int64(),
    "seconds": pa.float64(),
}
_HOW = {
    "epochs": pa.int64(),
    "steps": pa.int64(),
    "floor_epoch": pa.int64(),
    "loss": pa.float64(),
    "zero_recall": pa.int64(),
    "absent": pa.string(),
    "key": pa.string(),
    "data_hash": pa.string(),
    "rows_hash": pa.string(),
    "strategy_version": pa.string(),
    "schema": pa.int64(),
    "error": pa.string(),
    "protocol_fields": pa.string(),
}
SCHEMA = pa.schema(_WHAT | dict.fromkeys(METRICS, pa.float64()) | _HOW)

# Facts that the caller knows better than the job does.
_GIVEN = ("ir", "rows_hash")

SORTED_BY = ("task", "dataset", "ir", "variant", "protocol", "strategy", "key", "repeat", "fold")


def finished_rows(job: Job, predictions: Sequence[Predictions], facts: Mapping[str, Any]) -> pa.Table:
    """Score the test predictions of every fold: one row each, in the order of repeats and folds.

    Columns: what was trained (dataset … fold), ``n_train`` rows without the validation rows, ``n_test``, ``seconds``
    of training, the metrics of `imbench.study.metrics.score`, how training went, ``zero_recall`` (present classes
    never hit), ``absent`` (class numbers without a test row, joined with ``+``), identity, ``error`` ("" here), then
    the facts. ``rows_hash`` is SHA-256 over the rows of the variant, of the validation part and of the test part,
    each sorted, so it pins the training rows too.

    Raises
    ------
    UsageError
        For predictions that are not probabilities, for example of a net that diverged.
    ValueError
        If facts redefine a column.
    """
    common = _common(job, facts)
    hashes = _rows_hashes(predictions)
    ordered = sorted(predictions, key=lambda p: (p.repeat, p.fold))
    return _table([common | _trained(p) | {"rows_hash": hashes[p.repeat, p.fold]} | _facts(facts) for p in ordered])


def failed_rows(job: Job, error: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each fold that failed with the job, with its error and without a metric, as plain JSON values."""
    common = _common(job, facts) | {"error": error.strip() or "failed without a message"} | _facts(facts)
    return [
        common | {"repeat": repeat, "fold": fold}
        for repeat in range(job.protocol.repeats)
        for fold in range(job.protocol.folds)
    ]


def failed_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows of `failed_rows` with the columns of finished ones, null where there is nothing to say."""
    return _table(rows)


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all these tables with the columns of any; a fact that is text in one of them is text in all."""
    whole = [SCHEMA.empty_table(), *tables]
    kinds: dict[str, set[pa.DataType]] = {}
    for table in whole:
        for column in table.schema:
            kinds.setdefault(column.name, set()).add(column.type)
    mixed = {
        name for name, types in kinds.items() if len(types - {pa.null(), pa.int64(), pa.float64()}) > 0 < len(types) - 1
    }
    together = pa.concat_tables([_as_text(table, mixed) for table in whole], promote_options="permissive")
    return together.select(column_order(together.column_names))


def column_order(names: Iterable[str]) -> list[str]:
    """These columns as results show them: what, metrics, metrics of each class, how, then facts by name."""
    given = set(names)
    per_class = sorted(
        (n for n in given if _class_of(n) is not None), key=lambda n: (n.startswith("brier"), _class_of(n))
    )
    known = [*_WHAT, *METRICS, *per_class, *_HOW]
    return [n for n in known if n in given] + sorted(given - set(known))


def fact_values(frame: pd.DataFrame) -> dict[str, list[str]]:
    """The facts (versions, hardware, threads) of these rows by name, each with its different values as sorted text."""
    names = sorted(n for n in frame.columns if n not in SCHEMA.names and _class_of(n) is None)
    # A whole number is read back as a float where another row lacks it.
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
        "schema": SCHEMA_VERSION,
        "error": "",
        "protocol_fields": json.dumps(job.protocol.identity(), sort_keys=True, separators=(",", ":")),
    }


def _trained(p: Predictions) -> dict[str, Any]:
    metrics = score(p.test.y, p.test.proba)
    recalls = [value for name, value in metrics.items() if name.startswith("recall[")]
    return metrics | {
        "repeat": p.repeat,
        "fold": p.fold,
        "n_train": int(np.sum(p.train_counts)),
        "n_test": len(p.test.y),
        "seconds": float(p.seconds),
        "epochs": p.epochs,
        "steps": p.steps,
        "floor_epoch": p.floor_epoch,
        "loss": float(p.loss),
        "zero_recall": sum(r == 0 for r in recalls),
        "absent": "+".join(str(j) for j, r in enumerate(recalls) if np.isnan(r)),
    }


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    taken = [name for name in facts if name not in _GIVEN and (name in SCHEMA.names or _class_of(name) is not None)]
    if taken:
        raise ValueError(f"facts name {taken[0]!r}, a column of every row; call the fact something else")
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in facts.items()}
    for name, value in plain.items():
        if not isinstance(value, str | int | float | None):
            raise ValueError(f"fact {name!r} must be text, a number, true, false or None, got {type(value).__name__}")
    return {name: value for name, value in plain.items() if name != "ir"}


def _rows_hashes(predictions: Sequence[Predictions]) -> dict[tuple[int, int], str]:
    tested: dict[int, list[np.ndarray]] = {}
    for p in predictions:
        tested.setdefault(p.repeat, []).append(p.test.rows)
    hashes = {}
    for p in predictions:
        digest = hashlib.sha256()
        # The folds of a repeat test every row of the variant once.
        for rows in (np.concatenate(tested[p.repeat]), p.validation.rows, p.test.rows):
            digest.update(len(rows).to_bytes(8, "little") + np.sort(rows).astype("<i8").tobytes())
        hashes[p.repeat, p.fold] = digest.hexdigest()
    return hashes


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    names = column_order({name for row in rows for name in row} | set(SCHEMA.names))
    columns = {
        name: pa.array(
            [row.get(name) for row in rows],
            SCHEMA.field(name).type if name in SCHEMA.names else None,
            from_pandas=False,
        )
        for name in names
    }
    return pa.table(columns)


def _as_text(table: pa.Table, names: set[str]) -> pa.Table:
    fields = [pa.field(f.name, pa.string()) if f.name in names else f for f in table.schema]
    return table.cast(pa.schema(fields)) if names & set(table.column_names) else table


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def _class_of(column: str) -> int | None:
    """The j of ``recall[j]`` or ``brier[j]``; None for other columns."""
    name, bracket, rest = column.partition("[")
    return int(rest[:-1]) if name in ("recall", "brier") and bracket and rest[:-1].isdecimal() else None
