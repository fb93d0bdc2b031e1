"""Specs of strategies, datasets and protocols: ``name:key=value,key=value``."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest

T = TypeVar("T")
Readers = Mapping[Any, Callable[[str], Any]]

# A parameter value that a spec can express; tuples contain such values.
Value = bool | int | float | str | tuple[Any, ...] | None
Options = tuple[tuple[str, Value], ...]

# Metadata of a dataclass field for parameters that a class cannot list, such as those of another library's objects:
# ``options: Options = field(default=(), metadata=OPEN_ENDED)``. Parameters of a spec that are not fields of the class
# are stored there as pairs sorted by name, converted by `read_value`. The class validates their names and values in
# ``__post_init__``. A class has at most one such field.
OPEN_ENDED: Mapping[str, bool] = types.MappingProxyType({"imbench.open_ended": True})

# Metadata of a field that canonical specs always contain, even with its default value, so that readers see the value.
ALWAYS_WRITTEN: Mapping[str, bool] = types.MappingProxyType({"imbench.always_written": True})

# The path of a file may contain colons and commas; its suffix shows where the name ends.
# The path of a folder of images ends with a slash.
TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zip")
EXCEL_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
TABLE_SUFFIXES = (
    *TEXT_SUFFIXES, ".jsonl", ".ndjson", ".parquet", ".feather", ".arff", *EXCEL_SUFFIXES, *PACKED_SUFFIXES
)  # fmt: skip
FILE_SUFFIXES = (*TABLE_SUFFIXES, ".toml", "/")
_FILE_NAME = re.compile(rf"[^=]*?(?:{'|'.join(map(re.escape, FILE_SUFFIXES))})(?=:|$)", re.IGNORECASE | re.DOTALL)
# Tables of a public collection, by their number there.
REMOTE_PREFIX = "openml:"
_REMOTE_NAME = re.compile(rf"{REMOTE_PREFIX}[^:,=\s]+(?=:|$)")


NAME_FORMAT = (
    "a name starts with a letter, contains only ASCII letters, digits, '-', '_' and '.', has at most 100 characters, "
    "does not end in the suffix of a file, such as .csv, .parquet, .toml or .py, and is not each, none, true or false"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")
_RESERVED = ("each", "none", "true", "false")


def is_table(name: str) -> bool:
    """Whether the name in a spec is the path of a table, or a table of OpenML.

    >>> is_table("my/table.csv"), is_table("TABLE.CSV.GZ"), is_table("openml:31"), is_table("segment")
    (True, True, True, False)
    """
    return name.lower().endswith(TABLE_SUFFIXES) or is_remote(name)


def is_remote(name: str) -> bool:
    """Whether the name in a spec is a table of OpenML."""
    return _REMOTE_NAME.fullmatch(name) is not None


def is_own_data(name: str) -> bool:
    """Whether the name in a spec is a table, or the path of a folder or card, and not a registered name."""
    return name.lower().endswith(FILE_SUFFIXES) or is_remote(name)


def with_params(spec: str, params: Mapping[str, str]) -> str:
    """A spec with more parameters, whose values are written as in a spec.

    Raises `UsageError` for a parameter that the spec has already.

    >>> with_params("t.csv", {"target": "y"}), with_params("t.csv:target=y", {"ir": "0.1"})
    ('t.csv:target=y', 't.csv:target=y,ir=0.1')
    """
    name, given = parse_spec(spec)
    for key, value in params.items():
        if key in given:
            raise UsageError(
                f"{key} is given twice, as {key}={given[key]} in {spec} and as {value} beside it; remove one of them"
            )
    return format_spec(name, {**given, **params})


def check_name(name: object, owner: str) -> None:
    """Raise `UsageError` unless this is a valid name of a strategy, dataset, suite or metric.

    ``owner`` describes where the name is from, for the message.

    >>> check_name("re-mix_2.0", "strategy of my_file.py")
    """
    fits = isinstance(name, str) and _NAME.fullmatch(name) and name.lower() not in _RESERVED
    if not fits or str(name).lower().endswith((*FILE_SUFFIXES, ".py")):
        shown = ascii(name) if isinstance(name, str) else f"{type(name).__name__}, which is not text"
        raise UsageError(f"{owner} has the name {shown[:120]}; {NAME_FORMAT}")


def parse_spec(text: str) -> tuple[str, dict[str, str]]:
    """Split ``name:key=value,key=value`` into its name and its parameters, with values as text.

    A name can be ``package/name`` (the qualified form), or the path of a file or folder that ends in one of
    `FILE_SUFFIXES`, or a table of OpenML, ``openml:31``. A value in parentheses can contain commas, such as a spec
    inside a spec; a comma or parenthesis after a backslash is part of a name (see `imbench.contract.joined`). Raises
    `UsageError` for an empty name, a parameter without ``=``, a repeated parameter, or a missing closing parenthesis.

    >>> parse_spec("remix:alpha=0.3")
    ('remix', {'alpha': '0.3'})
    >>> parse_spec("augmented:inner=(remix:alpha=0.3),shift=0.1")
    ('augmented', {'inner': 'remix:alpha=0.3', 'shift': '0.1'})
    """
    if "\0" in text:
        raise UsageError(f"{text!r} contains a null character; remove it")
    name, _, rest = _split_name(text.strip())
    if not name:
        raise UsageError(f"{text!r} has no name; write name:key=value,key=value, for example remix:alpha=0.3")
    params: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in _split_params(rest, text))):
        key, equals, value = (s.strip() for s in part.partition("="))
        if not (key and equals and value):
            raise UsageError(f"{part!r} in {text!r} is not key=value; write {name}:key=value,key=value")
        if key in params:
            raise UsageError(f"{key!r} is given twice in {text!r}; keep one")
        params[key] = _unwrapped(value, text)
    return name, params


def split_values(text: str) -> list[str]:
    """Split a list of values at its commas. Values in parentheses can contain commas; the parentheses are removed.

    Raises `UsageError` for an empty value or a missing closing parenthesis.

    >>> split_values("0.1, 0.3"), split_values("baseline,(mixup:alpha=0.3)")
    (['0.1', '0.3'], ['baseline', 'mixup:alpha=0.3'])
    """
    depths = _depths(text)
    if text and (depths[-1] or min(depths) < 0):
        raise UsageError(f"a parenthesis is left open in {text!r}; close it with )")
    cuts = [at for at, c in enumerate(_without_escapes(text)) if c == "," and not depths[at]]
    values = [text[i + 1 : j].strip() for i, j in itertools.pairwise([-1, *cuts, len(text)])]
    if not all(values):
        raise UsageError(f"a value is empty in {text!r}; write values as 0.1,0.3")
    return [_unwrapped(value, text) for value in values]


def _split_name(text: str) -> tuple[str, str, str]:
    # A suffix after an equals sign belongs to a value.
    if found := _REMOTE_NAME.match(text) or _FILE_NAME.match(text):
        return found[0], ":", text[found.end() + 1 :]
    return text.partition(":")


def _split_params(rest: str, text: str) -> list[str]:
    """Split at commas, except inside a value in parentheses."""
    parts, start, depth = [], 0, 0
    for at, character in enumerate(_without_escapes(rest)):
        if character == "(" and (depth or rest[:at].rstrip().endswith("=")):
            depth += 1
        elif character == ")" and depth:
            depth -= 1
        elif character == "," and not depth:
            parts.append(rest[start:at])
            start = at + 1
    if depth:
        raise UsageError(f"a parenthesis is left open in {text!r}; close it with )")
    return [*parts, rest[start:]]


def _unwrapped(value: str, text: str) -> str:
    """A value without its enclosing parentheses, if it has any."""
    if value[0] != "(":
        return value
    depths = _depths(value)
    inside, after = value[1 : depths.index(0)].strip(), value[depths.index(0) + 1 :]
    if after:
        raise UsageError(f"{after!r} follows the closing parenthesis in {text!r}; separate parameters with commas")
    if not inside:
        raise UsageError(f"'()' in {text!r} is empty; write a value inside the parentheses")
    return inside


def _without_escapes(text: str) -> str:
    """Text of the same length in which parentheses and commas after a backslash are blanks."""
    return re.sub(r"\\[(),\\]", "  ", text)


def _depths(text: str) -> list[int]:
    """Number of parentheses that are open after each character."""
    return list(itertools.accumulate((c == "(") - (c == ")") for c in _without_escapes(text)))


def format_spec(name: str, params: Mapping[str, Any]) -> str:
    """The canonical text of a spec: parameters in the order given, numbers in their shortest form."""
    text = ",".join(f"{key}={format_value(value)}" for key, value in params.items())
    return f"{name}:{text}" if text else name


def format_value(value: Any) -> str:
    """One parameter value as text, which `build` converts back to the same value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "+".join(format_value(v) for v in value)
    if isinstance(value, str) and ("," in value or value[:1] == "(" or "=" in value.partition(":")[2]):
        return f"({value})"  # a spec with parameters, or text that could be read as several values
    # Write 1e20 instead of 1e+20, since "+" separates the values of a tuple.
    return repr(value).replace("e+", "e") if isinstance(value, float) else str(value)


def params_of(value: Any) -> dict[str, Any]:
    """All parameters of a dataclass with their values, in the order of declaration, including open-ended ones.

    A `Specified` value, such as a strategy inside another one, is given as its spec.
    """
    params: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        own = _plain(getattr(value, field.name))
        params |= dict(own) if _is_marked(field, OPEN_ENDED) else {field.name: own}
    return params


def spec_of(name: str, value: Any) -> str:
    """The canonical spec of a dataclass; defaults are left out, so that equal objects have equal specs."""
    plain = (f for f in dataclasses.fields(value) if not (_is_marked(f, OPEN_ENDED) or _is_marked(f, ALWAYS_WRITTEN)))
    defaults = {f.name: _plain(f.default) for f in plain}
    return format_spec(name, {k: v for k, v in params_of(value).items() if k not in defaults or v != defaults[k]})


def build(cls: type[T], params: Mapping[str, str], owner: str, readers: Readers = types.MappingProxyType({})) -> T:
    """Create the dataclass ``cls`` from parameters as text, each converted to its field's type.

    Parameters
    ----------
    cls : a dataclass, whose ``__post_init__`` validates the range of its values
    params : name and text of each parameter
    owner : the user's input, for error messages
    readers : for types that `convert` does not support, functions that convert text, such as a spec to a strategy

    Raises
    ------
    UsageError for a parameter that ``cls`` does not have, or a value of the wrong type.
    """
    hints = typing.get_type_hints(cls)
    fields = [f for f in dataclasses.fields(cls) if f.init]  # type: ignore[arg-type]
    rest = next((f.name for f in fields if _is_marked(f, OPEN_ENDED)), None)
    kinds = {f.name: hints[f.name] for f in fields if f.name != rest}
    values: dict[str, Any] = {}
    others: dict[str, Value] = {}
    for key, text in params.items():
        if key in kinds:
            reader = readers.get(kinds[key])
            values[key] = reader(text) if reader else convert(text, kinds[key], f"{owner}: {key}")
        elif rest is not None:
            others[key] = read_value(text, f"{owner}: {key}")
        else:
            raise UsageError(f"{owner} has no parameter {key!r}; {suggest(key, kinds)}")
    return cls(**values | ({rest: tuple(sorted(others.items()))} if rest is not None and others else {}))


class Specified(ABC):
    """A value that is written as a spec, also as a parameter of another value."""

    @property
    @abstractmethod
    def spec(self) -> str:
        """The canonical text that builds an equal value."""


def _plain(value: Any) -> Any:
    return value.spec if isinstance(value, Specified) else value


def _is_marked(field: dataclasses.Field[Any], mark: Mapping[str, bool]) -> bool:
    return mark.items() <= field.metadata.items()


def read_value(text: str, owner: str) -> Value:
    """Convert text to the type that it looks like: none, true, false, a number, text, or several joined by ``+``.

    The inverse of `format_value`, except for text that looks like another type. Raises `UsageError`, naming ``owner``,
    for a number that is not finite.

    >>> [read_value(text, "it") for text in ("3", "0.5", "none", "true", "auto", "0+2")]
    [3, 0.5, None, True, 'auto', (0, 2)]
    """
    if text.lower() == "none":
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            kind(text)
        except ValueError:
            continue
        number: Value = convert(text, kind, owner)
        return number
    if "+" in text:
        return tuple(read_value(part, owner) for part in text.split("+"))
    return text


def convert(text: str, kind: Any, owner: str) -> Any:
    """Convert text to the annotated type ``kind``. Raises `UsageError`, naming ``owner``, for an invalid value."""
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
        raise UsageError(f"{owner} must be {_type_name(kind)}, got {text!r}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{owner} must be a finite number, got {text!r}")
    return value


def _convert_bool(text: str, owner: str) -> bool:
    truth = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in truth:
        raise UsageError(f"{owner} must be true or false, got {text!r}")
    return truth[text.lower()]


def _type_name(kind: Any) -> str:
    return {int: "a whole number", float: "a number", str: "text"}.get(kind, getattr(kind, "__name__", str(kind)))
