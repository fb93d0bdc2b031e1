"""Dates written as text, in ISO 8601 and the usual notations of several countries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

_DAYS = {
    "ISO8601": "year-month-day", "%Y/%m/%d": "year/month/day", "%Y.%m.%d": "year.month.day",
    "%d.%m.%Y": "day.month.year", "%d/%m/%Y": "day/month/year", "%m/%d/%Y": "month/day/year",
    "%d-%m-%Y": "day-month-year", "%m-%d-%Y": "month-day-year", "%d.%m.%y": "day.month.year",
    "%d/%m/%y": "day/month/year", "%m/%d/%y": "month/day/year", "%d %b %Y": "day month year",
    "%d %B %Y": "day month year", "%d-%b-%Y": "day-month-year", "%d-%b-%y": "day-month-year",
    "%b %d, %Y": "month day, year", "%B %d, %Y": "month day, year",
}  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_LIKE_A_DATE = re.compile(r"(?=.*\d)(?=.*[-/. ])[\w\-/.:, +]{6,35}")
# The notation of year-month-day, with or without a time.
ISO = "ISO8601"
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
    format : the notation for `days_written`
    """

    days: np.ndarray
    notation: str
    format: str = ISO


def read_dates(texts: Sequence[str]) -> Dates | None:
    """Read distinct texts in the notation that fits most of them; None if none fits more than half.

    >>> read_dates(["31.12.2024", "01.01.2025"]).notation
    'day.month.year'
    """
    tried = list(texts[:: max(len(texts) // _TRIED, 1)][:_TRIED])
    if not tried or sum(bool(_LIKE_A_DATE.fullmatch(text)) for text in tried) <= len(tried) / 2:
        return None
    best, notations = None, []
    for day, words in _DAYS.items():
        for time in _TIMES[: 1 if day == "ISO8601" else None]:
            if np.isnan(days_written(tried, day + time)).mean() >= 0.5:
                continue
            days = days_written(texts, day + time)
            fitting = int(np.isfinite(days).sum())
            if best is None or fitting > best[0]:
                best, notations = (fitting, days, day + time), [words]
            elif fitting == best[0] and words not in notations:
                notations.append(words)
    if best is None or best[0] <= len(texts) / 2:
        return None
    also = f" ({' and '.join(notations[1:])} fits as well)" if notations[1:] else ""
    return Dates(best[1], notations[0] + also, best[2])


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
