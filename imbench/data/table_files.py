"""Read the file of a user's table, packed or not, in any of the formats of `FORMATS`."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.names import counted
from imbench.contract.spec import EXCEL_SUFFIXES, PACKED_SUFFIXES, TEXT_SUFFIXES
from imbench.data.delimited import TextFormat, read_delimited
from imbench.data.labels import label_text
from imbench.data.other_formats import unreadable
from imbench.data.sources.archives import DAMAGE

_UNPACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}


@dataclass(frozen=True, eq=False)
class ReadFile:
    """The columns of a file, as the format gives them.

    Parameters
    ----------
    frame : columns of text, or typed; the index is called ``line`` or ``row`` and counts as the file does
    facts : how the file was read, in words
    format : separator, decimal mark and encoding of delimited text; without a separator for other formats
    """

    frame: pd.DataFrame
    facts: str
    format: TextFormat


def read_table_file(path: str, how: TextFormat, only: str = "") -> ReadFile:
    """Read a file by its suffix; that of a packed file is inside the other one, as in ``table.csv.gz``.

    ``only``: name of a column that may be the only one of delimited text; "" if two are needed.

    Raises
    ------
    DataError for a damaged or empty file, a suffix that is not known, columns of lists or tables, two columns of one
    name, parameters of delimited text for another format, and the errors of `imbench.data.delimited.read_delimited`.
    """
    name, content = _unpacked(path)
    suffix = PurePath(name).suffix.lower()
    if not content.strip():
        raise DataError(f"{path} is empty; give a table with a header and rows")
    if suffix in TEXT_SUFFIXES:
        frame, format_ = read_delimited(content, how, path, only)
        return ReadFile(_with_rows(frame, path), format_.facts, format_)
    reader = FORMATS.get(suffix)
    if reader is None:
        raise DataError(unreadable(path, suffix))
    if how.separator or how.encoding:
        raise DataError(f"{path}: sep and encoding are for delimited text, and this is {suffix}; remove them")
    if how.line and suffix not in EXCEL_SUFFIXES:
        raise DataError(f"{path}: header={how.line} is a line of text or a sheet, and this is {suffix}; remove it")
    try:
        frame, facts = reader(content, how)
        frame.columns = pd.Index([str(column).strip() for column in frame.columns])
        check_names(list(frame.columns))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # the readers raise many types of exceptions
        why = str(error).splitlines()[0] if str(error) else repr(error)
        raise DataError(f"cannot read {path}: {why}; is the file complete, and a {suffix} file?") from None
    if frame.index.name not in ("line", "row"):
        frame.index = pd.RangeIndex(1, len(frame) + 1, name="row")
    return ReadFile(_with_rows(frame, path), facts, how)


def _with_rows(frame: pd.DataFrame, path: str) -> pd.DataFrame:
    if not len(frame):
        raise DataError(f"{path} has no rows; give a table with a header and rows")
    return frame


def _unpacked(path: str) -> tuple[str, bytes]:
    """Name without the suffix of packing, and the content."""
    try:
        suffix, content = Path(path).suffix.lower(), Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if suffix not in PACKED_SUFFIXES:
        return path, content
    try:
        return _member(path, content) if suffix == ".zip" else (path[: -len(suffix)], _UNPACK[suffix](content))
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(f"cannot read {path}: {error}; the file is cut off or no {suffix} file: get it again") from None


def _member(path: str, content: bytes) -> tuple[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX/")]
        if len(names) != 1:
            raise DataError(f"{path} has {counted(len(names), 'file')}; a packed table is one file: unpack it first")
        return names[0], archive.read(names[0])


def _parquet(content: bytes, how: TextFormat) -> tuple[pd.DataFrame, str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(io.BytesIO(content)) as file:
        check_names(file.schema_arrow.names)
        return frame_of_arrow(file.read())


def _feather(content: bytes, how: TextFormat) -> tuple[pd.DataFrame, str]:
    from pyarrow import feather

    return frame_of_arrow(feather.read_table(io.BytesIO(content)))


def frame_of_arrow(table: Any) -> tuple[pd.DataFrame, str]:
    """Columns with types of pandas: decimals as floats, whole numbers beside missing ones as whole numbers."""
    import pyarrow as pa

    check_names(table.column_names)
    nested = [field.name for field in table.schema if pa.types.is_nested(field.type)]
    if nested:
        raise DataError(nested_columns(nested))
    for j, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_decimal(kind):
            table = table.set_column(j, field.name, table.column(j).cast(pa.float64()))
        elif pa.types.is_time(kind):
            micros = table.column(j).cast(pa.time64("us"), safe=False).cast(pa.int64())
            table = table.set_column(j, field.name, pa.compute.divide(micros.cast(pa.float64()), 1e6))
        elif pa.types.is_date(kind):
            table = table.set_column(j, field.name, table.column(j).cast(pa.timestamp("ms")))
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            try:
                table = table.set_column(j, field.name, table.column(j).cast(pa.string()))
            except pa.ArrowInvalid:
                raise DataError(
                    f"column {field.name!r} contains bytes that are no text; write it as text or numbers, or remove it"
                ) from None
    whole = {pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype(),
             pa.int64(): pd.Int64Dtype(), pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype(),
             pa.uint32(): pd.UInt32Dtype(), pa.uint64(): pd.UInt64Dtype(), pa.bool_(): pd.BooleanDtype()}  # fmt: skip
    frame: pd.DataFrame = table.to_pandas(types_mapper=whole.get, ignore_metadata=True)
    return frame, "types of the file"


def check_names(names: Sequence[str]) -> None:
    """Raise `DataError` for two columns of one name."""
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"there are two columns named {twice[0]!r}; rename one of them")


def nested_columns(columns: Sequence[str]) -> str:
    """The error for columns of lists or tables."""
    listed = ", ".join(map(repr, columns))
    what = "column" if len(columns) == 1 else "columns"
    verb = "contains" if len(columns) == 1 else "contain"
    return f"{what} {listed} {verb} lists or tables; split them into columns of single values, or remove them"


def _excel(content: bytes, how: TextFormat) -> tuple[pd.DataFrame, str]:
    try:
        from python_calamine import CalamineWorkbook
    except ImportError:
        raise DataError("Excel files need the extra 'tables': pip install 'imbench[tables]', or save as CSV") from None
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    for sheet in book.sheet_names:
        rows = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
        filled = [(i, row) for i, row in enumerate(rows, 1) if any(cell != "" for cell in row)]
        if filled:
            break
    else:
        raise DataError("the sheets are empty; give a table with a header and rows")
    filled, above = _from_row(filled, how.line) if how.line else _without_titles(filled)
    has_names = how.header is not False
    names = [label_text(cell) for cell in filled[0][1]] if has_names else [""] * len(filled[0][1])
    kept = [j for j in range(len(names)) if names[j] or any(row[j] != "" for _, row in filled[has_names:])]
    columns = {
        j: pd.Series([None if row[j] == "" else row[j] for _, row in filled[has_names:]], dtype=object).infer_objects()
        for j in kept
    }
    frame = pd.DataFrame(columns)
    frame.columns = pd.Index([names[j] or f"column{j + 1}" for j in kept])
    frame.index = pd.Index([line for line, _ in filled[has_names:]], name="row")
    others = len(book.sheet_names) - 1
    title = f", without the title above ({above[:40]!r})" if above else ""
    return frame, f"sheet {sheet!r}" + (f", the first with values of {others + 1}" if others else "") + title


def _from_row(filled: list[tuple[int, list[Any]]], line: int) -> tuple[list[tuple[int, list[Any]]], str]:
    """The rows from that of the header on."""
    at = next((at for at, (row, _) in enumerate(filled) if row == line), None)
    if at is None:
        raise DataError(
            f"row {line} of the sheet is empty; give with header= the row that has the names of the columns"
        )
    return filled[at:], ""


def _without_titles(filled: list[tuple[int, list[Any]]]) -> tuple[list[tuple[int, list[Any]]], str]:
    """The rows without those of a single cell above the first with several, and the first of those cells."""
    widths = [sum(cell != "" for cell in row) for _, row in filled]
    start = next((at for at, width in enumerate(widths) if width > 1), 0)
    above = [label_text(cell) for _, row in filled[:start] for cell in row if cell != ""]
    return filled[start:], above[0] if above else ""


def _json_lines(content: bytes, how: TextFormat) -> tuple[pd.DataFrame, str]:
    records, lines = [], []
    for number, line in enumerate(content.decode("utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"line {number} is no JSON ({error.msg}); write one object in each line") from None
        if not isinstance(record, dict):
            raise DataError(f'line {number} is no object; write one object in each line, such as {{"age": 40}}')
        records.append(record)
        lines.append(number)
    names = list(dict.fromkeys(name for record in records for name in record))
    nested = [n for n in names if any(isinstance(r.get(n), list | dict) for r in records)]
    if nested:
        raise DataError(nested_columns(nested))
    columns = {n: pd.Series([r.get(n) for r in records], dtype=object).infer_objects() for n in names}
    return pd.DataFrame(columns).set_index(pd.Index(lines, name="line")), "types of JSON"


_ARFF_DATE = re.compile(
    r"""^(\s*@attribute\s+(?:'[^'\n]*'|"[^"\n]*"|\S+)\s+)date\b[^\n]*""", re.IGNORECASE | re.MULTILINE
)


def _arff(content: bytes, how: TextFormat) -> tuple[pd.DataFrame, str]:
    # scikit-learn's copy of liac-arff: unlike scipy's reader, it reads text and letters beyond ASCII.
    from sklearn.externals import _arff

    # It knows no dates, which are text in a notation.
    text = _ARFF_DATE.sub(r"\1string", content.decode("utf-8", "replace"))
    found = _arff.load(io.StringIO(text), return_type=_arff.DENSE)
    names = [name for name, _ in found["attributes"]]
    rows = list(found["data"])
    columns = [pd.Series([row[j] for row in rows], dtype=object).infer_objects() for j in range(len(names))]
    frame = pd.DataFrame(dict(enumerate(columns)))
    frame.columns = pd.Index(names)
    return frame, "types of ARFF"


# Formats other than delimited text, by suffix.
FORMATS: dict[str, Callable[[bytes, TextFormat], tuple[pd.DataFrame, str]]] = {
    ".parquet": _parquet,
    ".feather": _feather,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".arff": _arff,
    **dict.fromkeys(EXCEL_SUFFIXES, _excel),
}
