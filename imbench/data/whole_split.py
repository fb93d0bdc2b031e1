"""A whole table in two parts: rows to train on, and validation rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbench.contract.errors import DataError
from imbench.contract.names import counted
from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold
from imbench.contract.streams import stream
from imbench.data.folds import check_folds, hold_out
from imbench.data.grouped_folds import grouped_folds
from imbench.data.ordered_folds import latest


def split_whole(dataset: Dataset, protocol: Protocol) -> Fold:
    """Training and validation rows of a whole table, without test rows.

    The share ``protocol.validation`` is held out: stratified by class; as whole groups in a grouped split; as the
    latest rows in an ordered one.

    Raises
    ------
    DataError for a split that needs a column which the dataset lacks, and a part without rows of some class.
    """
    check_folds(dataset.card, replace(protocol, folds=2))
    rows = np.flatnonzero(~dataset.official_test)
    if protocol.split == "grouped":
        (whole,) = grouped_folds(dataset, replace(protocol, folds=1), 0)
        train, validation = whole.train, whole.validation
    elif protocol.split == "ordered":
        train, validation = latest(dataset, rows, protocol.validation)
    else:
        validation = hold_out(dataset.y, rows, protocol.validation, stream(*dataset.stream_key, "whole split"))
        train = np.setdiff1d(rows, validation, assume_unique=True)
    for name, part in (("training", train), ("validation", validation)):
        counts = np.bincount(dataset.y[part], minlength=dataset.classes)
        if not counts.all():
            lacking = dataset.class_names[int(np.argmin(counts))]
            raise DataError(
                f"{dataset.variant.spec}: class {lacking!r} has no {name} row in the {protocol.split} split, among "
                f"{counted(len(part), 'row')}; merge it into another class, or add rows of it"
            )
    return Fold(0, 0, train, validation, np.zeros(0, np.int64))
