"""The kind of each column of a user's table, and its values as inputs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from imbench.contract.columns import ColumnReading
from imbench.contract.errors import DataError
from imbench.contract.joined import escaped
from imbench.contract.text import shown
from imbench.data.asked import Asked
from imbench.data.asked_columns import boolean, date, of_dates, ordinal, stray_dates, truth, words
from imbench.data.column_values import Column, Texts, is_text, left_out, made, no_values, quoted, stray
from imbench.data.date_text import days_of, read_dates
from imbench.data.labels import alike_note, label_text, place_of, read_floats
from imbench.data.number_text import Parsed, decimal_evidence, is_missing, is_number, is_quantity, parse_numbers
from imbench.data.refused_columns import RefusedColumnError, refusal

# Rows from which a table's decimal mark is detected. A column that shows its own does not depend on it.
_SAMPLE = 10_000
# A column whose values are numbers (dates) in this share of rows is one, and the others are mistakes.
_MOSTLY = 0.9
# A column named as an identifier is one if it has more values than this; below, it may be a category.
_FEW = 20
# Share of distinct values from which text is an identifier, and from which text of several words is free text.
_DISTINCT, _FREE = 0.9, 0.5
# Rows from which a running number is no chance.
_ROWS_OF_INDEX = 100

_IDENTIFIER = re.compile(r"(?:^|[_\s.\-])(?:id|uuid|guid|identifier)(?:$|[_\s.\-])|[a-z]I[Dd]$")
_UNNAMED = re.compile(r"Unnamed: \d+|__index_level_\d+__")
# What programs and people call the number of a row.
_ROW_NUMBER = re.compile(
    r"index|level_0|rows?|row[ _.]?(?:nr|no|num|number|names?)\.?|nr\.?|lfd\.? ?nr\.?|#", re.IGNORECASE
)
# Digits after a zero are a code, such as a postcode.
_CODE = re.compile(r"0\d+", re.ASCII)
_CODE_ANYWHERE = "^0[0-9]+$"


def decimal_of(frame: pd.DataFrame, separator: str) -> str:
    """The decimal mark of a table's text columns, for columns that do not show their own.

    A comma if some values can only have a decimal comma and none a decimal point, or if the separator is a semicolon,
    which programs write where the comma is the decimal mark.
    """
    commas = 0
    for name in frame.columns:
        if is_text(frame[name]):
            evidence = decimal_evidence(map(str, pd.unique(frame[name].iloc[:_SAMPLE].dropna())))
            if evidence["."]:
                return "."
            commas += evidence[","]
    return "," if commas or separator == ";" else "."


def read_columns(frame: pd.DataFrame, asked: Asked, default: str = ".") -> list[Column]:
    """The columns of a table, each with its kind and values.

    Raises `DataError` that names all columns which cannot be read, with what is wrong and how to fix it.
    """
    columns, refused = [], []
    for name in frame.columns:
        try:
            columns.append(_read(frame[name], asked, default))
        except RefusedColumnError as error:
            refused.append(error)
    if refused:
        raise DataError(refusal(refused))
    return columns


def _read(column: pd.Series, asked: Asked, default: str) -> Column:
    kind = asked.kinds.get(str(column.name), "")
    if is_text(column):
        plain = plain_numbers(column) if kind in ("", "numeric") and (asked.decimal or default) == "." else None
        if plain is not None:
            return _numbers(column, plain, kind, "numeric", "a number", ())
        return _of_text(Texts.of(column), kind, asked, default)
    if isinstance(column.dtype, pd.CategoricalDtype):
        ordered = column.dtype.ordered and kind in ("", "ordinal")
        order = tuple(map(label_text, column.dtype.categories)) if ordered else ()
        texts = Texts.of(column.astype(object))
        return ordinal(texts, order) if order else _of_text(texts, kind or "categorical", asked, default)
    if kind in ("categorical", "ordinal"):
        return (
            _categorical(column, column.isna().to_numpy())
            if kind == "categorical"
            else ordinal(Texts.of(column.astype(object)), asked.orders.get(str(column.name), ()))
        )
    is_date = pd.api.types.is_datetime64_any_dtype(column)
    if kind in ("text", "boolean") or (kind == "date" and not is_date):
        return _of_text(Texts.of(column.astype(object)), kind, asked, default)
    if pd.api.types.is_timedelta64_dtype(column):
        column = column.dt.total_seconds()
    if is_date:
        return _numbers(column, days_of(column), kind, "date", "days since 1970-01-01", ())
    if not pd.api.types.is_numeric_dtype(column):  # periods, intervals and types of other packages
        return _of_text(Texts.of(column.astype(object)), kind, asked, default)
    values = column.astype("Float64") if isinstance(column.dtype, pd.BooleanDtype) else column
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return _numbers(column, numbers, kind, "numeric", "a number", ())


def plain_numbers(column: pd.Series) -> np.ndarray | None:
    """The numbers of a column in which all texts but empty ones are numbers as programs write them, else None.

    It says the same as `parse_numbers`, many times faster.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.dtype == object:
        return None
    texts = pa.array(column, pa.large_string())
    if pc.any(pc.match_substring_regex(texts, _CODE_ANYWHERE)).as_py():
        return None
    try:
        numbers = pc.cast(pc.if_else(pc.equal(texts, ""), None, texts), pa.float64())
    except pa.ArrowInvalid:
        return None
    return np.asarray(numbers.to_numpy(zero_copy_only=False))


def _of_text(texts: Texts, kind: str, asked: Asked, default: str) -> Column:
    missing = [text for text in texts.texts if is_missing(text)]
    absent = texts.absent(missing)
    present = [text for text in texts.texts if not is_missing(text)]
    if not present:
        raise no_values(texts.name)
    if kind == "categorical":
        return _categorical(read_floats(texts.column.mask(absent)), absent)
    if kind == "ordinal":
        return ordinal(texts, asked.orders.get(texts.name, ()))
    if kind == "id":
        return left_out(texts.name, kind, absent, len(present), "named so")
    if kind == "date":
        return date(texts, asked.notations.get(texts.name, ""))
    if kind == "boolean":
        return boolean(texts, asked.trues.get(texts.name, ""))
    if kind == "text":
        return words(texts)
    parsed = parse_numbers(texts.texts, asked.decimal, default)
    codes = not kind and any(map(_CODE.fullmatch, present))
    rows = dict(zip(texts.texts, texts.rows.tolist(), strict=True))
    share = sum(rows[text] for text in parsed.numbers) / max(sum(rows[t] for t in (*parsed.numbers, *parsed.words)), 1)
    if kind == "numeric" and not parsed.numbers:
        raise DataError(f"numeric={texts.name}: no value of the column is a number, such as {present[0][:40]!r}")
    if parsed.numbers and not codes and (kind == "numeric" or not parsed.words):
        return _numbers_of(texts, parsed, kind)
    days = [text for text in present if not is_missing(text, among_numbers=True)]
    dates = None if codes else read_dates(days)
    if dates is not None and dates.is_complete:
        return of_dates(texts, days, dates)
    if dates is not None and dates.fits.mean() >= _MOSTLY:
        raise stray_dates(texts, days, dates)
    if not codes and share >= _MOSTLY and len(parsed.numbers) > len(parsed.words) + 9:
        total = sum(rows[t] for t in (*parsed.numbers, *parsed.words))
        right = sum(rows[t] for t in parsed.numbers)
        fix = "correct the others, read them as missing with numeric={columns}"
        raise stray(texts, parsed.words, right, total, "numbers", fix)
    return _of_words(texts, present, absent)


def _of_words(texts: Texts, present: Sequence[str], absent: np.ndarray) -> Column:
    """A boolean, constant, identifier, free text, or category."""
    known = truth(present)
    if known is not None:
        false, true = known
        values = texts.mapped({text: float(text.casefold() == true) for text in present})
        return made(texts.column, values, "boolean", 2, f"1 for {true}, 0 for {false}")
    if len(present) == 1:
        return left_out(texts.name, "constant", absent, 1, f"all values are {present[0][:40]!r}")
    rows = int((~absent).sum())
    distinct = f"{len(present):,} distinct of {rows:,} values"
    if len(present) > _FEW and _IDENTIFIER.search(texts.name):
        return left_out(texts.name, "id", absent, len(present), f"named as an identifier, {distinct}")
    _refuse_quantities(texts, present)
    several = np.mean([" " in text.strip() for text in present]) > 0.5 and np.mean([len(t) for t in present]) > 15
    if several and len(present) > _FEW and len(present) >= _FREE * rows:
        ask = f"text={escaped(texts.name)} uses its words"
        return left_out(texts.name, "text", absent, len(present), f"text of several words, {distinct}; {ask}")
    if len(present) > _FEW and len(present) >= _DISTINCT * rows:
        return left_out(texts.name, "id", absent, len(present), f"text that differs in nearly every row, {distinct}")
    return _categorical(texts.column.mask(absent), absent)


def _refuse_quantities(texts: Texts, present: Sequence[str]) -> None:
    """Raise the refusal of a column of many numbers with units, or of times of day, which would be lost as text."""
    strange = [text for text in present if is_quantity(text) and not is_number(text)]
    like = sum(is_quantity(text) or is_number(text) for text in present)
    if strange and len(present) > _FEW and like >= _MOSTLY * len(present):
        raise RefusedColumnError(
            "values look like quantities, and are no plain numbers",
            f"{texts.name!r} ({strange[0][:40]!r} in {texts.place(strange[0])})",
            texts.name,
            "write them as numbers in one unit, read them as categories with categorical={columns}, or leave them out "
            "with drop={columns}",
        )


def _numbers_of(texts: Texts, parsed: Parsed, kind: str) -> Column:
    values = texts.mapped(parsed.numbers)
    notes = list(parsed.notes)
    others = [text for text in (*parsed.missing, *parsed.words) if text]
    if others:
        notes.append(f"{quoted(others)} read as missing")
    return _numbers(texts.column, values, kind, "numeric", "a number", notes)


def _numbers(
    column: pd.Series, values: np.ndarray, asked: str, kind: str, becomes: str, notes: Sequence[str]
) -> Column:
    """A column of numbers, unless it is constant, an identifier or infinite."""
    name = str(column.name)
    absent = np.isnan(values)
    if absent.all():
        raise no_values(name)
    with np.errstate(over="ignore"):
        infinite = np.flatnonzero(np.isinf(values.astype(np.float32)))
    if len(infinite):
        where = f"{name!r} ({shown(str(column.iloc[infinite[0]]), 40)} in {place_of(column, infinite[0])})"
        fix = "leave the cell empty if the value is missing, or leave the column out with drop={columns}"
        raise RefusedColumnError("values must be finite and in the range of float32", where, name, fix)
    present = values[~absent]
    found = np.unique(present)
    distinct, rows = len(found), len(present)
    if asked == "id":
        return left_out(name, "id", absent, distinct, "named so")
    if distinct == 1:
        return left_out(name, "constant", absent, 1, f"all values are {str(column[~absent].iloc[0])[:40]}")
    if not asked and kind == "numeric":
        if _UNNAMED.fullmatch(name) and distinct == len(values):
            return left_out(name, "id", absent, distinct, "a row number without a name")
        if distinct > _FEW and _IDENTIFIER.search(name):
            return left_out(name, "id", absent, distinct, f"named as an identifier, {distinct:,} distinct of {rows:,}")
        if (
            (rows >= _ROWS_OF_INDEX or (rows > _FEW and _ROW_NUMBER.fullmatch(name)))
            and present[0] in (0, 1)
            and np.array_equal(values, present[0] + np.arange(len(values)))
        ):
            return left_out(name, "id", absent, distinct, "the number of the row")
    if kind == "numeric" and distinct == 2 and set(found) == {0.0, 1.0}:
        kind = "boolean"
    return made(column, values, kind, distinct, becomes, notes)


def _categorical(values: pd.Series, absent: np.ndarray) -> Column:
    """A column of categories; its number of inputs is known when its rare levels are pooled."""
    if absent.all():
        raise no_values(str(values.name))
    missing, distinct = int(absent.sum()), int(values.nunique())
    reading = ColumnReading(str(values.name), "categorical", missing, distinct, alike_note(values), 0)
    return Column(reading, values, absent)
