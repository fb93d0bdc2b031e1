"""Items: what a table or figure of the paper has become, with its numbers, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class RenderedFigure:
    """A figure, drawn.

    Parameters
    ----------
    name : of its files, without an ending; unique in its item
    title : a line above it
    description : what a reader who cannot see it must know, with the numbers
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
    name : of its files, without an ending; unique in its item
    title : a line above it
    frame : what is written as CSV and JSON; the index is left out
    shown : whether the page shows the table; one too long for it is only linked
    """

    name: str
    title: str
    frame: pd.DataFrame
    shown: bool = True


@dataclass(frozen=True, eq=False)
class PaperItem:
    """One table or figure of the paper, made again.

    Parameters
    ----------
    name : as on the command line: ``table1`` … ``figure8``
    title : what it shows
    printed : what the paper shows and says there, a sentence each
    found : what came out here and whether it agrees, a sentence each
    tables, figures : the numbers and the figures
    basis : what it was made from: protocol, coverage, what was left out and why, a sentence each
    """

    name: str
    title: str
    printed: tuple[str, ...]
    found: tuple[str, ...]
    tables: tuple[Numbers, ...] = ()
    figures: tuple[RenderedFigure, ...] = ()
    basis: tuple[str, ...] = ()
