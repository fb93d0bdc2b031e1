"""Evidence: the rows of the rarest class behind each configuration, in each part of its folds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from imbench.contract.errors import StoreError
from imbench.contract.records import Predictions
from imbench.stats.board import Board
from imbench.stats.names import CONFIGURATION, by_label
from imbench.stats.score_table import ScoreTable
from imbench.stats.words import counted, number
from imbench.store.results import Results
from imbench.store.store import Store

# The parts of a fold: rows trained on, rows for validation, rows tested.
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Evidence:
    """One configuration and its rows of the rarest class: the one with the fewest training rows, but at least one.

    Parameters
    ----------
    folds : folds of a job
    train_low, train_high : fewest and most rows of the rarest class that a net of some fold trains on; likewise of its
        validation and test part. NaN if the store has no predictions of the configuration
    """

    protocol: str
    task: str
    dataset: str
    variant: str
    ir: float
    folds: int
    train_low: float = math.nan
    train_high: float = math.nan
    validation_low: float = math.nan
    validation_high: float = math.nan
    test_low: float = math.nan
    test_high: float = math.nan


def evidence(results: Results, labelled_rows: pd.DataFrame, tables: Sequence[ScoreTable]) -> list[Evidence]:
    """The evidence of every configuration of these score tables, read from the predictions of one job each."""
    columns = ["protocol", "task", *CONFIGURATION]
    done = labelled_rows[labelled_rows["error"] == ""].drop_duplicates(columns)[[*columns, "key"]]
    # Equal data under two names is one configuration.
    done = by_label(done, labelled_rows).drop_duplicates(["protocol", "task", "dataset", "variant"])
    keys = {tuple(map(str, names)): str(key) for *names, _, key in done.itertuples(index=False, name=None)}
    has = (results.store / "predictions").is_dir()
    store = Store(results.store) if has else None
    known = store.contents() if store else None
    found = []
    for table in tables:
        for i, c in enumerate(table.configurations):
            where = (table.protocol, table.task, c.dataset, c.variant)
            try:
                folds = store.predictions(keys[where], known) if store and where in keys else []
            except StoreError:  # rows without predictions still count everywhere else
                folds = []
            plain = Evidence(*where, c.ir, int(table.folds[i].max(initial=0)))
            found.append(replace(plain, **_rarest(folds)))
    return found


def _rarest(folds: Sequence[Predictions]) -> dict[str, Any]:
    """The fewest and most rows of the rarest class in each part."""
    if not folds:
        return {}
    counts = []
    for fold in folds:
        there = np.where(fold.train_counts > 0, fold.train_counts, np.inf)
        rarest = int(np.argmin(there))
        parts = (int((split.y == rarest).sum()) for split in (fold.validation, fold.test))
        counts.append((float(fold.train_counts[rarest]), *map(float, parts)))
    ends = zip(PARTS, np.min(counts, axis=0).tolist(), np.max(counts, axis=0).tolist(), strict=True)
    return {f"{part}_{end}": value for part, low, high in ends for end, value in (("low", low), ("high", high))}


def basis(board: Board, evidence: Sequence[Evidence]) -> list[str]:
    """Sentences on what a board's means rest on.

    Parameters
    ----------
    evidence : of all configurations; those of the board are used
    """
    ranked = {(c.dataset, c.variant) for c in board.configurations}
    mine = [
        one
        for one in evidence
        if (one.protocol, one.task) == (board.protocol, board.task) and (one.dataset, one.variant) in ranked
    ]
    found = [
        f"{counted(len(board.configurations), 'configuration')} of {counted(len(set(board.datasets)), 'dataset')}."
    ]
    known = [one for one in mine if one.train_low == one.train_low]
    if known:
        fewest = min(known, key=lambda one: one.train_low)
        middle = [float(np.median([getattr(one, f"{part}_low") for one in known])) for part in PARTS]
        found.append(
            f"Rows of the rarest class, median over configurations: {middle[0]:g} for training, {middle[1]:g} for "
            f"validation, {middle[2]:g} for testing; fewest on {fewest.dataset} {fewest.variant}: "
            f"{_range(fewest, 'train')}, {_range(fewest, 'validation')} and {_range(fewest, 'test')}."
        )
    shares = [row for row in board.table if row.largest_share == row.largest_share and len(ranked) > 1]
    if shares:
        row = max(shares, key=lambda one: one.largest_share)
        found.append(
            f"The most one-sided mean gain is that of {row.name}: {row.largest} alone makes "
            f"{100 * row.largest_share:.0f} % of it (mean {number(row.gain, 4, sign=True)}, median "
            f"{number(row.gain_median, 4, sign=True)})."
        )
    return found


def _range(one: Evidence, part: str) -> str:
    low, high = (getattr(one, f"{part}_{end}") for end in ("low", "high"))
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
