"""The text of ``--help``: it keeps to the terminal's width, and so do the commands in it, which stay runnable."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from typing import Any

import click
from click.formatting import wrap_text

# Lines longer than this are hard to read; narrower ones than this have no place for words.
_WIDEST, _NARROWEST = 100, 20
# Below this many columns what an option means stands under it, not beside it.
_SIDE_BY_SIDE = 60
# A paragraph of the help text that begins with this holds commands, a line each.
_COMMANDS = "\b\n"


class HelpFormatter(click.HelpFormatter):
    """Click's formatter, for a terminal of any width."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.width = max(min(shutil.get_terminal_size().columns, _WIDEST), _NARROWEST)

    def write_text(self, text: str) -> None:
        """Text; a command that is too long goes on in the next line, as a shell reads it."""
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
        """Terms and what they mean."""
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
    r"""A command in lines of at most this many characters, each but the last with a backslash at its end.

    A line breaks before an option, or where that is too long between words.

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
