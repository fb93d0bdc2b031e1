"""Validate parameters of strategies at construction."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Real
from typing import Any

from imbench.contract.errors import UsageError


def positive(name: str, value: Any, advice: str) -> float:
    """``value`` as a float. Raises `UsageError` if it is not a positive finite number.

    ``name`` is the parameter in the message, such as ``ReMix.alpha``, and ``advice`` is its end.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(f"{name} must be a positive number, got {value!r}; {advice}")
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise UsageError(f"{name} must be {'positive' if math.isfinite(number) else 'finite'}, got {value}; {advice}")
    return number


def at_most(limit: float, name: str, value: Any, advice: str) -> float:
    """``value`` as a float. Raises `UsageError` if it is not a number from 0 to ``limit``."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= limit:
        raise UsageError(f"{name} must be a number from 0 to {limit:g}, got {value!r}; {advice}")
    return float(value)


def one_of(choices: Collection[str], name: str, value: Any) -> str:
    """``value`` itself. Raises `UsageError`, listing ``choices``, if it is not one of them."""
    if not isinstance(value, str) or value not in choices:
        raise UsageError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
