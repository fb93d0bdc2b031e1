"""Read a user's table, and create its card."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.modality import TABULAR
from imbench.contract.names import suggest
from imbench.contract.records import Card, Source
from imbench.contract.spec import parse_spec
from imbench.data.canonical import Table, data_hash, from_frame, split_hashes
from imbench.data.origin import constant_columns
from imbench.data.sources.tables import EXACT, MISSING, read_floats_of, read_parquet
from imbench.data.split_columns import SPLIT_COLUMNS, SplitNames, take_split_columns
from imbench.data.variants import FILE_PARAMETERS, TABLE_SUFFIXES, user_task

MAX_CATEGORIES = 1000


def read_user_table(spec: str) -> tuple[Card, Table]:
    """Read ``path/table.csv:target=churn,minority=yes``.

    Parameters of the spec are ``target`` (required), ``minority`` (default: the smaller of two classes; join several
    with ``+``), ``drop`` (columns to exclude), ``categorical`` (numeric columns that contain categories), and ``group``
    and ``time`` (columns that decide how rows are split, see `imbench.data.split_columns`). Text columns are always
    categorical. With more than two classes and no ``minority``, the task is multi-class.

    Raises
    ------
    DataError for a file that does not exist, is empty or cannot be read, a target that is not given, does not exist or
    has missing values, a single class, a categorical column of more than 1,000 categories, and a column ``group`` or
    ``time`` that does not exist, has missing values or a single value.
    """
    name, params = parse_spec(spec)
    path = os.path.normpath(name)
    _state(path)
    if "target" not in params:
        raise DataError(f"{name}: which column contains the class? Name it: {name}:target=COLUMN")
    names = SplitNames(**{role: params[role] for role in SPLIT_COLUMNS if role in params})
    categorical, table = _read(path, names, *(params.get(k, "") for k in ("target", "drop", "categorical")))
    card = Card(
        name=path,
        title=Path(path).name,
        modality=TABULAR.name,
        target=params["target"],
        rows=len(table.x),
        features=table.x.shape[1],
        missing=table.missing,
        class_counts=table.class_counts,
        tasks=(user_task(params, table.class_counts, name, repr(params["target"])),),
        sources=(Source("file", {"path": path, **{k: v for k, v in params.items() if k in FILE_PARAMETERS}}),),
        categorical=categorical,
        constant=constant_columns(table),
        group=names.group,
        time=names.time,
    )
    return card, table


def describe_user_table(spec: str) -> tuple[Card, str, Mapping[str, str]]:
    """Card, data hash and hashes of the split columns of a user's table; raises the errors of `read_user_table`.

    The result is cached until the file changes; rows are not kept in memory.
    """
    return _described(spec, _state(os.path.normpath(parse_spec(spec)[0])))


@lru_cache(maxsize=64)
def _described(spec: str, state: tuple[int, int]) -> tuple[Card, str, Mapping[str, str]]:
    card, table = read_user_table(spec)
    return card, data_hash(table), split_hashes(table)


def _state(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        folder = Path(path).parent
        others = [p.name for p in folder.iterdir() if p.suffix in TABLE_SUFFIXES] if folder.is_dir() else []
        raise DataError(f"the file {path!r} does not exist; {suggest(Path(path).name, others)}") from None
    return found.st_mtime_ns, found.st_size


def _read(path: str, names: SplitNames, target: str, drop: str, categorical: str) -> tuple[tuple[str, ...], Table]:
    given = [c for c in categorical.split("+") if c]
    labels = [target, *filter(None, [names.group])]
    frame = _frame(path, labels, given)
    for column in filter(None, [target, *drop.split("+"), *given]):
        if column not in frame.columns:
            raise DataError(f"{path} has no column {column!r}; {suggest(column, frame.columns)}")
    frame = frame.drop(columns=[c for c in drop.split("+") if c])
    if target not in frame.columns:
        raise DataError(f"{path}: the target {target!r} cannot be dropped; remove it from drop")
    for role, column in names.given.items():
        for other, columns in (("drop", drop.split("+")), ("categorical", given)):
            if column in columns:
                raise DataError(f"{path}: column {column!r} cannot be both {role} and {other}; remove it from {other}")
    try:
        frame, split_columns = take_split_columns(frame, names, target)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    text = tuple(c for c in frame.columns if c != target and not pd.api.types.is_numeric_dtype(frame[c]))
    named = tuple(c for c in given if c not in text)
    for column in (*text, *named):
        found = frame[column].nunique()
        if found > MAX_CATEGORIES:
            raise DataError(
                f"{path}: column {column!r} has {found:,} categories, more than {MAX_CATEGORIES:,}; "
                f"exclude it with drop={column}, or encode it as numbers"
            )
    try:
        table = from_frame(frame, target, categorical=(*text, *named))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if len(table.labels) < 2:
        raise DataError(f"{path} has only one class, {table.labels[0]!r}; a task needs at least two")
    return (*text, *named), replace(table, group=split_columns.get("group"), time=split_columns.get("time"))


def _frame(path: str, labels: Sequence[str], categorical: Sequence[str]) -> pd.DataFrame:
    try:
        is_parquet = path.endswith(".parquet")
        frame = read_parquet(path, categorical) if is_parquet else _read_text(path, labels, categorical)
    except DataError:
        raise
    except Exception as error:  # the readers raise many types of exceptions
        raise DataError(f"cannot read {path}: {str(error).splitlines()[0] if str(error) else error!r}") from None
    if not len(frame):
        raise DataError(f"{path} has no rows; give a table with a header and at least one row per class")
    frame.columns = frame.columns.map(str)
    _check_columns(path, frame)
    return frame


def _check_columns(path: str, frame: pd.DataFrame) -> None:
    """Raise `DataError` for two columns of one name, and for cells that are lists or tables, as Parquet can contain."""
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"{path} has two columns named {twice[0]!r}; rename one of them")
    for column in frame.columns:
        is_object = pd.api.types.is_object_dtype(frame[column])
        if is_object and not frame[column].map(pd.api.types.is_hashable).all():
            raise DataError(
                f"{path}: column {column!r} contains lists or tables; split it into columns of single values"
            )


def _read_text(path: str, labels: Sequence[str], categorical: Sequence[str]) -> pd.DataFrame:
    separator = "\t" if path.endswith(".tsv") else ","
    with open(path, encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file, delimiter=separator), [])
    if not columns:
        raise DataError(f"{path} is empty; give a table with a header and at least one row per class")
    # Labels such as "NA" or "none" are valid: in the target and the group, only empty cells are missing.
    missing: Mapping[Any, Any] = {c: [""] if c in labels else list(MISSING) for c in columns}
    frame: pd.DataFrame = pd.read_csv(
        path,
        sep=separator,
        encoding="utf-8-sig",
        dtype={c: str for c in (*labels, *categorical) if c in columns},
        na_values=missing,
        keep_default_na=False,
        skipinitialspace=True,
        low_memory=False,
        **EXACT,
    )
    return read_floats_of(frame, (*labels, *categorical))
