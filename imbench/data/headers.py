"""Where the header of delimited text is: in its first record, below titles or comments, or nowhere."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from imbench.contract.errors import DataError
from imbench.data.number_text import is_missing, is_number

# What a line of a comment begins with.
_COMMENTS = ("#", "%", "//")
_LINE_END = re.compile(r"\r\n|\r|\n")


def has_header(records: Sequence[Sequence[str]]) -> bool:
    """Whether the first record names the columns.

    A name above a column of numbers shows a header. A number there shows that there is none, unless the first record
    has running numbers or years, as names of columns have. Without any column of numbers, a header is expected.
    """
    first, rest = records[0], records[1:]
    if names_numbers(first, rest):
        return True
    numbers = [cell for j, cell in enumerate(first) if is_number(cell) and _are_numbers(rest, j)]
    if not numbers:
        return not (rest and len(set(first)) < len(first))
    running = [cell for cell in first if is_number(cell)]
    steps = {b - a for a, b in itertools.pairwise(int(cell) if cell.isdecimal() else np.nan for cell in running)}
    return steps == {1} and len(running) > 2


def records_above(records: Sequence[Sequence[str]]) -> int:
    """The number of titles and comments above a header, 0 unless they and the header are unmistakable.

    A title has one value, a comment begins with a sign of comments and has not as many values as the rows. The header
    below has as many values as most rows, all different, none a number, and is above a column of numbers or has at
    least three values.

    >>> records_above([["Report of 2024"], ["id", "age"], ["1", "20"], ["2", "30"]])
    1
    """
    width = usual_width(records)
    start = 0
    while start < len(records) and _is_above(records[start], width):
        start += 1
    header, rows = (records[start], records[start + 1 :]) if start < len(records) else ((), ())
    names = {cell for cell in header if cell and not is_number(cell) and not is_missing(cell)}
    is_sure = bool(rows) and len(names) == len(header) == width and (width > 2 or names_numbers(header, rows))
    return start if is_sure else 0


def names_numbers(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether a cell that is no number is above a column of numbers."""
    return any(cell and not is_missing(cell) and not is_number(cell) and _are_numbers(rest, j)
               for j, cell in enumerate(first))  # fmt: skip


def usual_width(records: Sequence[Sequence[str]]) -> int:
    """The number of values that most records have."""
    return Counter(map(len, records)).most_common(1)[0][0]


def from_line(text: str, line: int, name: str) -> str:
    """The text from a line on, counted from 1. Raises `DataError` if there is no such line, or if it is blank."""
    start = 0
    for _ in range(line - 1):
        end = _LINE_END.search(text, start)
        if end is None:
            raise DataError(f"{name} has no line {line}; give with header= the line that has the names of the columns")
        start = end.end()
    end = _LINE_END.search(text, start)
    if not text[start : end.start() if end else None].strip():
        raise DataError(f"{name}: line {line} is blank; give with header= the line that has the names of the columns")
    return text[start:]


def _is_above(record: Sequence[str], width: int) -> bool:
    filled = sum(bool(cell) for cell in record)
    return filled <= 1 < width or (record[0].startswith(_COMMENTS) and len(record) != width)


def _are_numbers(rest: Sequence[Sequence[str]], j: int) -> bool:
    below = [record[j] for record in rest if len(record) > j and not is_missing(record[j])]
    return bool(below) and all(map(is_number, below))
