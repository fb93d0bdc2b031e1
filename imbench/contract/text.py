"""Text of others in messages: cut to a length, and without control characters."""

from __future__ import annotations

import re

# Characters of a wrong value that an error repeats.
SHOWN = 80


def shown(text: str, most: int = SHOWN) -> str:
    """Text cut to a length that fits into an error message."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def visible(text: str) -> str:
    r"""Text without control characters, which names and errors could send to the terminal: they are shown as escapes.

    >>> visible("red: \x1b[31m"), visible("tab\tand a dash")
    ('red: \\x1b[31m', 'tab\tand a dash')
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


# All control characters but tab and line feed, those that change the direction of text, and bytes that are not UTF-8.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
