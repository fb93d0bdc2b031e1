"""Class labels and categories as text: text is kept, whole numbers are written without decimals."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# Names of an index that says where rows are in their file, counted from 1.
PLACES = ("line", "row")
_WHOLE = re.compile(r"\+?(-?(?:0|[1-9]\d*))(?:\.0*)?", re.ASCII)


def label_text(value: Any) -> str:
    """A class label or category as text.

    Text is only stripped of surrounding blanks, so ``01``, ``1`` and ``1_0`` are three labels. A whole number becomes
    its digits, even if it is a float: 1.0 becomes ``1``.

    >>> [label_text(v) for v in ("01", " 1e2 ", 9007199254740993, 1.0, 2.5, True)]
    ['01', '1e2', '9007199254740993', '1', '2.5', 'True']
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | np.bool_):
        return str(value)
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, float | np.floating | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value).strip()


def place_of(column: pd.Series[Any], position: int) -> str:
    """Where a value is, for messages: the line of its file if the index says so, else its row, counted from 0.

    >>> place_of(pd.Series([7, 8], index=pd.Index([2, 3], name="line")), 1), place_of(pd.Series([7, 8]), 1)
    ('line 3', 'row 1')
    """
    if column.index.name in PLACES:
        return f"{column.index.name} {column.index[position]}"
    return f"row {position}"


def label_codes(column: pd.Series[Any]) -> tuple[np.ndarray, list[str]]:
    """Integer codes ``(rows,)`` of the labels, −1 for missing values, and the distinct labels as they appear."""
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) not in ("string", "empty"):
        # pandas treats True and 1 in mixed columns as equal, so each value is converted separately.
        texts: list[str | None] = [
            None if is_missing else label_text(v) for v, is_missing in zip(column, column.isna(), strict=True)
        ]
        codes: np.ndarray = np.arange(len(column))
    else:
        # Each distinct value is converted once.
        codes, values = pd.factorize(column)
        texts = [label_text(v) for v in values]
    numbers, found = pd.factorize(np.array(texts, dtype=object))
    return np.where(codes < 0, -1, np.append(numbers, -1)[codes]), list(found)


def alike(labels: Iterable[str]) -> list[list[str]]:
    """Labels that differ only in case or blanks, together.

    >>> alike(["no", "yes", "No"])
    [['No', 'no']]
    """
    forms: dict[str, list[str]] = {}
    for label in sorted(labels, key=natural_order):
        forms.setdefault(" ".join(label.split()).casefold(), []).append(label)
    return [same for same in forms.values() if len(same) > 1]


def alike_note(column: pd.Series[Any], what: str = "levels") -> str:
    """A note on levels that differ only in case or blanks; "" if there are none.

    >>> alike_note(pd.Series(["no", "yes", "No"]))
    "'No' and 'no' are different levels"
    """
    texts = [value for value in column.dropna().unique() if isinstance(value, str)]
    found = alike(texts)
    more = f", and {len(found) - 1} more such" if len(found) > 1 else ""
    return f"{' and '.join(map(repr, found[0][:3]))} are different {what}{more}" if found else ""


def natural_order(label: str) -> tuple[int, Decimal, str]:
    """Sort key of labels: numbers by value, equal numbers by text, then other text. Different labels never tie."""
    number = _number(label)
    return (1, Decimal(0), label) if number is None else (0, number, label)


def matching_label(text: str, known: Iterable[str]) -> str | None:
    """The known label that ``text`` refers to: the same text, else the only one with the same whole number, else None.

    ``1``, ``1.``, ``1.0`` and ``+1`` are the same whole number. Text with leading zeros or an exponent is a code, not a
    number.

    >>> matching_label("01", ["1", "01"]), matching_label("1.", ["1", "2"]), matching_label("01", ["1", "2"])
    ('01', '1', None)
    """
    known = list(known)
    if text in known:
        return text
    whole = _WHOLE.fullmatch(text)
    equal = [label for label in known if whole and (other := _WHOLE.fullmatch(label)) and other[1] == whole[1]]
    return equal[0] if len(equal) == 1 else None


def read_floats(column: pd.Series[Any]) -> pd.Series[Any]:
    """Convert a text column to float64 if each value is a float as programs print it, such as ``1.0``.

    Otherwise, or if two different texts were the same number, the column is returned unchanged.
    """
    texts = column.dropna().unique()
    numbers = {}
    for text in texts:
        number = _number(text)
        if number is None or repr(float(text)) != text:
            return column
        numbers[text] = float(text)
    if len(set(numbers.values())) < len(texts):  # 0.0 and -0.0
        return column
    return column.map(numbers).astype(np.float64)


def _number(text: str) -> Decimal | None:
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent out of range
        return None
