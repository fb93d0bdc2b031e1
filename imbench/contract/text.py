"""Pieces of sentences that messages of all rooms are made of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(name: str, known: Iterable[object]) -> str:
    """The end of an error sentence: near matches of a name that does not exist, else all names that do.

    >>> suggest("segmnt", ["segment", "musk2"]), suggest("x", ["segment", "musk2"])
    ("did you mean 'segment'?", 'there are segment, musk2')
    """
    names = [str(k) for k in known]
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"there are {listed or 'none'}"


def counted(count: int, what: str, plural: str = "") -> str:
    """A count with its noun.

    >>> counted(1, "dataset"), counted(1200, "dataset"), counted(0, "class", "classes")
    ('1 dataset', '1,200 datasets', '0 classes')
    """
    return f"{count:,} {what if count == 1 else plural or what + 's'}"
