"""Public names that changed: the old ones work for one release more, with a warning. All of them are listed here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

# By class: old attributes and methods, with the new ones.
ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "Leaderboard": {"challenger": "tuned_baseline"},
    "SampleGrid": {"strips": "rows", "words": "label_texts", "parts": "captions"},
}


def old_attributes(owner: str) -> Callable[[Any, str], Any]:
    """A ``__getattr__`` for the class of this name, which answers to its old attributes."""

    def get(self: Any, name: str) -> Any:
        new = ATTRIBUTES[owner].get(name)
        if new is None:
            raise AttributeError(f"{owner} has no attribute {name!r}")
        warnings.warn(f"{owner}.{name} is now {owner}.{new}", DeprecationWarning, stacklevel=2)
        return getattr(self, new)

    return get
