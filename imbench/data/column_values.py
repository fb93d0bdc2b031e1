"""A column of a user's table as it was read, and its distinct texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbench.contract.columns import ColumnReading
from imbench.contract.names import counted
from imbench.data.labels import label_text, place_of
from imbench.data.refused_columns import RefusedColumnError


@dataclass(frozen=True, eq=False)
class Column:
    """A column as it was read.

    Parameters
    ----------
    reading : its row in the table of columns
    numbers_or_texts : the values; texts for a categorical column, None for a column that is left out, or of words
    absent : ``(rows,)`` bool, which values are missing
    words : ``(rows, WORD_INPUTS)`` float64 for a column of text that is used (see `imbench.data.text_columns`)
    """

    reading: ColumnReading
    numbers_or_texts: pd.Series | None
    absent: np.ndarray
    words: np.ndarray | None = None

    @property
    def is_categorical(self) -> bool:
        """Whether the values are texts."""
        return self.reading.kind == "categorical"


def is_text(column: pd.Series) -> bool:
    """Whether a column has text, or objects."""
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype)


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of text: its distinct texts, and the number of the text in each row, -1 for none."""

    column: pd.Series
    codes: np.ndarray
    texts: list[str]

    @classmethod
    def of(cls, column: pd.Series) -> Texts:
        """The texts of a column of text or objects."""
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
        """Name of the column."""
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


def made(
    column: pd.Series, values: np.ndarray, kind: str, distinct: int, becomes: str, notes: Sequence[str] = ()
) -> Column:
    """A column of numbers, ``(rows,)`` float64 with NaN for missing values."""
    absent = np.isnan(values)
    missing = int(absent.sum())
    becomes += ", and whether it is missing" if missing else ""
    becomes += f" ({'; '.join(notes)})" if notes else ""
    reading = ColumnReading(str(column.name), kind, missing, distinct, becomes, 2 if missing else 1)
    return Column(reading, pd.Series(values, index=column.index, name=column.name), absent)


def left_out(name: str, kind: str, absent: np.ndarray, distinct: int, why: str) -> Column:
    """A column that is left out, but for whether it is missing."""
    missing = int(absent.sum())
    becomes = f"left out: {why}" + ("; whether it is missing is an input" if missing else "")
    return Column(ColumnReading(name, kind, missing, distinct, becomes, 1 if missing else 0), None, absent)


def stray(texts: Texts, wrong: Sequence[str], right: int, rows: int, what: str, fix: str) -> RefusedColumnError:
    """The error for a column of which ``right`` of so many rows are ``what``, and the texts ``wrong`` are not."""
    where = f"{texts.name!r} ({wrong[0][:40]!r} in {texts.place(wrong[0])}"
    where += f", and {counted(len(wrong) - 1, 'other text')})" if len(wrong) > 1 else ")"
    also = "read them as categories with categorical={columns}"
    problem = f"{right:,} of {rows:,} values are {what}"
    return RefusedColumnError(problem, where, texts.name, f"{fix}, or {also}")


def quoted(texts: Sequence[str]) -> str:
    """Some texts in quotes, for notes and messages."""
    return ", ".join(repr(text[:20]) for text in texts[:3]) + (", …" if len(texts) > 3 else "")


def no_values(name: str) -> RefusedColumnError:
    """The error for a column without values."""
    return RefusedColumnError("all values are missing", repr(name), name, "leave out what is empty with drop={columns}")
