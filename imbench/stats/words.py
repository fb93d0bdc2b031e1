"""Numbers and lists as text, in one format for all output."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from imbench.contract.names import counted as counted

# An absolute path, of either kind of system, that is not part of an address or a word.
_PATH = re.compile(r"(?<![\w:/.~<])(?:[A-Za-z]:\\|~?/)(?:[^\s/\\:'\"<>|]+[/\\])+([^\s/\\:'\"<>|,;)]*)")


def number(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """A number with fixed decimals, a true minus sign, and an en dash for undefined values."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    # What rounds to 0 has no sign.
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def decimals(steps: Sequence[float]) -> int:
    """Decimals that the ticks of an axis need, from their step: 0 for 5, 1 for 0.5, 2 for 0.02."""
    # Equal ticks need no decimals.
    nearest = min((after - before for before, after in pairwise(steps) if after > before), default=1.0)
    return max(0, -math.floor(math.log10(nearest) + 1e-9))


def span(low: float, high: float, digits: int = 2, *, sign: bool = False) -> str:
    """An interval; empty where it is undefined."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"{number(low, digits, sign=sign)} to {number(high, digits, sign=sign)}"


def p_value(p: float) -> str:
    """A p-value as text without its name: ``.021``, ``< .0001``, ``1``."""
    if math.isnan(p):
        return "–"
    if p < 0.0001:
        return "< .0001"
    text = f"{p:.3f}" if p >= 0.001 else f"{p:.4f}"
    return "1" if p > 0.9995 else text.removeprefix("0")


def p_in_text(p: float) -> str:
    """A p-value in a sentence: ``p = .021``, ``p < .0001``."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def level(alpha: float) -> str:
    """The level of an interval: ``95 %`` for 0.05."""
    return f"{100 * (1 - alpha):g} %"


# A sentence with more names than this has to be read twice.
MOST_NAMED = 4


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Names joined: ``a, b and c``; of many names the first ones and a count.

    >>> listed(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d and 2 others'
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {counted(len(names) - most, 'other')}"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 2 else names)


def scrub(text: str) -> str:
    """The text with every absolute path cut to its last part."""
    return _PATH.sub(lambda match: match[1] or "…", text)
