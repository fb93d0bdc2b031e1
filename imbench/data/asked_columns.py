"""Columns whose kind is asked for: ordered levels, dates, two values, and text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from imbench.contract.columns import ColumnReading
from imbench.contract.errors import DataError
from imbench.contract.joined import escaped
from imbench.contract.names import counted, suggest
from imbench.data.asked import BETWEEN_LEVELS
from imbench.data.column_values import Column, Texts, left_out, made, no_values, quoted, stray
from imbench.data.date_text import Dates, dates_in, read_dates
from imbench.data.number_text import is_missing
from imbench.data.ordinal_scales import natural_scale
from imbench.data.text_columns import WORD_INPUTS, hashed_words

# Words for true and false in several languages, compared without case.
_TRUE = {
    "yes": "no",
    "true": "false",
    "y": "n",
    "t": "f",
    "on": "off",
    "ja": "nein",
    "oui": "non",
    "si": "no",
    "sí": "no",
    "1": "0",
}


def truth(texts: Iterable[str], true: str = "") -> tuple[str, str] | None:
    """The two values of a column in lower case, the one for 0 first; None if it does not have two with known meanings.

    Parameters
    ----------
    true : the value for 1; "" for known words

    >>> truth(["Yes", "no", "yes"]), truth(["J", "N"], "J"), truth(["J", "N"])
    (('no', 'yes'), ('n', 'j'), None)
    """
    found = {text.casefold() for text in texts}
    if len(found) != 2:
        return None
    first, second = found
    pairs = [pair for pair in ((first, second), (second, first)) if (true.casefold() or _true_of(pair)) == pair[1]]
    return pairs[0] if pairs else None


def _true_of(pair: tuple[str, str]) -> str | None:
    return next((true for true, false in _TRUE.items() if (false, true) == pair), None)


def ordinal(texts: Texts, order: Sequence[str]) -> Column:
    """The place of each level in an order, from the lowest; an empty order is that of a known scale.

    Raises `DataError` for an order that is not known, and a level that is not in it.
    """
    present = [text for text in texts.texts if not is_missing(text)]
    if not present:
        raise no_values(texts.name)
    order = order or natural_scale(present)
    if not order:
        raise DataError(
            f"ordinal={texts.name}: the order of {', '.join(map(repr, present[:5]))} is not known; write it from the "
            f"lowest, as in ordinal={texts.name}:{BETWEEN_LEVELS.join(present[:3])}"
        )
    unknown = [text for text in present if text not in order]
    if unknown:
        raise DataError(
            f"ordinal={texts.name}: {unknown[0]!r} ({texts.place(unknown[0])}) is not one of the levels "
            f"{' < '.join(order)}; add it to them"
        )
    values = texts.mapped({text: float(i) for i, text in enumerate(order)})
    becomes = f"the place in {' < '.join(order[:8])}{' < …' if len(order) > 8 else ''}"
    return made(texts.column, values, "ordinal", len(present), becomes)


def date(texts: Texts, notation: str) -> Column:
    """Days since 1970, of text in a notation of `datetime.datetime.strptime`, or in the one that fits all.

    Raises `DataError` for text that is no date, and if no notation fits.
    """
    present = [text for text in texts.texts if not is_missing(text, among_numbers=True)]
    if not present:
        raise no_values(texts.name)
    found = dates_in(present, notation, f"date={texts.name}") if notation else read_dates(present)
    if found is None:
        raise DataError(
            f"date={texts.name}: no usual notation of dates fits values such as {present[0][:40]!r}; write the "
            f"notation, as in date={escaped(texts.name, ':')}:%d/%m/%Y"
        )
    if not found.is_complete:
        raise stray_dates(texts, present, found)
    return of_dates(texts, present, found)


def of_dates(texts: Texts, present: Sequence[str], found: Dates) -> Column:
    """A column of texts that are all dates, or words for a missing value."""
    days = texts.mapped(dict(zip(present, found.days.tolist(), strict=True)))
    if len(present) == 1:
        return left_out(texts.name, "constant", np.isnan(days), 1, f"all values are {present[0]}")
    others = [text for text in texts.texts if text and text not in set(present)]
    notes = [f"{quoted(others)} read as missing"] if others else []
    becomes = f"days since 1970-01-01, read as {found.notation}"
    return made(texts.column, days, "date", len(present), becomes, notes)


def stray_dates(texts: Texts, present: Sequence[str], found: Dates) -> DataError:
    """The error for a column in which most, but not all, texts are dates in one notation."""
    wrong = [text for text, day in zip(present, found.days, strict=True) if np.isnan(day)]
    rows = dict(zip(texts.texts, texts.rows.tolist(), strict=True))
    right, total = (sum(rows[text] for text in some) for some in (set(present) - set(wrong), present))
    what = f"dates in the notation {found.notation}" + (f", others {found.other}" if found.other else "")
    return stray(texts, wrong, right, total, what, "correct the others")


def boolean(texts: Texts, true: str) -> Column:
    """1 for the true one of two values, whatever their case, and 0 for the other.

    Raises `DataError` for more than two values, and if it is not known which one is true.
    """
    present = [text for text in texts.texts if not is_missing(text)]
    forms: dict[str, str] = {}
    for text in present:
        forms.setdefault(text.casefold(), text)
    if not present:
        raise no_values(texts.name)
    name = texts.name
    if len(forms) == 1:
        return left_out(name, "constant", texts.absent(set(texts.texts) - set(present)), 1, f"all are {present[0]!r}")
    if len(forms) > 2:
        raise DataError(
            f"boolean={name}: the column has {counted(len(forms), 'value')}, such as {quoted(list(forms.values()))}, "
            f"and two are needed; read it as categories with categorical={name}"
        )
    known = truth(present, true)
    if known is None:
        two = " and ".join(map(repr, forms.values()))
        if true:
            raise DataError(f"boolean={name}:{true}: the column has no value {true!r}; {suggest(true, forms.values())}")
        example = escaped(name, ":") + ":" + next(iter(forms.values()))
        raise DataError(f"boolean={name}: which of {two} is true? Write it after the column, as in boolean={example}")
    other, one = known
    values = texts.mapped({text: float(text.casefold() == one) for text in present})
    return made(texts.column, values, "boolean", 2, f"1 for {forms[one]}, 0 for {forms[other]}")


def words(texts: Texts) -> Column:
    """The hashed words of a text; zeros, and an input that says so, where it is missing."""
    present = [text for text in texts.texts if not is_missing(text)]
    if not present:
        raise no_values(texts.name)
    place = {text: row for row, text in enumerate(present)}
    encoded = np.vstack([hashed_words(present), np.zeros((1, WORD_INPUTS))])
    if not encoded.any():
        raise DataError(f"text={texts.name}: no value has a word, such as {present[0][:40]!r}; drop the column")
    rows = np.array([place.get(text, -1) for text in texts.texts] + [-1])[texts.codes]
    absent = np.asarray(rows < 0)
    missing = int(absent.sum())
    becomes = f"its words, counted in {WORD_INPUTS} places by their hash"
    becomes += ", and whether it is missing" if missing else ""
    reading = ColumnReading(texts.name, "text", missing, len(present), becomes, WORD_INPUTS + (1 if missing else 0))
    return Column(reading, None, absent, encoded[rows])
