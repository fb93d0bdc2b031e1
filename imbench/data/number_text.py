"""Numbers written as text: missing-value words, decimal marks, thousands separators, signs of money and percent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# Words for a missing value in any column, compared without case. A class may be called so: in the target only empty
# cells are missing.
MISSING_WORDS = frozenset(
    ("", "?", "na", "n/a", "n.a.", "#n/a", "#na", "nan", "-nan", "null", "<null>", "(null)", "#null!", "<na>", "<nan>",
     "n.d.", "n.d", "n/d", "nat", "\\n", "#value!", "#div/0!", "#ref!", "#name?")
)  # fmt: skip
# Words that mean a missing value among numbers and dates, but may be levels of a category.
MISSING_AMONG_NUMBERS = MISSING_WORDS | frozenset(
    ("-", "--", "---", "–", "—", ".", "..", "...", "*", "none", "nil", "nd", "missing", "(missing)", "unknown", "unk",
     "not available", "not applicable", "no data", "n.v.", "k.a.", "k. a.", "n.b.", "s/d", "x", "#", "empty", "blank")
)  # fmt: skip

_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
# 1,037 or 1.037 is one thousand and thirty-seven or a little more than one, depending on the decimal mark.
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_GROUPED = {
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(?:([,'’\u00a0\u202f ])\d{3})(?:\1\d{3})*(?:\.\d*)?", re.ASCII),
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(?:([.'’\u00a0\u202f ])\d{3})(?:\1\d{3})*(?:,\d*)?", re.ASCII),
}
_SIGNS = re.compile(r"^([+-]?)\s*[€$£¥]\s*|\s*[€$£¥%]$")
_OTHER = {".": ",", ",": "."}
_WORDS = {".": "points", ",": "commas"}


def is_missing(text: str, among_numbers: bool = False) -> bool:
    """Whether text is a word for a missing value."""
    return text.strip().casefold() in (MISSING_AMONG_NUMBERS if among_numbers else MISSING_WORDS)


def is_number(text: str) -> bool:
    """Whether text is a number in any notation."""
    return any(number_of(text, decimal) is not None for decimal in ".,")


@dataclass(frozen=True)
class Number:
    """A number and how it was written.

    Parameters
    ----------
    value : the number, infinite for ``inf``
    notation : what is unusual about the notation, in words; "" for nothing
    """

    value: float
    notation: str = ""


def number_of(text: str, decimal: str) -> Number | None:
    """The number that text is in a column with this decimal mark, ``.`` or ``,``; None for other text.

    The other mark separates thousands where digits are in threes. Otherwise it can only be a decimal mark.

    >>> [number_of(text, ".").value for text in ("1,037", "0,50", "1,037.5", "€ 5", "12%", "1 037")]
    [1037.0, 0.5, 1037.5, 5.0, 12.0, 1037.0]
    >>> [number_of(text, ",").value for text in ("1,037", "1.037", "2.5")]
    [1.037, 1037.0, 2.5]
    """
    text = text.strip().replace("−", "-")
    if _INFINITE.fullmatch(text):
        return Number(float(text))
    plain = _SIGNS.sub(r"\1", text)
    signs = "signs of money or percent left out" if plain != text else ""
    if decimal == "." and _PLAIN.fullmatch(plain):
        return Number(float(plain), signs)
    if decimal == "," and (_DECIMAL_COMMA.fullmatch(plain) or (_PLAIN.fullmatch(plain) and "." not in plain)):
        return Number(float(plain.replace(",", ".")), signs or ("decimal commas" if "," in plain else ""))
    for mark in (decimal, _OTHER[decimal]):
        if found := _GROUPED[mark].fullmatch(plain):
            between = _WORDS.get(found[1], "blanks" if found[1].isspace() else "apostrophes")
            digits = plain.replace(found[1], "").replace(mark, ".")
            return Number(float(digits), f"{between} between thousands")
    if _DECIMAL_COMMA.fullmatch(plain) or _PLAIN.fullmatch(plain):
        return Number(float(plain.replace(",", ".")), f"decimal {_WORDS[_OTHER[decimal]]}")
    return None


def decimal_evidence(texts: Iterable[str]) -> Mapping[str, int]:
    """How many texts can only be numbers with a decimal point, and with a decimal comma, by the mark."""
    found = {".": 0, ",": 0}
    for text in texts:
        plain = _SIGNS.sub(r"\1", text.strip().replace("−", "-"))
        if _AMBIGUOUS.fullmatch(plain) or not ("." in plain or "," in plain):
            continue
        if "." in plain and (_PLAIN.fullmatch(plain) or ("," in plain and _GROUPED["."].fullmatch(plain))):
            found["."] += 1
        elif "," in plain and (_DECIMAL_COMMA.fullmatch(plain) or ("." in plain and _GROUPED[","].fullmatch(plain))):
            found[","] += 1
    return found


_QUANTITY = re.compile(r"([^\d]{0,6}?)[+-]?(\d+(?:[.,'’\s]\d+)*)([^\d]{0,6})", re.ASCII)
_TIME_OF_DAY = re.compile(r"[+-]?\d{1,3}:[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?", re.ASCII)


def is_quantity(text: str) -> bool:
    """Whether text that is no number looks like one with a unit or other signs around it, or like a time of day.

    >>> [is_quantity(text) for text in ("0.5 kg", "70 kg", "EUR 3.20", "(1.5)", "10:30", "u17", "C-0001", "1.2.3")]
    [True, True, True, True, True, False, False, False]
    """
    if _TIME_OF_DAY.fullmatch(text):
        return True
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        return False
    before, digits, after = found.groups()
    marks = len(re.findall(r"[.,]", digits))
    is_code = before[-1:].isalpha() or (marks > 1 and "." in digits and "," not in digits)
    is_fraction = marks > 0 and bool(before.strip() or after.strip())
    return not is_code and (is_fraction or (not before and after[:1].isspace() and after.strip().isalpha()))


@dataclass(frozen=True)
class Parsed:
    """Distinct texts of a column, read as numbers.

    Parameters
    ----------
    numbers : the number of each text that is one
    missing : texts that are words for a missing value
    words : all other texts
    notes : what was unusual, in words
    """

    numbers: Mapping[str, float]
    missing: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def parse_numbers(texts: Iterable[str], decimal: str, default: str = ".") -> Parsed:
    """Read the distinct texts of a column as numbers.

    Parameters
    ----------
    decimal : decimal mark; "" to decide by most texts of this column
    default : decimal mark of a column that does not show its own
    """
    texts = list(texts)
    evidence = decimal_evidence(texts)
    mark = decimal or (max(evidence, key=lambda m: (evidence[m], m == default)) if any(evidence.values()) else default)
    numbers: dict[str, float] = {}
    missing, words, notations = [], [], dict[str, None]()
    for text in texts:
        if is_missing(text):
            missing.append(text)
        elif (number := number_of(text, mark)) is not None:
            numbers[text] = number.value
            notations |= {number.notation: None} if number.notation else {}
        elif is_missing(text, among_numbers=True):
            missing.append(text)
        else:
            words.append(text)
    return Parsed(numbers, tuple(missing), tuple(words), tuple(notations))
