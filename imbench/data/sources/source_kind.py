"""SourceKind: a kind of source that cards can use, such as ``openml`` or ``url``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from imbench.contract.errors import DataError
from imbench.contract.names import is_inside, suggest
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


# Fields of all sources of tables: names of the target and of the columns of groups and times, with the format of dates,
# and the card's labels for the source's labels.
LABELS: Mapping[str, Field] = {
    **dict.fromkeys(("target", "group", "time", "time_format", "other"), (str, False)),
    "labels": (dict, False),
}
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


def relative_to_card(card: Path, path: str, where: str = "a source") -> str:
    """The absolute path for a path that is relative to the card's file.

    Raises `DataError` for a path outside the folder of that file, to which a card is limited.
    """
    folder = card.parent.resolve()
    if not is_inside(path) or not (folder / path).resolve().is_relative_to(folder):
        raise DataError(
            f"{where}: path {path!r} is outside the folder of the card; put the file beside the card, or below"
        )
    return str(folder / path)


def check_reading(options: Mapping[str, Any], card: Path, where: str) -> Mapping[str, Any]:
    """Options of a file that is read, validated; `SourceKind.complete` of kinds that read one.

    Raises `DataError` for a URL that is not http(s), a checksum that is none, and a separator of several characters.
    """
    if "url" in options:
        check_url(options["url"], where)
    if "sha256" in options:
        check_digest("sha256", options["sha256"], where)
    for key in ("members", "columns", "drop", "missing_values"):
        wrong = [value for value in options.get(key, []) if not isinstance(value, str)]
        if wrong:
            raise DataError(f"{where}: {key} must be a list of text, got {wrong[0]!r} in it; put it in quotes")
    for key in ("skip_rows", "first_rows"):
        if options.get(key, 0) < 0:
            raise DataError(f"{where}: {key} must be 0 or more, got {options[key]}")
    separator = options.get("separator", ",")
    if separator != "whitespace" and len(separator) != 1:  # pandas takes anything longer for a pattern
        raise DataError(f"{where}: separator must be one character or 'whitespace', got {separator!r}")
    return options


def check_url(url: str, where: str) -> None:
    """Raise `DataError` for a URL that is not http or https with a host, or contains spaces or control characters."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise DataError(f"{where}: url must be an http or https URL, got {url!r}")


def check_digest(kind: str, digest: str, where: str, field: str = "") -> None:
    """Raise `DataError` for a checksum that is not hexadecimal digits, as many as its kind has.

    ``field`` is the name of its field; default: that of its kind.
    """
    length = CHECKSUMS[kind]
    if len(digest) != length or set(digest) - set("0123456789abcdef"):
        raise DataError(f"{where}: {field or kind} must be {length} hexadecimal digits, got {digest!r}")


# Number of hexadecimal digits of each checksum.
CHECKSUMS = {"md5": 32, "sha256": 64}


_TYPE_NAMES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}
