"""Data frames and arrays as tables: written once as Parquet, under a name of their content, and named by a spec."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imbench.contract.errors import DataError
from imbench.contract.joined import escaped, joined
from imbench.contract.names import counted
from imbench.contract.spec import with_params
from imbench.contract.text import shown
from imbench.data.labels import label_text
from imbench.data.table_files import check_names, nested_columns
from imbench.data.targets import no_target

# Folder of the written tables, beside the default store.
FOLDER = "imbench-tables"
Columns = str | Iterable[Any]


def table(
    data: Any,
    y: Any = None,
    *,
    target: Any = None,
    group: Any = None,
    time: str | Mapping[Any, str] | None = None,
    minority: Columns = (),
    numeric: Columns = (),
    categorical: Columns = (),
    ordinal: Columns | Mapping[Any, Sequence[Any]] = (),
    date: Columns | Mapping[Any, str] = (),
    boolean: Columns | Mapping[Any, Any] = (),
    text: Columns = (),
    id: Columns = (),
    drop: Columns = (),
    folder: str | Path = FOLDER,
) -> str:
    """The spec of a data frame, arrays or a file, for `imbench.run`, `imbench.advise` and `imbench.dataset`.

    A frame or array is written to ``folder`` as Parquet, under a name of its content, and read as any other table: its
    index is not used, and rows belong together by their position.

    Parameters
    ----------
    data : path of a table, `pandas.DataFrame`, ``(rows, features)`` array, or another table that pyarrow reads, such as
        one of polars; columns of an array are called x0, x1, …
    y : ``(rows,)`` labels, if they are not a column of ``data``; a Series keeps its name
    target, group, time : names of the columns of the classes, of groups that no fold splits, and of times, also with
        their notation: ``{"when": "%d/%m/%Y"}``. With ``y``, ``target`` is the name that its column gets, by default
        ``y``
    minority : the rare class or classes; default: the smaller of two
    numeric, categorical, text, id, drop : columns of a kind, and columns to leave out (docs/datasets.md)
    ordinal : columns of ordered levels, or the levels of each, from the lowest: ``{"size": ["small", "large"]}``
    date : columns of dates, or the notation of each: ``{"when": "%d/%m/%Y"}``
    boolean : columns of two values, or the true one of each: ``{"smoker": "Y"}``
    folder : where frames and arrays are written

    Returns
    -------
    A spec such as ``imbench-tables/3f2a90c1b7d4.parquet:target=y``. A parameter can be added: ``spec + ",ir=0.1"``.

    Raises
    ------
    DataError for data that is no table, has no rows, columns that cannot be written, labels of another length or with
    another index, and a missing target.

    >>> table("visits.csv", target="ill", numeric=["age", "a+b"])
    'visits.csv:target=ill,numeric=age+a\\\\+b'
    """
    if isinstance(data, str | os.PathLike):
        if y is not None:
            raise DataError(f"y is for data in memory, and {str(data)!r} is a path; name the column with target=")
        path = str(data)
    else:
        frame = frame_of(data)
        if y is not None:
            frame, target = _with_labels(frame, y, target, isinstance(data, pd.DataFrame))
        if target is None:
            raise DataError(no_target(frame, "", "target="))
        path = write_table(frame, Path(folder))
    plain = {"minority": minority, "numeric": numeric, "categorical": categorical, "id": id, "text": text, "drop": drop}
    rests: dict[str, tuple[Any, Callable[[Any], str]]] = {
        "ordinal": (ordinal, lambda levels: "/".join(escaped(label_text(one), "/") for one in levels)),
        "date": (date, str),
        "boolean": (boolean, lambda value: escaped(label_text(value))),
        "time": (() if time is None else time, str),
    }
    names = {"target": target, "group": group}
    params = {key: escaped(_name(name)) for key, name in names.items() if name is not None}
    params |= {key: joined(map(_name, _listed(columns))) for key, columns in plain.items() if _listed(columns)}
    for key, (columns, write) in rests.items():
        items = columns if isinstance(columns, Mapping) else dict.fromkeys(_listed(columns))
        if items:
            params[key] = "+".join(
                escaped(_name(name), ":") + ("" if rest is None else f":{write(rest)}") for name, rest in items.items()
            )
    return with_params(path, params)


def frame_of(data: Any) -> pd.DataFrame:
    """A data frame of a frame, array, or table of another library, with names of columns that are text.

    Raises `DataError` for anything else, several levels of names, and two columns of one name.
    """
    if isinstance(data, np.ndarray):
        if data.dtype.names:
            data = pd.DataFrame.from_records(data)
        elif data.ndim != 2:
            raise DataError(f"the array has the shape {data.shape}; give (rows, features)")
        else:
            data = pd.DataFrame(data, columns=[f"x{j}" for j in range(data.shape[1])])
    if not isinstance(data, pd.DataFrame):
        try:
            data = pa.table(data).to_pandas(types_mapper=pd.ArrowDtype)
        except (TypeError, ValueError, pa.ArrowException):
            kind = f"{type(data).__module__.partition('.')[0]}.{type(data).__name__}".removeprefix("builtins.")
            raise DataError(
                f"{kind} is no table; give a path, a pandas.DataFrame, or a dense NumPy array of (rows, features)"
            ) from None
    if data.columns.nlevels > 1:
        raise DataError(
            f"the names of the columns have {data.columns.nlevels} levels, such as {data.columns[0]}; join them: "
            "frame.columns = ['_'.join(map(str, name)) for name in frame.columns]"
        )
    frame: pd.DataFrame = data.set_axis([_name(name) for name in data.columns], axis=1)
    check_names(list(frame.columns))
    if not len(frame) or not len(frame.columns):
        raise DataError(
            f"the table has {counted(len(frame), 'row')} and {counted(len(frame.columns), 'column')}; it "
            "needs at least one row per class, and a column besides the target"
        )
    return frame


def write_table(frame: pd.DataFrame, folder: Path) -> str:
    """Write a frame as Parquet under a name of its content, unless it is there, and return the path.

    Raises `DataError` for columns of lists, complex numbers or types that Parquet does not have.
    """
    if nested := [str(name) for name in frame if _is_nested(frame[name])]:
        raise DataError(nested_columns(nested))
    arrays = [_arrow(frame[name]) for name in frame]
    packed = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(frame.columns)), packed)
    content = packed.getvalue()
    path = folder / f"{hashlib.sha256(content).hexdigest()[:12]}.parquet"
    if not path.exists():
        write_whole(path, content)
    return str(path)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that other processes never see a part of it, with its folder; `DataError` if that fails."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise DataError(f"cannot write to {path.parent}: {error.strerror}; choose another folder") from None


def _with_labels(frame: pd.DataFrame, y: Any, target: Any, indexed: bool) -> tuple[pd.DataFrame, str]:
    """The frame with a last column of labels, and its name; ``indexed`` says whether the index is the user's."""
    given = y.name if isinstance(y, pd.Series) and y.name is not None else "y"
    name = _name(given if target is None else target)
    if isinstance(y, pd.Series):
        if indexed and len(y) == len(frame) and not y.index.equals(frame.index):
            raise DataError(
                "the data and y have different indexes, and rows belong together by position; align them, or "
                "reset_index(drop=True) on both"
            )
        labels = y.reset_index(drop=True)
    else:
        values = y if isinstance(y, np.ndarray) else pd.Series(list(y), dtype=object).infer_objects()
        if isinstance(values, np.ndarray) and values.ndim != 1:
            raise DataError(f"y has the shape {values.shape}; give one label for each row, of shape (rows,)")
        labels = pd.Series(values)
    if len(labels) != len(frame):
        raise DataError(
            f"the data has {counted(len(frame), 'row')}, and y {counted(len(labels), 'label')}; give one for each row"
        )
    if name in frame:
        raise DataError(f"the data has a column {name!r} already; name that of y with target=, or drop the column")
    return frame.reset_index(drop=True).assign(**{name: labels}), name


def _arrow(column: pd.Series) -> pa.Array:
    """A column as Parquet can have it: mixed values as text, floats in float64."""
    name, values = str(column.name), column.reset_index(drop=True)
    if isinstance(values.dtype, pd.SparseDtype):
        values = pd.Series(np.asarray(values), name=values.name)
    if isinstance(values.dtype, pd.CategoricalDtype):
        categories = values.dtype.categories.map(label_text)
        values = values.cat.rename_categories(list(categories)) if categories.is_unique else values.astype(object)
    elif pd.api.types.is_complex_dtype(values):
        raise DataError(f"column {name!r} has complex numbers; give real and imaginary parts as two columns")
    elif isinstance(values.dtype, np.dtype) and values.dtype.kind == "f":
        values = values.astype(np.float64)  # Parquet has no other than 32 and 64 bits
    elif isinstance(values.dtype, pd.PeriodDtype | pd.IntervalDtype):
        values = values.astype("string")
    try:
        return pa.array(_plain(values) if values.dtype == object else values, from_pandas=True)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"column {name!r} of the type {column.dtype} cannot be written as Parquet ({shown(str(error), 120)}); "
            "convert it to numbers or text"
        ) from None


# What pandas calls object columns that have one type.
_ONE_TYPE = (
    "string",
    "bytes",
    "boolean",
    "integer",
    "decimal",
    "date",
    "datetime",
    "datetime64",
    "timedelta",
    "time",
)


def _plain(values: pd.Series) -> pd.Series:
    """An object column with a type of its own, or as text if its values are of several types."""
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "mixed-integer-float":
        return values.astype("Float64")
    if kind == "integer" and any(abs(int(value)) >= 2**63 for value in values.dropna()):
        return values.astype("Float64")
    if kind == "floating":
        return values.astype(np.float64)
    if kind in _ONE_TYPE:
        return values
    texts = [None if gone else label_text(value) for value, gone in zip(values, values.isna(), strict=True)]
    return pd.Series(texts, dtype="string", name=values.name)


def _is_nested(column: pd.Series) -> bool:
    if column.dtype != object:
        return False
    return any(isinstance(value, list | tuple | dict | set | frozenset | np.ndarray) for value in column)


def _listed(columns: Any) -> list[Any]:
    """Names of columns; a single one may be given without a list."""
    return [columns] if isinstance(columns, str) or not isinstance(columns, Iterable) else list(columns)


def _name(name: Any) -> str:
    return str(name).strip()
