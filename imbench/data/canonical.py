"""The canonical form of a dataset, the same for copies of all sources, and its hashes."""

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
from imbench.data.labels import known_as, label_codes, natural_order

_BLOCK = 65_536  # rows hashed at a time, so that hashing needs no second copy of a large table


@dataclass(frozen=True, eq=False)
class Table:
    """A dataset as its source has it: row order kept, nothing scaled, imputed or left out.

    Parameters
    ----------
    x : ``(rows, features)`` float64, NaN for missing, a category as its number in ``categories``; or
        an array of another modality, such as ``(rows, channels, height, width)`` uint8
    names : one for each column of x
    categories : for each column of x its categories, sorted; empty for a numeric column
    y : ``(rows,)`` int64 numbers into ``labels``
    labels : the classes, as text
    """

    x: np.ndarray
    names: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    y: np.ndarray
    labels: tuple[str, ...]

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
        """The kind of data, as the arrays show it."""
        return modality_of_source(self.x)

    @property
    def values(self) -> int:
        """Number of values in a row."""
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
    """Bring a data frame into the canonical form.

    Parameters
    ----------
    frame : the features and the target, in any column types
    target : name of the column that holds the class
    categorical : names of the columns that hold categories; all others must be numbers
    relabel : this source's spelling of a label -> the card's
    other : the label of every class that ``relabel`` does not list; None leaves those as they are
    order : the labels in their wanted order; labels it does not list follow, sorted

    Raises `DataError` for a column that does not exist, is not numeric, or is infinite, and for a missing target.
    """
    for column in (target, *categorical):
        if column not in frame.columns:
            raise DataError(f"there is no column {column!r}; {suggest(column, frame.columns)}")
    y, labels = encode_target(frame[target], relabel, other, order)
    features = [c for c in frame.columns if c != target]
    if not features:
        raise DataError(f"there is no column except the target {target!r}; a dataset needs at least one feature")
    x = np.empty((len(frame), len(features)), order="F")  # filled, and later read, column by column
    categories: list[tuple[str, ...]] = []
    for j, column in enumerate(features):
        x[:, j], names = _categories(frame[column]) if column in categorical else (_numbers(frame[column]), ())
        categories.append(names)
    return Table(x, tuple(map(str, features)), tuple(categories), y, labels)


def encode_target(
    column: pd.Series[Any], relabel: Mapping[str, str] | None, other: str | None, order: tuple[str, ...]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class numbers ``(rows,)`` and their labels; the parameters are those of `from_frame`.

    A label that ``relabel`` or ``order`` spells in another way (``1.`` for ``1``) is theirs.
    """
    codes, texts = label_codes(column)
    absent = np.flatnonzero(codes < 0)
    if len(absent):
        raise DataError(
            f"the target {column.name!r} is missing in {counted(len(absent), 'row')} (first: row {absent[0]}); "
            "remove such rows"
        )
    called = [_called(text, relabel or {}, other, order) for text in texts]
    found = set(called)
    labels = (*(label for label in order if label in found), *sorted(found - set(order), key=natural_order))
    number = {label: i for i, label in enumerate(labels)}
    return np.array([number[label] for label in called], dtype=np.int64)[codes], labels


def _called(text: str, relabel: Mapping[str, str], other: str | None, order: tuple[str, ...]) -> str:
    listed = known_as(text, relabel)
    if listed is not None:
        return relabel[listed]
    return (known_as(text, order) or text) if other is None else other


def data_hash(table: Table) -> str:
    """SHA-256 of a table's values in their order; column names do not count, since they change no number."""
    digest = hashlib.sha256(_header(table))
    for start in range(0, len(table.x), _BLOCK):
        digest.update(_canonical_block(table.x[start : start + _BLOCK]).tobytes())
    digest.update(table.y.astype("<i8").tobytes())
    return digest.hexdigest()


def content_hash(table: Table, decimals: int | None = None, without: Sequence[int] = ()) -> str:
    """SHA-256 of a table's rows whatever their order: rows sorted by their values from first to last, then label.

    Rows that are stored whole, such as images, are hashed one by one, with their label, and the hashes sorted: sorting
    by thousands of pixels would take minutes.

    Parameters
    ----------
    decimals : places to round to first, for datasets that sources print with differing precision; None for none
    without : numbers of rows to leave out, for images of which some copies hold an altered version
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
    about = {"shape": shape, "dtype": str(table.x.dtype), "categories": table.categories, "labels": table.labels}
    return json.dumps(about, sort_keys=True, separators=(",", ":")).encode()


def _canonical_block(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind != "f":
        return np.ascontiguousarray(x, dtype=x.dtype.newbyteorder("<"))
    # One bit pattern for every NaN, and none for minus zero.
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
        raise DataError(f"column {column.name!r} is not numeric; name it as categorical, or drop it") from None
    with np.errstate(over="ignore"):
        infinite = np.flatnonzero(np.isinf(values.astype(np.float32)))
    if len(infinite):
        raise DataError(
            f"column {column.name!r} is infinite or beyond float32 in row {infinite[0]} "
            f"({values[infinite[0]]}); leave the cell empty if it is missing"
        )
    return values
