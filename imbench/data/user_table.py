"""Read a user's table, and create its card."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from imbench.contract.columns import ColumnReading
from imbench.contract.errors import DataError
from imbench.contract.joined import escaped, name_in, names_in, unescaped
from imbench.contract.modality import TABULAR
from imbench.contract.names import counted, suggest
from imbench.contract.records import Card, Source
from imbench.contract.spec import is_remote, parse_spec
from imbench.data.asked import KIND_PARAMETERS, Asked, asked_of, items_in
from imbench.data.canonical import Table, data_hash, from_frame, split_hashes
from imbench.data.column_values import Column
from imbench.data.columns import decimal_of, read_columns
from imbench.data.date_text import ISO_WORDS, read_dates
from imbench.data.delimited import TextFormat
from imbench.data.labels import alike_note, read_floats
from imbench.data.levels import LEAST_ROWS, with_levels
from imbench.data.number_text import is_missing, parse_numbers
from imbench.data.openml_tables import openml_file, read_openml
from imbench.data.other_formats import missing_file
from imbench.data.refused_columns import RefusedColumnError, refusal
from imbench.data.split_columns import SplitNames, take_split_columns
from imbench.data.table_files import ReadFile, read_table_file
from imbench.data.targets import check_target, no_target
from imbench.data.variants import FILE_PARAMETERS, READING_PARAMETERS, user_task

MAX_CATEGORIES = 1000
# What pandas adds to the second of two columns of one name.
_COPY = re.compile(r"\.\d+$")


def read_user_table(spec: str) -> tuple[Card, Table]:
    """Read ``path/table.csv:target=churn,minority=yes``, or ``openml:31``, whose target has a default.

    Parameters of the spec are ``target`` (required), ``minority`` (default: the smaller of two classes; join several
    with ``+``), ``drop`` (columns to exclude), columns of a kind (``numeric``, ``categorical``, ``ordinal``, ``id``,
    ``text``; see `imbench.data.columns`), ``group`` and ``time`` (columns that decide how rows are split, see
    `imbench.data.split_columns`), and ``sep``, ``decimal``, ``encoding`` and ``header`` of delimited text. With more
    than two classes and no ``minority``, the task is multi-class.

    Raises
    ------
    DataError for a file that does not exist, is empty or cannot be read, a target that is not given, does not exist or
    has missing values, classes that `imbench.data.targets.check_target` refuses, columns without values or with
    infinite ones, a categorical column of more than 1,000 categories, and a column ``group`` or ``time`` that does not
    exist, has missing values or a single value.
    """
    name, params = parse_spec(spec)
    path = name if is_remote(name) else os.path.normpath(name)
    check_exists(name)
    how = TextFormat.read(**{key: params[key] for key in READING_PARAMETERS if key in params})
    file, about = read_own_file(name, how)
    if about.get("target"):
        params = {"target": escaped(about["target"]), **params}
    try:
        roles = _roles(file.frame, params, name)
        table, columns, decimal = _interpreted(file, params, roles)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    used = [column for column in columns if column.inputs]
    card = Card(
        name=path,
        title=f"{about['name']} ({name})" if about else Path(path).name,
        modality=TABULAR.name,
        target=roles.target,
        rows=len(table.x),
        features=len(used),
        missing=sum(column.missing for column in columns if column.kind != "target"),
        class_counts=table.class_counts,
        tasks=(user_task(params, table.class_counts, name, repr(roles.target)),),
        sources=(
            Source(
                "openml" if about else "file",
                {"path": path, **{k: v for k, v in params.items() if k in FILE_PARAMETERS}},
            ),
        ),
        categorical=tuple(column.name for column in used if column.kind == "categorical"),
        constant=tuple(column.name for column in columns if column.kind == "constant" and not column.inputs),
        group=roles.split.group,
        time=roles.split.time,
        columns=columns,
        reading=file.facts + (f", decimal {decimal}" if decimal else ""),
    )
    return card, table


def read_own_file(name: str, how: TextFormat, only: str = "") -> tuple[ReadFile, Mapping[str, str]]:
    """A table file, or a table of OpenML with its name and target; ``only`` as for `read_table_file`."""
    return read_openml(name, how) if is_remote(name) else (read_table_file(os.path.normpath(name), how, only), {})


def describe_user_table(spec: str) -> tuple[Card, str, Mapping[str, str]]:
    """Card, data hash and hashes of the split columns of a user's table; raises the errors of `read_user_table`.

    The result is cached until the file changes; rows are not kept in memory.
    """
    return _described(spec, check_exists(parse_spec(spec)[0]))


@lru_cache(maxsize=64)
def _described(spec: str, state: tuple[int, int]) -> tuple[Card, str, Mapping[str, str]]:
    card, table = read_user_table(spec)
    return card, data_hash(table), split_hashes(table)


def check_exists(name: str) -> tuple[int, int]:
    """Time of change and size of the file of a table; raises `DataError` with similar names if there is none."""
    path = os.path.normpath(openml_file(name) if is_remote(name) else name)
    try:
        found = os.stat(path)
    except OSError:
        raise DataError(missing_file(path)) from None
    return found.st_mtime_ns, found.st_size


@dataclass(frozen=True)
class _Roles:
    """The columns with another purpose than features: target, group and time, and those to leave out."""

    target: str
    split: SplitNames
    drop: tuple[str, ...]


def _roles(frame: pd.DataFrame, params: Mapping[str, str], name: str) -> _Roles:
    """The roles that a spec gives to these columns. Raises `DataError` for a spec without a target."""
    columns = list(frame.columns)
    if "target" not in params:
        raise DataError(no_target(frame, name))
    group = name_in(params.get("group", ""), columns)
    times = items_in("time", params["time"], columns) if "time" in params else [("", "")]
    if len(times) != 1:
        raise DataError(
            f"time={params['time']} names {counted(len(times), 'column')}, and rows have one order; name one"
        )
    ((time, notation),) = times
    drop = tuple(names_in(params.get("drop", ""), columns))
    return _Roles(name_in(params["target"], columns), SplitNames(group, time, unescaped(notation)), drop)


def _interpreted(
    file: ReadFile, params: Mapping[str, str], roles: _Roles
) -> tuple[Table, tuple[ColumnReading, ...], str]:
    """The rows, how each column was read, and the decimal mark in words, "" if the file has types."""
    frame, target, names, drop = file.frame, roles.target, roles.split, roles.drop
    asked = asked_of(params, list(frame.columns), file.format.decimal)
    _check_names(frame, target, drop, asked, names)
    labels = {c: _labels(frame[c]) for c in dict.fromkeys(filter(None, [target, names.group])) if c in frame.columns}
    found = frame.drop(columns=list(drop)).assign(**labels)
    notes = {names.group: alike_note(labels[names.group], "groups")} if names.group in labels else {}
    if names.time in found.columns:
        found[names.time], notes[names.time] = _times(found[names.time], names.time_format)
    found, split_columns = take_split_columns(found, names, target)
    check_target(found[target], params)
    default = decimal_of(found.drop(columns=target), file.format.separator)
    columns = read_columns(found.drop(columns=target), asked, default)
    inputs = {name: values for column in columns for name, values in _inputs(column, frame.columns, found.index)}
    indicated = {c.reading.name: c.absent for c in columns if c.absent.any() and not c.is_categorical}
    if not inputs and not indicated:
        why = "; ".join(f"{c.reading.name}: {c.reading.becomes}" for c in columns[:5])
        raise DataError(
            f"there is no column except the target {target!r} that can be an input{f' ({why})' if why else ''}; "
            "add one, or give one a kind, such as categorical=COLUMN"
        )
    _check_levels(columns)
    plain = pd.DataFrame({**inputs, target: found[target]}, index=found.index)
    if not inputs:
        plain.insert(0, "", 0.0)
    table = from_frame(plain, target, categorical=tuple(c.reading.name for c in columns if c.is_categorical))
    if not inputs:
        table = replace(table, x=table.x[:, :0], names=(), categories=())
    table = with_levels(table, indicated)
    table = replace(table, group=split_columns.get("group"), time=split_columns.get("time"))
    read = {c.reading.name: _with_inputs(c.reading, table) for c in columns}
    called = {target: "target", **{column: role for role, column in names.given.items()}}
    for column in frame.columns:
        if column not in read:
            role = called.get(column, "dropped")
            values = labels.get(column, frame[column])
            becomes = _BECOMES[role] + (f" ({notes[column]})" if notes.get(column) else "")
            read[column] = ColumnReading(column, role, int(values.isna().sum()), values.nunique(), becomes)
    is_text = bool(file.format.separator)
    decimal = {".": "point", ",": "comma"}[file.format.decimal or default] if is_text else ""
    return table, tuple(read[column] for column in frame.columns), decimal


_BECOMES = {
    "target": "the class",
    "group": "rows of one value stay together in a grouped split",
    "time": "the order of rows in an ordered split",
    "dropped": "left out: drop",
}


def _labels(column: pd.Series) -> pd.Series:
    """Labels such as "NA" or "none" are valid: in the target and the group, only empty cells are missing."""
    is_text = isinstance(column.dtype, pd.StringDtype)
    return read_floats(column.mask(column == "")) if is_text else column


def _inputs(column: Column, taken: Collection[str], index: pd.Index) -> Iterator[tuple[str, pd.Series]]:
    """The inputs of a column by their names, before levels become columns; words get names that are not taken."""
    if column.numbers_or_texts is not None:
        yield column.reading.name, column.numbers_or_texts
    if column.words is not None:
        name = column.reading.name + "#"
        while any(other.startswith(name) for other in taken):
            name += "#"
        for j, values in enumerate(column.words.T):
            yield f"{name}{j}", pd.Series(values, index=index)


def _times(column: pd.Series, notation: str) -> tuple[pd.Series, str]:
    """A time column with missing-value words masked, numbers and dates in the usual notations read, and a note on that.

    What `imbench.data.split_columns.time_numbers` reads, or refuses, is unchanged.
    """
    if not isinstance(column.dtype, pd.StringDtype):
        return column, f"read as {notation}" if notation else ""
    column = column.mask(column.map(is_missing).astype(bool))
    if notation:
        return column, f"read as {notation}"
    truth = column.str.casefold().map({"false": 0.0, "true": 1.0})
    if not truth.isna().any():
        return truth, ""
    texts = list(column.dropna().unique())
    numbers = parse_numbers(texts, "")
    if texts and len(numbers.numbers) == len(texts):
        return (column.map(numbers.numbers), "; ".join(numbers.notes)) if numbers.notes else (column, "")
    dates = read_dates(texts)
    if dates is None or not dates.is_complete:
        return column, ""
    is_iso = dates.notation == ISO_WORDS  # read to the nanosecond
    if not is_iso:
        days = column.map(dict(zip(texts, dates.days.tolist(), strict=True))).astype(np.float64)
        column = pd.to_datetime(days, unit="D").dt.round("us")
    return column, f"read as {dates.notation}"


def _check_names(frame: pd.DataFrame, target: str, drop: Sequence[str], asked: Asked, names: SplitNames) -> None:
    """Raise `DataError` for unknown columns, columns with two roles, and a second column of the target's name."""
    for column in (target, *drop):
        if column not in frame.columns:
            raise DataError(f"there is no column {column!r}; {suggest(column, frame.columns)}")
    if target in drop:
        raise DataError(f"the target {target!r} cannot be dropped; remove it from drop")
    for role, column in {**names.given, "target": target}.items():
        others = {"drop": drop, **{kind: [c for c, k in asked.kinds.items() if k == kind] for kind in KIND_PARAMETERS}}
        for other, columns in others.items():
            if column in columns and not (role == "target" and other == "categorical"):
                raise DataError(f"column {column!r} cannot be both {role} and {other}; remove it from {other}")
    for column in drop:
        if column in asked.kinds:
            raise DataError(f"column {column!r} cannot be both dropped and {asked.kinds[column]}; remove it from drop")
    same = [c for c in frame.columns if c != target and c not in drop and _bare(c) == _bare(target)]
    same = [c for c in same if c not in names.given.values() and c not in asked.kinds]
    if same:
        raise DataError(
            f"column {same[0]!r} has the name of the target {target!r} but for case, blanks or a number; leave it out "
            f"with drop={same[0]}, or rename it"
        )


def _bare(name: str) -> str:
    return _COPY.sub("", name.casefold().strip())


def _check_levels(columns: Sequence[Column]) -> None:
    """Raise `DataError` that names all columns with more levels than sense."""
    fix = "leave out what is no category with drop={columns}, or merge categories"
    large = [
        RefusedColumnError(
            f"at most {MAX_CATEGORIES:,} categories make sense",
            f"{c.reading.name!r} ({c.reading.distinct:,} categories)",
            c.reading.name,
            fix,
        )
        for c in columns
        if c.is_categorical and c.reading.distinct > MAX_CATEGORIES
    ]
    if large:
        raise DataError(refusal(large))


def _with_inputs(reading: ColumnReading, table: Table) -> ColumnReading:
    """The reading of a categorical column with what became of its levels."""
    if reading.kind != "categorical":
        return reading
    levels = table.categories[table.names.index(reading.name)] if reading.name in table.names else ()
    own = sum(1 for _ in levels) - (1 if reading.missing >= LEAST_ROWS else 0)
    pooled = reading.distinct - own
    if not levels:
        return replace(reading, becomes=f"left out: no level has {LEAST_ROWS} rows")
    parts = [f"0 or 1 for each of {counted(own, 'level')}" if own != 1 else "0 or 1 for 1 level"]
    parts += [f"{pooled:,} of fewer than {LEAST_ROWS} rows pooled"] if pooled else []
    if reading.missing:
        parts.append("missing is a level" if reading.missing >= LEAST_ROWS else "missing is pooled with them")
    note = f" ({reading.becomes})" if reading.becomes else ""
    return replace(reading, becomes="; ".join(parts) + note, inputs=len(levels))
