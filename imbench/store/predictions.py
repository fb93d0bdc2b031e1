"""Predictions as a Parquet table, and back, bit for bit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from imbench.contract.records import Exposure, Predictions, Split

# Parts of a fold, which are attributes of Predictions.
_PARTS = ("validation", "test")
_FOLDS = b"imbench.folds"
_FACTS = ("repeat", "fold", "epochs", "steps", "floor_epoch", "loss", "seconds")


def to_table(predictions: Sequence[Predictions]) -> pa.Table:
    """One row for each predicted row: ``repeat, fold, part, row, y, p[0] … p[K-1]``, probabilities in float32.

    Facts of a whole fold are in the table's metadata.
    """
    ordered = sorted(predictions, key=lambda p: (p.repeat, p.fold))
    splits = [(p, part, getattr(p, part)) for p in ordered for part in _PARTS]
    sizes = [len(split.y) for _, _, split in splits]
    proba = np.concatenate([np.asarray(split.proba, dtype=np.float32) for _, _, split in splits])
    columns: dict[str, Any] = {
        "repeat": np.repeat(np.array([p.repeat for p, _, _ in splits], dtype=np.int32), sizes),
        "fold": np.repeat(np.array([p.fold for p, _, _ in splits], dtype=np.int32), sizes),
        "part": np.repeat([part for _, part, _ in splits], sizes),
        "row": np.concatenate([np.asarray(split.rows, dtype=np.int64) for _, _, split in splits]),
        "y": np.concatenate([np.asarray(split.y, dtype=np.int64) for _, _, split in splits]),
    }
    columns |= {f"p[{j}]": np.ascontiguousarray(proba[:, j]) for j in range(proba.shape[1])}
    folds = [
        {name: _plain(getattr(p, name)) for name in _FACTS}
        | {"train_counts": np.asarray(p.train_counts).tolist()}
        | {part: len(getattr(p, part).y) for part in _PARTS}
        | ({} if p.exposure is None else {"exposure": _exposure_values(p.exposure)})
        for p in ordered
    ]
    return pa.table(columns).replace_schema_metadata({_FOLDS: json.dumps(folds).encode()})


def from_table(table: pa.Table) -> list[Predictions]:
    """The predictions in a table of `to_table`, in the order of repeats and folds.

    Raises KeyError or ValueError for any other table.
    """
    folds = json.loads((table.schema.metadata or {})[_FOLDS])
    rows, y = table["row"].to_numpy(), table["y"].to_numpy()
    classes = sum(name.startswith("p[") for name in table.column_names)
    proba = np.stack([table[f"p[{j}]"].to_numpy() for j in range(classes)], axis=1)
    found, start = [], 0
    for fold in folds:
        splits: dict[str, Any] = {}
        for part in _PARTS:
            end = start + fold[part]
            splits[part] = Split(rows[start:end], y[start:end], proba[start:end])
            start = end
        counts = np.array(fold["train_counts"])
        # Files of the first schema lack it.
        exposure = _exposure(fold["exposure"]) if "exposure" in fold else None
        facts = {name: fold[name] for name in _FACTS}
        found.append(Predictions(**facts, train_counts=counts, exposure=exposure, **splits))
    if start != len(rows):
        raise ValueError(f"predictions have {len(rows)} rows, their folds {start}")
    return found


def _exposure_values(exposure: Exposure) -> dict[str, Any]:
    values = {field.name: _plain(getattr(exposure, field.name)) for field in dataclasses.fields(exposure)}
    return values | {"prior": np.asarray(exposure.prior).tolist()}


def _exposure(values: dict[str, Any]) -> Exposure:
    return Exposure(**values | {"prior": np.array(values["prior"])})


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
