"""Columns that cannot be read: one message names all that have the same problem."""

from __future__ import annotations

from collections.abc import Sequence

from imbench.contract.errors import DataError


class RefusedColumnError(DataError):
    """A column that cannot be read.

    Parameters
    ----------
    problem : what is wrong, equal for columns that are named in one message
    column : name of the column, with the value if there is one
    fix : what to do, with ``{columns}`` for their names joined by ``+``
    """

    def __init__(self, problem: str, column: str, name: str, fix: str) -> None:
        super().__init__(f"{column} {problem}; {fix.format(columns=name)}")
        self.problem, self.column, self.name, self.fix = problem, column, name, fix


def refusal(refused: Sequence[RefusedColumnError]) -> str:
    """One message for all columns that cannot be read."""
    parts = []
    for problem, fix in dict.fromkeys((one.problem, one.fix) for one in refused):
        same = [one for one in refused if (one.problem, one.fix) == (problem, fix)]
        columns = "columns " if len(same) > 1 else "column "
        names = fix.format(columns="+".join(one.name for one in same))
        parts.append(f"{columns}{', '.join(one.column for one in same)}: {problem}; {names}")
    return ". ".join(part[0].upper() + part[1:] if i else part for i, part in enumerate(parts))
