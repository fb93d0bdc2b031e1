"""A table of scores, checked: blocks × strategies, what was left out of it, and which blocks share a dataset."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.study.outcome import Integers

# One label for each row, or the name of a level of the rows' index.
Labels = Hashable | Sequence[Any] | None

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Complete blocks of scores.

    Parameters
    ----------
    table : blocks × strategies, float64, at least 2 of each, no NaN
    datasets : ``(blocks,)`` number of each block's dataset
    rows : complete rows that went into the blocks
    dropped : label of each row left out, and the strategies it has no score of
    """

    table: pd.DataFrame
    datasets: Integers
    rows: int
    dropped: Mapping[Any, tuple[Any, ...]]


def score_table(scores: pd.DataFrame, blocks: Labels = None, clusters: Labels = None) -> ScoreTable:
    """Check scores, leave out the rows with a missing cell, and average the rows of one block.

    Parameters
    ----------
    scores, blocks, clusters : as in `imbench.study.evaluation.evaluate`

    Raises
    ------
    UsageError
        Naming what cannot be evaluated and the fix.
    """
    numbers = _numbers(scores)
    if blocks is not None and clusters is not None:
        raise UsageError("give blocks or clusters, not both: rows averaged to blocks have no clusters left")
    if blocks is None and not numbers.index.is_unique:
        twice = numbers.index[numbers.index.duplicated()][0]
        raise UsageError(
            f"row {twice!r} is there {int((numbers.index == twice).sum())} times; name rows apart, "
            "or give blocks to average the rows of one label"
        )
    missing = numbers.isna()
    incomplete = missing.any(axis=1).to_numpy()
    dropped: dict[Any, tuple[Any, ...]] = {}
    for row in np.flatnonzero(incomplete):
        label = numbers.index[int(row)]
        lacking = dropped.get(label, ()) + tuple(numbers.columns[missing.iloc[row].to_numpy()])
        dropped[label] = tuple(dict.fromkeys(lacking))
    whole = numbers[~incomplete]
    _require_two_rows(whole, numbers, missing)
    grouping = _labels(numbers, blocks if blocks is not None else clusters, "clusters" if blocks is None else "blocks")
    if grouping is None:
        return ScoreTable(whole, np.arange(len(whole)), len(whole), dropped)
    codes, found = pd.factorize(grouping[~incomplete])
    if blocks is None:
        return ScoreTable(whole, codes.astype(np.int64), len(whole), dropped)
    if len(found) < 2:
        raise UsageError(f"an evaluation needs at least 2 blocks, all complete rows are of {found[0]!r}")
    # sort=False: blocks stay in the order in which they come.
    means = whole.groupby(codes, sort=False).mean()
    means.index = pd.Index(found, name=blocks if isinstance(blocks, str) else None)
    return ScoreTable(means, np.arange(len(means)), len(whole), dropped)


def _numbers(scores: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(scores, pd.DataFrame):
        raise UsageError(f"scores must be a pandas DataFrame, rows × strategies, got {type(scores).__name__}")
    if not scores.columns.is_unique:
        raise UsageError(f"strategy {scores.columns[scores.columns.duplicated()][0]!r} is there twice; name each once")
    for name in scores.columns:
        if not pd.api.types.is_numeric_dtype(scores[name]):
            raise UsageError(
                f"column {name!r} holds {scores[name].dtype} values, not numbers; "
                "make labels the index, with set_index, and keep strategies as columns"
            )
    numbers = scores.astype(np.float64)
    endless = np.isinf(numbers.to_numpy())
    if endless.any():
        row, column = np.argwhere(endless)[0]
        raise UsageError(
            f"row {numbers.index[row]!r} of {numbers.columns[column]!r} is infinite; leave it empty if it is missing"
        )
    if numbers.shape[1] < 2:
        raise UsageError(f"an evaluation needs at least 2 strategies (columns), got {numbers.shape[1]}")
    return numbers


def _require_two_rows(whole: pd.DataFrame, numbers: pd.DataFrame, missing: pd.DataFrame) -> None:
    if len(whole) >= 2:
        return
    gaps = missing.sum().sort_values(ascending=False, kind="stable")
    worst = ", ".join(f"{name} ({count})" for name, count in gaps[gaps > 0].head(_SHOWN).items())
    raise UsageError(
        f"an evaluation needs at least 2 complete rows, got {len(whole)} of {len(numbers)}"
        + (f"; scores missing: {worst}; leave such strategies out" if worst else "")
    )


def _labels(table: pd.DataFrame, labels: Labels, what: str) -> pd.Index[Any] | None:
    if labels is None:
        return None
    if isinstance(labels, str) or not isinstance(labels, Sequence | pd.Series | pd.Index | np.ndarray):
        if labels not in table.index.names:
            names = ", ".join(repr(name) for name in table.index.names if name is not None)
            raise UsageError(f"{what}: the rows have no index level {labels!r}; there is {names or 'none with a name'}")
        return table.index.get_level_values(table.index.names.index(labels))
    if len(labels) != len(table):
        raise UsageError(f"{what} must give one label for each of the {len(table)} rows, got {len(labels)}")
    found = pd.Index(labels)
    if found.hasnans:
        raise UsageError(f"{what}: row {int(found.isna().argmax())} has no label; name its dataset")
    return found
