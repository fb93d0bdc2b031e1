"""Predictions as a Parquet table, and back, bit for bit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from imbench.contract.names import counted
from imbench.contract.protocol import Place
from imbench.contract.records import Exposure, Predictions, Split
from imbench.store.parquet import DamagedError, parsed

# Parts of a fold, which are attributes of Predictions.
_PARTS = ("validation", "test")
_FOLDS = b"imbench.folds"
# Columns only of jobs with several draws or training seeds.
_DRAWN = ("draw", "train_seed")
_FACTS = ("repeat", "fold", "epochs", "steps", "floor_epoch", "loss", "seconds")


class _Exposure(msgspec.Struct):
    """The fields of an `Exposure`; those without a value came later."""

    empty: float
    before: float
    after: float
    prior: list[float]
    inexact: str = ""
    fallback: float | None = None


class _FoldFacts(msgspec.Struct):
    """What the metadata of a file state of each fold; files of the first schema lack ``exposure``."""

    repeat: int
    fold: int
    epochs: int
    steps: int
    floor_epoch: int | None
    loss: float
    seconds: float
    train_counts: list[int]
    validation: int
    test: int
    exposure: _Exposure | None = None
    draw: int = 0
    train_seed: int = 0

    @property
    def place(self) -> Place:
        return Place(self.draw, self.repeat, self.fold, self.train_seed)


def to_table(predictions: Sequence[Predictions]) -> pa.Table:
    """One row for each predicted row: ``repeat, fold, part, row, y, p[0] … p[K-1]``, probabilities in float32.

    With several draws or training seeds there are also columns ``draw`` and ``train_seed``. Facts of a whole fold are
    in the table's metadata.
    """
    ordered = sorted(predictions, key=lambda p: p.place)
    drawn = _DRAWN if any(p.draw or p.train_seed for p in ordered) else ()
    splits = [(p, part, getattr(p, part)) for p in ordered for part in _PARTS]
    sizes = [len(split.y) for _, _, split in splits]
    proba = np.concatenate([np.asarray(split.proba, dtype=np.float32) for _, _, split in splits])
    numbers = ("repeat", "fold", *drawn)
    columns: dict[str, Any] = {
        name: np.repeat(np.array([getattr(p, name) for p, _, _ in splits], dtype=np.int32), sizes) for name in numbers
    }
    columns |= {
        "part": np.repeat([part for _, part, _ in splits], sizes),
        "row": np.concatenate([np.asarray(split.rows, dtype=np.int64) for _, _, split in splits]),
        "y": np.concatenate([np.asarray(split.y, dtype=np.int64) for _, _, split in splits]),
    }
    columns |= {f"p[{j}]": np.ascontiguousarray(proba[:, j]) for j in range(proba.shape[1])}
    folds = [
        {name: _plain(getattr(p, name)) for name in (*_FACTS, *drawn)}
        | {"train_counts": np.asarray(p.train_counts).tolist()}
        | {part: len(getattr(p, part).y) for part in _PARTS}
        | ({} if p.exposure is None else {"exposure": _exposure_values(p.exposure)})
        for p in ordered
    ]
    return pa.table(columns).replace_schema_metadata({_FOLDS: json.dumps(folds).encode()})


def from_table(table: pa.Table) -> list[Predictions]:
    """The predictions in a table of `to_table`, by place; raises `DamagedError` for any other table."""
    folds = parsed((table.schema.metadata or {}).get(_FOLDS, b""), list[_FoldFacts], "the list of its folds")
    classes = sum(name.startswith("p[") for name in table.column_names)
    rows, y = (_column(table, name, pa.int64()) for name in ("row", "y"))
    proba = np.stack([_column(table, f"p[{j}]", pa.float32()) for j in range(classes)] or [np.zeros(0)], axis=1)
    stated = sum(fold.validation + fold.test for fold in folds)
    if stated != len(rows) or any(min(fold.validation, fold.test) < 0 for fold in folds):
        raise DamagedError(f"it has {counted(len(rows), 'row')}, its folds {stated}")
    if len({fold.place for fold in folds}) < len(folds):
        raise DamagedError("it has a fold twice")
    if len(rows) and not (y.min() >= 0 and y.max() < classes and np.isfinite(proba).all()):
        raise DamagedError("it has a class or a probability that no net gives")
    found, start = [], 0
    for fold in folds:
        splits: dict[str, Any] = {}
        for part in _PARTS:
            end = start + getattr(fold, part)
            splits[part] = Split(rows[start:end], y[start:end], proba[start:end])
            start = end
        facts = {name: getattr(fold, name) for name in (*_FACTS, *_DRAWN)}
        exposure = None if fold.exposure is None else _exposure(fold.exposure)
        found.append(Predictions(**facts, train_counts=np.array(fold.train_counts), exposure=exposure, **splits))
    return found


def _column(table: pa.Table, name: str, kind: pa.DataType) -> np.ndarray:
    where = table.schema.get_field_index(name)
    if where < 0 or table.schema.field(where).type != kind or table[name].null_count:
        raise DamagedError(f"it has no column {name!r} of {kind} in every row")
    return np.asarray(table[name].to_numpy())


def _exposure_values(exposure: Exposure) -> dict[str, Any]:
    values = {field.name: _plain(getattr(exposure, field.name)) for field in dataclasses.fields(exposure)}
    return values | {"prior": np.asarray(exposure.prior).tolist()}


def _exposure(values: _Exposure) -> Exposure:
    return Exposure(**msgspec.structs.asdict(values) | {"prior": np.array(values.prior)})


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
