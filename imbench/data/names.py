"""Near matches of a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(name: str, known: Iterable[object]) -> str:
    """The end of an error sentence: the near matches of a name that does not exist, else all that do."""
    names = [str(k) for k in known]
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"there are {listed or 'none'}"
