"""Read delimited text and Parquet into data frames, according to the options of a card's source."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from imbench.contract.names import counted
from imbench.contract.records import Card
from imbench.data.canonical import Table, from_frame
from imbench.data.labels import read_floats
from imbench.data.pixels import from_columns
from imbench.data.sources.network import SourceError
from imbench.data.split_columns import SPLIT_COLUMNS, SplitNames, take_split_columns

# Common spellings of missing values.
MISSING = ("", "?", "na", "NA", "N/A", "n/a", "nan", "NaN", "null", "NULL")


# Numbers must be parsed exactly, since hashes depend on all digits. This is the default from pandas 3.1 on.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
EXACT: dict[str, Any] = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}


def parse_text(
    content: bytes, options: Mapping[str, Any], target: str, categorical: Collection[str] = ()
) -> pd.DataFrame:
    """Read delimited text, with the target and categorical columns as text.

    Parameters
    ----------
    content : content of the file
    options : ``separator`` (default: a comma; ``whitespace`` for blanks), ``header`` (default: false), ``skip_rows``,
        ``missing_values``, and ``columns``, the column names of text without a header; by default the last column is
        the target, and the others are f1, f2, …
    target, categorical : names of the target, and of other columns that contain text
    """
    separator = options.get("separator", ",")
    has_header = options.get("header", False)
    how: dict[str, Any] = {
        "sep": r"\s+" if separator == "whitespace" else separator,
        "header": 0 if has_header else None,
        "skiprows": options.get("skip_rows", 0),
        "na_values": list(options.get("missing_values", MISSING)),
        "keep_default_na": False,
        "skipinitialspace": True,
        "low_memory": False,
        **EXACT,
    }
    columns = pd.read_csv(io.BytesIO(content), nrows=1, **how).columns
    names = list(columns) if has_header else _names(len(columns), options.get("columns"), target)
    as_text = {column: str for column, name in zip(columns, names, strict=True) if name in (target, *categorical)}
    frame: pd.DataFrame = pd.read_csv(io.BytesIO(content), dtype=as_text, **how)
    if not has_header:
        frame.columns = pd.Index(names)
    return frame


def read_floats_of(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Convert those of these text columns that contain only floats (see `imbench.data.labels.read_floats`)."""
    return frame.assign(**{c: read_floats(frame[c]) for c in columns if c in frame.columns})


def read_parquet(source: str | io.BytesIO, integers: Collection[str] = (), most: float = math.inf) -> pd.DataFrame:
    """Read a Parquet file; the columns ``integers`` keep their integer type even if values are missing.

    Raises `SourceError` for two columns of one name, and for more than ``most`` bytes unpacked, of 8 a value at least.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = pq.read_metadata(source)
    names = about.schema.to_arrow_schema().names
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise SourceError(f"the Parquet file has two columns named {twice[0]!r}; rename one of them")
    packed = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
    if max(packed, 8 * about.num_rows * about.num_columns) > most:
        shape = f"{counted(about.num_rows, 'row')} and {counted(about.num_columns, 'column')}"
        raise SourceError(f"the Parquet file has {shape}, too many for what the card describes")
    table = pq.read_table(source)
    frame: pd.DataFrame = table.to_pandas()
    for name in set(integers) & set(table.column_names) & set(frame.columns):
        if pa.types.is_integer(table[name].type) and table[name].null_count:
            kind: Any = pd.UInt64Dtype() if pa.types.is_unsigned_integer(table[name].type) else pd.Int64Dtype()
            frame[name] = kind.__from_arrow__(table[name])
    return frame


def _names(width: int, columns: list[str] | None, target: str) -> list[str]:
    names = columns or [f"f{j}" for j in range(1, width)] + [target]
    if len(names) != width:
        raise SourceError(f"the table has {counted(width, 'column')}, but the card names {len(names)}")
    return names


def to_table(frame: pd.DataFrame, card: Card, options: Mapping[str, Any]) -> Table:
    """Convert a source's data frame to the canonical form.

    Parameters
    ----------
    frame : the data frame
    card : gives target, categorical columns, and order of the classes
    options : ``target`` (default: that of the card), ``drop`` (columns to exclude if present), ``first_rows`` (number
        of rows to keep), ``labels`` (maps the source's labels to the card's), ``other`` (label of all classes that
        ``labels`` does not list), ``group`` and ``time`` (columns of this source; default: those of the card if they
        exist) and ``time_format``
    """
    frame = frame.drop(columns=[c for c in options.get("drop", ()) if c in frame.columns])
    if "first_rows" in options:
        frame = frame.iloc[: options["first_rows"]]
    target = options.get("target", card.target)
    required = tuple(role for role in SPLIT_COLUMNS if role in options)
    frame, split_columns = take_split_columns(frame, split_names(card, options), target, required)
    table = from_frame(
        frame,
        target,
        categorical=card.categorical,
        relabel=options.get("labels"),
        other=options.get("other"),
        order=tuple(card.class_counts),
    )
    return (
        from_columns(table, card.pixels)
        if card.pixels
        else replace(table, group=split_columns.get("group"), time=split_columns.get("time"))
    )


def split_names(card: Card, options: Mapping[str, Any]) -> SplitNames:
    """Names of the split columns in a source with these options."""
    group, time = (options.get(role, getattr(card, role)) for role in SPLIT_COLUMNS)
    return SplitNames(group, time, options.get("time_format", ""))
