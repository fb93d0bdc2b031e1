"""What a spec says about the columns of a user's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imbench.contract.errors import DataError
from imbench.contract.joined import escaped, joined, name_and_rest, names_in, split_at, unescaped
from imbench.contract.names import suggest

# Parameters of a spec that name columns of a kind.
KIND_PARAMETERS = ("numeric", "categorical", "ordinal", "date", "boolean", "id", "text")
# What may follow a column after a colon: the levels from the lowest, the notation of dates, the true word.
WITH_REST = ("ordinal", "date", "boolean", "time")
# Between the levels of an ordinal column: ordinal=size:small/medium/large.
BETWEEN_LEVELS = "/"


@dataclass(frozen=True)
class Asked:
    """What a spec says about columns.

    Parameters
    ----------
    kinds : kind of each column that it names
    orders : levels of ordinal columns, from the lowest
    notations : notation of dates, as in `datetime.datetime.strptime`
    trues : the word for true of boolean columns
    decimal : decimal mark of the table; "" if it is detected
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notations: Mapping[str, str] = field(default_factory=dict)
    trues: Mapping[str, str] = field(default_factory=dict)
    decimal: str = ""


def asked_of(params: Mapping[str, str], columns: Sequence[str], decimal: str) -> Asked:
    """What the parameters of a spec say about these columns.

    Raises `DataError` for a column that does not exist, or that has two kinds.
    """
    kinds: dict[str, str] = {}
    orders: dict[str, tuple[str, ...]] = {}
    rests: dict[str, dict[str, str]] = {"date": {}, "boolean": {}}
    for kind in (key for key in KIND_PARAMETERS if key in params):
        for name, rest in items_in(kind, params[kind], columns):
            if name not in columns:
                raise DataError(f"there is no column {name!r} ({kind}={params[kind]}); {suggest(name, columns)}")
            if kinds.setdefault(name, kind) != kind:
                raise DataError(f"column {name!r} cannot be both {kinds[name]} and {kind}; remove it from one of them")
            if rest and kind == "ordinal":
                orders[name] = tuple(unescaped(level.strip()) for level in split_at(rest, BETWEEN_LEVELS))
            elif rest:
                rests[kind][name] = unescaped(rest)
    return Asked(kinds, orders, rests["date"], rests["boolean"], decimal)


def items_in(key: str, text: str, columns: Sequence[str]) -> list[tuple[str, str]]:
    """The columns in the value of a parameter, each with what follows its colon, "" for nothing."""
    if key not in WITH_REST:
        return [(name, "") for name in names_in(text, columns)]
    if text in columns and "\\" not in text:
        return [(text, "")]
    return [name_and_rest(part.strip(), columns) for part in split_at(text, "+") if part.strip()]


def canonical(key: str, text: str, columns: Sequence[str]) -> str:
    """The value of a parameter that names columns, equal for equal meanings: sorted, and escaped where needed."""
    items = sorted(items_in(key, text, columns))
    if key not in WITH_REST:
        return joined(name for name, _ in items)
    return "+".join(escaped(name, ":") + (f":{rest}" if rest else "") for name, rest in items)
