"""Draw inputs that resemble valid ones: bytes with splices, and TOML tables with changed fields."""

from __future__ import annotations

import copy
import datetime
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

# Pieces that have upset readers of text, numbers, paths, terminals and spreadsheets.
PIECES = (
    "", " ", "\n", "\r\n", "\r", "\t", "\0", "\x1b[31m", "\x7f", "\u202e", "\ufeff", "é", "\U0001f600",
    "ﬁ", "\ud800", "'", '"', '"""', "\\", "/", "//", "..", "../", "/etc/passwd", "~", "~root/x", ".", ":", ",", "=",
    "+", "-", "@", "#", "(", ")", "[", "]", "{", "}", "[[", "((((", "%s", "%", "{0}", "$HOME", "`id`", ";", "|",
    "<script>", "=1+1", "--", "-1", "0", "1", "2", "1e999", "-1e999", "1e-400", "nan", "inf", "-inf", "NaN",
    "9" * 30, "9" * 5000, "1_000", "0x10", "0b1", "１", "1.", ".5", "1,5", "true", "false", "none", "null", "None",
    "each", "name", "file://x", "http://x/y", "x" * 300, "x" * 5000, "[" * 200, "[" * 20_000, "{" * 200, "(" * 2000,
    "a.csv", ".toml", ".parquet", "con", "1979-05-27",
)  # fmt: skip
texts = st.one_of(st.sampled_from(PIECES), st.text(max_size=8))
numbers = st.one_of(
    st.integers(-3, 300),
    st.sampled_from([0, -1, 2**31, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30, 99_999_999_999, 0.0, -0.0, 0.5, 1.0]),
    st.floats(),
)
moments = st.sampled_from(
    [datetime.date(1979, 5, 27), datetime.time(7, 32), datetime.datetime(1979, 5, 27, 7, tzinfo=datetime.UTC)]
)
leaves = st.one_of(texts, numbers, st.booleans(), moments)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=5
)


@st.composite
def spliced_text(draw: st.DrawFn, bases: Sequence[str], words: Sequence[str] = ()) -> str:
    """One of these texts with up to three slices replaced, by pieces, drawn text, words or slices of another base."""
    text = draw(st.sampled_from(bases))
    inserts = texts | st.sampled_from([*words, *bases])
    for _ in range(draw(st.integers(0, 3))):
        start, end = _slice(draw, len(text), re.finditer(r"[A-Za-z_]+|[\d.]+|\W", text) if len(text) < 400 else ())
        text = text[:start] + draw(inserts) + text[end:]
    return text


def _slice(draw: st.DrawFn, length: int, tokens: Any) -> tuple[int, int]:
    """Where a splice begins and ends: around a token, or anywhere."""
    places = [found.span() for found in tokens]
    if places and draw(st.booleans()):
        return draw(st.sampled_from(places))
    start = draw(st.integers(0, length))
    return start, draw(st.sampled_from([start, min(start + 1, length), min(start + 8, length), length]))


@st.composite
def spliced_bytes(draw: st.DrawFn, bases: Sequence[bytes]) -> bytes:
    """Bytes of one of these contents, changed; sometimes bytes without any."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200))
    content = draw(st.sampled_from(bases))
    for _ in range(draw(st.integers(0, 3))):
        content = draw(st.sampled_from(_CHANGES))(draw, content)
    return content


def _flip(draw: st.DrawFn, content: bytes) -> bytes:
    if not content:
        return content
    at = draw(st.integers(0, len(content) - 1))
    return content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _replace(draw: st.DrawFn, content: bytes) -> bytes:
    start, end = _slice(draw, len(content), ())
    piece = draw(st.binary(max_size=12) | texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
    return content[:start] + piece + content[end:]


def _word(draw: st.DrawFn, content: bytes) -> bytes:
    """Another piece in the place of one word or number."""
    places = [found.span() for found in re.finditer(rb"[A-Za-z_]+|[\d.]+", content[:5000])]
    if not places:
        return content
    start, end = draw(st.sampled_from(places))
    return content[:start] + draw(texts).encode("utf-8", "surrogatepass") + content[end:]


def _repeat(draw: st.DrawFn, content: bytes) -> bytes:
    start, end = _slice(draw, len(content), ())
    return content[:start] + content[start:end] * draw(st.sampled_from([0, 2, 3, 50])) + content[end:]


def _encode(draw: st.DrawFn, content: bytes) -> bytes:
    kind = draw(st.sampled_from(["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp037"]))
    return content.decode("utf-8", "replace").encode(kind, "replace")


_CHANGES = (_flip, _cut, _replace, _word, _word, _repeat, _encode)


@st.composite
def changed_tables(draw: st.DrawFn, bases: Sequence[Mapping[str, Any]], words: Sequence[Any] = ()) -> dict[str, Any]:
    """One of these tables with up to three fields changed, exchanged, removed, renamed or added, at any depth."""
    table = copy.deepcopy(dict(draw(st.sampled_from(bases))))
    new = values | st.sampled_from(words) if words else values
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(table)) or [(table.setdefault("x", {}), "x")]
        whole, key = draw(st.sampled_from(places))
        value = whole.get(key) if isinstance(whole, dict) else whole[key]
        match draw(st.sampled_from(["set", "set", "set", "wrap", "remove", "rename", "add", "exchange", "splice"])):
            case "wrap":
                whole[key] = draw(st.sampled_from([[value], {"x": value}, [value] * 2]))
            case "remove" if isinstance(whole, list) or key in whole:
                del whole[key]
            case "rename" if isinstance(whole, dict):
                whole[draw(texts)] = whole.pop(key, None)
            case "add" if isinstance(whole, dict):
                whole[draw(texts)] = copy.deepcopy(draw(new))
            case "exchange":
                other, name = draw(st.sampled_from(places))
                if name in other if isinstance(other, dict) else name < len(other):
                    whole[key], other[name] = copy.deepcopy(other[name]), copy.deepcopy(value)
            case "splice" if isinstance(value, str):
                whole[key] = draw(spliced_text([value]))
            case _:
                whole[key] = copy.deepcopy(draw(new))
    return table


def _places(whole: Any) -> Any:
    """Every place of a value inside this table, as the table or list that it is in and its key or number."""
    for key in list(whole) if isinstance(whole, dict) else range(len(whole)):
        yield whole, key
        if isinstance(whole[key], dict | list):
            yield from _places(whole[key])


def toml(table: Mapping[str, Any]) -> str:
    """The table as TOML."""
    return "".join(f"{_quoted(key)} = {_written(value)}\n" for key, value in table.items())


def _written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float() if not math.isfinite(value):
            return "nan" if value != value else "inf" if value > 0 else "-inf"
        case dict():
            return "{" + ", ".join(f"{_quoted(key)} = {_written(part)}" for key, part in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case None:
            return '""'
        case int():
            return str(value)
        case str():
            return _quoted(value)
        case _:
            return repr(value) if isinstance(value, float) else value.isoformat()


def _quoted(text: str) -> str:
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")
