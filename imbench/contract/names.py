"""Names and counts in messages: near matches of a name that does not exist, and counts with their nouns."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# An error lists this many names.
_MOST = 24


def suggest(name: str, known: Iterable[object], also: str = "") -> str:
    """The end of an error sentence: the near matches of a name that does not exist, else all that do.

    Parameters
    ----------
    known : the names that exist; a spec or path is near, too, whose name alone is, whatever its case
    also : what else could be written, as a sentence without a capital or a full stop

    >>> suggest("Remxi", ["baseline", "remix"]), suggest("zzz", ["baseline", "remix"], "a file goes by its path")
    ('did you mean remix?', 'there are baseline, remix; a file goes by its path')
    """
    names = list(map(str, known))
    forms: dict[str, list[str]] = {}
    for one in names:
        for form in {one.casefold(), _bare(one)}:
            forms.setdefault(form, []).append(one)
    close = difflib.get_close_matches(name.casefold(), forms, n=3, cutoff=0.5)
    if not close:
        return there_are(names) + (f"; {also}" if also else "")
    meant = list(dict.fromkeys(one for form in close for one in forms[form]))[:3]
    return f"did you mean {' or '.join(meant)}?" + (f" {also[0].upper()}{also[1:]}" if also else "")


def there_are(known: Iterable[object]) -> str:
    """All names, as the end of an error sentence; of many the first.

    >>> there_are(["baseline", "remix"]), there_are([])
    ('there are baseline, remix', 'there are none')
    """
    names = list(map(str, known))
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"there are {', '.join(names[:_MOST]) or 'none'}{more}"


def _bare(spec: str) -> str:
    """The name in a spec, without its folder, package or parameters."""
    return spec.casefold().partition(":")[0].rstrip("/").rpartition("/")[2]


def counted(count: int, what: str, plural: str = "") -> str:
    """A count with its noun.

    >>> counted(1, "dataset"), counted(1200, "dataset"), counted(0, "class", "classes")
    ('1 dataset', '1,200 datasets', '0 classes')
    """
    return f"{count:,} {what if count == 1 else plural or what + 's'}"
