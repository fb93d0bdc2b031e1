"""Validates the parameters of the built-in strategies at construction."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Real
from typing import Any

from imbench.contract.errors import UsageError


def positive(name: str, value: Any, advice: str) -> float:
    """`value` as a float if it is a finite number above 0.

    Raises `UsageError` otherwise, naming the parameter (``ReMix.alpha``), the value, and `advice`.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(f"{name} must be a positive number, got {value!r}; {advice}")
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise UsageError(f"{name} must be {'positive' if math.isfinite(number) else 'finite'}, got {value}; {advice}")
    return number


def at_most(limit: float, name: str, value: Any, advice: str) -> float:
    """`value` as a float if it is a number from 0 to `limit`; `UsageError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= limit:
        raise UsageError(f"{name} must be a number from 0 to {limit:g}, got {value!r}; {advice}")
    return float(value)


def one_of(choices: Collection[str], name: str, value: Any) -> str:
    """`value` if it is one of `choices`; otherwise a `UsageError` that lists them."""
    if not isinstance(value, str) or value not in choices:
        raise UsageError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
