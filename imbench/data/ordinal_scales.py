"""The order of the levels of an ordinal column: that of numbers, or of the words of a known scale."""

from __future__ import annotations

import re
from collections.abc import Sequence

from imbench.data.labels import natural_order

_SCALES = (
    ("very low", "low", "medium", "high", "very high"),
    ("low", "mid", "high"), ("low", "moderate", "high"), ("low", "normal", "high"),
    ("xs", "s", "m", "l", "xl", "xxl"), ("small", "medium", "large"), ("none", "mild", "moderate", "severe"),
    ("never", "rarely", "sometimes", "often", "always"), ("poor", "fair", "good", "very good", "excellent"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
)  # fmt: skip
_LEADING_NUMBER = re.compile(r"([<>≤≥]?)\s*(-?\d+(?:\.\d+)?)")


def natural_scale(present: Sequence[str]) -> tuple[str, ...]:
    """The order of levels that begin with different numbers, or are words of a known scale; empty if not known."""
    found = {text: _LEADING_NUMBER.match(text) for text in present}
    if all(found.values()):
        keys = {text: (float(m[2]), {"<": -1, "≤": -1, ">": 1, "≥": 1}.get(m[1], 0)) for text, m in found.items() if m}
        if len(set(keys.values())) == len(present):
            return tuple(sorted(present, key=lambda text: (keys[text], natural_order(text))))
    for scale in _SCALES:
        if {text.casefold() for text in present} <= set(scale) and len({t.casefold() for t in present}) == len(present):
            return tuple(sorted(present, key=lambda text: scale.index(text.casefold())))
    return ()
