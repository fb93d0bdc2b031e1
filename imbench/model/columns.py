"""One column of a table as it was read in training, and how a new table's column is read the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from imbench.contract.columns import ColumnReading
from imbench.contract.names import counted
from imbench.contract.text import shown
from imbench.data.asked import Asked
from imbench.data.asked_columns import truth
from imbench.data.column_values import is_text
from imbench.data.columns import plain_numbers
from imbench.data.date_text import ISO, days_of, days_written, read_dates
from imbench.data.labels import label_codes, label_text, matching_label, place_of
from imbench.data.levels import LEAST_ROWS, MISSING_LEVEL
from imbench.data.number_text import is_missing, parse_numbers
from imbench.data.ordinal_scales import natural_scale
from imbench.data.refused_columns import RefusedColumnError
from imbench.data.text_columns import hashed_words

AGAIN = "or fit the model again with a table that has them"
REFUSE, POOLED = "refuse", "pooled"
UNKNOWN_LEVELS = (REFUSE, POOLED)


@dataclass(frozen=True)
class Marks:
    """Decimal marks of a new table: the one that is set, "" for none, and that of columns which do not show theirs."""

    given: str = ""
    default: str = "."


@dataclass(frozen=True, eq=False)
class Values:
    """A column of a new table.

    Parameters
    ----------
    numbers : ``(rows,)`` float64, NaN for missing values; for categories the number of the level, -1 if it is pooled.
        ``(rows, inputs)`` for the words of a text
    absent : ``(rows,)`` bool, which values are missing
    """

    numbers: np.ndarray
    absent: np.ndarray


@dataclass(frozen=True)
class InputColumn:
    """How one column of a table becomes inputs.

    Parameters
    ----------
    name, kind : as in `imbench.contract.columns.ColumnReading`
    reads : key of `READERS`; "" for a column of which only missing values are an input
    words : texts with a meaning: the levels of a category that are inputs, the order of an ordinal column, the words
        for 0 and 1, or the names of the inputs of a text
    pooled : levels of a category that have too few rows for inputs of their own
    missing_level : whether a missing category is an input
    indicator : whether there is an input that says whether the value is missing
    notation : notation of dates written as text (see `imbench.data.date_text.Dates`)
    lenient : whether text among numbers is read as missing
    missing_words : which texts mean a missing value in a column with an indicator only, a key of `MISSING`
    had_missing : whether the training table had missing values
    origin, unit : shift and divisor before conversion to float32 (see `imbench.data.origin`)
    origins, units : the same for each input of a text
    """

    name: str
    kind: str
    reads: str
    words: tuple[str, ...] = ()
    pooled: tuple[str, ...] = ()
    missing_level: bool = False
    indicator: bool = False
    notation: str = ""
    lenient: bool = False
    missing_words: str = ""
    had_missing: bool = False
    origin: float = 0.0
    unit: float = 1.0
    origins: tuple[float, ...] = ()
    units: tuple[float, ...] = ()

    @property
    def levels(self) -> int:
        """Number of inputs that are levels."""
        return len(self.words) + self.missing_level if self.reads == "levels" else 0

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, without that of the indicator."""
        if self.reads == "levels":
            ends = (*self.words, *((MISSING_LEVEL,) if self.missing_level else ()))
            return tuple(f"{self.name}={level}" for level in ends)
        if self.reads == "text":
            return self.words
        return (self.name,) if self.reads else ()

    def read(self, column: pd.Series[Any], marks: Marks, unknown: str = REFUSE) -> Values:
        """Read the same column of another table.

        Parameters
        ----------
        column : values of any type
        marks : decimal marks of the table
        unknown : what happens to a level that training did not have: `REFUSE` or `POOLED`

        Raises
        ------
        RefusedColumnError for values of another kind, and for unknown levels.
        """
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
        if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in ("datetime", "date"):
            column = pd.to_datetime(column, utc=True)
        if not self.reads:
            absent = _absent(column, self.missing_words)
            return Values(np.where(absent, np.nan, 0.0), absent)
        found: Values = READERS[self.reads](self, column, marks, unknown)
        return found

    def encode(self, values: Values, out: np.ndarray) -> None:
        """Write the inputs, except the indicator, into ``(rows, inputs)`` float32."""
        if self.reads == "levels":
            for level in range(self.levels):
                out[:, level] = values.numbers == level
        elif self.reads == "text":
            out[:] = (values.numbers - np.array(self.origins)) / np.array(self.units)
        elif self.reads:
            plain = (self.origin, self.unit) == (0.0, 1.0)
            with np.errstate(over="ignore"):
                out[:, 0] = values.numbers if plain else (values.numbers - self.origin) / self.unit

    def refused(self, column: pd.Series[Any], wrong: Sequence[str], problem: str, fix: str) -> RefusedColumnError:
        """The refusal of a column because of these texts in it."""
        shown = [repr(text[:40]) for text in wrong[:3]]
        codes, texts = label_codes(column)
        place = place_of(column, int(np.argmax(codes == texts.index(wrong[0])))) if wrong[0] in texts else ""
        more = f" and {counted(len(wrong) - 3, 'other')}" if len(wrong) > 3 else ""
        where = f"{self.name!r} ({', '.join(shown)}{more}{f', first in {place}' if place else ''})"
        return RefusedColumnError(problem, where, self.name, fix)


def coded(
    column: pd.Series[Any],
    reading: ColumnReading,
    asked: Asked,
    levels: Sequence[str],
    origin: Sequence[float],
    unit: Sequence[float],
) -> InputColumn:
    """How a column of the training table was read, from its values and its row in the table of columns.

    Parameters
    ----------
    column : values as the file has them
    levels : levels of a category that are inputs, with that of missing values; names of the inputs of a text
    origin, unit : shift and divisor of each input
    """
    base = InputColumn(
        reading.name,
        reading.kind,
        "",
        indicator=reading.kind != "categorical" and reading.missing > 0,
        had_missing=reading.missing > 0,
        lenient=asked.kinds.get(reading.name) == "numeric",
    )
    if len(levels) == 0 and len(origin):
        base = replace(base, origin=origin[0], unit=unit[0])
    elif reading.kind == "text":
        base = replace(base, origins=tuple(origin), units=tuple(unit))
    found: InputColumn = _OF_KIND.get(reading.kind, _presence)(base, column, reading, asked, levels)
    return found


def _presence(
    base: InputColumn, column: pd.Series[Any], reading: ColumnReading, asked: Asked, levels: Sequence[str]
) -> InputColumn:
    """A column that is left out, of which missing values are an input."""
    fits = [how for how in MISSING if int(_absent(column, how).sum()) == reading.missing]
    return replace(base, missing_words=fits[0] if fits else next(iter(MISSING)))


def _of_numbers(
    base: InputColumn, column: pd.Series[Any], reading: ColumnReading, asked: Asked, levels: Sequence[str]
) -> InputColumn:
    return replace(base, reads="duration" if pd.api.types.is_timedelta64_dtype(column) else "number")


def _of_truth(
    base: InputColumn, column: pd.Series[Any], reading: ColumnReading, asked: Asked, levels: Sequence[str]
) -> InputColumn:
    known = is_text(column) or reading.name in asked.kinds
    present = [text for text in _texts(column) if not is_missing(text)] if known else []
    words = truth(present, asked.trues.get(reading.name, "")) or ()
    words = () if words == ("0", "1") else words  # the numbers themselves
    return replace(base, reads="truth", words=words)


def _of_places(
    base: InputColumn, column: pd.Series[Any], reading: ColumnReading, asked: Asked, levels: Sequence[str]
) -> InputColumn:
    order: Sequence[str] = asked.orders.get(reading.name, ())
    if not order and isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.ordered:
        order = [label_text(value) for value in column.dtype.categories]
    order = order or natural_scale([text for text in _texts(column) if not is_missing(text)])
    return replace(base, reads="place", words=tuple(order))


def _of_dates(
    base: InputColumn, column: pd.Series[Any], reading: ColumnReading, asked: Asked, levels: Sequence[str]
) -> InputColumn:
    if reading.name in asked.notations:
        return replace(base, reads="date", notation=asked.notations[reading.name])
    known = is_text(column) or reading.name in asked.kinds
    texts = [text for text in _texts(column) if not is_missing(text, among_numbers=True)] if known else []
    dates = read_dates(texts) if texts else None
    return replace(base, reads="date", notation=dates.format if dates else ISO)


def _of_levels(
    base: InputColumn, column: pd.Series[Any], reading: ColumnReading, asked: Asked, levels: Sequence[str]
) -> InputColumn:
    has_missing = reading.missing >= LEAST_ROWS
    own = tuple(levels[: len(levels) - has_missing])
    texts = _texts(column)
    masked = is_text(column) or isinstance(column.dtype, pd.CategoricalDtype)
    known = {_canonical(text, own) for text in texts if not (masked and is_missing(text))}
    pooled = tuple(sorted(known - set(own)))
    return replace(base, reads="levels", words=own, pooled=pooled, missing_level=has_missing)


def _of_text(
    base: InputColumn, column: pd.Series[Any], reading: ColumnReading, asked: Asked, levels: Sequence[str]
) -> InputColumn:
    return replace(base, reads="text", words=tuple(levels)) if levels else _presence(base, column, reading, asked, ())


_OF_KIND: Mapping[str, Callable[[InputColumn, pd.Series[Any], ColumnReading, Asked, Sequence[str]], InputColumn]] = {
    "numeric": _of_numbers,
    "boolean": _of_truth,
    "ordinal": _of_places,
    "date": _of_dates,
    "categorical": _of_levels,
    "text": _of_text,
}


def _texts(column: pd.Series[Any]) -> list[str]:
    return label_codes(column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column)[1]


def _canonical(text: str, levels: Sequence[str]) -> str:
    """The level that a text means, or the text that such a level would have: 1.0 is the level 1."""
    if text in levels:
        return text
    try:
        number = label_text(float(text)) if repr(float(text)) == text else text
    except (ValueError, OverflowError):
        number = text
    return number if number in levels else matching_label(text, levels) or number


def _absent(column: pd.Series[Any], how: str) -> np.ndarray:
    """``(rows,)`` bool, which values are missing; texts count by a rule of `MISSING`."""
    if not is_text(column):
        return np.asarray(column.isna())
    codes, texts = label_codes(column)
    gone = np.array([MISSING[how or "blank"](text) for text in texts] + [True])
    return np.asarray(gone[codes])


def _is_no_number(text: str) -> bool:
    return not parse_numbers([text], "").numbers


# Which texts mean a missing value, from the strictest rule on.
MISSING: Mapping[str, Callable[[str], bool]] = {
    "blank": is_missing,
    "among numbers": lambda text: is_missing(text, among_numbers=True),
    "no number": _is_no_number,
}


def _numbers(self: InputColumn, column: pd.Series[Any], marks: Marks, unknown: str) -> Values:
    if pd.api.types.is_timedelta64_dtype(column) and self.reads == "duration":
        numbers = column.dt.total_seconds().to_numpy(dtype=np.float64)
    elif is_text(column):
        numbers = _numbers_of_text(self, column, marks)
    elif pd.api.types.is_numeric_dtype(column):
        values = column.astype("Float64") if isinstance(column.dtype, pd.BooleanDtype) else column
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        raise _of_other_kind(self, column, "numbers")
    with np.errstate(over="ignore"):
        infinite = np.flatnonzero(np.isinf(numbers.astype(np.float32)))
    if len(infinite):
        where = f"{self.name!r} ({shown(str(column.iloc[infinite[0]]), 40)} in {place_of(column, infinite[0])})"
        fix = "leave the cell empty if the value is missing"
        raise RefusedColumnError("values must be finite and in the range of float32", where, self.name, fix)
    return Values(numbers, np.isnan(numbers))


def _numbers_of_text(self: InputColumn, column: pd.Series[Any], marks: Marks) -> np.ndarray:
    plain = plain_numbers(column) if (marks.given or marks.default) == "." else None
    if plain is not None:
        return plain
    codes, texts = label_codes(column)
    parsed = parse_numbers(texts, marks.given, marks.default)
    if parsed.words and not self.lenient:
        raise self.refused(column, parsed.words, "the model reads numbers", "correct the values, or leave cells empty")
    return np.asarray(np.array([parsed.numbers.get(text, np.nan) for text in texts] + [np.nan])[codes])


def _truth(self: InputColumn, column: pd.Series[Any], marks: Marks, unknown: str) -> Values:
    words = self.words or ("false", "true")
    # Two numbers can be words as well: boolean=status:2.
    numbered = bool(self.words) and pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if is_text(column) or numbered:
        codes, texts = label_codes(column)
        numbers = {} if self.words else dict(parse_numbers(texts, marks.given, marks.default).numbers)
        of_word = {text: float(text.casefold() == words[1]) for text in texts if text.casefold() in words}
        values = {text: value for text, value in {**numbers, **of_word}.items() if value in (0.0, 1.0)}
        gone = [text for text in texts if is_missing(text, among_numbers=not self.words)]
        wrong = [text for text in texts if text not in values and text not in gone]
        if wrong and not self.lenient:
            raise self.refused(column, wrong, f"the model reads {_of_truth_words(self)}", f"correct them, {AGAIN}")
        found = np.asarray(np.array([values.get(text, np.nan) for text in texts] + [np.nan])[codes])
        return Values(found, np.isnan(found))
    if self.words and not pd.api.types.is_bool_dtype(column) and not column.isna().all():
        raise _of_other_kind(self, column, _of_truth_words(self))
    found = _numbers(self, column, marks, unknown).numbers
    strange = np.flatnonzero(~np.isnan(found) & (found != 0) & (found != 1))
    if len(strange):
        wrong = list(dict.fromkeys(label_text(value) for value in column.iloc[strange].to_numpy()))
        raise self.refused(column, wrong, f"the model reads {_of_truth_words(self)}", f"correct them, {AGAIN}")
    return Values(found, np.isnan(found))


def _of_truth_words(self: InputColumn) -> str:
    return " or ".join(self.words or ("0", "1"))


def _places(self: InputColumn, column: pd.Series[Any], marks: Marks, unknown: str) -> Values:
    codes, texts = label_codes(column)
    place = {text: matching_label(text, self.words) for text in texts if not is_missing(text)}
    wrong = [text for text, level in place.items() if level is None]
    if wrong:
        levels = f"the levels of the model are {' < '.join(self.words)}"
        raise self.refused(column, wrong, levels, f"correct the others, {AGAIN}")
    numbers = {text: float(self.words.index(level)) for text, level in place.items() if level is not None}
    found = np.asarray(np.array([numbers.get(text, np.nan) for text in texts] + [np.nan])[codes])
    return Values(found, np.isnan(found))


def _dates(self: InputColumn, column: pd.Series[Any], marks: Marks, unknown: str) -> Values:
    if pd.api.types.is_datetime64_any_dtype(column):
        days = days_of(column)
    elif is_text(column) or (self.notation != ISO and pd.api.types.is_numeric_dtype(column)):
        codes, texts = label_codes(column)  # numbers can be dates as well: date=day:%Y%m%d
        present = [text for text in texts if not is_missing(text, among_numbers=True)]
        found = dict(zip(present, days_written(present, self.notation).tolist(), strict=True))
        wrong = [text for text in present if np.isnan(found[text])]
        if wrong:
            notation = "year-month-day" if self.notation == ISO else self.notation
            raise self.refused(column, wrong, f"the model reads dates written {notation}", "write them so")
        days = np.asarray(np.array([found.get(text, np.nan) for text in texts] + [np.nan])[codes])
    elif column.isna().all():
        days = np.full(len(column), np.nan)
    else:
        raise _of_other_kind(self, column, "dates")
    return Values(days, np.isnan(days))


def _words(self: InputColumn, column: pd.Series[Any], marks: Marks, unknown: str) -> Values:
    codes, texts = label_codes(column)
    gone = np.array([is_missing(text) for text in texts] + [True])
    found = np.zeros((len(texts) + 1, len(self.words)))
    present = np.flatnonzero(~gone)
    if len(present):
        found[present] = hashed_words([texts[k] for k in present])
    return Values(found[codes], np.asarray(gone[codes]))


def _levels(self: InputColumn, column: pd.Series[Any], marks: Marks, unknown: str) -> Values:
    codes, texts = label_codes(column)
    masked = is_text(column)
    number = {level: float(i) for i, level in enumerate(self.words)} | dict.fromkeys(self.pooled, -1.0)
    missing = float(len(self.words)) if self.missing_level else -1.0
    values, wrong = [], []
    for text in texts:
        level = _canonical(text, (*self.words, *self.pooled))
        if masked and is_missing(text):
            values.append(missing)
        elif level in number or unknown == POOLED:
            values.append(number.get(level, -1.0))
        else:
            wrong.append(text)
    if wrong:
        fix = f"correct them, use --unknown-levels {POOLED} to read them as rare levels, {AGAIN}"
        raise self.refused(column, wrong, "the model has no such levels", fix)
    gone = np.array([masked and is_missing(text) for text in texts] + [True])
    return Values(np.asarray(np.array([*values, missing])[codes]), np.asarray(gone[codes]))


def _of_other_kind(self: InputColumn, column: pd.Series[Any], what: str) -> RefusedColumnError:
    present = column[column.notna()]
    where = f"{self.name!r} ({str(present.iloc[0])[:40]} in {place_of(present, 0)})"
    return RefusedColumnError(f"the model reads {what}", where, self.name, f"write them as {what}")


# How a column's values become numbers, by `InputColumn.reads`.
READERS: Mapping[str, Callable[[InputColumn, pd.Series[Any], Marks, str], Values]] = {
    "number": _numbers,
    "duration": _numbers,
    "truth": _truth,
    "place": _places,
    "date": _dates,
    "levels": _levels,
    "text": _words,
}
