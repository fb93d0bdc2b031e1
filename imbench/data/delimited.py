"""Read delimited text: encoding, separator and header are detected unless they are given, and always said."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from imbench.contract.errors import DataError
from imbench.contract.names import counted, suggest
from imbench.contract.text import shown
from imbench.data.headers import from_line, has_header, names_numbers, records_above, usual_width

# Separators by their names in specs, in the order in which they win a tie.
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "colon": ":", "space": " "}
DECIMALS = {"point": ".", "comma": ","}
_HEADERS = {"yes": True, "no": False}
# Encodings by the bytes that a file starts with.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
# A character that separates nothing, for a single column.
_NONE = "\x1f"
# Characters and records from which separator and header are detected.
_SAMPLE, _RECORDS = 262_144, 200


@dataclass(frozen=True)
class TextFormat:
    """How delimited text is written.

    Parameters
    ----------
    separator : one character; "" to detect it
    decimal : ``.`` or ``,``; "" to detect it from the values (see `imbench.data.number_text`)
    encoding : name of a codec; "" to detect it
    header : whether a record has the names of the columns; None to detect it
    line : line of the file that has them, from 1; 0 for the first record, or the one below titles and comments
    above : the first title or comment that is left out above the header; "" for none

    Raises
    ------
    DataError for a separator of several characters, another decimal mark, and an unknown encoding.
    """

    separator: str = ""
    decimal: str = ""
    encoding: str = ""
    header: bool | None = None
    line: int = 0
    above: str = ""

    def __post_init__(self) -> None:
        if len(self.separator) > 1 or self.separator in ('"', "\n", "\r"):
            raise DataError(f"sep={self.separator} is not one character; use {', '.join(SEPARATORS)}, or the character")
        if self.decimal not in ("", *DECIMALS.values()):
            raise DataError(f"decimal={self.decimal} is not a decimal mark; use point or comma")
        if self.encoding:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise DataError(
                    f"encoding={self.encoding} is unknown; {suggest(self.encoding, ['utf-8', 'cp1252', 'utf-16'])}"
                ) from None

    @classmethod
    def read(cls, sep: str = "", decimal: str = "", encoding: str = "", header: str = "") -> TextFormat:
        """The format of the parameters of a spec, such as ``sep=semicolon,decimal=comma,header=no``."""
        is_line = re.fullmatch(r"[1-9]\d{0,8}", header, re.ASCII) is not None
        if header and header not in _HEADERS and not is_line:
            raise DataError(f"header={header} must be yes, no, or the line that has the names of the columns, from 1")
        sep = "\t" if sep == r"\t" else SEPARATORS.get(sep, sep)
        marks = sep, DECIMALS.get(decimal, decimal), encoding
        return cls(*marks, True, int(header)) if is_line else cls(*marks, _HEADERS.get(header))

    @property
    def facts(self) -> str:
        """The format in words."""
        names = {character: name for name, character in SEPARATORS.items()}
        separator = names.get(self.separator, repr(self.separator))
        header = "a header" if self.header else "no header: columns are named column1, column2, …"
        header += f" in line {self.line}" if self.line > 1 else ""
        header += f", without what is above ({shown(self.above, 40)!r})" if self.above else ""
        return f"encoding {self.encoding}, separator {separator}, {header}"


def read_delimited(content: bytes, how: TextFormat, name: str, only: str = "") -> tuple[pd.DataFrame, TextFormat]:
    """Read delimited text; every column is text without surrounding blanks, and the index has the lines of the file.

    Parameters
    ----------
    content : the bytes of the file
    how : what is known of its format
    name : name of the file, for errors
    only : name of a column that may be the only one; "" if two columns are needed

    Returns
    -------
    The columns, and the format that was used.

    Raises
    ------
    DataError for bytes that the encoding does not have, a file without rows, a single column, records with more or
    fewer values than the first, and two columns of one name.
    """
    encoding = how.encoding or _encoding_of(content)
    text = _decoded(content, encoding, name)
    text, declared, skipped = _without_declaration(text)
    if how.line > skipped + 1:
        text, skipped = from_line(text, how.line - skipped, name), how.line - 1
    if not text.strip():
        raise DataError(f"{name} is empty; give a table with a header and rows")
    alone = bool(only) and text.lstrip().partition("\n")[0].strip().strip('"') == only
    separator = how.separator or declared or (_NONE if alone else detect_separator(text[:_SAMPLE]))
    starts, first = _records(text, separator, _RECORDS)
    above, hint = "", ""
    if not how.line and how.header is not False and (titles := records_above(first)):
        above = " ".join(filter(None, first[0])) or "blank cells"
        text, skipped = from_line(text, starts[titles], name), skipped + starts[titles] - 1
        first = first[titles:]
    elif not how.line:
        hint = _header_elsewhere(first, [skipped + start for start in starts])
    if len(first[0]) == 1 and not alone:
        raise DataError(
            f"{name} has one column, {shown(first[0][0], 40)!r}, if its separator is {separator!r}; "
            f"give the separator with sep=, for example sep=semicolon, or add a column besides the target{hint}"
        )
    header = how.header if how.header is not None else bool(above) or has_header(first)
    names = _names(first, header)
    table, lines = _parsed(text, separator, len(names), int(header), name, skipped, hint)
    kept = [j for j in range(len(names)) if names[j] or not _is_blank(table.column(j))]
    names = [names[j] or f"Unnamed: {j}" for j in range(len(names))]  # as pandas calls them
    if twice := [one for one, times in Counter(names[j] for j in kept).items() if times > 1]:
        raise DataError(f"{name} has two columns named {twice[0]!r}; rename one of them")
    frame = pd.DataFrame({names[j]: table.column(j).to_pandas() for j in kept})
    frame.index = pd.Index(lines, name="line")
    line = how.line or (skipped + 1 if above else 0)
    return frame, TextFormat(separator, how.decimal, encoding, header, line, above)


def _encoding_of(content: bytes) -> str:
    """UTF-8 or UTF-16 where the bytes show it; otherwise cp1252, which nearly all other files of the West are in."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return encoding
    # Letters of the West are ASCII and a zero in UTF-16, which is valid UTF-8 as well.
    zeros = np.frombuffer(content[:1000], dtype=np.uint8) == 0
    if len(zeros) > 1 and (zeros[1::2].mean() > 0.4 or zeros[::2].mean() > 0.4):
        return "utf-16-le" if zeros[1::2].mean() > zeros[::2].mean() else "utf-16-be"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _decoded(content: bytes, encoding: str, name: str) -> str:
    try:
        text = content.decode(encoding)
    except (UnicodeError, LookupError) as error:
        at = getattr(error, "start", 0)
        line = content[:at].count(b"\n") + 1
        raise DataError(
            f"{name}: line {line} is not {encoding}; give another encoding, such as encoding=cp1252"
        ) from None
    if "\0" in text:
        raise DataError(
            f"{name} is not text: it contains a null character; give its suffix, such as .xlsx, or encoding="
        )
    return text.removeprefix("\ufeff")


def _without_declaration(text: str) -> tuple[str, str, int]:
    """Text without Excel's first line ``sep=;``, the separator of that line, and the number of lines removed."""
    found = re.match(r'"?sep=(.)"?\r?\n', text, re.IGNORECASE)
    return (text[found.end() :], found[1], 1) if found else (text, "", 0)


def _records(text: str, separator: str, most: int) -> tuple[list[int], list[list[str]]]:
    """The first records without blank lines, and the line where each begins; a long text's last one may be cut off."""
    reader = csv.reader(
        io.StringIO(text[:_SAMPLE], newline=""), delimiter=separator, skipinitialspace=separator != "\t"
    )
    starts, found, before = [], [], 0
    try:
        for record in reader:
            if record and (len(record) > 1 or record[0].strip()):
                starts.append(before + 1)
                found.append([cell.strip() for cell in record])
            before = reader.line_num
            if len(found) > most:
                break
    except csv.Error:  # a cell that is larger than the module allows
        pass
    most = min(most, len(found) - 1 if len(text) > _SAMPLE and len(found) > 1 else len(found))
    return (starts[:most], found[:most]) if found else ([1], [[""]])


def _header_elsewhere(records: Sequence[Sequence[str]], lines: Sequence[int]) -> str:
    """The end of a refusal, if the first record is not as wide as most: the line that may have the names instead."""
    width = usual_width(records)
    if len(records[0]) == width or width < 2:
        return ""
    line = next(line for line, record in zip(lines, records, strict=True) if len(record) == width)
    return f"; or say header={line}, if line {line} has the names of the columns"


def detect_separator(text: str) -> str:
    """The separator that cuts the records into equally many cells, and the most of them.

    >>> detect_separator("a;b\\n1,5;2\\n"), detect_separator("a,b\\n1,2\\n")
    (';', ',')
    """

    def merit(separator: str) -> tuple[float, bool, int]:
        widths = [len(record) for record in _records(text, separator, _RECORDS)[1]]
        width, times = Counter(widths).most_common(1)[0]
        if width < 2:
            return 0.0, False, 0
        # Names of columns are rarely cut by a character that is no separator.
        return round(times / len(widths), 1), widths[0] == width, -1 if separator in " :" else width

    return max(SEPARATORS.values(), key=merit)


def _names(first: list[list[str]], header: bool) -> list[str]:
    """The names of the columns, "" for one without; rows may have one value more than the header."""
    if not header:
        return [f"column{j}" for j in range(1, len(first[0]) + 1)]
    names, rows = first[0], first[1:]
    if rows and all(len(row) == len(names) + 1 for row in rows) and not names_numbers(rows[0], rows[1:]):
        # A separator at the end of each row, or the numbers of rows as R writes them.
        return [*names, ""] if not any(row[-1] for row in rows) else ["", *names]
    return names


def _parsed(
    text: str, separator: str, width: int, header: int, name: str, skipped: int, hint: str
) -> tuple[pa.Table, np.ndarray]:
    """The cells after the header, and the line of each record, after so many skipped ones.

    ``hint`` is the end of a refusal.
    """
    body = text.rstrip("\r\n") + "\n"
    escaped = re.escape(separator)
    is_plain = (
        not _has_blank_line(body)
        and ("\r" not in body or "\r" not in body.replace("\r\n", ""))
        and ('"' not in body or _quotes_are_plain(body, separator))
    )
    if is_plain and separator != " ":
        start = body.index("\n") + 1 if header else 0
        lines = np.arange(header + 1, header + 1 + body.count("\n", start))
        packed = body[start:]
    else:
        body = re.sub(rf"(?<={escaped})[ ]+(?=[^ ])", "", body) if separator == " " else body
        packed, lines = _rewritten(body, separator, header)
    lines = lines + skipped
    if not len(lines):
        raise DataError(f"{name} has no rows; give a table with a header and rows")
    wrong: list[pa_csv.InvalidRow] = []

    def refuse(row: pa_csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    columns = [str(j) for j in range(width)]
    table = pa_csv.read_csv(
        io.BytesIO(packed.encode("utf-8", "surrogatepass")),
        read_options=pa_csv.ReadOptions(column_names=columns, use_threads=False, block_size=1 << 24),
        parse_options=pa_csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=refuse),
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), check_utf8=False),
    )
    if wrong:
        raise DataError(_ragged(name, wrong, lines, separator) + hint)
    trimmed = [pc.utf8_trim_whitespace(table.column(j)) for j in range(width)]
    return pa.table(trimmed, names=columns), lines


def _has_blank_line(body: str) -> bool:
    if body[0] in "\r\n" or "\n\n" in body or "\n\r\n" in body:
        return True
    # Only where a line begins with a blank, since the search takes many times longer.
    begins_blank = body[0] in " \t" or "\n " in body or "\n\t" in body
    return begins_blank and re.search(r"(?:^|\n)[ \t]*\r?\n", body) is not None


def _quotes_are_plain(body: str, separator: str) -> bool:
    """Whether all quotes are around whole cells, without a line break inside or a blank before them."""
    escaped = re.escape(separator)
    cell = rf'(?:"[^"\n]*"|[^"\n{escaped}]*)'
    return re.fullmatch(rf"(?:{cell}(?:{escaped}{cell})*+\r?\n)*+", body) is not None


def _rewritten(text: str, separator: str, header: int) -> tuple[str, np.ndarray]:
    """The records without header and blank lines, in the plainest notation, and the line where each begins."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    out, lines = io.StringIO(), []
    writer = csv.writer(out, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=separator != "\t")
    before, seen = 0, 0
    for record in reader:
        if record and (len(record) > 1 or record[0].strip()):
            seen += 1
            if seen > header:
                writer.writerow(record)
                lines.append(before + 1)
        before = reader.line_num
    return out.getvalue(), np.array(lines, dtype=np.int64)


def _ragged(name: str, wrong: Sequence[pa_csv.InvalidRow], lines: np.ndarray, separator: str) -> str:
    one = wrong[0]
    line = lines[one.number - 1] if one.number is not None else "?"
    has = f"line {line} has {counted(one.actual_columns, 'value')}, and the header {one.expected_columns}"
    if len(wrong) == 1 and one.number == len(lines) and one.actual_columns < one.expected_columns:
        return f"{name} seems to be cut off: its last line, {has}; get the whole file, or remove the line"
    more = f" ({len(wrong):,} such lines)" if len(wrong) > 1 else ""
    return (
        f"cannot read {name}: {has}{more}; put quotes around values that contain {separator!r}, or give another "
        "separator with sep="
    )


def _is_blank(column: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.equal(column, "")).as_py())
