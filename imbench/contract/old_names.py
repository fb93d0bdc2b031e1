"""Former public names, which work for one more release and name their replacement in a `DeprecationWarning`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

# By class: former attributes of its instances, with the new ones.
ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "Leaderboard": {"challenger": "tuned_baseline"},
    "SampleGrid": {"strips": "rows", "words": "label_texts", "parts": "captions"},
}


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn that a name has changed; ``stacklevel`` is as for `warnings.warn`."""
    warnings.warn(
        f"{old} is now {new}; the old name will be removed in the next release",
        DeprecationWarning,
        stacklevel=stacklevel,
    )


class OldName:
    """A former name of an attribute or a method: on the class and on its instances it gives what the new name gives.

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
    """Take over class attributes that a subclass still sets by their former names, from old to new.

    An attribute that the class sets by its new name as well is left alone.
    """
    for old, new in renamed.items():
        if old in vars(cls):
            warn_renamed(f"{cls.__name__}.{old}", new, stacklevel=4)
            if new not in vars(cls):
                setattr(cls, new, vars(cls)[old])


def old_attributes(owner: str) -> Callable[[Any, str], Any]:
    """A ``__getattr__`` for the class of this name in `ATTRIBUTES`."""

    def get(self: Any, name: str) -> Any:
        new = ATTRIBUTES[owner].get(name)
        if new is None:
            raise AttributeError(f"{owner} has no attribute {name!r}")
        warn_renamed(f"{owner}.{name}", f"{owner}.{new}")
        return getattr(self, new)

    return get
