"""The kind of each column of a user's table, and its values as inputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from imbench.contract.columns import ColumnReading
from imbench.contract.errors import DataError
from imbench.contract.names import counted, suggest
from imbench.data.date_text import days_of, read_dates
from imbench.data.labels import label_text, place_of, read_floats
from imbench.data.number_text import Parsed, decimal_evidence, is_missing, parse_numbers
from imbench.data.ordinal_scales import natural_scale
from imbench.data.refused_columns import RefusedColumnError, refusal

# Parameters of a spec that name columns of a kind.
KIND_PARAMETERS = ("numeric", "categorical", "ordinal", "id", "text")
# Between the levels of an ordinal column, from the lowest: ordinal=size:small/medium/large.
_BETWEEN_LEVELS = "/"
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
TRUE_WORDS = {
    "yes": "no",
    "true": "false",
    "y": "n",
    "t": "f",
    "on": "off",
    "ja": "nein",
    "oui": "non",
    "si": "no",
    "sí": "no",
}
# Digits after a zero are a code, such as a postcode.
_CODE = re.compile(r"0\d+", re.ASCII)
_CODE_ANYWHERE = "^0[0-9]+$"


@dataclass(frozen=True)
class Asked:
    """What a spec says about columns.

    Parameters
    ----------
    kinds : kind of each column that it names
    orders : levels of ordinal columns, from the lowest
    decimal : decimal mark of the table; "" if it is detected
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decimal: str = ""


@dataclass(frozen=True, eq=False)
class Column:
    """A column as it was read.

    Parameters
    ----------
    reading : its row in the table of columns
    numbers_or_texts : the values; texts for a categorical column, None for a column that is left out
    absent : ``(rows,)`` bool, which values are missing
    """

    reading: ColumnReading
    numbers_or_texts: pd.Series | None
    absent: np.ndarray

    @property
    def is_categorical(self) -> bool:
        """Whether the values are texts."""
        return self.reading.kind == "categorical"


def listed(text: str, columns: Iterable[str]) -> list[str]:
    """The columns in a parameter such as ``a+b``; a column may have a plus in its name."""
    return [text] if text in set(columns) else [part for part in text.split("+") if part]


def asked_of(params: Mapping[str, str], columns: Sequence[str], decimal: str) -> Asked:
    """What the parameters of a spec say about these columns.

    Raises `DataError` for a column that does not exist, or that has two kinds.
    """
    kinds: dict[str, str] = {}
    orders: dict[str, tuple[str, ...]] = {}
    for kind in (key for key in KIND_PARAMETERS if key in params):
        for one in listed(params[kind], columns):
            name, colon, levels = one.rpartition(":") if kind == "ordinal" and ":" in one else (one, "", "")
            if name not in columns:
                raise DataError(f"there is no column {name!r} ({kind}={params[kind]}); {suggest(name, columns)}")
            if kinds.setdefault(name, kind) != kind:
                raise DataError(f"column {name!r} cannot be both {kinds[name]} and {kind}; remove it from one of them")
            if colon:
                orders[name] = tuple(level.strip() for level in levels.split(_BETWEEN_LEVELS))
    return Asked(kinds, orders, decimal)


def decimal_of(frame: pd.DataFrame, separator: str) -> str:
    """The decimal mark of a table's text columns, for columns that do not show their own.

    A comma if some values can only have a decimal comma and none a decimal point, or if the separator is a semicolon,
    which programs write where the comma is the decimal mark.
    """
    found = {".": 0, ",": 0}
    for name in frame.columns:
        if is_text(frame[name]):
            evidence = decimal_evidence(map(str, pd.unique(frame[name].iloc[:_SAMPLE].dropna())))
            found = {mark: found[mark] + evidence[mark] for mark in found}
    return "," if not found["."] and (found[","] or separator == ";") else "."


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
        return _of_text(_Texts.of(column), kind, asked, default)
    if isinstance(column.dtype, pd.CategoricalDtype):
        ordered = column.dtype.ordered and kind in ("", "ordinal")
        order = tuple(map(label_text, column.dtype.categories)) if ordered else ()
        texts = _Texts.of(column.astype(object))
        return _ordinal(texts, order) if order else _of_text(texts, kind or "categorical", asked, default)
    if kind in ("categorical", "ordinal"):
        return (
            _categorical(column, column.isna().to_numpy())
            if kind == "categorical"
            else _ordinal(_Texts.of(column.astype(object)), asked.orders.get(str(column.name), ()))
        )
    if pd.api.types.is_timedelta64_dtype(column):
        column = column.dt.total_seconds()
    if pd.api.types.is_datetime64_any_dtype(column):
        return _numbers(column, days_of(column), kind, "date", "days since 1970-01-01", ())
    if not pd.api.types.is_numeric_dtype(column):  # periods, intervals and types of other packages
        return _of_text(_Texts.of(column.astype(object)), kind, asked, default)
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


def is_text(column: pd.Series) -> bool:
    """Whether the values are text, or of mixed types."""
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype)


@dataclass(frozen=True, eq=False)
class _Texts:
    """A column of text: its distinct texts, and the number of the text in each row, -1 for none."""

    column: pd.Series
    codes: np.ndarray
    texts: list[str]

    @classmethod
    def of(cls, column: pd.Series) -> _Texts:
        if column.dtype == object:
            absent = column.isna().to_numpy()
            column = pd.Series(
                [None if gone else label_text(v) for v, gone in zip(column, absent, strict=True)],
                index=column.index, name=column.name, dtype="str",
            )  # fmt: skip
        codes, texts = pd.factorize(column)
        return cls(column, np.asarray(codes), list(map(str, texts)))

    @property
    def name(self) -> str:
        return str(self.column.name)

    @property
    def rows(self) -> np.ndarray:
        """Rows with each text."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))

    def absent(self, missing: Iterable[str]) -> np.ndarray:
        """Which rows are missing, where these texts mean so."""
        missing = set(missing)
        gone = np.array([text in missing for text in self.texts] + [True])
        return np.asarray(gone[self.codes])

    def mapped(self, values: Mapping[str, float]) -> np.ndarray:
        """The value of each row's text, NaN for a text without one."""
        return np.asarray(np.array([values.get(text, np.nan) for text in self.texts] + [np.nan])[self.codes])

    def place(self, text: str) -> str:
        """Where a text first is."""
        return place_of(self.column, int(np.argmax(self.codes == self.texts.index(text))))


def _of_text(texts: _Texts, kind: str, asked: Asked, default: str) -> Column:
    missing = [text for text in texts.texts if is_missing(text)]
    absent = texts.absent(missing)
    present = [text for text in texts.texts if not is_missing(text)]
    if not present:
        raise _no_values(texts.name)
    if kind == "categorical":
        return _categorical(read_floats(texts.column.mask(absent)), absent)
    if kind == "ordinal":
        return _ordinal(texts, asked.orders.get(texts.name, ()))
    if kind in ("id", "text"):
        return _left_out(texts.name, kind, absent, len(present), "named so")
    parsed = parse_numbers(texts.texts, asked.decimal, default)
    codes = not kind and any(map(_CODE.fullmatch, present))
    rows = dict(zip(texts.texts, texts.rows.tolist(), strict=True))
    share = sum(rows[text] for text in parsed.numbers) / max(sum(rows[t] for t in (*parsed.numbers, *parsed.words)), 1)
    if kind == "numeric" and not parsed.numbers:
        raise DataError(f"numeric={texts.name}: no value of the column is a number, such as {present[0][:40]!r}")
    if parsed.numbers and not codes and (kind == "numeric" or not parsed.words):
        return _numbers_of(texts, parsed, kind)
    dates = None if codes else read_dates(present)
    if dates is not None and np.isfinite(dates.days).all():
        days = texts.mapped(dict(zip(present, dates.days.tolist(), strict=True)))
        return _numbers(texts.column, days, kind, "date", f"days since 1970-01-01, read as {dates.notation}", ())
    if dates is not None and np.isfinite(dates.days).mean() >= _MOSTLY:
        wrong = [text for text, day in zip(present, dates.days, strict=True) if np.isnan(day)]
        right, total = (sum(rows[text] for text in some) for some in (set(present) - set(wrong), present))
        raise _stray(texts, wrong, right, total, "dates", "correct the others")
    if not codes and share >= _MOSTLY and len(parsed.numbers) > len(parsed.words) + 9:
        total = sum(rows[t] for t in (*parsed.numbers, *parsed.words))
        right = sum(rows[t] for t in parsed.numbers)
        fix = "correct the others, read them as missing with numeric={columns}"
        raise _stray(texts, parsed.words, right, total, "numbers", fix)
    return _of_words(texts, present, absent)


def _of_words(texts: _Texts, present: Sequence[str], absent: np.ndarray) -> Column:
    """A boolean, constant, identifier, free text, or category."""
    words = {text.casefold() for text in present}
    for true, false in TRUE_WORDS.items():
        if words == {true, false}:
            values = texts.mapped({text: float(text.casefold() == true) for text in present})
            return _made(texts.column, values, "boolean", 2, f"1 for {true}, 0 for {false}")
    if len(present) == 1:
        return _left_out(texts.name, "constant", absent, 1, f"all values are {present[0][:40]!r}")
    rows = int((~absent).sum())
    distinct = f"{len(present):,} distinct of {rows:,} values"
    if len(present) > _FEW and _IDENTIFIER.search(texts.name):
        return _left_out(texts.name, "id", absent, len(present), f"named as an identifier, {distinct}")
    several = np.mean([" " in text.strip() for text in present]) > 0.5 and np.mean([len(t) for t in present]) > 15
    if several and len(present) > _FEW and len(present) >= _FREE * rows:
        return _left_out(texts.name, "text", absent, len(present), f"text of several words, {distinct}")
    if len(present) > _FEW and len(present) >= _DISTINCT * rows:
        return _left_out(texts.name, "id", absent, len(present), f"an identifier, {distinct}")
    return _categorical(texts.column.mask(absent), absent)


def _numbers_of(texts: _Texts, parsed: Parsed, kind: str) -> Column:
    values = texts.mapped(parsed.numbers)
    notes = list(parsed.notes)
    words = [text for text in (*parsed.missing, *parsed.words) if text]
    if words:
        shown = ", ".join(repr(word[:20]) for word in words[:3]) + (", …" if len(words) > 3 else "")
        notes.append(f"{shown} read as missing")
    return _numbers(texts.column, values, kind, "numeric", "a number", notes)


def _numbers(
    column: pd.Series, values: np.ndarray, asked: str, kind: str, becomes: str, notes: Sequence[str]
) -> Column:
    """A column of numbers, unless it is constant, an identifier or infinite."""
    name = str(column.name)
    absent = np.isnan(values)
    if absent.all():
        raise _no_values(name)
    with np.errstate(over="ignore"):
        infinite = np.flatnonzero(np.isinf(values.astype(np.float32)))
    if len(infinite):
        where = f"{name!r} ({column.iloc[infinite[0]]} in {place_of(column, infinite[0])})"
        fix = "leave the cell empty if the value is missing, or leave the column out with drop={columns}"
        raise RefusedColumnError("values must be finite and in the range of float32", where, name, fix)
    present = values[~absent]
    found = np.unique(present)
    distinct, rows = len(found), len(present)
    if asked in ("id", "text"):
        return _left_out(name, asked, absent, distinct, "named so")
    if distinct == 1:
        return _left_out(name, "constant", absent, 1, f"all values are {str(column[~absent].iloc[0])[:40]}")
    if not asked and kind == "numeric":
        if _UNNAMED.fullmatch(name) and distinct == len(values):
            return _left_out(name, "id", absent, distinct, "a row number without a name")
        if distinct > _FEW and _IDENTIFIER.search(name):
            return _left_out(name, "id", absent, distinct, f"named as an identifier, {distinct:,} distinct of {rows:,}")
        if (
            rows >= _ROWS_OF_INDEX
            and present[0] in (0, 1)
            and np.array_equal(values, present[0] + np.arange(len(values)))
        ):
            return _left_out(name, "id", absent, distinct, "the number of the row")
    if kind == "numeric" and distinct == 2 and set(found) == {0.0, 1.0}:
        kind = "boolean"
    return _made(column, values, kind, distinct, becomes, notes)


def _made(
    column: pd.Series, values: np.ndarray, kind: str, distinct: int, becomes: str, notes: Sequence[str] = ()
) -> Column:
    absent = np.isnan(values)
    missing = int(absent.sum())
    becomes += ", and whether it is missing" if missing else ""
    becomes += f" ({'; '.join(notes)})" if notes else ""
    reading = ColumnReading(str(column.name), kind, missing, distinct, becomes, 2 if missing else 1)
    return Column(reading, pd.Series(values, index=column.index, name=column.name), absent)


def _categorical(values: pd.Series, absent: np.ndarray) -> Column:
    """A column of categories; its number of inputs is known when its rare levels are pooled."""
    if absent.all():
        raise _no_values(str(values.name))
    reading = ColumnReading(str(values.name), "categorical", int(absent.sum()), int(values.nunique()), "", 0)
    return Column(reading, values, absent)


def _ordinal(texts: _Texts, order: Sequence[str]) -> Column:
    present = [text for text in texts.texts if not is_missing(text)]
    if not present:
        raise _no_values(texts.name)
    order = order or natural_scale(present)
    if not order:
        raise DataError(
            f"ordinal={texts.name}: the order of {', '.join(map(repr, present[:5]))} is not known; write it from the "
            f"lowest, as in ordinal={texts.name}:{_BETWEEN_LEVELS.join(present[:3])}"
        )
    unknown = [text for text in present if text not in order]
    if unknown:
        raise DataError(
            f"ordinal={texts.name}: {unknown[0]!r} ({texts.place(unknown[0])}) is not one of the levels "
            f"{' < '.join(order)}; add it to them"
        )
    values = texts.mapped({text: float(i) for i, text in enumerate(order)})
    becomes = f"the place in {' < '.join(order[:8])}{' < …' if len(order) > 8 else ''}"
    return _made(texts.column, values, "ordinal", len(present), becomes)


def _left_out(name: str, kind: str, absent: np.ndarray, distinct: int, why: str) -> Column:
    missing = int(absent.sum())
    becomes = f"left out: {why}" + ("; whether it is missing is an input" if missing else "")
    return Column(ColumnReading(name, kind, missing, distinct, becomes, 1 if missing else 0), None, absent)


def _stray(texts: _Texts, wrong: Sequence[str], right: int, rows: int, what: str, fix: str) -> RefusedColumnError:
    where = f"{texts.name!r} ({wrong[0][:40]!r} in {texts.place(wrong[0])}"
    where += f", and {counted(len(wrong) - 1, 'other text')})" if len(wrong) > 1 else ")"
    also = "read them as categories with categorical={columns}"
    problem = f"{right:,} of {rows:,} values are {what}"
    return RefusedColumnError(problem, where, texts.name, f"{fix}, or {also}")


def _no_values(name: str) -> RefusedColumnError:
    return RefusedColumnError("all values are missing", repr(name), name, "leave out what is empty with drop={columns}")
