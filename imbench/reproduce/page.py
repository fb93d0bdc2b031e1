"""The pages of a reproduction: one for each item, our result beside the paper's, and an index."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd

from imbench.stats.words import p_value

if TYPE_CHECKING:
    from jinja2 import Environment

    from imbench.reproduce.paper_item import PaperItem, RenderedFigure

TITLE = "ReMix, reproduced"
# Sentences of an item on the index page.
_MOST = 4
# Characters of a note on data and settings on the index page; longer notes are on the item's page.
_LONGEST = 160
# A larger SVG file, in bytes, renders more slowly than a PNG.
_LARGE_SVG = 400_000
# A figure wider than this multiple of its height takes the full width of the page.
_WIDE = 2.5
_OWN_STYLE = """
figure img{display:block;max-width:100%;height:auto;background:#fff;border-radius:3px}
.pair h2{border:0;margin-top:.6rem}
main li{max-width:62rem;margin:.2rem 0}
td,th{white-space:normal;max-width:34rem}tbody th{min-width:9rem}
.scroll th:first-child{position:sticky;left:0;background:var(--bg)}
"""


def called(name: str) -> str:
    """An item's name as in the paper: ``Table 2``, ``Figure 7``."""
    kind = name.rstrip("0123456789")
    return f"{kind.capitalize()} {name[len(kind) :]}".rstrip()


def item_page(item: PaperItem, options: str = "") -> str:
    """The HTML page of one item, with links to its files in the same folder.

    Parameters
    ----------
    options : options of the command that reproduces the item
    """
    return _render(
        "item.html.j2",
        item=item,
        called=called(item.name),
        command=f"imbench reproduce {item.name} {options}".rstrip(),
        shown=_shown,
        is_wide=_is_wide,
        rows=_rows,
        aligned=_aligned,
    )


def index_page(entries: Sequence[Mapping[str, Any]], claims: Sequence[Mapping[str, Any]]) -> str:
    """The HTML index of the items.

    Parameters
    ----------
    entries : ``name, title, found`` and ``basis`` of each item
    claims : rows of the table of claims; empty if it was not made
    """
    named = [{**entry, "called": called(str(entry["name"]))} for entry in entries]
    return _render(
        "index.html.j2", entries=named, claims=claims, title=TITLE, most=_MOST, in_a_row=_in_a_row, cell=_cell
    )


@cache
def _environment() -> Environment:
    """Where the templates live, each compiled once for all pages of a process."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("imbench.reproduce", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(template: str, **values: Any) -> str:
    from markupsafe import Markup

    style = resources.files("imbench.report").joinpath("templates", "report.css").read_text("utf-8")
    text = (
        _environment()
        .get_template(template)
        .render(css=Markup(style + _OWN_STYLE), version=version("imbench"), **values)
    )
    return "\n".join(line for line in text.splitlines() if line.strip()) + "\n"


def _shown(figure: RenderedFigure) -> str:
    """The format that the page shows."""
    return "svg" if len(figure.files["svg"]) <= _LARGE_SVG else "png"


def _is_wide(figure: RenderedFigure) -> bool:
    size = re.search(rb'viewBox="\S+ \S+ (\S+) (\S+)"', figure.files["svg"])
    return size is not None and float(size[1]) > _WIDE * float(size[2])


def _in_a_row(notes: Sequence[str]) -> str:
    """The short notes joined into one line; notes without a full stop are separated by semicolons."""
    short = [note for note in notes if len(note) <= _LONGEST]
    return "".join(n + (" " if n.endswith(".") else "; ") for n in short).rstrip("; ")


def _rows(frame: pd.DataFrame) -> Iterator[list[tuple[str, Any]]]:
    """Cells as text, each with its HTML attribute for alignment."""
    align = [_aligned(frame[column]) for column in frame]
    names = list(map(str, frame.columns))
    for row in frame.itertuples(index=False, name=None):
        yield [(_cell(value, name), at) for value, name, at in zip(row, names, align, strict=True)]


def _aligned(column: pd.Series[Any]) -> Any:
    from markupsafe import Markup

    return Markup(' class="n"') if pd.api.types.is_numeric_dtype(column) else ""


def _cell(value: Any, column: str) -> str:
    """A value as text: four significant digits, p-values in their format, an en dash for undefined values."""
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "–"
    if column == "p" or column.startswith("p ") or " p " in f" {column} ":
        return p_value(value)
    # Zero has no sign.
    return f"{value + 0.0:.4g}".replace("-", "−")
