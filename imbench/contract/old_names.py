"""Former public names. They work for one more release, with a `DeprecationWarning` that names the new name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

# For each class, former attributes of its instances and their new names.
ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "Leaderboard": {"challenger": "tuned_baseline"},
    "SampleGrid": {"strips": "rows", "words": "label_texts", "parts": "captions"},
}


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn that a name has changed; ``stacklevel`` is passed to `warnings.warn`."""
    warnings.warn(
        f"{old} is now {new}; the old name will be removed in the next release",
        DeprecationWarning,
        stacklevel=stacklevel,
    )


class OldName:
    """A former name of an attribute or method, on the class and its instances.

    >>> class Batch:
    ...     def mark(self): return "marked"
    ...     set_mark = OldName("Batch.set_mark", "mark")
    >>> with warnings.catch_warnings(action="ignore"):
    ...     Batch().set_mark()
    'marked'
    """

    def __init__(self, old: str, new: str) -> None:
        self._old, self._new = old, new

    def __get__(self, instance: object | None, owner: type) -> Any:
        warn_renamed(self._old, self._new)
        return getattr(owner if instance is None else instance, self._new)


def adopt_old_attributes(cls: type, renamed: dict[str, str]) -> None:
    """Copy class attributes that a subclass sets under their former names to the new names (``renamed``: old to new).

    An attribute that the class also sets under its new name is not changed.
    """
    for old, new in renamed.items():
        if old in vars(cls):
            warn_renamed(f"{cls.__name__}.{old}", new, stacklevel=4)
            if new not in vars(cls):
                setattr(cls, new, vars(cls)[old])


def old_attributes(owner: str) -> Callable[[Any, str], Any]:
    """The ``__getattr__`` of a class with former names in `ATTRIBUTES`."""

    def get(self: Any, name: str) -> Any:
        new = ATTRIBUTES[owner].get(name)
        if new is None:
            raise AttributeError(f"{owner} has no attribute {name!r}")
        warn_renamed(f"{owner}.{name}", f"{owner}.{new}")
        return getattr(self, new)

    return get
