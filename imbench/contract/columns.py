"""How the columns of a table were read: one frozen row for each, shown before any training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Kinds of columns that become inputs, and those that are left out.
INPUT_KINDS = ("numeric", "boolean", "categorical", "ordinal", "date")
LEFT_OUT = ("text", "id", "constant", "dropped")
# Columns with another purpose than features.
ROLES = ("target", "group", "time")
HEADERS = ("column", "kind", "missing", "distinct", "what becomes of it", "inputs")


@dataclass(frozen=True)
class ColumnReading:
    """How one column was read.

    Parameters
    ----------
    name : name of the column
    kind : one of `INPUT_KINDS`, `LEFT_OUT` or `ROLES`
    missing, distinct : number of missing values, and of distinct other ones
    becomes : what becomes of it, in words
    inputs : number of inputs that it gives the net, at most: rare levels are pooled again inside each fold
    """

    name: str
    kind: str
    missing: int
    distinct: int
    becomes: str
    inputs: int = 0

    def __post_init__(self) -> None:
        if self.kind not in (*INPUT_KINDS, *LEFT_OUT, *ROLES):
            raise ValueError(f"column {self.name!r} has the kind {self.kind!r}, which does not exist")

    @property
    def row(self) -> tuple[Any, ...]:
        """The values below `HEADERS`."""
        return self.name, self.kind, f"{self.missing:,}", f"{self.distinct:,}", self.becomes, f"{self.inputs:,}"

    def to_json(self) -> dict[str, Any]:
        """The row as plain values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "missing": self.missing,
            "distinct": self.distinct,
            "becomes": self.becomes,
            "inputs": self.inputs,
        }
