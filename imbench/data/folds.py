"""Repeated cross-validation with validation rows, stratified, grouped or ordered: create, hash and export folds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.names import counted
from imbench.contract.protocol import Place, Protocol
from imbench.contract.records import Card, Dataset, Fold, Variant
from imbench.contract.spec import is_table
from imbench.contract.streams import stream
from imbench.data.grouped_folds import grouped_folds
from imbench.data.ordered_folds import ordered_folds

PARTS = ("train", "validation", "test")


def make_folds(dataset: Dataset, protocol: Protocol) -> list[Fold]:
    """Create the folds of all draws, repeats and training seeds: ``protocol.nets`` in total.

    In each fold, a share ``protocol.validation`` of the training rows is held out for validation. A repeat depends only
    on the dataset, the variant with its seed, and the number of the repeat, so adding repeats does not change earlier
    ones. Each part of each fold has rows of every class. By ``protocol.split``:

    - ``stratified``: within a repeat, the sizes of the test sets, and the rows of each class in them, differ by at most
      one; validation rows are stratified
    - ``grouped``: no group has rows in two parts of a fold (see `imbench.data.grouped_folds`)
    - ``ordered``: training rows precede validation rows, which precede test rows (see `imbench.data.ordered_folds`)

    With 1 fold, nets are tested on the official test part, and each repeat has other validation rows, except in an
    ordered split. With more folds, the official test part is not used. Each draw of the minority has folds of its own,
    and all training seeds have the same rows.

    Raises
    ------
    DataError for classes with too few rows or groups, a part without rows of a class, 1 fold if the dataset has no
    official test part, and a split that needs a column which the dataset lacks.
    """
    check_folds(dataset.card, protocol)
    if protocol.split_column and getattr(dataset, protocol.split_column) is None:
        raise DataError(f"{dataset.variant.spec}: {_lacks_column(dataset.card, protocol)}")
    _check_rows(dataset, protocol)
    if dataset.draws != protocol.draws:
        raise DataError(
            f"{dataset.variant.spec}: draws={protocol.draws} needs arrays of {counted(protocol.draws, 'draw')}, and "
            f"these have {dataset.draws}; load the dataset with as many draws"
        )
    folds = []
    for draw in range(protocol.draws):
        one, rows = dataset.of_draw(draw)
        for repeat in range(protocol.repeats):
            for fold in _SPLITTERS[protocol.split](one, protocol, repeat):
                if protocol.split != "stratified":
                    _check_parts(one, fold, protocol)
                parts = {name: rows[getattr(fold, name)] for name in PARTS}
                folds += [replace(fold, draw=draw, train_seed=s, **parts) for s in range(protocol.train_seeds)]
    return folds


def _check_rows(dataset: Dataset, protocol: Protocol) -> None:
    short = rows_lacking(dataset.class_counts.tolist(), dataset.class_names, dataset.variant, protocol)
    if short:
        raise DataError(f"{dataset.variant.spec}: {short}")


def rows_lacking(counts: Sequence[int], names: Sequence[str], variant: Variant, protocol: Protocol) -> str:
    """The first class with fewer rows than the folds need, and the fix; "" if all have enough.

    Parameters
    ----------
    counts, names : rows and name of each class of the variant
    """
    least = 2 * protocol.folds
    for name, count in zip(names, counts, strict=True):
        if count < least:
            fewer = f", or use fewer folds (--set folds={max(count // 2, 2)})" if protocol.folds > 2 else ""
            fix = "use a larger ir" if variant.ir is not None else "merge it into another class or remove it"
            return (
                f"class {name!r} has {counted(int(count), 'row')}; {least} are needed for "
                f"{counted(protocol.folds, 'fold')}: {fix}{fewer}"
            )
    return ""


def _check_parts(dataset: Dataset, fold: Fold, protocol: Protocol) -> None:
    """Raise `DataError` for a part of a fold without rows of some class."""
    for name in PARTS:
        counts = np.bincount(dataset.y[getattr(fold, name)], minlength=dataset.classes)
        for number in np.flatnonzero(counts == 0):
            fixes = [f"fewer {what}" for what in ("folds", "repeats") if getattr(protocol, what) > 1]
            fixes += ["a larger ir"] if dataset.variant.ir is not None else []
            use = f"use {' or '.join(fixes)}, or set" if fixes else "set"
            place = Place(dataset.draw, fold.repeat, fold.fold, 0)
            raise DataError(
                f"{dataset.variant.spec}: class {dataset.class_names[number]!r} has no {name} row in {place} of the "
                f"{protocol.split} split, among {counted(int(counts.sum()), 'row')}; each part needs rows of every "
                f"class: {use} split=stratified"
            )


def check_folds(card: Card, protocol: Protocol) -> None:
    """Raise `DataError` for a split that this dataset does not support, as far as its card says.

    These are 1 fold without an official test part, except in an ordered split, and a split without its column.
    """
    if protocol.folds == 1 and not card.test_per_class and protocol.split != "ordered":
        raise DataError(
            f"{card.name}: folds=1 needs an official test part, which this dataset lacks; use 2 or more folds"
        )
    if protocol.split_column and not getattr(card, protocol.split_column):
        raise DataError(f"{card.name}: {_lacks_column(card, protocol)}")


def _lacks_column(card: Card, protocol: Protocol) -> str:
    role = protocol.split_column
    if is_table(card.name):
        fix = f"name it, {card.name}:target={card.target},{role}=COLUMN"
    else:
        fix = f"leave this dataset out, or set split in the protocol's exceptions for datasets with a {role} only"
    return f"split={protocol.split} needs a {role} column, which this dataset lacks; {fix}"


def training_share(protocol: Protocol) -> float:
    """Share of a variant's rows that a net trains on; rows of an official test part are not counted."""
    tested = 1 / protocol.folds if protocol.folds > 1 else 0.0
    if protocol.split == "ordered":
        tested = (protocol.folds + 1) / 2 / (protocol.folds + 2)  # rows after the origin, on average
    return (1 - tested) * (1 - protocol.validation)


def _stratified_folds(dataset: Dataset, protocol: Protocol, repeat: int) -> list[Fold]:
    rng = stream(*dataset.stream_key, "folds", repeat)
    part = np.where(dataset.official_test, 0, 1) if protocol.folds == 1 else _deal(dataset, protocol.folds, rng)
    folds = []
    for number in range(protocol.folds):
        training = np.flatnonzero((part != number) & (part >= 0))
        held_out = hold_out(dataset.y, training, protocol.validation, rng)
        train = np.setdiff1d(training, held_out, assume_unique=True)
        folds.append(Fold(repeat, number, train, held_out, np.flatnonzero(part == number)))
    return folds


def _deal(dataset: Dataset, folds: int, rng: np.random.Generator) -> np.ndarray:
    """For each row, the fold in whose test set it is; -1 for rows of an official test part."""
    free = ~dataset.official_test
    by_class = [rng.permutation(np.flatnonzero(free & (dataset.y == c))) for c in range(dataset.classes)]
    # Rows are dealt to the folds in turn, class after class, so that class counts and sizes differ by at most one.
    part = np.full(len(dataset.y), -1)
    part[np.concatenate(by_class)] = np.arange(free.sum()) % folds
    return part


def hold_out(y: np.ndarray, rows: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A sorted stratified sample of ``ceil(share * rows)`` rows that leaves at least one row of each class."""
    classes, counts = np.unique(y[rows], return_counts=True)
    exact = counts * math.ceil(share * len(rows)) / len(rows)
    take = np.floor(exact).astype(np.int64)
    # Largest remainders first, as in scikit-learn's train_test_split; ties in random order.
    order = np.lexsort([rng.random(len(classes)), -(exact - take)])
    take[order[: math.ceil(share * len(rows)) - take.sum()]] += 1
    take = np.minimum(take, counts - 1)
    drawn = [rng.permutation(rows[y[rows] == c])[:n] for c, n in zip(classes, take, strict=True)]
    return np.sort(np.concatenate(drawn))


_SPLITTERS: Mapping[str, Callable[[Dataset, Protocol, int], list[Fold]]] = {
    "stratified": _stratified_folds,
    "grouped": grouped_folds,
    "ordered": ordered_folds,
}


def fold_hash(dataset: Dataset, folds: list[Fold]) -> str:
    """SHA-256 of the source row numbers in all folds; runs with equal hashes used the same rows."""
    digest = hashlib.sha256(f"{dataset.data_hash} {dataset.variant.task}".encode())
    for fold in (fold for fold in folds if not fold.train_seed):
        draw = f"draw {fold.draw} " if fold.draw else ""
        for name in PARTS:
            rows = dataset.rows[getattr(fold, name)]
            digest.update(f"\n{draw}{fold.repeat} {fold.fold} {name} {len(rows)}\n".encode())
            digest.update(rows.astype("<i8").tobytes())
    return digest.hexdigest()


def export_rows(dataset: Dataset, folds: list[Fold], path: Path | str) -> Path:
    """Write the rows of all folds to a file, with the columns dataset, variant, repeat, fold, part, row and label.

    With several draws of the minority, ``draw`` is another column. Training seeds share rows, which are written once.
    ``part`` is train, validation or test, and ``row`` the row number in the source. The suffix of ``path`` selects the
    format, ``.csv`` or ``.parquet``. Raises `DataError` for other suffixes.
    """
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise DataError(f"cannot export rows to {path.name!r}; end the name in {' or '.join(_WRITERS)}")
    draws = {"draw"} if dataset.draws > 1 else set()
    frames = [
        pd.DataFrame(
            {**{name: getattr(fold, name) for name in ("draw", "repeat", "fold") if name in {"repeat", "fold"} | draws}}
            | {"part": part, "at": getattr(fold, part)}
        )
        for fold in folds
        for part in PARTS
        if not fold.train_seed
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
