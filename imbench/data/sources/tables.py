"""Delimited text and Parquet -> data frame, as a card's source entry says."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd

from imbench.contract.names import counted
from imbench.contract.records import Card
from imbench.data.canonical import Table, from_frame
from imbench.data.labels import read_floats
from imbench.data.pixels import from_columns
from imbench.data.sources.network import SourceError

# How tables of the field write a missing value.
MISSING = ("", "?", "na", "NA", "N/A", "n/a", "nan", "NaN", "null", "NULL")


# Every digit counts towards a hash. From pandas 3.1 on its one way to read numbers is exact; before it had to be asked.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
EXACT: dict[str, Any] = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}


def parse_text(
    content: bytes, options: Mapping[str, Any], target: str, categorical: Collection[str] = ()
) -> pd.DataFrame:
    """Read delimited text; the target and the columns of categories as the text that they are.

    Parameters
    ----------
    options : ``separator`` (a comma; ``whitespace``), ``header`` (false), ``skip_rows``, ``missing_values``, and for a
        text without header ``columns``: the names, or else the last column is the target and the others f1, f2, …
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
    """A frame read from text, with those of these columns as numbers if they are all floats."""
    return frame.assign(**{c: read_floats(frame[c]) for c in columns if c in frame.columns})


def read_parquet(source: str | io.BytesIO, whole: Collection[str] = ()) -> pd.DataFrame:
    """Read a Parquet file; whole numbers of the columns ``whole`` stay whole beside missing ones."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(source)
    frame: pd.DataFrame = table.to_pandas()
    for name in set(whole) & set(table.column_names) & set(frame.columns):
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
    """Bring a source's data frame into the card's canonical form.

    Parameters
    ----------
    options : ``target`` (the card's), ``drop`` (columns left out where present), ``first_rows``, ``labels`` (this
        source's spelling -> the card's), ``other`` (the label of all that ``labels`` does not list)
    """
    frame = frame.drop(columns=[c for c in options.get("drop", ()) if c in frame.columns])
    if "first_rows" in options:
        frame = frame.iloc[: options["first_rows"]]
    table = from_frame(
        frame,
        options.get("target", card.target),
        categorical=card.categorical,
        relabel=options.get("labels"),
        other=options.get("other"),
        order=tuple(card.class_counts),
    )
    return from_columns(table, card.pixels) if card.pixels else table
