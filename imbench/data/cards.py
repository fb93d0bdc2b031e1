"""Find dataset cards: shipped ones by name, a user's card files by path."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from imbench.contract.errors import DataError
from imbench.contract.names import suggest
from imbench.contract.records import Card
from imbench.data.card_file import read_card


def cards_folder() -> Path:
    """Folder of the shipped cards: inside the installed package, or next to it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "datasets"
    return inside if inside.is_dir() else package.parent / "datasets"


def card_names() -> list[str]:
    """Sorted names of the shipped cards; the cards are not read."""
    return sorted(_files())


@cache
def _files() -> dict[str, Path]:
    """The file of each shipped card, by name: in the folder of cards, or in one below for many of one origin."""
    return {path.stem: path for path in cards_folder().rglob("*.toml") if path.parent.name != "suites"}


@cache
def _attributes() -> dict[str, str]:
    """The name of each shipped card by its attribute."""
    return {attribute_of(name): name for name in _files()}


def attribute_of(name: str) -> str:
    """The name under which entry points refer to a card or suite: ``keel-glass0`` is ``keel_glass0``."""
    return re.sub(r"\W", "_", name)


def load_card(name: str) -> Card:
    """The shipped card of this name, or the card file (.toml) at this path.

    Raises `DataError` for an unknown name, and for an invalid card (see `read_card`).

    >>> load_card("segment").rows
    2310
    """
    if name.endswith(".toml"):
        return read_card(Path(name), os.path.normpath(name))
    if name not in _files():
        also = (
            "`imbench list datasets` shows all, and a .csv, .tsv, .parquet or card .toml file can be given by its path"
        )
        raise DataError(f"unknown dataset {name!r}; {suggest(name, card_names(), also)}")
    return _shipped(name)


@cache
def _shipped(name: str) -> Card:
    return read_card(_files()[name], name)


def __getattr__(name: str) -> Card:
    # Entry points refer to shipped cards as attributes: `segment = "imbench.data.cards:segment"`.
    called = _attributes().get(name)
    if called is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return load_card(called)
