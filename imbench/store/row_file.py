"""Rows of results from a single Parquet file, such as the ``results.parquet`` of a published page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from imbench.contract.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

# What rows may lack: then they are all of one.
_OPTIONAL: Mapping[str, int | str] = {"numbers": 1, "strategy_version": "", "protocol_fields": "{}"}


def read_rows(path: str | os.PathLike[str], columns: Sequence[str], beside: Sequence[str] = ()) -> pd.DataFrame:
    """These columns of the per-fold rows in a Parquet file, text as categories, so that many rows take little memory.

    Parameters
    ----------
    beside : columns to leave out where they are of another version of a metric or a rule

    Raises
    ------
    UsageError
        If the file is not there, is no Parquet, lacks a column, or has it of another version of a metric or a rule.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from imbench.store.derive import outdated

    try:
        known = pq.read_schema(path)
    except FileNotFoundError:
        raise UsageError(f"no such file or store: {os.fspath(path)}") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(f"{os.fspath(path)} is no Parquet file that can be read: {error}") from error
    lacking = [name for name in columns if name not in known.names and name not in _OPTIONAL]
    if lacking:
        raise UsageError(
            f"{os.fspath(path)} has no column {lacking[0]!r}; give per-fold rows, as imbench publish writes them"
        )
    old = outdated(known)
    columns = [name for name in columns if not (name in old and name in beside)]
    for name, which in old.items():
        if name in columns and name in known.names:
            raise UsageError(
                f"{os.fspath(path)} has {name!r} of {which}: give the store that the file was published from, or "
                "publish that store again with this imbench"
            )
    there = [name for name in columns if name in known.names]
    texts = [name for name in there if pa.types.is_string(known.field(name).type)]
    texts += [name for name in there if pa.types.is_large_string(known.field(name).type)]
    table = pq.read_table(path, columns=there, read_dictionary=texts, memory_map=True).unify_dictionaries()
    # Column by column, giving each back as soon as it is made.
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return frame.assign(**{name: value for name, value in _OPTIONAL.items() if name in columns and name not in there})
