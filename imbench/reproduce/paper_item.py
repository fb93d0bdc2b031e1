"""Items: reproduced tables and figures of the paper as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class RenderedFigure:
    """A rendered figure.

    Parameters
    ----------
    name : name of its files, without extension; unique in its item
    title : caption
    description : alternative text for readers who cannot see the figure, with its numbers
    files : content by format: ``svg``, ``pdf`` and ``png``
    """

    name: str
    title: str
    description: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, eq=False)
class Numbers:
    """A table of numbers.

    Parameters
    ----------
    name : name of its files, without extension; unique in its item
    title : caption
    frame : rows to write as CSV and JSON, without the index
    shown : whether the page shows the table; a long table is only linked
    columns : columns that the page shows; all if empty
    """

    name: str
    title: str
    frame: pd.DataFrame
    shown: bool = True
    columns: tuple[str, ...] = ()

    @property
    def on_page(self) -> pd.DataFrame:
        """The columns that the page shows."""
        return self.frame[list(self.columns)] if self.columns else self.frame


@dataclass(frozen=True, eq=False)
class PaperItem:
    """One reproduced table or figure of the paper.

    Parameters
    ----------
    name : name on the command line: ``table1`` … ``figure8``
    title : title of the page
    printed : sentences on the paper's result
    found : sentences on our result and whether it agrees
    tables, figures : the numbers and the figures
    basis : sentences on data and settings: protocol, coverage, skipped datasets with the reason
    """

    name: str
    title: str
    printed: tuple[str, ...]
    found: tuple[str, ...]
    tables: tuple[Numbers, ...] = ()
    figures: tuple[RenderedFigure, ...] = ()
    basis: tuple[str, ...] = ()
