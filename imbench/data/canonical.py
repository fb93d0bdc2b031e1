"""Table: the canonical form of a dataset, equal for all sources, and its hashes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.modality import Modality, modality_of_source
from imbench.contract.names import counted, suggest
from imbench.data.labels import label_codes, matching_label, natural_order, place_of
from imbench.data.split_columns import SPLIT_COLUMNS, numbers_hash

_BLOCK = 65_536  # rows hashed at a time, to avoid a second copy of a large table


@dataclass(frozen=True, eq=False)
class Table:
    """A complete dataset as published by its source: in the same row order, not scaled or imputed.

    Parameters
    ----------
    x : ``(rows, features)`` float64 with NaN for missing values and categories as indices into ``categories``, -1 for
        a value that is pooled with other rare ones, or an array of another modality, such as
        ``(rows, channels, height, width)`` uint8
    names : name of each column of x
    categories : sorted categories of each column of x; empty for a numeric column
    y : ``(rows,)`` int64 indices into ``labels``
    labels : class labels
    group, time : ``(rows,)`` int64 numbers of `imbench.data.split_columns`, which are not part of any hash; None if the
        source has no such column
    least : rows that a category must have among a fold's training rows; rarer ones are pooled
    """

    x: np.ndarray
    names: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    y: np.ndarray
    labels: tuple[str, ...]
    group: np.ndarray | None = None
    time: np.ndarray | None = None
    least: int = 1

    @property
    def class_counts(self) -> dict[str, int]:
        """Rows of each class label."""
        counts = np.bincount(self.y, minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))

    @property
    def missing(self) -> int:
        """Number of missing values in x."""
        return int(np.isnan(self.x).sum()) if self.x.dtype.kind == "f" else 0

    @property
    def modality(self) -> Modality:
        """The modality, from the dtype and shape of x."""
        return modality_of_source(self.x)

    @property
    def values(self) -> int:
        """Number of values in each row."""
        return math.prod(self.x.shape[1:])


def from_frame(
    frame: pd.DataFrame,
    target: str,
    *,
    categorical: tuple[str, ...] = (),
    relabel: Mapping[str, str] | None = None,
    other: str | None = None,
    order: tuple[str, ...] = (),
) -> Table:
    """Convert a data frame to the canonical form.

    Parameters
    ----------
    frame : features and target, with any column types
    target : name of the column that contains the class
    categorical : names of the categorical columns; all others must be numeric
    relabel : maps labels of this source to labels of the card
    other : label of all classes that ``relabel`` does not list; None keeps their labels
    order : order of the labels; labels that it does not list follow, sorted

    Raises
    ------
    DataError for a column that does not exist, is not numeric or contains infinite values, and for a missing target.
    """
    for column in (target, *categorical):
        if column not in frame.columns:
            raise DataError(f"there is no column {column!r}; {suggest(column, frame.columns)}")
    y, labels = encode_target(frame[target], relabel, other, order)
    features = [c for c in frame.columns if c != target]
    if not features:
        raise DataError(f"there is no column except the target {target!r}; a dataset needs at least one feature")
    x = np.empty((len(frame), len(features)), order="F")  # written and read by column
    categories: list[tuple[str, ...]] = []
    for j, column in enumerate(features):
        x[:, j], names = _categories(frame[column]) if column in categorical else (_numbers(frame[column]), ())
        categories.append(names)
    return Table(x, tuple(map(str, features)), tuple(categories), y, labels)


def encode_target(
    column: pd.Series[Any], relabel: Mapping[str, str] | None, other: str | None, order: tuple[str, ...]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class numbers ``(rows,)`` and their labels; the parameters are those of `from_frame`.

    A label is matched even if ``relabel`` or ``order`` write the same whole number differently, such as ``1`` for
    ``1.`` (see `imbench.data.labels.matching_label`). Raises `DataError` for a missing target.
    """
    codes, texts = label_codes(column)
    absent = np.flatnonzero(codes < 0)
    if len(absent):
        raise DataError(
            f"the target {column.name!r} is missing in {counted(len(absent), 'row')} (first: "
            f"{place_of(column, absent[0])}); "
            "remove such rows"
        )
    renamed = [_canonical_label(text, relabel or {}, other, order) for text in texts]
    found = set(renamed)
    labels = (*(label for label in order if label in found), *sorted(found - set(order), key=natural_order))
    number = {label: i for i, label in enumerate(labels)}
    return np.array([number[label] for label in renamed], dtype=np.int64)[codes], labels


def _canonical_label(text: str, relabel: Mapping[str, str], other: str | None, order: tuple[str, ...]) -> str:
    listed = matching_label(text, relabel)
    if listed is not None:
        return relabel[listed]
    return (matching_label(text, order) or text) if other is None else other


def data_hash(table: Table) -> str:
    """SHA-256 of a table's values in order. Column names are not included, since they do not affect results."""
    digest = hashlib.sha256(_header(table))
    for start in range(0, len(table.x), _BLOCK):
        digest.update(_canonical_block(table.x[start : start + _BLOCK]).tobytes())
    digest.update(table.y.astype("<i8").tobytes())
    return digest.hexdigest()


def split_hashes(table: Table) -> dict[str, str]:
    """Hash of each split column that a table has, by role, ``group`` or ``time``."""
    columns = {role: getattr(table, role) for role in SPLIT_COLUMNS}
    return {role: numbers_hash(numbers) for role, numbers in columns.items() if numbers is not None}


def content_hash(table: Table, decimals: int | None = None, without: Sequence[int] = ()) -> str:
    """SHA-256 of a table's rows, independent of their order.

    Rows are sorted by their values, then by label. Rows that are stored whole, such as images, are hashed one by one
    with their label, and the hashes are sorted, since sorting by thousands of pixels would take minutes.

    Parameters
    ----------
    table : the table
    decimals : decimal places to round to first, for datasets that sources publish with different precision; None to
        keep all digits
    without : numbers of rows to exclude, such as images of which some copies contain an altered version
    """
    if table.modality.storage == "rows":
        return _content_of_rows(table, frozenset(without))
    x = table.x if decimals is None else np.round(table.x, decimals)
    x = _canonical_block(x)
    names = np.array(sorted(table.labels))
    y = np.searchsorted(names, np.array(table.labels))[table.y]
    order = np.lexsort([y, *x.T[::-1]])
    ordered = Table(x[order], table.names, table.categories, y[order], tuple(names.tolist()))
    return data_hash(ordered)


def _content_of_rows(table: Table, without: frozenset[int]) -> str:
    names = [table.labels[k].encode() for k in table.y]
    kept = [i for i in range(len(table.x)) if i not in without]
    rows = sorted(hashlib.sha256(table.x[i].tobytes() + names[i]).digest() for i in kept)
    shape = json.dumps([len(kept), *table.x.shape[1:]]).encode()
    return hashlib.sha256(shape + b"".join(rows)).hexdigest()


def _header(table: Table) -> bytes:
    shape = [int(n) for n in table.x.shape]
    about: dict[str, Any] = {
        "shape": shape,
        "dtype": str(table.x.dtype),
        "categories": table.categories,
        "labels": table.labels,
    }
    # Only where it is used, so that hashes of cards stay as they are.
    about |= {"least": table.least} if table.least > 1 else {}
    return json.dumps(about, sort_keys=True, separators=(",", ":")).encode()


def _canonical_block(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind != "f":
        return np.ascontiguousarray(x, dtype=x.dtype.newbyteorder("<"))
    # All NaNs get one bit pattern, and -0.0 becomes 0.0.
    return np.where(np.isnan(x), np.nan, x + 0.0).astype("<f8")


def _categories(column: pd.Series[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    codes, texts = label_codes(column)
    names = sorted(texts, key=natural_order)
    number = {name: float(i) for i, name in enumerate(names)}
    return np.array([*(number[text] for text in texts), np.nan])[codes], tuple(names)


def _numbers(column: pd.Series[Any]) -> np.ndarray:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    try:
        values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError):
        raise DataError(f"column {column.name!r} is not numeric; declare it as categorical or drop it") from None
    with np.errstate(over="ignore"):
        infinite = np.flatnonzero(np.isinf(values.astype(np.float32)))
    if len(infinite):
        raise DataError(
            f"column {column.name!r} is infinite or outside the range of float32 in {place_of(column, infinite[0])} "
            f"({values[infinite[0]]}); leave the cell empty if the value is missing"
        )
    return values
