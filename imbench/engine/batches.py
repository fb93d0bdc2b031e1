"""From row numbers to the mini-batches of a whole stack of nets, scaled on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import on_device
from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold, Preprocessing
from imbench.contract.rows import scaled
from imbench.contract.streams import stream

# Strategies see this many steps at once. Part of the random streams' definition: a strategy's draws are taken block by
# block, so another length would give other (equally good) numbers.
BLOCK_STEPS = 32

_BLOCK = 65_536  # rows looked at together


def batching(rows: int, protocol: Protocol) -> tuple[int, int, int]:
    """Whole batches an epoch, their size, and the size of the incomplete last one if it is used."""
    size = min(protocol.batch_size, rows)
    return rows // size, size, 0 if protocol.drop_last else rows % size


def steps_per_epoch(rows: int, protocol: Protocol) -> int:
    """Gradient steps that a net with this many training rows takes in an epoch."""
    steps, _, last = batching(rows, protocol)
    return steps + bool(last)


class Table:
    """The one copy of a dataset's features and one-hot labels that all nets read, on the device of the nets."""

    def __init__(self, dataset: Dataset, device: torch.device | str) -> None:
        self.x = torch.as_tensor(dataset.x, device=device)
        self.y = torch.as_tensor(dataset.y, device=device)
        self.classes = dataset.classes
        # Block by block: a mask of the whole table would be a quarter of its size again. No whole number is missing.
        blocks = range(0, len(dataset.x) if dataset.x.dtype.kind == "f" else 0, _BLOCK)
        self.has_missing = any(np.isnan(dataset.x[start : start + _BLOCK]).any() for start in blocks)

    def rows(self, numbers: Tensor, center: Tensor, scale: Tensor, clip: float) -> Tensor:
        """Rows ``(nets, *any)`` -> ``(nets, *any, *features)``: ``clip((x - center) * scale)``, missing values 0.

        ``center`` and ``scale`` are ``(nets, features)``, of images ``(nets, channels, 1, 1)``.
        """
        return scaled(self.x, numbers, center, scale, clip, has_missing=self.has_missing)


class Batches:
    """The mini-batches of some nets, in blocks of steps, every net in the random order of its own stream.

    Parameters
    ----------
    table, dataset : where rows come from
    folds, preprocessing : one for each net; all must make the same number of equally large batches
    batch_size : rows in a batch; ``last``: rows in the last one if it is smaller, else 0
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
        self._order = [stream("order", *dataset.stream_key, fold.repeat, fold.fold) for fold in folds]
        device = table.x.device
        self._center = torch.as_tensor(np.stack([p.center for p in preprocessing]), device=device)
        self._scale = torch.as_tensor(np.stack([p.scale for p in preprocessing]), device=device)

    @property
    def longest(self) -> int:
        """Steps of the longest block."""
        return min(self.steps, BLOCK_STEPS)

    @property
    def blocks(self) -> int:
        """Blocks in an epoch."""
        return -(-self.steps // BLOCK_STEPS) + bool(self.last)

    def epoch(self) -> Iterator[Batch]:
        """One pass over the training rows: batches of stack ``(nets, steps)``, at most `BLOCK_STEPS` steps each."""
        used = self.steps * self.batch_size
        rows = np.stack(
            [
                train[rng.permutation(len(train))[: used + self.last]]
                for train, rng in zip(self._train, self._order, strict=True)
            ]
        )
        self._rows = on_device(rows, self.table.x.device)  # (nets, rows)
        for first in range(0, self.steps, BLOCK_STEPS):
            last = min(first + BLOCK_STEPS, self.steps)
            yield self._batch(first * self.batch_size, last * self.batch_size, self.batch_size)
        if self.last:
            yield self._batch(used, used + self.last, self.last)

    def keep(self, nets: np.ndarray) -> None:
        """Go on with these nets only (their positions in the stack), in the middle of an epoch too."""
        self._train = [self._train[i] for i in nets]
        self._order = [self._order[i] for i in nets]
        chosen = on_device(nets, self.table.x.device)
        self._center, self._scale = self._center[chosen], self._scale[chosen]
        self._rows = self._rows[chosen]

    def _batch(self, first: int, last: int, size: int) -> Batch:
        numbers = self._rows[:, first:last].reshape(len(self._rows), -1, size)  # (nets, steps, batch)
        x = self.table.rows(numbers, self._center, self._scale, self.clip)
        y = torch.nn.functional.one_hot(self.table.y[numbers], self.table.classes).to(x.dtype)
        return Batch(x, y)
