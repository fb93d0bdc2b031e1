"""Read JSON and TOML written by others: limited in size and depth, and checked against a schema."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from imbench.contract.errors import UsageError
from imbench.contract.text import shown

T = TypeVar("T")

# Real files are a thousand times smaller; a larger one is a mistake or an attack.
MOST_BYTES = 64 * 2**20
# tomllib needs time that grows with the square of some files.
MOST_TOML_BYTES = 4 * 2**20
MOST_LEVELS = 50
LARGEST = 2**63 - 1

_NAMES = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "nothing"}
_NAMES |= {"array": "a list", "object": "a table"}


def read_file(path: str | Path, what: str, error: type[UsageError] = UsageError, most: int = MOST_BYTES) -> bytes:
    """The content of a file of at most this many bytes; ``what`` describes it in errors."""
    try:
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as reason:  # ValueError: a name with a null character
        raise error(f"cannot read {what}: {getattr(reason, 'strerror', None) or reason}") from None
    _check_size(content, what, error, most)
    return content


def read_toml(path: str | Path, what: str, error: type[UsageError] = UsageError) -> dict[str, Any]:
    """The tables of a TOML file; ``what`` describes the file in errors, such as ``the card segment.toml``."""
    return parse_toml(read_file(path, what, error, MOST_TOML_BYTES), what, error)


def parse_toml(content: bytes, what: str, error: type[UsageError] = UsageError) -> dict[str, Any]:
    """As `read_toml`, of the bytes of a file."""
    _check_size(content, what, error, MOST_TOML_BYTES)
    try:
        found = tomllib.loads(content.decode("utf-8-sig"))
        _check_levels(found, LARGEST)
    except UnicodeDecodeError:
        raise error(f"cannot read {what}: it is not UTF-8 text; save it in UTF-8") from None
    except (ValueError, RecursionError) as reason:
        raise error(f"cannot read {what}: {_said(reason)}") from None
    return found


def parse_json(content: bytes | str, kind: type[T], what: str, error: type[UsageError] = UsageError) -> T:
    """JSON that fits a schema.

    Parameters
    ----------
    kind : a type that msgspec can check; unknown fields of a `msgspec.Struct` are ignored, as files of a newer imbench
        may have more
    what : the file in errors, such as ``manifest.json``
    """
    _check_size(content, what, error, MOST_BYTES)
    try:
        found = json.loads(content)
        _check_levels(found)
    except (ValueError, RecursionError) as reason:
        raise error(f"cannot read {what}: {_said(reason)}") from None
    checked: T = fitting(found, kind, what, error)
    return checked


def fitting(value: Any, kind: Any, what: str, error: type[UsageError] = UsageError) -> Any:
    """The value as this type; an ``error`` names the field, its value, and what it must be."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as reason:
        raise error(_mismatch(str(reason), value, what)) from None


def _check_size(content: bytes | str, what: str, error: type[UsageError], most: int) -> None:
    if len(content) > most:
        raise error(f"cannot read {what}: it has more than {most / 2**20:g} MiB; give a smaller file")


def _said(reason: Exception) -> str:
    if isinstance(reason, RecursionError):
        return f"it is nested more than {MOST_LEVELS} levels deep"
    return shown(str(reason), 200)


def _check_levels(value: Any, largest: float = math.inf) -> None:
    """Raise RecursionError for nesting that is too deep, and ValueError for a whole number that is too large.

    Without recursion, which could itself go too deep.
    """
    level = [value]
    for _ in range(MOST_LEVELS):
        if any(type(part) is int and abs(part) > largest for whole in level for part in _parts(whole)):
            raise ValueError("a whole number has more than 64 bits")
        level = [part for whole in level for part in _parts(whole) if isinstance(part, dict | list)]
        if not level:
            return
    raise RecursionError


def _parts(whole: Any) -> Any:
    return whole.values() if isinstance(whole, dict) else whole if isinstance(whole, list) else ()


def _mismatch(reason: str, value: Any, what: str) -> str:
    """msgspec's message in the words of imbench's errors: the field, what it must be, and its value."""
    text, _, path = reason.partition(" - at `")
    got = re.search(r", got `(.*)`$", text)
    field, found = next(
        (where, part)
        for where, part in [*_places(value, re.findall(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]", path), ""), ("", None)]
        if not (got and where) or _kind(part) == got[1]
    )
    where = field.lstrip(".")
    inside = f" in {where}" if where else ""
    if missing := re.fullmatch(r"Object missing required field `(.*)`", text):
        return f"{what} lacks the field {missing[1]!r}{inside}; add it"
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", text):
        return f"{what} has an unknown field {unknown[1]!r}{inside}; remove it"
    if got:
        wanted = text[: got.start()].removeprefix("Expected `").removesuffix("`")
        kinds = [_NAMES.get(kind, kind) for kind in wanted.split(" | ")]
        return f"{what}: {where or 'its content'} must be {' or '.join(kinds)}, got {shown(repr(found))}"
    return f"{what}: {where + ': ' if where else ''}{text[:1].lower()}{text[1:]}"


def _places(value: Any, steps: list[tuple[str, str]], field: str) -> Iterator[tuple[str, Any]]:
    """The parts of a value that a path of msgspec may mean: it names fields and places in lists, but no key of a table.

    >>> list(_places({"a": {"b": 1, "c": 2}}, [("a", ""), ("", "...")], ""))
    [('.a.b', 1), ('.a.c', 2)]
    """
    if not steps:
        yield field, value
        return
    (name, number), *rest = steps
    named = {name: name} if name else {str(key): key for key in value} if number == "..." else {number: int(number)}
    for shown_as, key in named.items():
        try:
            part = value[key]
        except (LookupError, TypeError):
            continue
        yield from _places(part, rest, f"{field}[{shown_as}]" if number.isdigit() else f"{field}.{shown_as}")


def _kind(value: Any) -> str:
    """What msgspec calls the type of this value."""
    kinds: dict[type, str] = {type(None): "null", list: "array", tuple: "array", dict: "object"}
    return kinds.get(type(value), type(value).__name__)
