"""Mini-batches for a stack of nets: rows are gathered by number and scaled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import on_device
from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold, Preprocessing
from imbench.contract.rows import scaled, table_rows
from imbench.contract.streams import stream

# Steps that a strategy processes in one call. This length is part of the definition of the random streams: strategies
# draw block by block, so another length would give other (equally valid) results.
BLOCK_STEPS = 32

_BLOCK = 65_536  # rows searched for missing values at a time


def batching(rows: int, protocol: Protocol) -> tuple[int, int, int]:
    """``(full batches in an epoch, their size, size of the incomplete last batch or 0 if it is dropped)``."""
    size = min(protocol.batch_size, rows)
    return rows // size, size, 0 if protocol.drop_last else rows % size


def steps_per_epoch(rows: int, protocol: Protocol) -> int:
    """Number of gradient steps in an epoch of a net with this many training rows."""
    steps, _, last = batching(rows, protocol)
    return steps + bool(last)


def weighted_rows(weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``(rows,)`` row numbers, as many as there are weights, by systematic sampling.

    With weights ``(rows,)`` of mean 1, row i appears ``weight[i]`` times on average, rounded up or down.
    """
    ends = np.cumsum(weight)
    ends *= len(weight) / ends[-1]
    ends[-1] = len(weight)
    copies = np.diff(np.floor(ends + rng.random()), prepend=0.0).astype(np.int64)
    return np.repeat(np.arange(len(weight)), copies)


class Table:
    """Features and class numbers of a dataset on the device, in one copy that all nets read.

    Attributes
    ----------
    x : ``(rows, *features)``
    y : ``(rows,)`` class numbers
    has_missing : whether x contains NaN
    """

    def __init__(self, dataset: Dataset, device: torch.device | str) -> None:
        self.x = torch.as_tensor(dataset.x, device=device)
        self.y = torch.as_tensor(dataset.y, device=device)
        self.classes = dataset.classes
        # Block by block, since a mask of the whole table would take a quarter of its size. Integers are never missing.
        blocks = range(0, len(dataset.x) if dataset.x.dtype.kind == "f" else 0, _BLOCK)
        self.has_missing = any(np.isnan(dataset.x[start : start + _BLOCK]).any() for start in blocks)

    def rows(self, numbers: Tensor, center: Tensor, scale: Tensor, clip: float) -> Tensor:
        """Scaled rows: ``clip((x - center) * scale)`` with missing values as 0, ``(nets, *any, *features)``.

        ``numbers`` ``(nets, *any)`` are row numbers. ``center`` and ``scale`` are ``(nets, features)``, or ``(nets,
        channels, 1, 1)`` for images.
        """
        return scaled(self.x, numbers, center, scale, clip, has_missing=self.has_missing)


class Batches:
    """Mini-batches of several nets, in blocks of steps. Each net shuffles its rows with its own random stream.

    Parameters
    ----------
    table, dataset : source of the rows
    folds, preprocessing : one for each net; all nets must have equally many and equally large batches
    steps : full batches in an epoch
    batch_size : rows in a full batch
    last : rows in the incomplete last batch; 0 for none
    """

    def __init__(
        self,
        table: Table,
        dataset: Dataset,
        folds: Sequence[Fold],
        preprocessing: Sequence[Preprocessing],
        steps: int,
        batch_size: int,
        last: int,
    ) -> None:
        self.table = table
        self.steps, self.batch_size, self.last = steps, batch_size, last
        self.clip = preprocessing[0].clip
        self._train = [fold.train for fold in folds]
        self._weight = [None if dataset.weight is None else dataset.weight[fold.train] for fold in folds]
        self._order = [stream("order", *dataset.stream_key, *fold.place.key) for fold in folds]
        device = table.x.device
        self._center = torch.as_tensor(np.stack([p.center for p in preprocessing]), device=device)
        self._scale = torch.as_tensor(np.stack([p.scale for p in preprocessing]), device=device)
        self._labels = torch.eye(table.classes, dtype=self._center.dtype, device=device)  # one-hot, by class

    @property
    def longest(self) -> int:
        """Number of steps in the longest block."""
        return min(self.steps, BLOCK_STEPS)

    @property
    def blocks(self) -> int:
        """Number of blocks in an epoch."""
        return -(-self.steps // BLOCK_STEPS) + bool(self.last)

    def epoch(self) -> Iterator[Batch]:
        """One pass over the training rows, in blocks: batches of stack ``(nets, steps)`` of at most `BLOCK_STEPS`.

        With weights, a pass has as many rows, and each as often as its weight says (`weighted_rows`).
        """
        used = self.steps * self.batch_size
        rows = np.stack(
            [
                (train if weight is None else train[weighted_rows(weight, rng)])[
                    rng.permutation(len(train))[: used + self.last]
                ]
                for train, weight, rng in zip(self._train, self._weight, self._order, strict=True)
            ]
        )
        self._rows = on_device(rows, self.table.x.device)  # (nets, rows)
        for first in range(0, self.steps, BLOCK_STEPS):
            last = min(first + BLOCK_STEPS, self.steps)
            yield self._batch(first * self.batch_size, last * self.batch_size, self.batch_size)
        if self.last:
            yield self._batch(used, used + self.last, self.last)

    def keep(self, nets: np.ndarray) -> None:
        """Keep only the nets at these positions; also possible within an epoch."""
        self._train = [self._train[i] for i in nets]
        self._weight = [self._weight[i] for i in nets]
        self._order = [self._order[i] for i in nets]
        chosen = on_device(nets, self.table.x.device)
        self._center, self._scale = self._center[chosen], self._scale[chosen]
        self._rows = self._rows[chosen]

    def _batch(self, first: int, last: int, size: int) -> Batch:
        numbers = self._rows[:, first:last].reshape(len(self._rows), -1, size)  # (nets, steps, batch)
        table, given = self.table, (self._center, self._scale, self.clip)
        x = table_rows(table.x, numbers, *given, has_missing=table.has_missing)
        # Rows of a unit matrix: `one_hot` makes integers first, and takes twice as long.
        y = self._labels.index_select(0, table.y.index_select(0, numbers.flatten()))
        return Batch.of_table(x, y.reshape(*numbers.shape, table.classes))
