"""Class labels and categories as text: what was text stays as it is, whole numbers stay whole."""

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


def label_text(value: Any) -> str:
    """A class label or category as text.

    Text stays the text that it is, without blanks around it: ``01``, ``1`` and ``1_0`` are three labels. A whole number
    is its digits, also where it is held as a float: ``1.0`` is ``1``.

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


def label_codes(column: pd.Series[Any]) -> tuple[np.ndarray, list[str]]:
    """``(rows,)`` numbers of the different label texts, −1 where a value is missing, and these texts as they come."""
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) not in ("string", "empty"):
        # Of mixed values pandas takes True for 1, so each is read by itself.
        texts: list[str | None] = [
            None if gone else label_text(v) for v, gone in zip(column, column.isna(), strict=True)
        ]
        codes: np.ndarray = np.arange(len(column))
    else:
        # Values repeat: each different one is read once.
        codes, values = pd.factorize(column)
        texts = [label_text(v) for v in values]
    numbers, found = pd.factorize(np.array(texts, dtype=object))
    return np.where(codes < 0, -1, np.append(numbers, -1)[codes]), list(found)


def natural_order(label: str) -> tuple[int, Decimal, str]:
    """Sort key of labels: numbers by size, those of equal size by their text, then other text; no two labels tie."""
    number = _number(label)
    return (1, Decimal(0), label) if number is None else (0, number, label)


def known_as(text: str, known: Iterable[str]) -> str | None:
    """The known label that this text means: the same text, else the only one of the same number, else None.

    >>> known_as("01", ["1", "01"]), known_as("1.", ["1", "2"]), known_as("01", ["1", "1.0"])
    ('01', '1', None)
    """
    known = list(known)
    if text in known:
        return text
    number = _number(text)
    equal = [] if number is None else [label for label in known if _number(label) == number]
    return equal[0] if len(equal) == 1 else None


def read_floats(column: pd.Series[Any]) -> pd.Series[Any]:
    """Text of a file without types as floats, if every cell reads as a program writes a float, such as ``1.0``.

    Else the text as it was. No two texts become one number.
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
    except InvalidOperation:  # an exponent beyond any number
        return None
