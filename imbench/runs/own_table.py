"""A user's table as a request of one dataset: its path, its spec, and the settings that follow from its columns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imbench.contract.joined import escaped_item
from imbench.contract.spec import parse_spec, with_params
from imbench.data.frames import frame_of, write_table
from imbench.engine.mlp import FEWEST_UNITS

if TYPE_CHECKING:
    import pandas as pd

    from imbench.contract.protocol import Protocol
    from imbench.contract.records import Card

# Folds of a table, unless the user sets another number.
FOLDS = 5


def path_of(table: str | Path | pd.DataFrame, store: Path) -> str:
    """The path of a table; a data frame is written beside the store, under a name of its content."""
    if isinstance(table, str | Path):
        return str(table)
    return write_table(frame_of(table), store.with_name(f"{store.name}-tables"))


def spec_with(table: str, keys: Mapping[str, str]) -> str:
    """The spec of a table with these columns; raises `UsageError` for one that the spec has already."""
    return with_params(table, {key: escaped_item(str(name)) for key, name in keys.items()})


def wide_enough(card: Card, protocol: Protocol) -> dict[str, str]:
    """The factor of the paper's width that gives hidden layers of enough units; nothing where it does."""
    units = int(2 * (card.inputs + 2) / protocol.width_divisor * protocol.width)
    if protocol.net != "paper" or units >= FEWEST_UNITS:
        return {}
    return {"width": f"{protocol.width * math.ceil(FEWEST_UNITS / max(units, 1)):g}"}


def split_of(table: str) -> dict[str, str]:
    """The split that a table's columns ask for."""
    keys = parse_spec(table)[1] if ":" in table else {}
    if "group" in keys:
        return {"split": "grouped"}
    return {"split": "ordered"} if "time" in keys else {}
