"""Repeated stratified cross-validation with validation rows: the folds, their hash, and their export."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.names import counted
from imbench.contract.protocol import Protocol
from imbench.contract.records import Card, Dataset, Fold
from imbench.contract.streams import stream

PARTS = ("train", "validation", "test")


def make_folds(dataset: Dataset, protocol: Protocol) -> list[Fold]:
    """The splits of a variant: ``protocol.repeats`` times ``protocol.folds`` stratified folds.

    Of each training part a stratified share, ``protocol.validation``, is held out. The counts of a class in the test
    parts of one repeat differ by at most one row, as do the sizes of the parts. The split of a repeat depends on the
    dataset, the variant with its seed, and the number of the repeat only, so more repeats do not change the first ones.

    With 1 fold, nets are tested on the official test part, and each repeat holds out other rows. With more folds, the
    official test part is not used.

    Raises `DataError` for a class of fewer than ``2 * folds`` rows, since each fold needs one to train on and one to
    test, and for 1 fold of a dataset without an official test part.
    """
    check_folds(dataset.card, protocol)
    counts = dataset.class_counts
    least = 2 * protocol.folds
    for number in np.flatnonzero(counts < least):
        fewer = ", or use fewer folds" if protocol.folds > 2 else ""
        fix = "use a larger ir" if dataset.variant.ir is not None else "merge it into another class or remove it"
        raise DataError(
            f"{dataset.variant.spec}: class {dataset.class_names[number]!r} has {counted(int(counts[number]), 'row')}; "
            f"{least} are needed for {counted(protocol.folds, 'fold')}: {fix}{fewer}"
        )
    return [fold for repeat in range(protocol.repeats) for fold in _split(dataset, protocol, repeat)]


def check_folds(card: Card, protocol: Protocol) -> None:
    """Raise `DataError` for 1 fold of a dataset that has no official test part."""
    if protocol.folds == 1 and not card.test_per_class:
        raise DataError(
            f"{card.name}: folds=1 needs an official test part, which this dataset lacks; use 2 or more folds"
        )


def training_share(protocol: Protocol) -> float:
    """Share of a variant's rows, without an official test part, that a net trains on."""
    tested = 1 / protocol.folds if protocol.folds > 1 else 0.0
    return (1 - tested) * (1 - protocol.validation)


def _split(dataset: Dataset, protocol: Protocol, repeat: int) -> list[Fold]:
    rng = stream(*dataset.stream_key, "folds", repeat)
    part = np.where(dataset.official_test, 0, 1) if protocol.folds == 1 else _deal(dataset, protocol.folds, rng)
    folds = []
    for number in range(protocol.folds):
        training = np.flatnonzero((part != number) & (part >= 0))
        held_out = _hold_out(dataset.y, training, protocol.validation, rng)
        train = np.setdiff1d(training, held_out, assume_unique=True)
        folds.append(Fold(repeat, number, train, held_out, np.flatnonzero(part == number)))
    return folds


def _deal(dataset: Dataset, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold that tests each row; -1 for rows of an official test part, which are in no fold."""
    free = ~dataset.official_test
    by_class = [rng.permutation(np.flatnonzero(free & (dataset.y == c))) for c in range(dataset.classes)]
    # Rows are dealt out like cards, class after class, so that classes and sizes are even to one row.
    part = np.full(len(dataset.y), -1)
    part[np.concatenate(by_class)] = np.arange(free.sum()) % folds
    return part


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
    """Write which source rows each fold used, a line per row: dataset, variant, repeat, fold, part, row, label.

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
