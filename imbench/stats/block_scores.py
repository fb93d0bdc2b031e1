"""A checked table of scores: blocks × strategies, with the omitted rows and the dataset of each block."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.scoring.outcome import Floats, Integers
from imbench.stats.within import check_test_share

# One label for each row, or the name of a level of the rows' index.
Labels = Hashable | Sequence[Any] | None

# Levels of an index that number the folds of repeated cross-validation, in any case of letters.
REPEAT, FOLD = "repeat", "fold"

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class BlockScores:
    """Complete rows of scores: blocks, or the folds of one dataset.

    Parameters
    ----------
    table : rows × strategies, float64, at least 2 of each, no NaN
    datasets : ``(rows,)`` number of each block's dataset
    rows : complete rows that went into the blocks
    dropped : label of each omitted row, with the strategies that have no score there
    averaged : number of folds averaged to each block; 0 if the rows are blocks already
    folds, fold_share : if folds are averaged, ``(blocks, strategies, folds)`` their scores, NaN for a missing one, and
        ``(blocks,)`` n_test / (n_test + n_train), NaN if unknown
    test_share : n_test / (n_test + n_train) if the rows are the folds of one dataset; None if they are blocks
    """

    table: pd.DataFrame
    datasets: Integers
    rows: int
    dropped: Mapping[Any, tuple[Any, ...]]
    averaged: int = 0
    test_share: float | None = None
    folds: Floats | None = None
    fold_share: Floats | None = None


def block_scores(
    scores: pd.DataFrame,
    blocks: Labels = None,
    clusters: Labels = None,
    folds: Labels = None,
    test_share: float | None = None,
) -> BlockScores:
    """Check scores, omit rows with a missing score, and average the rows of each block.

    Parameters
    ----------
    scores, blocks, clusters, folds, test_share : as in `imbench.stats.evaluate.evaluate`

    Raises
    ------
    UsageError
        For invalid scores; the message names the fix.
    """
    numbers = _with_folds(_numbers(scores), folds)
    if blocks is not None and clusters is not None:
        raise UsageError("give blocks or clusters, not both: rows averaged to blocks have no clusters")
    inside = fold_levels(numbers.index)
    if isinstance(blocks, str) and blocks in inside:
        raise UsageError(f"blocks {blocks!r}: folds share rows and are not blocks; omit blocks to compare over folds")
    if blocks is None and not numbers.index.is_unique:
        twice = numbers.index[numbers.index.duplicated()][0]
        raise UsageError(
            f"row {twice!r} occurs {int((numbers.index == twice).sum())} times; give each row its own label, "
            "or use blocks to average the rows of one label"
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
    what = "clusters" if blocks is None else "blocks"
    grouping = _labels(numbers, blocks if blocks is not None else clusters, what)
    grouping = None if grouping is None else grouping[~incomplete]
    if blocks is not None:
        assert grouping is not None
        return _averaged(whole, grouping, dropped, blocks)
    if inside:
        return _of_folds(numbers, whole, grouping, dropped, inside, test_share)
    if test_share is not None:
        raise UsageError("test_share applies to scores of folds; name their levels repeat and fold, or give folds")
    codes = np.arange(len(whole)) if grouping is None else pd.factorize(grouping)[0].astype(np.int64)
    return BlockScores(whole, codes, len(whole), dropped)


def fold_levels(index: pd.Index[Any]) -> list[Any]:
    """Names of the index levels that number folds."""
    return [name for name in index.names if isinstance(name, str) and name.lower() in (REPEAT, FOLD)]


def is_blank(label: Any) -> bool:
    """Whether a label is missing: None, NaN, or only spaces."""
    return not label.strip() if isinstance(label, str) else bool(pd.isna(label))


def _averaged(
    whole: pd.DataFrame, grouping: pd.Index[Any], dropped: Mapping[Any, tuple[Any, ...]], blocks: Labels
) -> BlockScores:
    codes, found = pd.factorize(grouping)
    if len(found) < 2:
        raise UsageError(f"an evaluation needs at least 2 blocks; all complete rows belong to {found[0]!r}")
    # sort=False: blocks stay in the order in which they come.
    means = whole.groupby(codes, sort=False).mean()
    means.index = pd.Index(found, name=blocks if isinstance(blocks, str) else None)
    return BlockScores(means, np.arange(len(means)), len(whole), dropped)


def _with_folds(numbers: pd.DataFrame, folds: Labels) -> pd.DataFrame:
    """The scores with their folds as index levels."""
    if folds is None:
        return numbers
    labels = _labels(numbers, folds, "folds")
    assert labels is not None
    plain = isinstance(numbers.index, pd.RangeIndex) and numbers.index.name is None
    levels: list[Any] = [] if plain else [numbers.index.get_level_values(i) for i in range(numbers.index.nlevels)]
    names = [level.name for level in levels]
    if isinstance(folds, str):
        at = names.index(folds)
        del levels[at], names[at]
    if any(name in (REPEAT, FOLD) for name in names):
        raise UsageError(f"give folds or an index level {(set(names) & {REPEAT, FOLD}).pop()!r}, not both")
    # A repeated label is the same fold of another repeat.
    again = labels.to_series().reset_index(drop=True).groupby([*map(np.asarray, levels), np.asarray(labels)]).cumcount()
    return numbers.set_axis(pd.MultiIndex.from_arrays([*levels, again, labels], names=[*names, REPEAT, FOLD]))


def _of_folds(
    numbers: pd.DataFrame,
    whole: pd.DataFrame,
    clusters: pd.Index[Any] | None,
    dropped: Mapping[Any, tuple[Any, ...]],
    inside: list[Any],
    test_share: float | None,
) -> BlockScores:
    """The folds of one configuration, or, for several, the mean over the folds of each."""
    levels = [i for i, name in enumerate(whole.index.names) if name not in inside]
    codes = whole.groupby(level=levels, sort=False).ngroup().to_numpy() if levels else np.zeros(len(whole), np.int64)
    counts = np.bincount(codes)
    if len(counts) == 1:
        return BlockScores(
            whole, np.zeros(len(whole), np.int64), len(whole), dropped, test_share=_share(numbers, inside, test_share)
        )
    means = whole.groupby(level=levels, sort=False).mean()
    if clusters is None:
        datasets = np.arange(len(means))
    else:
        of = pd.Series(np.asarray(clusters)).groupby(codes)
        if len(set(zip(codes.tolist(), clusters, strict=True))) > len(counts):
            raise UsageError("clusters: the folds of a configuration have several labels; give them the same label")
        datasets = pd.factorize(of.first())[0].astype(np.int64)
    folds = np.full((len(means), whole.shape[1], int(counts.max())), np.nan)
    folds[codes, :, pd.Series(codes).groupby(codes).cumcount().to_numpy()] = whole.to_numpy()
    share = test_share if test_share is not None else 1 / _folds_of(numbers, inside)
    return BlockScores(
        means,
        datasets,
        len(whole),
        dropped,
        averaged=int(counts.max()),
        folds=folds,
        fold_share=np.full(len(means), share if share < 1 else np.nan),
    )


def _share(numbers: pd.DataFrame, inside: list[Any], test_share: float | None) -> float:
    """The share of tested rows among those tested and trained on in a fold: as given, else 1/K for K folds."""
    if test_share is not None:
        check_test_share(test_share)
        return test_share
    folds = _folds_of(numbers, inside)
    if folds < 2:
        raise UsageError("each repeat has a single fold; give test_share, n_test / (n_test + n_train) of a repeat")
    return 1 / folds


def _folds_of(numbers: pd.DataFrame, inside: list[Any]) -> int:
    """The number of folds of a repeat."""
    by_fold = [name for name in inside if name.lower() == FOLD]
    return len(numbers.index.unique(by_fold[0])) if by_fold else 1


def _numbers(scores: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(scores, pd.DataFrame):
        raise UsageError(f"scores must be a pandas DataFrame, rows × strategies, got {type(scores).__name__}")
    if not scores.columns.is_unique:
        raise UsageError(
            f"strategy {scores.columns[scores.columns.duplicated()][0]!r} occurs twice; give each column its own name"
        )
    for name in scores.columns:
        if not pd.api.types.is_numeric_dtype(scores[name]):
            raise UsageError(
                f"column {name!r} contains {scores[name].dtype} values, not numbers; "
                "move label columns to the index with set_index and keep strategies as columns"
            )
    for place, name in enumerate(scores.columns):
        if not isinstance(name, tuple) and is_blank(name):
            raise UsageError(f"column {place + 1} of the scores has no name; name its strategy or remove it")
    _refuse_blank_rows(scores.index)
    numbers = scores.astype(np.float64)
    endless = np.isinf(numbers.to_numpy())
    if endless.any():
        row, column = np.argwhere(endless)[0]
        raise UsageError(
            f"row {numbers.index[row]!r} of {numbers.columns[column]!r} is infinite; leave missing scores empty"
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
        + (f"; missing scores: {worst}; remove these strategies" if worst else "")
    )


def _labels(table: pd.DataFrame, labels: Labels, what: str) -> pd.Index[Any] | None:
    if labels is None:
        return None
    if isinstance(labels, str) or not isinstance(labels, Sequence | pd.Series | pd.Index | np.ndarray):
        if labels not in table.index.names:
            names = ", ".join(repr(name) for name in table.index.names if name is not None)
            raise UsageError(f"{what}: the rows have no index level {labels!r}; named levels: {names or 'none'}")
        return table.index.get_level_values(table.index.names.index(labels))
    if len(labels) != len(table):
        raise UsageError(f"{what} must give one label for each of the {len(table)} rows, got {len(labels)}")
    for row, label in enumerate(labels):
        if not isinstance(label, tuple) and is_blank(label):
            raise UsageError(f"{what}: row {row} has no label; {_FILL}")
    return pd.Index(labels, tupleize_cols=False)


# The usual cause of a missing label, and the fix.
_FILL = "write its label, such as its dataset's name, in every row (merged cells keep it in the first row only)"


def _refuse_blank_rows(index: pd.Index[Any]) -> None:
    """Raise UsageError if a row's label is missing: rows without labels would form a separate block."""
    for level in range(index.nlevels):
        labels = index.get_level_values(level)
        blank = [is_blank(label) for label in labels.unique() if not isinstance(label, tuple)]
        if any(blank):
            row = next(row for row, label in enumerate(labels) if is_blank(label))
            name = f" in {index.names[level]!r}" if index.names[level] is not None else ""
            raise UsageError(f"row {row} of the scores has no label{name}; {_FILL}")
