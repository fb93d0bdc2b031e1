"""Tables of OpenML by their number, ``openml:31``: fetched once into the per-user cache, then read as any table."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from imbench.contract.errors import DataError
from imbench.contract.spec import REMOTE_PREFIX
from imbench.contract.text import shown
from imbench.data.cache import downloads_folder
from imbench.data.delimited import TextFormat
from imbench.data.frames import write_whole
from imbench.data.sources.hubs import openml_table
from imbench.data.sources.network import SourceError
from imbench.data.table_files import ReadFile, read_table_file

_KEY = b"imbench"


def openml_file(name: str) -> Path:
    """The cached file of a table of OpenML, such as ``openml:31``, fetched first if it is not there.

    Raises `DataError` for a name without a number, a number that OpenML does not have, a sparse table, and if OpenML
    cannot be reached.
    """
    number = name.removeprefix(REMOTE_PREFIX)
    if not re.fullmatch(r"[1-9]\d{0,8}", number, re.ASCII):
        raise DataError(f"{name}: {shown(number)!r} is no number of a table of OpenML; write for example openml:31")
    path = downloads_folder() / "openml" / f"{number}.parquet"
    if not path.exists():
        _fetch(name, int(number), path)
    return path


def read_openml(name: str, how: TextFormat) -> tuple[ReadFile, Mapping[str, str]]:
    """The columns of a table of OpenML, and its ``name``, ``version`` and default ``target``, "" without a single one.

    Raises the errors of `openml_file`, and `DataError` for parameters of delimited text.
    """
    path = openml_file(name)
    if how != TextFormat():
        raise DataError(f"{name}: sep, decimal, encoding and header are for delimited text; remove them")
    found = read_table_file(str(path), how)
    about: dict[str, str] = json.loads(pq.read_schema(path).metadata[_KEY])
    return replace(found, facts=f"OpenML {about['name']}, version {about['version']}"), about


def _fetch(name: str, number: int, path: Path) -> None:
    try:
        frame, details = openml_table(number)
    except SourceError as error:
        raise DataError(
            f"{name} is not in the cache, and OpenML cannot be reached ({error}); fetch it where there is a "
            "network, or give the table as a file"
        ) from None
    except ValueError as error:  # scikit-learn's, for what OpenML does not have and for sparse tables
        raise DataError(f"{name}: {_reason(str(error))}") from None
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata({_KEY: json.dumps(details)})
    packed = io.BytesIO()
    pq.write_table(table, packed)
    write_whole(path, packed.getvalue())


def _reason(error: str) -> str:
    if "Sparse" in error:
        return "the table is sparse; give a table with one column for each feature"
    if "not found" in error:
        return "OpenML has no table of this number; see https://www.openml.org"
    return f"OpenML's table cannot be read ({shown(error.splitlines()[0], 160)}); give the table as a file"
