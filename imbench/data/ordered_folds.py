"""Ordered folds: training rows precede validation rows, which precede test rows in time (a rolling origin)."""

from __future__ import annotations

import math

import numpy as np

from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold


def ordered_folds(dataset: Dataset, protocol: Protocol, repeat: int) -> list[Fold]:
    """The folds of one repeat: training rows up to an origin, test rows after it.

    The rows in order of time are cut into ``folds + 2`` equal blocks. Fold k of F is tested on the k-th of the last F
    blocks and trained on all rows before it, so that the first fold trains on two blocks; the latest share
    ``validation`` of the rows before the origin are the validation rows. Repeat 0 is scikit-learn's ``TimeSeriesSplit``
    with a ``test_size`` of one block. Each further repeat moves all origins back by a fraction of a block, 1/2, 1/4,
    3/4, 1/8, …, so that repeats test at other times and adding repeats does not change earlier ones.

    Rows of equal time are always in one part: a cut between them moves to the nearest change of time, the earlier one
    in a tie. Nothing is random. Rows of an official test part are not used.
    """
    assert dataset.time is not None
    rows = np.flatnonzero(~dataset.official_test)
    order = rows[np.argsort(dataset.time[rows], kind="stable")]
    time = dataset.time[order]
    # Positions at which a part can begin or end.
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(time)) + 1, [len(time)]])
    block = len(order) // (protocol.folds + 2)
    back = math.floor(block * _fraction(repeat))
    folds = []
    for number in range(protocol.folds):
        origin = len(order) - (protocol.folds - number) * block - back
        start, end = _nearest(cuts, origin), _nearest(cuts, origin + block)
        held_out = _nearest(cuts, start - math.ceil(protocol.validation * start))
        parts = order[:held_out], order[held_out:start], order[start:end]
        train, validation, test = map(np.sort, parts)
        folds.append(Fold(repeat, number, train, validation, test))
    return folds


def latest(dataset: Dataset, rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """These rows before and after the time from which about this share of them is; sorted row numbers.

    Rows of equal time are in one part. Neither part is empty if there are two times.
    """
    assert dataset.time is not None
    order = rows[np.argsort(dataset.time[rows], kind="stable")]
    changes = np.flatnonzero(np.diff(dataset.time[order])) + 1
    cut = _nearest(changes, len(order) - math.ceil(share * len(order)))
    return np.sort(order[:cut]), np.sort(order[cut:])


def _fraction(number: int) -> float:
    """Element ``number`` of the van der Corput sequence in base 2: 0, 1/2, 1/4, 3/4, 1/8, …"""
    digits = f"{number:b}"[::-1]
    return int(digits, 2) / float(1 << len(digits))


def _nearest(cuts: np.ndarray, position: int) -> int:
    return int(cuts[np.argmin(np.abs(cuts - position))])
