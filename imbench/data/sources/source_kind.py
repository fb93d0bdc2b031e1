"""SourceKind: one kind of place that datasets come from, as cards name it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imbench.contract.errors import DataError
from imbench.contract.names import suggest
from imbench.contract.records import Card
from imbench.data.canonical import Table

# The type of a field of a TOML table, and whether it must be there.
Field = tuple[type, bool]


def as_given(options: Mapping[str, Any], card: Path, where: str) -> Mapping[str, Any]:
    """The options as they are, for kinds of which the types of the fields say all."""
    return options


@dataclass(frozen=True)
class SourceKind:
    """One kind of source. Packages register theirs in the entry-point group ``imbench.sources``.

    Parameters
    ----------
    name : what a card's ``kind`` is
    fields : the options that a card may state
    read : gives the dataset, of the card, its options and a folder for downloads; raises what it likes if it cannot
    probe : gives what must answer or exist for ``read`` to have a chance, of the options and the folder for downloads:
        an http(s) URL, a path, or "" for neither. It downloads nothing.
    complete : checks options beyond their types and gives them as ``read`` needs them (such as paths, which are
        relative to the card's file), of the options, that file, and where they are, for errors; raises `DataError`
    """

    name: str
    fields: Mapping[str, Field]
    read: Callable[[Card, Mapping[str, Any], Path], Table]
    probe: Callable[[Mapping[str, Any], Path], str]
    complete: Callable[[Mapping[str, Any], Path, str], Mapping[str, Any]] = as_given


# Fields of every source of a table: which column the target is, and what its labels are to the card.
LABELS: Mapping[str, Field] = {"target": (str, False), "labels": (dict, False), "other": (str, False)}
# Fields of every source of a text file (see `imbench.data.sources.tables`).
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
    """Raise `DataError` for a field that is missing, unknown, or not of its type."""
    if not isinstance(fields, dict):
        raise DataError(f"{where} must be a table of fields, got {fields!r}")
    for key, value in fields.items():
        if key not in wanted:
            raise DataError(f"{where} has an unknown field {key!r}; {suggest(key, wanted)}")
        kind = wanted[key][0]
        # TOML's true is a Python int; no field takes both.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise DataError(f"{where}: {key} must be {_CALLED[kind]}, got {value!r}")
    for key, (kind, required) in wanted.items():
        if required and key not in fields:
            raise DataError(f"{where} lacks the field {key!r}; add it, {_CALLED[kind]}")


def beside(card: Path, path: str) -> str:
    """The path that a card states relative to its own file."""
    return str(card.parent.resolve() / path)


_CALLED: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}
