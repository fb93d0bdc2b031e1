"""Names and counts in messages: suggestions for unknown names, and counts with their nouns."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath

# Largest number of names that an error lists.
_MAX_LISTED = 24


def suggest(name: str, known: Iterable[object], also: str = "") -> str:
    """The end of an error message about an unknown name: similar names, or all names if none is similar.

    Parameters
    ----------
    name : the unknown name
    known : the names that exist. Case, folders and parameters of specs and paths are ignored in the comparison
    also : other valid input, as a sentence without a capital letter and full stop

    >>> suggest("Remxi", ["baseline", "remix"]), suggest("zzz", ["baseline", "remix"], "a file is given by its path")
    ('did you mean remix?', 'there are baseline, remix; a file is given by its path')
    """
    names = list(map(str, known))
    forms: dict[str, list[str]] = {}
    for one in names:
        for form in {one.casefold(), _bare_name(one)}:
            forms.setdefault(form, []).append(one)
    close = difflib.get_close_matches(name.casefold(), forms, n=3, cutoff=0.5)
    if not close:
        return list_known(names) + (f"; {also}" if also else "")
    meant = list(dict.fromkeys(one for form in close for one in forms[form]))[:3]
    return f"did you mean {' or '.join(meant)}?" + (f" {also[0].upper()}{also[1:]}" if also else "")


def list_known(known: Iterable[object]) -> str:
    """The end of an error message: all names, or the first ones if there are many.

    >>> list_known(["baseline", "remix"]), list_known(["alpha"]), list_known([])
    ('there are baseline, remix', 'there is alpha', 'there are none')
    """
    names = list(map(str, known))
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    verb = "is" if len(names) == 1 else "are"
    return f"there {verb} {', '.join(names[:_MAX_LISTED]) or 'none'}{more}"


def _bare_name(spec: str) -> str:
    """The name in a spec, without its folder, package or parameters."""
    return spec.casefold().partition(":")[0].rstrip("/").rpartition("/")[2]


def counted(count: int, what: str, plural: str = "") -> str:
    """A count with its noun in singular or plural; ``plural`` is needed if it is not ``what`` with an s.

    >>> counted(1, "dataset"), counted(1200, "dataset"), counted(0, "class", "classes")
    ('1 dataset', '1,200 datasets', '0 classes')
    """
    return f"{count:,} {what if count == 1 else plural or what + 's'}"


def is_inside(name: str) -> bool:
    """Whether a name in a file can only mean a file in that file's folder: relative on any system, without ``..``.

    >>> is_inside("data/mine.csv"), is_inside("../mine.csv"), is_inside("/etc/passwd"), is_inside("C:mine.csv")
    (True, False, False, False)
    """
    windows = PureWindowsPath(name)  # also splits at slashes
    fits = all(len(part.encode("utf-8", "replace")) < 256 for part in windows.parts)
    relative = not windows.drive and not windows.root and ".." not in windows.parts
    return bool(windows.parts) and fits and relative and "\0" not in name


def is_beside(place: Path, file: Path) -> bool:
    """Whether a place is where a file may lead: in its own folder or below, or so in the current folder."""
    return any(place.resolve().is_relative_to(folder) for folder in (file.parent.resolve(), Path.cwd()))
