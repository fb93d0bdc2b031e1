"""Dates written as text, in ISO 8601 and the usual notations of several countries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbench.contract.errors import DataError

# The notation of year-month-day, with or without a time.
ISO, ISO_WORDS = "ISO8601", "year-month-day"
_DAYS = {
    ISO: ISO_WORDS, "%Y/%m/%d": "year/month/day", "%Y.%m.%d": "year.month.day",
    "%d.%m.%Y": "day.month.year", "%d/%m/%Y": "day/month/year", "%m/%d/%Y": "month/day/year",
    "%d-%m-%Y": "day-month-year", "%m-%d-%Y": "month-day-year", "%d.%m.%y": "day.month.year",
    "%d/%m/%y": "day/month/year", "%m/%d/%y": "month/day/year", "%d %b %Y": "day month year",
    "%d %B %Y": "day month year", "%d-%b-%Y": "day-month-year", "%d-%b-%y": "day-month-year",
    "%b %d, %Y": "month day, year", "%B %d, %Y": "month day, year",
}  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_LIKE_A_DATE = re.compile(r"(?=.*\d)(?=.*[-/. ])[\w\-/.:, +]{6,35}")
_EPOCH = pd.Timestamp(0, tz="UTC")
# Texts that a notation is tried on before it is used for a whole column.
_TRIED = 50


@dataclass(frozen=True, eq=False)
class Dates:
    """Texts read as dates.

    Parameters
    ----------
    days : ``(texts,)`` float64, days since 1970-01-01, NaN for text that is no date
    notation : the notation in words, and other notations that fit as well
    fits : ``(texts,)`` bool, which texts are dates in this or another notation
    other : a notation of texts that this one does not fit, in words; "" for none
    format : the notation for `days_written`
    """

    days: np.ndarray
    notation: str
    fits: np.ndarray
    other: str = ""
    format: str = ISO

    @property
    def is_complete(self) -> bool:
        """Whether all texts are dates in the notation."""
        return bool(np.isfinite(self.days).all())


def read_dates(texts: Sequence[str]) -> Dates | None:
    """Read distinct texts in the notation that fits most of them; None if half of them or more are no dates.

    >>> read_dates(["31.12.2024", "01.01.2025"]).notation
    'day.month.year'
    """
    tried = list(texts[:: max(len(texts) // _TRIED, 1)][:_TRIED])
    if not tried or sum(bool(_LIKE_A_DATE.fullmatch(text)) for text in tried) <= len(tried) / 2:
        return None
    marks = set(map(_marks, tried))
    read = [
        (words, days_written(texts, one), one)
        for words, one, of in _NOTATIONS
        if (one == ISO or of in marks) and np.isfinite(days_written(tried, one)).any()
    ]
    if not read:
        return None
    fitting = [int(np.isfinite(days).sum()) for _, days, _ in read]
    best, days, written = read[fitting.index(max(fitting))]
    same = [words for words, others, _ in read if np.array_equal(np.isfinite(others), np.isfinite(days))]
    as_well = [words for words in dict.fromkeys(same) if words != best]
    fits = np.any([np.isfinite(other) for _, other, _ in read], axis=0)
    if fits.mean() <= 0.5:
        return None
    left = np.isnan(days)
    other = max(read, key=lambda one: int(np.isfinite(one[1][left]).sum()))
    rest = other[0] if np.isfinite(other[1][left]).any() else ""
    also = f" ({' and '.join(as_well)} fits as well)" if as_well else ""
    return Dates(days, best + also, fits, rest, written)


def _marks(text: str) -> tuple[str, bool]:
    """What is neither a letter, a digit nor a space, in order; and whether there are letters.

    Both are alike for a date and its notation without ``%``-codes, and seen 50 times faster than a date is read.
    """
    marks = "".join(one for one in text if not (one.isalnum() or one.isspace()))
    return marks, any(one.isalpha() for one in text)


def _notations() -> list[tuple[str, str, tuple[str, bool]]]:
    """Each notation in words, as a format, and the marks of its dates."""
    found = [(words, day + time) for day, words in _DAYS.items() for time in _TIMES[: 1 if day == ISO else None]]
    # Of the codes only names of months and AM or PM are letters.
    return [(words, one, _marks(re.sub("%[bBp]", "x", re.sub("%[^bBp]", "0", one)))) for words, one in found]


_NOTATIONS = _notations()


def dates_in(texts: Sequence[str], notation: str, asked: str) -> Dates:
    """Read distinct texts in a notation of `datetime.datetime.strptime`, such as ``%d/%m/%Y``.

    Raises `DataError` for a notation that is none; ``asked`` is what asked for it.
    """
    try:
        days = days_written(texts, notation)
    except ValueError as error:
        raise DataError(
            f"{asked}: {notation!r} is no notation of dates ({error}); write for example %d/%m/%Y"
        ) from None
    return Dates(days, notation, np.isfinite(days), format=notation)


def days_of(column: pd.Series) -> np.ndarray:
    """Days since 1970-01-01, ``(rows,)`` float64, of a column of dates; NaN for missing ones."""
    dates = pd.to_datetime(column, utc=True)
    try:
        return np.asarray((dates - _EPOCH) / pd.Timedelta(days=1), dtype=np.float64)
    except pd.errors.OutOfBoundsDatetime:  # years that nanoseconds do not reach, such as 9999 for "never"
        plain = dates.dt.tz_localize(None).to_numpy()
        return np.asarray((plain - np.datetime64(0, "D")) / np.timedelta64(1, "D"), dtype=np.float64)


def days_written(texts: Sequence[str], notation: str) -> np.ndarray:
    """Days since 1970-01-01, ``(texts,)`` float64, of texts in a notation of `Dates.format`; NaN for other text."""
    values = pd.Series(list(texts), dtype=object)
    return days_of(pd.to_datetime(values, format=notation, utc=True, errors="coerce"))
