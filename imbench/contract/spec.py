"""The one grammar of strategies and datasets: ``name:key=value,key=value``."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from imbench.contract.errors import UsageError

T = TypeVar("T")

# A file named as a dataset may hold colons and commas of its own; its suffix says where the name ends.
# A folder of images is named with a slash at its end.
FILE_SUFFIXES = (".csv", ".tsv", ".parquet", ".toml", "/")


def parse_spec(text: str) -> tuple[str, dict[str, str]]:
    """Split ``name:key=value,key=value`` into its name and its parameters, still text.

    A name may be ``package/name`` (the qualified form) or the path of a file or folder that ends in one of
    `FILE_SUFFIXES`. Raises `UsageError` for an empty name, a parameter without ``=``, or one given twice.

    >>> parse_spec("remix:alpha=0.3")
    ('remix', {'alpha': '0.3'})
    """
    name, _, rest = _split_name(text.strip())
    if not name:
        raise UsageError(f"{text!r} has no name; write name:key=value,key=value, for example remix:alpha=0.3")
    params: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in rest.split(","))):
        key, equals, value = (s.strip() for s in part.partition("="))
        if not (key and equals and value):
            raise UsageError(f"{part!r} in {text!r} is not key=value; write {name}:key=value,key=value")
        if key in params:
            raise UsageError(f"{key!r} is given twice in {text!r}; keep one")
        params[key] = value
    return name, params


def _split_name(text: str) -> tuple[str, str, str]:
    for suffix in FILE_SUFFIXES:
        head, found, tail = f"{text}:".partition(f"{suffix}:")
        if found and "=" not in head:  # else it ends a value, not the name
            return head + suffix, ":", tail.removesuffix(":")
    return text.partition(":")


def format_spec(name: str, params: Mapping[str, Any]) -> str:
    """The canonical text of a spec: parameters in the order given, numbers in their shortest form."""
    text = ",".join(f"{key}={format_value(value)}" for key, value in params.items())
    return f"{name}:{text}" if text else name


def format_value(value: Any) -> str:
    """One parameter as text that `build` reads back to the same value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "+".join(format_value(v) for v in value)
    # "+" separates the values of a tuple, and 1e20 is the same number as 1e+20.
    return repr(value).replace("e+", "e") if isinstance(value, float) else str(value)


def build(cls: type[T], params: Mapping[str, str], owner: str) -> T:
    """Make the dataclass `cls` from text parameters, converting each to its field's type.

    `owner` is what the user typed, named in errors. Raises `UsageError` for a parameter that `cls` does not
    have or a value that is not of its type; the dataclass's own ``__post_init__`` judges the range.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    values = {}
    for key, text in params.items():
        if key not in fields:
            known = ", ".join(fields) or "none"
            raise UsageError(f"{owner} has no parameter {key!r}; its parameters: {known}")
        values[key] = convert(text, fields[key], f"{owner}: {key}")
    return cls(**values)


def convert(text: str, kind: Any, owner: str) -> Any:
    """Read `text` as the annotated type `kind`; `owner` is named in the `UsageError` if it is not one."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        options = typing.get_args(kind)
        if type(None) in options and text.lower() == "none":
            return None
        kind = next(o for o in options if o is not type(None))
    if typing.get_origin(kind) is tuple:
        return tuple(convert(part, typing.get_args(kind)[0], owner) for part in text.split("+"))
    if kind is bool:
        return _convert_bool(text, owner)
    try:
        value = kind(text)
    except ValueError:
        raise UsageError(f"{owner} must be {_called(kind)}, got {text!r}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{owner} must be a finite number, got {text!r}")
    return value


def _convert_bool(text: str, owner: str) -> bool:
    truth = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in truth:
        raise UsageError(f"{owner} must be true or false, got {text!r}")
    return truth[text.lower()]


def _called(kind: Any) -> str:
    return {int: "a whole number", float: "a number", str: "text"}.get(kind, getattr(kind, "__name__", str(kind)))
