"""Grouped folds: all rows of a group are in one part, and each part has nearly its share of every class."""

from __future__ import annotations

import numpy as np

from imbench.contract.errors import DataError
from imbench.contract.names import counted
from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold
from imbench.contract.streams import stream

# Orders of the groups that are tried for a repeat, and for the validation rows of each of its folds. One of each is
# enough unless a class is in few groups.
_ATTEMPTS = 10


def grouped_folds(dataset: Dataset, protocol: Protocol, repeat: int) -> list[Fold]:
    """The folds of one repeat, in which no group has rows in two parts of a fold.

    The groups are dealt to the folds' test rows, and then those of each fold's training rows to training and validation
    (see `deal`). With 1 fold, the test rows are the official test part.

    Raises
    ------
    DataError for groups that cannot be dealt so that each part has rows of every class, and for a group with rows both
    in the official test part and outside it.
    """
    assert dataset.group is not None
    rng = stream(*dataset.stream_key, "grouped folds", repeat)
    rows = np.flatnonzero(~dataset.official_test)
    groups, group = np.unique(dataset.group[rows], return_inverse=True)
    counts = np.zeros((len(groups), dataset.classes), dtype=np.int64)
    np.add.at(counts, (group, dataset.y[rows]), 1)
    if protocol.folds == 1:
        _check_official(dataset, groups)
    _check_groups(dataset, counts > 0, protocol.folds)
    for _ in range(_ATTEMPTS):
        parts = _deal_repeat(counts, protocol, rng)
        if parts is not None:
            break
    else:
        raise DataError(
            f"{dataset.variant.spec}: no grouped split with {counted(protocol.folds, 'fold')} was found in which each "
            f"part has rows of every class; {_in_groups(dataset, counts > 0)}: {_fix(dataset, protocol.folds)}"
        )
    official = np.flatnonzero(dataset.official_test)
    of_rows = [part[group] for part in parts]
    return [
        Fold(repeat, number, rows[part == 0], rows[part == 1], _tested(rows, part, official))
        for number, part in enumerate(of_rows)
    ]


def deal(counts: np.ndarray, targets: np.ndarray, least: int, rng: np.random.Generator) -> np.ndarray | None:
    """Deal groups to parts so that each part has nearly its share of the rows of every class.

    As in scikit-learn's StratifiedGroupKFold, each group goes to the part where it brings the class counts closest to
    their targets; the distance is the sum of ``(share of the class's rows - target)² / target`` over parts and classes.
    Large groups tend to be dealt first, in a random order, so that repeats differ. Where the groups left of a class are
    only as many as parts need, these parts have priority.

    Parameters
    ----------
    counts : ``(groups, classes)`` rows of each class in each group
    targets : ``(parts,)`` target share of each part; sums to 1
    least : groups of each class that each part needs
    rng : decides the order of the groups

    Returns
    -------
    ``(groups,)`` number of each group's part; None if no order gave each part what it needs.
    """
    present = counts > 0
    share = counts / np.maximum(counts.sum(axis=0), 1)
    for _ in range(_ATTEMPTS):
        # Draws without replacement, with probabilities proportional to the sizes (Efraimidis & Spirakis 2006).
        order = np.argsort(np.log(rng.random(len(counts))) / counts.sum(axis=1))[::-1]
        part = _dealt(share, present, order, targets, least)
        members = np.stack([present[part == number].sum(axis=0) for number in range(len(targets))])
        if (members >= least).all():
            return part
    return None


def _deal_repeat(counts: np.ndarray, protocol: Protocol, rng: np.random.Generator) -> list[np.ndarray] | None:
    """For each fold the part of each group: 0 for training, 1 for validation, 2 for test; None if no deal was found."""
    folds = protocol.folds
    # With two folds, the test groups of one are divided into training and validation in the other.
    tested = deal(counts, np.full(folds, 1 / folds), 2 if folds == 2 else 1, rng) if folds > 1 else None
    if folds > 1 and tested is None:
        return None
    parts = []
    for number in range(folds):
        part = np.full(len(counts), 2)
        training = np.ones(len(counts), dtype=bool) if tested is None else tested != number
        held_out = deal(counts[training], np.array([1 - protocol.validation, protocol.validation]), 1, rng)
        if held_out is None:
            return None
        part[training] = held_out
        parts.append(part)
    return parts


def _dealt(share: np.ndarray, present: np.ndarray, order: np.ndarray, targets: np.ndarray, least: int) -> np.ndarray:
    """The part of each group for one order; ``share`` is ``(groups, classes)`` of the rows of each class."""
    part = np.empty(len(share), dtype=np.int64)
    filled = np.zeros((len(targets), share.shape[1]))  # (parts, classes): share of each class's rows
    lacking = np.full(filled.shape, least)  # (parts, classes): groups that are still needed
    left = present.sum(axis=0)  # (classes,): groups that are not dealt yet
    for number in order:
        own, classes = share[number], present[number]
        left = left - classes
        distance = (own * (2 * (filled / targets[:, None] - 1) + own / targets[:, None])).sum(axis=1)
        # If this group went to each part: how many needed groups the ones left could not provide.
        short = np.maximum(lacking.sum(axis=0) - (lacking > 0) - left, 0)[:, classes].sum(axis=1)
        best = np.lexsort([distance, short])[0]
        part[number] = best
        filled[best] += own
        lacking[best] = np.maximum(lacking[best] - classes, 0)
    return part


def _tested(rows: np.ndarray, part: np.ndarray, official: np.ndarray) -> np.ndarray:
    tested = rows[part == 2]
    return tested if len(tested) else official


def _check_groups(dataset: Dataset, present: np.ndarray, folds: int) -> None:
    """Raise `DataError` for a class in fewer groups than the parts need; ``present`` is ``(groups, classes)``."""
    least = {1: 2, 2: 4}.get(folds, folds)
    if (present.sum(axis=0) < least).any():
        raise DataError(
            f"{dataset.variant.spec}: a grouped split with {counted(folds, 'fold')} needs at least {least} groups of "
            f"{dataset.card.group!r} with rows of each class; {_in_groups(dataset, present)}: {_fix(dataset, folds)}"
        )


def _in_groups(dataset: Dataset, present: np.ndarray) -> str:
    rarest = int(np.argmin(present.sum(axis=0)))
    return (
        f"class {dataset.class_names[rarest]!r} is in {int(present[:, rarest].sum())} of "
        f"{counted(len(present), 'group')}"
    )


def _fix(dataset: Dataset, folds: int) -> str:
    fixes = ["use fewer folds"] if folds > 2 else []
    fixes += ["use a larger ir"] if dataset.variant.ir is not None else []
    return ", or ".join([*fixes, "add groups, or set split=stratified"])


def _check_official(dataset: Dataset, groups: np.ndarray) -> None:
    assert dataset.group is not None
    shared = np.intersect1d(groups, dataset.group[dataset.official_test])
    if len(shared):
        raise DataError(
            f"{dataset.variant.spec}: {counted(len(shared), 'group')} of {dataset.card.group!r} have rows both in the "
            "official test part and outside it; use 2 or more folds, or set split=stratified"
        )
