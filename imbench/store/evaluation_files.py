"""Files that `imbench evaluate` reads: scores as CSV, rows of results as Parquet."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.records import STRATEGY
from imbench.contract.text import shown
from imbench.scoring.columns import DRAWN, schema
from imbench.stats.block_scores import FOLD, REPEAT, is_blank

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = ("", "na", "nan", "n/a", "null", "none", "-")
_DELIMITERS = ",;\t"
# Optional columns with their default values.
_OPTIONAL: Mapping[str, float | str] = {
    **{"numbers": 1, "strategy_version": "", "protocol_fields": "{}", "kind": STRATEGY, "trial": np.nan},
    **dict.fromkeys(DRAWN, 0),
}
# Columns that have a value in every row, and those of whole numbers.
_FILLED = ("dataset", "variant", "task", "strategy", "protocol", "repeat", "fold", "key", "data_hash", "error")
_WHOLE = ("repeat", "fold", *DRAWN, "schema", "numbers")


def read_scores(path: str | Path, labels: Sequence[str] = ()) -> pd.DataFrame:
    """Read scores for `imbench.evaluate`: label columns become the index, the others are strategies.

    Labels are the leading columns without numbers, a first column without a name, columns ``repeat`` and ``fold``, and
    those in ``labels``; no label may be blank. All other cells must be numbers, or empty (also NA, NaN, null, -) if the
    score is missing. The separator is the comma, semicolon or tab, whichever is most frequent in the header.

    Parameters
    ----------
    path : path of the file, UTF-8 with one header line
    labels : names of further label columns, such as an imbalance ratio

    Raises
    ------
    UsageError
        For an invalid file; the message names the row, the column and the fix.
    """
    header, lines, places = _lines(Path(path))
    unknown = [name for name in labels if name not in header]
    if unknown:
        raise UsageError(f"{path} has no column {unknown[0]!r}; {suggest(unknown[0], header)}")
    columns = dict(zip(header, map(list, zip(*lines, strict=True)), strict=True))
    leading = _leading(columns)
    index = [name for name in header if name in leading or name in labels or name.lower() in (REPEAT, FOLD)]
    strategies = [name for name in header if name not in index]
    if not strategies:
        raise UsageError(f"{path} has no numeric column; give one column of scores per strategy")
    for name in index:
        for cell, place in zip(columns[name], places, strict=True):
            if is_blank(cell):
                raise UsageError(
                    f"{path}, line {place}, has no label in column {name or header.index(name) + 1!r}; write it in "
                    "every line (merged cells keep it in the first line only), or remove the column"
                )
    called = [" ".join(cells) for cells in zip(*(columns[name] for name in index), strict=True)] or [
        str(number) for number in range(1, len(lines) + 1)
    ]
    numbers = {
        name: [_number(path, cell, row, name) for cell, row in zip(columns[name], called, strict=True)]
        for name in strategies
    }
    table = pd.DataFrame(numbers, dtype=np.float64)
    if index:
        table.index = pd.MultiIndex.from_arrays([columns[name] for name in index], names=index)
        table.index = table.index if len(index) > 1 else table.index.get_level_values(0)
    return table


def refuse_repeated_rows(path: str | Path, table: pd.DataFrame) -> None:
    """Raise UsageError if two rows have the same labels."""
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        named = " ".join(twice) if isinstance(twice, tuple) else twice
        rows = (np.flatnonzero(table.index == twice) + 1).tolist()
        raise UsageError(
            f"{path} has row {named!r} {len(rows)} times (number {', '.join(map(str, rows[:5]))} below the header); "
            "name the column that distinguishes them with --label COLUMN, or average them with --blocks COLUMN"
        )


def read_rows(path: str | os.PathLike[str], columns: Sequence[str], beside: Sequence[str] = ()) -> pd.DataFrame:
    """Columns of the rows in a Parquet file, such as a published one; text is categorical to save memory.

    Parameters
    ----------
    beside : columns to omit if they have another version of a metric or decision rule

    Raises
    ------
    UsageError
        If the file is missing, is not Parquet, lacks a column, or has one in another version of a metric or rule.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from imbench.store.derive import outdated
    from imbench.store.parquet import DamagedError

    try:
        known = pq.read_schema(path)
    except FileNotFoundError:
        raise UsageError(f"no such file or store: {os.fspath(path)}") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UsageError(f"{os.fspath(path)} is not a readable Parquet file: {shown(str(error), 300)}") from error
    lacking = [name for name in columns if name not in known.names and name not in _OPTIONAL]
    if lacking:
        raise UsageError(
            f"{os.fspath(path)} has no column {lacking[0]!r}; give rows per fold, as imbench publish writes them"
        )
    twice = [name for name in columns if known.names.count(name) > 1]
    if twice:
        raise UsageError(f"{os.fspath(path)} has two columns {twice[0]!r}; give rows as imbench publish writes them")
    try:
        old = outdated(known)
    except DamagedError as error:
        raise UsageError(f"{os.fspath(path)}: {error}; publish the store again") from None
    columns = [name for name in columns if not (name in old and name in beside)]
    for name, which in old.items():
        if name in columns and name in known.names:
            raise UsageError(
                f"{os.fspath(path)} has {name!r} of {which}. Give the store that the file was published from, or "
                "publish that store again"
            )
    there = [name for name in columns if name in known.names]
    texts = [name for name in there if pa.types.is_string(known.field(name).type)]
    texts += [name for name in there if pa.types.is_large_string(known.field(name).type)]
    known_types = {column.name: column.type for column in schema()}
    for name in there:
        kind = known.field(name).type
        if not pa.types.is_null(kind) and _is_of(kind) != _is_of(known_types.get(name, kind)):
            raise UsageError(
                f"{os.fspath(path)}: column {name!r} is of type {kind}; give rows as imbench publish writes them"
            )
    try:
        table = pq.read_table(path, columns=there, read_dictionary=texts, memory_map=True).unify_dictionaries()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UsageError(f"{os.fspath(path)} is damaged: {shown(str(error), 300)}; publish the store again") from error
    for name in there:
        if name in _FILLED and table[name].null_count:
            raise UsageError(f"{os.fspath(path)}: column {name!r} has an empty cell; publish the store again")
    # Column by column, freeing each as soon as it is converted.
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    for name in (name for name in there if name in _WHOLE):
        values = frame[name].fillna(_OPTIONAL.get(name, np.nan))
        if not (np.isfinite(values) & (values == values.round())).all():
            raise UsageError(f"{os.fspath(path)}: column {name!r} must be whole numbers; publish the store again")
        frame[name] = values.astype(np.int64)
    return frame.assign(**{name: value for name, value in _OPTIONAL.items() if name in columns and name not in there})


def _is_of(kind: pa.DataType) -> str:
    """Whether a type is one of numbers, of text, or which other."""
    import pyarrow as pa

    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "numbers"
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return "text" if pa.types.is_string(plain) or pa.types.is_large_string(plain) else str(kind)


def _lines(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """The header, the cells of each line below it, and the number of each line."""
    try:
        content = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"no such file or store: {path}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text; save it as CSV in UTF-8") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    first = content.partition("\n")[0]
    lines = csv.reader(content.splitlines(), delimiter=max(_DELIMITERS, key=first.count))
    try:
        rows = [[cell.strip() for cell in row] for row in lines]
    except csv.Error as error:
        raise UsageError(f"{path}, line {lines.line_num + 1}: {error}; give one line per configuration") from None
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(row)]
    if len(numbered) < 2:
        raise UsageError(f"{path} has no rows; give a header line and one line per configuration")
    header = numbered[0][1]
    for name in header:
        if header.count(name) > 1:
            raise UsageError(f"{path} has {header.count(name)} columns called {name!r}; give each strategy one column")
    for number, row in numbered:
        if len(row) != len(header):
            raise UsageError(
                f"{path}, line {number}, has {len(row)} cells, the header {len(header)}; quote the separator"
            )
    return header, [row for _, row in numbered[1:]], [number for number, _ in numbered[1:]]


def _leading(columns: dict[str, list[str]]) -> set[str]:
    """The label columns at the left."""
    found = set()
    for place, (name, cells) in enumerate(columns.items()):
        # A column with missing cells only is a strategy that always failed.
        text = [cell for cell in cells if cell.lower() not in MISSING]
        if (place or name) and (not text or any(map(_is_number, text))):
            break
        found.add(name)
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(path: str | Path, cell: str, row: str, column: str) -> float:
    if cell.lower() in MISSING:
        return float("nan")
    if not _is_number(cell):
        raise UsageError(
            f"{path}, row {row!r}, column {column!r}: {cell!r} is not a number; correct it, leave it empty if the "
            "score is missing, or declare the column as labels with --label"
        )
    return float(cell)
