"""Split columns: the group and time of each row, which decide how rows are split and are never features."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.names import counted, suggest
from imbench.contract.protocol import SPLITS
from imbench.data.labels import label_codes, place_of

SPLIT_COLUMNS = tuple(filter(None, SPLITS.values()))


@dataclass(frozen=True)
class SplitNames:
    """The names of the split columns of a table; "" for a column that it does not have.

    Parameters
    ----------
    group : column whose equal values mark rows of one group, such as a patient
    time : column of numbers or dates that gives the order of the rows
    time_format : format of dates that are not in ISO 8601, as in `datetime.datetime.strptime`
    """

    group: str = ""
    time: str = ""
    time_format: str = ""

    @property
    def given(self) -> dict[str, str]:
        """The names by role, ``group`` or ``time``, without empty ones."""
        return {role: name for role in SPLIT_COLUMNS if (name := getattr(self, role))}


def take_split_columns(
    frame: pd.DataFrame, names: SplitNames, target: str, required: tuple[str, ...] = SPLIT_COLUMNS
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Remove the split columns from a data frame.

    Parameters
    ----------
    frame : features, target and split columns
    names : names of the split columns
    target : name of the target, which cannot be a split column
    required : roles whose column must exist; a column of another role may be missing

    Returns
    -------
    The frame without these columns, and for each role that was found the numbers of `group_numbers` or `time_numbers`.

    Raises
    ------
    DataError for a required column that does not exist, a split column that is the target, and values that
    `group_numbers` and `time_numbers` refuse.
    """
    found: dict[str, np.ndarray] = {}
    for role, name in names.given.items():
        if name == target:
            raise DataError(f"{role}={name} is the target; name another column, or remove {role}")
        if name in frame.columns:
            of_group = role == "group"
            found[role] = group_numbers(frame[name]) if of_group else time_numbers(frame[name], names.time_format)
        elif role in required:
            others = [column for column in frame.columns if column != target]
            raise DataError(f"{role}={name}: there is no column {name!r}; {suggest(name, others)}")
    return frame.drop(columns=[name for name in names.given.values() if name in frame.columns]), found


def group_numbers(column: pd.Series[Any]) -> np.ndarray:
    """The group of each row, ``(rows,)`` int64, numbered from 0 in the order in which groups first appear.

    The numbers depend on which rows are equal and not on the values, so that renaming groups does not change folds.

    Raises `DataError` for missing values, and for a single group.
    """
    codes, texts = label_codes(column)
    _check_complete(column, codes < 0, "group", "give each row a group")
    if len(texts) < 2:
        raise DataError(
            f"group={column.name}: all rows have the value {texts[0]!r}; at least two groups are needed: name another "
            "column, or remove group"
        )
    return pd.factorize(codes)[0].astype(np.int64)


def time_numbers(column: pd.Series[Any], time_format: str = "") -> np.ndarray:
    """The place of each row in time, ``(rows,)`` int64 from 0; rows of equal time have equal numbers.

    Parameters
    ----------
    column : numbers, dates, or text that is a number or a date in ISO 8601, such as ``2024-05-31`` or
        ``2024-05-31T12:00``
    time_format : format of dates in another notation, such as ``%m/%d/%Y``

    Raises
    ------
    DataError for missing values, text that is neither a number nor a date, and a single time.
    """
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        column = column.map(lambda value: value.strip() if isinstance(value, str) else value)
    _check_complete(column, column.isna().to_numpy(), "time", "give each row a time")
    values = _as_dates(column, time_format) if time_format else _as_numbers_or_dates(column)
    distinct, numbers = np.unique(values, return_inverse=True)
    if len(distinct) < 2:
        raise DataError(
            f"time={column.name}: all rows have the value {str(column.iloc[0])!r}; at least two times are needed: name "
            "another column, or remove time"
        )
    return numbers.astype(np.int64)


def numbers_hash(numbers: np.ndarray) -> str:
    """SHA-256 of the numbers of `group_numbers` or `time_numbers`."""
    return hashlib.sha256(numbers.astype("<i8").tobytes()).hexdigest()


def _as_numbers_or_dates(column: pd.Series[Any]) -> np.ndarray:
    if pd.api.types.is_datetime64_any_dtype(column):
        return _as_dates(column, "")
    try:
        numbers = pd.to_numeric(column).to_numpy()
    except (ValueError, TypeError):
        return _as_dates(column, "")
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise DataError(f"time={column.name}: {place_of(column, row)} has {numbers[row]}; times must be finite")
    return numbers


def _as_dates(column: pd.Series[Any], time_format: str) -> np.ndarray:
    if not pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype(str)
    dates = pd.to_datetime(column, format=time_format or "ISO8601", utc=True, errors="coerce")
    wrong = np.flatnonzero(dates.isna())
    if len(wrong):
        wanted = f"a date of the format {time_format}" if time_format else "a number or a date"
        notation = f"name their notation, as in time={column.name}:%d/%m/%Y"
        fix = "correct the value or the format" if time_format else f"write dates as YYYY-MM-DD, or {notation}"
        raise DataError(
            f"time={column.name}: {place_of(column, wrong[0])} has {str(column.iloc[wrong[0]])[:40]!r}, which is not "
            f"{wanted}; {fix}"
        )
    return dates.to_numpy(dtype="datetime64[ns]").astype(np.int64)


def _check_complete(column: pd.Series[Any], missing: np.ndarray, role: str, fix: str) -> None:
    rows = np.flatnonzero(missing)
    if len(rows):
        raise DataError(
            f"{role}={column.name} is missing in {counted(len(rows), 'row')} (first: {place_of(column, rows[0])}); "
            f"{fix}, or remove such rows"
        )
