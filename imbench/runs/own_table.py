"""A user's table as a request of one dataset: its path, its spec, and the settings that follow from its columns."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imbench.contract.errors import UsageError
from imbench.contract.spec import format_value, parse_spec
from imbench.contract.text import shown
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
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise UsageError(f"the table must be a path, a spec or a pandas.DataFrame, got {type(table).__name__}")
    if not all(isinstance(name, str) for name in table.columns):
        raise UsageError("the columns of the data frame must have names that are text; set frame.columns")
    content = pd.util.hash_pandas_object(table.astype(str), index=False).to_numpy()
    digest = hashlib.sha256("|".join(table.columns).encode() + content.tobytes()).hexdigest()[:12]
    path = store.with_name(f"{store.name}-tables") / f"{digest}.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            table.to_parquet(path, index=False)
        except (ValueError, TypeError) as error:  # pyarrow's, for columns of mixed types
            path.unlink(missing_ok=True)
            raise UsageError(f"the data frame cannot be written as Parquet: {shown(str(error), 200)}") from error
    return str(path)


def spec_with(table: str, keys: Mapping[str, str]) -> str:
    """The spec of a table with these columns."""
    if not keys:
        return table
    given = parse_spec(table)[1]
    if given.keys() & keys.keys():
        raise UsageError(f"give the columns once: in the spec ({table}) or beside it, not both")
    written = ",".join(f"{key}={format_value(value)}" for key, value in keys.items())
    return table.rstrip(":") + ("," if given else ":") + written


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
