"""Names of columns and classes in a value of a spec: joined with ``+``, special characters after a backslash."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable

# Characters that mean something in some value of a spec. A backslash before any other character is just a backslash.
_SPECIAL = r"\+,:=/()"
_ESCAPED = re.compile(rf"\\([{re.escape(_SPECIAL)}])")


def escaped(name: str, also: str = "") -> str:
    r"""A name as it can stand in a value: a backslash before ``+``, a backslash, the characters ``also``, and
    parentheses that have no partner or begin the name.

    >>> print(escaped("a+b"), escaped("size (m)"), escaped("a)"), escaped("1:2", ":/"))
    a\+b size (m) a\) 1\:2
    """
    special = re.escape("\\+" + also + _loose(name))
    return re.sub(rf"[{special}]", r"\\\g<0>", name)


def _loose(text: str) -> str:
    """Both parentheses if one has no partner or begins the text, else ""."""
    depths = list(itertools.accumulate((c == "(") - (c == ")") for c in text))
    return "()" if depths and (depths[-1] or min(depths) < 0 or text[0] == "(") else ""


def escaped_item(text: str) -> str:
    r"""A column with what follows its colon as one of several items; a backslash in it is one of `escaped`.

    >>> print(escaped_item("a+b:low/high"), escaped_item(r"a\+b:x)"))
    a\+b:low/high a\+b:x\)
    """
    mine = re.escape("+" + _loose(_ESCAPED.sub("", text)))
    return re.sub(rf"\\[{re.escape(_SPECIAL)}]|([{mine}])", lambda m: "\\" + m[0] if m[1] else m[0], text)


def unescaped(text: str) -> str:
    r"""The name that `escaped` wrote.

    >>> unescaped(r"a\+b"), unescaped(r"folder\name")
    ('a+b', 'folder\\name')
    """
    return _ESCAPED.sub(r"\1", text)


def joined(names: Iterable[str]) -> str:
    r"""Several names as one value.

    >>> print(joined(["age", "a+b"]))
    age+a\+b
    """
    return "+".join(map(escaped, names))


def split_at(text: str, mark: str) -> list[str]:
    r"""The parts of a text between one of the special characters, where no backslash is before it.

    >>> split_at(r"age+a\+b", "+")
    ['age', 'a\\+b']
    """
    parts, start = [], 0
    for found in re.finditer(rf"\\[{re.escape(_SPECIAL)}]|{re.escape(mark)}", text):
        if found[0] == mark:
            parts.append(text[start : found.start()])
            start = found.end()
    return [*parts, text[start:]]


def name_in(text: str, known: Collection[str]) -> str:
    """One name in a value: the text itself if it is known, else without its backslashes."""
    return text if text in known and "\\" not in text else unescaped(text)


def names_in(text: str, known: Collection[str]) -> list[str]:
    r"""The names in a value. A known name with a plus needs no backslash unless its parts are known as well.

    >>> names_in("a+b", ["a", "b"]), names_in("a+b", ["a+b", "c"]), names_in(r"a\+b+c", ["a+b", "c"])
    (['a', 'b'], ['a+b'], ['a+b', 'c'])
    """
    parts = [unescaped(part.strip()) for part in split_at(text, "+") if part.strip()]
    return [text] if text in known and not set(parts) <= set(known) else parts


def name_and_rest(text: str, known: Collection[str]) -> tuple[str, str]:
    r"""The name before a colon, and what follows: the longest known name, "" for no rest.

    The rest keeps its backslashes. An unknown name ends at the first colon.

    >>> name_and_rest("size:small/large", ["size"]), name_and_rest("a:b", ["a:b"]), name_and_rest("when", [])
    (('size', 'small/large'), ('a:b', ''), ('when', ''))
    """
    parts = split_at(text, ":")
    for end in range(len(parts), 0, -1):
        name = unescaped(":".join(parts[:end]).strip())
        if name in known or end == 1:
            return name, ":".join(parts[end:]).strip()
    raise AssertionError("a text has a first part")
