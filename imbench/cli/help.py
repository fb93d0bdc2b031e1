"""``--help`` text that fits the terminal; long example commands are folded and stay runnable."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from typing import Any

import click
from click.formatting import wrap_text

# Longer lines are hard to read; narrower ones have no room for words.
_WIDEST, _NARROWEST = 100, 20
# On terminals narrower than this, the description of an option goes below it.
_SIDE_BY_SIDE = 60
# A paragraph of help that starts with this contains commands, one per line.
_COMMANDS = "\b\n"


class HelpFormatter(click.HelpFormatter):
    """Click's formatter, for a terminal of any width."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.width = max(min(shutil.get_terminal_size().columns, _WIDEST), _NARROWEST)

    def write_text(self, text: str) -> None:
        """Write text; a command that is too long continues on the next line after a backslash."""
        room = self.width - self.current_indent
        super().write_text(
            "\n\n".join(
                _COMMANDS + "\n".join(folded(line, room) for line in part.removeprefix(_COMMANDS).splitlines())
                if part.startswith(_COMMANDS)
                else part
                for part in text.split("\n\n")
            )
        )

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write terms with their descriptions."""
        if self.width >= _SIDE_BY_SIDE:
            super().write_dl(rows, col_max, col_spacing)
            return
        for term, meaning in rows:
            for text, extra in ((term, 0), (meaning, 4)):
                indent = " " * (self.current_indent + extra)
                self.write(f"{wrap_text(text, self.width, indent, indent)}\n" if text else "")


class Context(click.Context):
    """A context whose help is written by `HelpFormatter`."""

    formatter_class = HelpFormatter


def folded(command: str, room: int) -> str:
    r"""A command folded into lines of at most ``room`` characters, with a backslash at each line break.

    Lines break before an option, or between words if the option itself is too long.

    >>> print(folded("imbench run --suite tabular --jobs 2", 30))
    imbench run --suite tabular \
        --jobs 2
    """
    if len(command) <= room:
        return command
    lines, line = [], ""
    for word in re.findall(r"--\S+(?: (?!--)\S+)?|\S+", command):
        for part in [word] if len(word) + 6 <= room else word.split():
            if line.strip() and len(line) + len(part) + 3 > room:
                lines.append(f"{line} \\")
                line = "    "
            line += part if not line.strip() else f" {part}"
    return "\n".join([*lines, line])
