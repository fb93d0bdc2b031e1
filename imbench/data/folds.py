"""Repeated stratified cross-validation with rows held out for validation, its hash, and its export."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold
from imbench.contract.streams import stream

PARTS = ("train", "validation", "test")


def make_folds(dataset: Dataset, protocol: Protocol) -> list[Fold]:
    """The splits of a variant: ``protocol.repeats`` times ``protocol.folds`` stratified folds.

    Of each training part ``protocol.validation`` is held out, stratified. The counts of a class in the test parts of
    one repeat differ by at most one row, as do the sizes of the parts. A repeat's split depends on the dataset, the
    variant (its seed among them) and the repeat's number only, so more repeats leave the first ones as they are.

    Raises `DataError` if a class has fewer than ``2 * folds`` rows: each fold needs one to train on beside the test.
    """
    counts = dataset.class_counts
    least = 2 * protocol.folds
    for number in np.flatnonzero(counts < least):
        raise DataError(
            f"{dataset.variant.spec}: class {dataset.class_names[number]!r} has {counts[number]} rows, and "
            f"{protocol.folds} folds need at least {least} of each; use a larger ir, fewer folds, or merge classes"
        )
    return [fold for repeat in range(protocol.repeats) for fold in _split(dataset, protocol, repeat)]


def _split(dataset: Dataset, protocol: Protocol, repeat: int) -> list[Fold]:
    rng = stream(*dataset.stream_key, "folds", repeat)
    by_class = [rng.permutation(np.flatnonzero(dataset.y == c)) for c in range(dataset.classes)]
    # Rows are dealt out like cards, class after class, so that classes and sizes are even to one row.
    part = np.empty(len(dataset.y), dtype=np.int64)
    part[np.concatenate(by_class)] = np.arange(len(dataset.y)) % protocol.folds
    folds = []
    for number in range(protocol.folds):
        training = np.flatnonzero(part != number)
        held_out = _hold_out(dataset.y, training, protocol.validation, rng)
        train = np.setdiff1d(training, held_out, assume_unique=True)
        folds.append(Fold(repeat, number, train, held_out, np.flatnonzero(part == number)))
    return folds


def _hold_out(y: np.ndarray, rows: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Sorted stratified draw of ``ceil(share * rows)`` of the rows that leaves at least one row of every class."""
    classes, counts = np.unique(y[rows], return_counts=True)
    exact = counts * math.ceil(share * len(rows)) / len(rows)
    take = np.floor(exact).astype(np.int64)
    # Largest remainders first, as scikit-learn's train_test_split does; equal ones in random order.
    order = np.lexsort([rng.random(len(classes)), -(exact - take)])
    take[order[: math.ceil(share * len(rows)) - take.sum()]] += 1
    take = np.minimum(take, counts - 1)
    drawn = [rng.permutation(rows[y[rows] == c])[:n] for c, n in zip(classes, take, strict=True)]
    return np.sort(np.concatenate(drawn))


def fold_hash(dataset: Dataset, folds: list[Fold]) -> str:
    """SHA-256 over the source row numbers of every part of every fold; two runs with one hash used the same rows."""
    digest = hashlib.sha256(f"{dataset.data_hash} {dataset.variant.task}".encode())
    for fold in folds:
        for name in PARTS:
            rows = dataset.rows[getattr(fold, name)]
            digest.update(f"\n{fold.repeat} {fold.fold} {name} {len(rows)}\n".encode())
            digest.update(rows.astype("<i8").tobytes())
    return digest.hexdigest()


def export_rows(dataset: Dataset, folds: list[Fold], path: Path | str) -> Path:
    """Write which source rows each fold used: one line a row with dataset, variant, repeat, fold, part, row, label.

    The suffix decides the format, ``.csv`` or ``.parquet``; `DataError` for any other.
    """
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise DataError(f"cannot export rows to {path.name!r}; end the name in {' or '.join(_WRITERS)}")
    frames = [
        pd.DataFrame({"repeat": fold.repeat, "fold": fold.fold, "part": name, "at": getattr(fold, name)})
        for fold in folds
        for name in PARTS
    ]
    table = pd.concat(frames, ignore_index=True)
    at = table.pop("at").to_numpy()
    table.insert(0, "dataset", dataset.variant.dataset)
    table.insert(1, "variant", dataset.variant.name)
    table["row"] = dataset.rows[at]
    table["label"] = np.array(dataset.class_names, dtype=object)[dataset.y[at]]
    _WRITERS[path.suffix](table, path)
    return path


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".csv": lambda table, path: table.to_csv(path, index=False),
    ".parquet": lambda table, path: table.to_parquet(path, index=False),
}
