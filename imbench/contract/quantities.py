"""Durations and sizes of memory as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from imbench.contract.errors import UsageError

_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}


def duration(seconds: float) -> str:
    """Seconds as readable text.

    >>> duration(59.6), duration(3_600 * 2 + 61)
    ('1 min', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def limit_of_time(seconds: float) -> str:
    """Seconds as text that is exact up to an hour.

    >>> limit_of_time(0.5), limit_of_time(90), limit_of_time(3_600 * 2 + 61)
    ('0.5 s', '90 s', '2 h 1 min')
    """
    return f"{seconds:g} s" if seconds < 3600 and seconds % 60 else duration(seconds)


def memory_size(size: float) -> str:
    """Bytes as readable text.

    >>> memory_size(2.5e9), memory_size(3e8)
    ('2.5 GB', '300 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def read_duration(text: str, what: str) -> float:
    """Seconds of a text such as ``90``, ``90s``, ``30m`` or ``2h``; infinity for ``none``.

    Raises `UsageError`, which calls it ``what``, for any other text and for zero.

    >>> read_duration("1.5h", "--timeout"), read_duration("none", "--timeout")
    (5400.0, inf)
    """
    return _read(text, _SECONDS, f"{what} {text!r} is not a duration; write for example 90s, 30m, 2h or none")


def read_memory(text: str, what: str) -> float:
    """Bytes of a text such as ``800MB``, ``4GB`` or ``4GiB``; infinity for ``none``.

    Raises `UsageError`, which calls it ``what``, for any other text and for zero.

    >>> read_memory("4GB", "--memory")
    4000000000.0
    """
    return _read(text, _BYTES, f"{what} {text!r} is not an amount of memory; write for example 800MB, 4GB or none")


def _read(text: str, units: Mapping[str, float], wrong: str) -> float:
    if text.strip().lower() == "none":
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower(), re.ASCII)
    value = float(found[1]) * units.get(found[2], 0.0) if found else 0.0
    if not 0 < value < math.inf:
        raise UsageError(wrong)
    return value
