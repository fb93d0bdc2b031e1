"""SourceKind: a kind of source that cards can use, such as ``openml`` or ``url``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imbench.contract.errors import DataError
from imbench.contract.names import suggest
from imbench.contract.records import Card
from imbench.data.canonical import Table

# Type of a field in a TOML table, and whether the field is required.
Field = tuple[type, bool]


def unchanged(options: Mapping[str, Any], card: Path, where: str) -> Mapping[str, Any]:
    """Return the options unchanged, for kinds that need no checks beyond the types of their fields."""
    return options


@dataclass(frozen=True)
class SourceKind:
    """A kind of source. Packages register their own kinds in the entry-point group ``imbench.sources``.

    Parameters
    ----------
    name : the value of ``kind`` in cards
    fields : options that a card can set, with their types and whether they are required
    read : ``read(card, options, downloads)`` returns the dataset; ``downloads`` is a folder for downloaded files. It
        may raise any exception
    probe : ``probe(options, downloads)`` returns what ``read`` needs to be available: an http(s) URL, a path, or "" for
        nothing. It must not download anything
    complete : ``complete(options, card_file, where)`` validates the options beyond their types and returns them as
        ``read`` needs them, for example with paths relative to the card's file made absolute. It raises `DataError`
        with a message that begins with ``where``
    """

    name: str
    fields: Mapping[str, Field]
    read: Callable[[Card, Mapping[str, Any], Path], Table]
    probe: Callable[[Mapping[str, Any], Path], str]
    complete: Callable[[Mapping[str, Any], Path, str], Mapping[str, Any]] = unchanged


# Fields of all sources of tables: name of the target column, and the card's labels for the source's labels.
LABELS: Mapping[str, Field] = {"target": (str, False), "labels": (dict, False), "other": (str, False)}
# Fields of all sources of text files (see `imbench.data.sources.tables`).
READING: Mapping[str, Field] = {
    "columns": (list, False),
    "drop": (list, False),
    "separator": (str, False),
    "header": (bool, False),
    "skip_rows": (int, False),
    "missing_values": (list, False),
    "first_rows": (int, False),
    **LABELS,
}


def check_fields(fields: Any, wanted: Mapping[str, Field], where: str) -> None:
    """Raise `DataError` for a field that is missing, unknown, or of the wrong type."""
    if not isinstance(fields, dict):
        raise DataError(f"{where} must be a table of fields, got {fields!r}")
    for key, value in fields.items():
        if key not in wanted:
            raise DataError(f"{where} has an unknown field {key!r}; {suggest(key, wanted)}")
        kind = wanted[key][0]
        # In Python, booleans are integers; no field accepts both.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise DataError(f"{where}: {key} must be {_TYPE_NAMES[kind]}, got {value!r}")
    for key, (kind, required) in wanted.items():
        if required and key not in fields:
            raise DataError(f"{where} lacks the field {key!r}; add it as {_TYPE_NAMES[kind]}")


def relative_to_card(card: Path, path: str) -> str:
    """The absolute path for a path that is relative to the card's file."""
    return str(card.parent.resolve() / path)


_TYPE_NAMES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}
