"""Dataset cards by name: those shipped with imbench, and a user's card files by path."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from imbench.contract.errors import DataError
from imbench.contract.names import suggest
from imbench.contract.records import Card
from imbench.data.card_file import read_card


def cards_folder() -> Path:
    """Folder of the shipped cards: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "datasets"
    return inside if inside.is_dir() else package.parent / "datasets"


def card_names() -> list[str]:
    """Names of the shipped cards, sorted; nothing is read."""
    return sorted(p.stem for p in cards_folder().glob("*.toml"))


def load_card(name: str) -> Card:
    """The shipped card of this name, or the card in the .toml file of this path.

    Raises `DataError` for a name that is neither, and for an invalid card (see `read_card`).

    >>> load_card("segment").rows
    2310
    """
    if name.endswith(".toml"):
        return read_card(Path(name), os.path.normpath(name))
    if name not in card_names():
        also = (
            "`imbench list datasets` shows all, and a .csv, .tsv, .parquet or card .toml file can be named by its path"
        )
        raise DataError(f"unknown dataset {name!r}; {suggest(name, card_names(), also)}")
    return _shipped(name)


@cache
def _shipped(name: str) -> Card:
    return read_card(cards_folder() / f"{name}.toml", name)


def __getattr__(name: str) -> Card:
    # Entry points name each shipped card as an attribute: `segment = "imbench.data.cards:segment"`.
    if name.startswith("_") or name not in card_names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return load_card(name)
