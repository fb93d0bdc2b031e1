"""Judges the parameters of this package's strategies when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from imbench import UsageError

# What a parameter may be required to be; every one must be finite besides.
_KINDS: dict[str, Callable[[float], bool]] = {
    "positive": lambda value: value > 0,
    "at least 0": lambda value: value >= 0,
    "at least 1": lambda value: value >= 1,
    "at most 0": lambda value: value <= 0,
    "from 0 to below 1": lambda value: 0 <= value < 1,
    "from 0 to 1": lambda value: 0 <= value <= 1,
    "above 0 and below 1": lambda value: 0 < value < 1,
}


def validated(owner: object, field: str, kind: str, advice: str) -> None:
    """Replace ``owner.field`` by its value as a float; `kind` is a key of the table above.

    Raises `UsageError` for a value that is no finite number of that kind, naming the parameter (``Focal.gamma``), the
    value, and `advice`.
    """
    value: Any = getattr(owner, field)
    name = f"{type(owner).__name__}.{field}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(f"{name} must be a number, {kind}, got {value!r}; {advice}")
    number = float(value)
    if not math.isfinite(number):
        raise UsageError(f"{name} must be finite, got {value}; {advice}")
    if not _KINDS[kind](number):
        raise UsageError(f"{name} must be {kind}, got {value}; {advice}")
    object.__setattr__(owner, field, number)
