"""Find dataset cards: shipped ones by name, a user's card files by path."""

from __future__ import annotations

import os
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
    return sorted(p.stem for p in cards_folder().glob("*.toml"))


def load_card(name: str) -> Card:
    """The shipped card of this name, or the card file (.toml) at this path.

    Raises `DataError` for an unknown name, and for an invalid card (see `read_card`).

    >>> load_card("segment").rows
    2310
    """
    if name.endswith(".toml"):
        return read_card(Path(name), os.path.normpath(name))
    if name not in card_names():
        also = (
            "`imbench list datasets` shows all, and a .csv, .tsv, .parquet or card .toml file can be given by its path"
        )
        raise DataError(f"unknown dataset {name!r}; {suggest(name, card_names(), also)}")
    return _shipped(name)


@cache
def _shipped(name: str) -> Card:
    return read_card(cards_folder() / f"{name}.toml", name)


def __getattr__(name: str) -> Card:
    # Entry points refer to shipped cards as attributes: `segment = "imbench.data.cards:segment"`.
    if name.startswith("_") or name not in card_names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return load_card(name)
