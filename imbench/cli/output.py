"""Output: results go to stdout, everything else to stderr; a closed stdout does not stop a run."""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from imbench.contract.text import visible

if TYPE_CHECKING:
    from rich.console import Console

# Rows are not folded if the output has no width (a file, a pipe).
_UNLIMITED = 1000
# Characters of a message, which may repeat names and values from files of any size.
_LONGEST = 4000
# JSON tokens that are joined before each write.
_TOKENS = 100_000


def emit(text: str | Iterable[str]) -> None:
    """Print results on stdout; an iterable is written piece by piece, without joining it in memory."""
    sys.stdout.writelines(map(_coloured, [text] if isinstance(text, str) else text))
    sys.stdout.write("\n")
    sys.stdout.flush()


def _coloured(text: str) -> str:
    """Text with the colours of a terminal, and otherwise as `visible` makes it."""
    if not sys.stdout.isatty():
        return visible(text)
    return "".join(part if _COLOUR.fullmatch(part) else visible(part) for part in _COLOUR.split(text))


def emit_json(value: Any) -> None:
    """Print a result as JSON; undefined numbers (NaN) become null."""
    tokens = json.JSONEncoder(indent=2, allow_nan=False).iterencode(_plain(value))
    emit(iter(lambda: "".join(itertools.islice(tokens, _TOKENS)), ""))


def say(text: str) -> None:
    """Print a message on stderr; the middle of a very long one is left out."""
    click.echo(visible(_shortened(text)), err=True)


def _shortened(text: str) -> str:
    """Text of at most about `_LONGEST` characters: its beginning, and its end, where an error names the fix."""
    end = _LONGEST // 4
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - end]}… ({len(text):,} characters) …{text[-end:]}"


# Colours, which `render` writes on a terminal.
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def last_line(text: str) -> str:
    """The last line of a message or traceback, which states the error."""
    return visible(next(reversed(text.strip().splitlines()), "no reason given"))


def table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", right: Sequence[str] = ()
) -> str:
    """A table as text, folded to the terminal's width.

    Parameters
    ----------
    headers : column names
    rows : one value per column; None is shown as an empty cell
    right : names of the columns that are aligned to the right
    """
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left", title_style="bold")
    for header in map(visible, headers):
        grid.add_column(header, justify="right" if header in right else "left", overflow="fold", header_style="bold")
    for row in rows:
        grid.add_row(*(Text("" if cell is None else visible(str(cell))) for cell in row))
    return render(*([Text(visible(title), style="bold")] if title else []), grid)


def paragraph(text: str) -> str:
    """Text wrapped to the width of the terminal."""
    return textwrap.fill(visible(text), width(), break_long_words=False, break_on_hyphens=False)


def render(*parts: Any) -> str:
    """These rich objects, one below another, as text for stdout; colours only on a terminal."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width(), force_terminal=sys.stdout.isatty(), highlight=False)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in _text(console).splitlines())


def width() -> int:
    """Characters per line of stdout, from COLUMNS or the terminal."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return max(shutil.get_terminal_size().columns, 20)
    return _UNLIMITED


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else _number(value)


def _number(value: Any) -> Any:
    # NumPy scalars become Python numbers; anything else becomes text.
    try:
        return _plain(value.item())
    except AttributeError:
        return str(value)
