"""The pages of a reproduction: one for each item, ours beside the paper's, and one that leads to them all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd

from imbench.stats.words import p_value

if TYPE_CHECKING:
    from imbench.reproduce.paper_item import PaperItem, RenderedFigure

TITLE = "ReMix, reproduced"
# Sentences of an item that the leading page shows.
_MOST = 4
# A vector file of more bytes than this is slower to show than pixels.
_LARGE_SVG = 400_000
# A figure that is wider than this, as a multiple of its height, has the page's width to itself.
_WIDE = 2.5
_OWN_STYLE = """
figure img{display:block;max-width:100%;height:auto;background:#fff;border-radius:3px}
.pair h2{border:0;margin-top:.6rem}
main li{max-width:62rem;margin:.2rem 0}
td,th{white-space:normal;max-width:34rem}tbody th{min-width:9rem}
"""


def called(name: str) -> str:
    """An item's name as the paper has it: ``Table 2``, ``Figure 7``."""
    kind = name.rstrip("0123456789")
    return f"{kind.capitalize()} {name[len(kind) :]}".rstrip()


def item_page(item: PaperItem, options: str = "") -> str:
    """The HTML of one item; its files lie beside it.

    Parameters
    ----------
    options : of the command that makes it again
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
    """The HTML that leads to the items.

    Parameters
    ----------
    entries : of each item ``name, title, found`` and ``basis``
    claims : rows of the table of claims; empty where it was not made
    """
    named = [{**entry, "called": called(str(entry["name"]))} for entry in entries]
    return _render("index.html.j2", entries=named, claims=claims, title=TITLE, most=_MOST, in_a_row=_in_a_row)


def _render(template: str, **values: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("imbench.reproduce", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    from markupsafe import Markup

    style = resources.files("imbench.report").joinpath("templates", "report.css").read_text("utf-8")
    text = environment.get_template(template).render(
        css=Markup(style + _OWN_STYLE), version=version("imbench"), **values
    )
    return "\n".join(line for line in text.splitlines() if line.strip()) + "\n"


def _shown(figure: RenderedFigure) -> str:
    """The format that the page shows."""
    return "svg" if len(figure.files["svg"]) <= _LARGE_SVG else "png"


def _is_wide(figure: RenderedFigure) -> bool:
    size = re.search(rb'viewBox="\S+ \S+ (\S+) (\S+)"', figure.files["svg"])
    return size is not None and float(size[1]) > _WIDE * float(size[2])


def _in_a_row(notes: Sequence[str]) -> str:
    """Notes one after another: those that are no sentences are parted by semicolons."""
    return "".join(n + (" " if n.endswith(".") else "; ") for n in notes).rstrip("; ")


def _rows(frame: pd.DataFrame) -> Iterator[list[tuple[str, Any]]]:
    """Cells as text, with the attribute that aligns them."""
    align = [_aligned(frame[column]) for column in frame]
    names = list(map(str, frame.columns))
    for row in frame.itertuples(index=False, name=None):
        yield [(_cell(value, name), at) for value, name, at in zip(row, names, align, strict=True)]


def _aligned(column: pd.Series[Any]) -> Any:
    from markupsafe import Markup

    return Markup(' class="n"') if pd.api.types.is_numeric_dtype(column) else ""


def _cell(value: Any, column: str) -> str:
    """A value for readers: four figures, p-values as such, an en dash for what is undefined."""
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "–"
    if column == "p" or column.startswith("p ") or " p " in f" {column} ":
        return p_value(value)
    # Zero has no sign.
    return f"{value + 0.0:.4g}".replace("-", "−")
