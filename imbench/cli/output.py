"""Results go to stdout, everything else to stderr; a reader of stdout who leaves early ends the output, not the run."""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

# Where nothing says how wide lines may be (a file, a pipe), rows are not folded.
_UNLIMITED = 1000
# Parts of a JSON text that are put together before they are written.
_TOKENS = 100_000


def emit(text: str | Iterable[str]) -> None:
    """Print a part of the result on stdout; pieces of one are written as they come, and never held together."""
    try:
        sys.stdout.writelines([text] if isinstance(text, str) else text)
        sys.stdout.write("\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has seen enough. What follows, and Python's own flush at exit, goes nowhere instead of failing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit_json(value: Any) -> None:
    """Print a result as JSON; what is undefined (NaN) is null."""
    tokens = json.JSONEncoder(indent=2, allow_nan=False).iterencode(_plain(value))
    emit(iter(lambda: "".join(itertools.islice(tokens, _TOKENS)), ""))


def say(text: str) -> None:
    """Tell the user something on stderr."""
    click.echo(text, err=True)


def last_line(text: str) -> str:
    """The last line of a message or a traceback, which says what went wrong."""
    return next(reversed(text.strip().splitlines()), "no reason given")


def table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", right: Sequence[str] = ()
) -> str:
    """A table as text, folded to the terminal's width.

    Parameters
    ----------
    headers : name of each column; those also in ``right`` are aligned to the right
    rows : one value for each column; None is shown as an empty cell
    """
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left", title_style="bold")
    for header in headers:
        grid.add_column(header, justify="right" if header in right else "left", overflow="fold", header_style="bold")
    for row in rows:
        grid.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return render(*([Text(title, style="bold")] if title else []), grid)


def paragraph(text: str) -> str:
    """A sentence of a result, broken between words where the terminal ends."""
    return textwrap.fill(text, width(), break_long_words=False, break_on_hyphens=False)


def render(*parts: Any) -> str:
    """What rich shows for these parts, one under another, as text for stdout; colours only on a terminal."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width(), force_terminal=sys.stdout.isatty(), highlight=False)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in _text(console).splitlines())


def width() -> int:
    """Characters a line of stdout may have: what COLUMNS or the terminal says."""
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
    # numpy's scalars; what else a record may hold is shown as its text.
    try:
        return _plain(value.item())
    except AttributeError:
        return str(value)
