"""BalancedBatchSampler: batches of row numbers in which rare classes are as frequent as asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler

from imbench.contract.errors import UsageError
from imbench.contract.streams import stream
from imbench.torch.ranks import number_of_ranks, this_rank, whole


class BalancedBatchSampler(Sampler[list[int]]):
    """Batches of row numbers drawn from all training rows, for the ``batch_sampler`` of a DataLoader.

    A row of class c is drawn with a probability such that the share of the class is proportional to ``n_c ** power``,
    n_c being its number of rows: 0 gives all classes equal shares, 0.5 is square-root sampling, 1 keeps the shares of
    the data (B. Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020,
    Equation 1). The number of rows of a class in a batch is its expectation, rounded up or down at random; rows of a
    class are drawn with replacement.

    In a distributed training the ranks share one sequence of batches: row i of the batch over all ranks goes to rank
    ``i % ranks``. So 1 rank with ``batch_size`` 64 and 4 ranks with 16 see the same rows at each step.

    Parameters
    ----------
    labels : ``(rows,)`` class numbers of the training rows
    batch_size : rows in the batch of one rank, at least 1
    batches : batches in an epoch, at least 1; default: as many as hold each row once, rounded up
    power : from 0 to 1
    seed : whole number from 0 up. The draws depend on it, the epoch and the number of the batch
    rank, ranks : number of this process and of all processes; default: those of `torch.distributed`, else of the
        environment variables ``RANK`` and ``WORLD_SIZE``, else 0 and 1

    Raises
    ------
    UsageError for values outside these ranges.

    >>> sampler = BalancedBatchSampler([0] * 90 + [1] * 10, batch_size=4)
    >>> [sum(row >= 90 for row in batch) for batch in sampler][:5]
    [2, 2, 2, 2, 2]
    """

    def __init__(
        self,
        labels: Any,
        batch_size: int,
        *,
        batches: int | None = None,
        power: float = 0.0,
        seed: int = 0,
        rank: int | None = None,
        ranks: int | None = None,
    ) -> None:
        numbers = np.asarray(labels.cpu() if isinstance(labels, torch.Tensor) else labels)
        if numbers.ndim != 1 or not len(numbers):
            raise UsageError(
                f"BalancedBatchSampler.labels must be (rows,), at least one, got the shape {numbers.shape}"
            )
        if not (isinstance(power, int | float) and 0 <= power <= 1):
            raise UsageError(f"BalancedBatchSampler.power must be from 0 to 1, got {power!r}; 0 balances the classes")
        name = type(self).__name__
        self.batch_size = whole(name, "batch_size", batch_size, 1, "64 is usual")
        self.seed = whole(name, "seed", seed, 0, "0 is usual")
        self.rank = this_rank() if rank is None else whole(name, "rank", rank, 0, "the number of this process")
        self.ranks = number_of_ranks() if ranks is None else whole(name, "ranks", ranks, 1, "the number of processes")
        if self.rank >= self.ranks:
            raise UsageError(f"{name}.rank must be below ranks, got {self.rank} of {self.ranks}")
        fitting = -(-len(numbers) // (self.batch_size * self.ranks))
        self.batches = fitting if batches is None else whole(name, "batches", batches, 1, f"one epoch is {fitting}")
        self.epoch = 0
        self._rows = [np.flatnonzero(numbers == label) for label in np.unique(numbers)]
        mass = np.array([len(rows) for rows in self._rows], float) ** power
        self._ends = np.cumsum(mass) / mass.sum()

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of this rank in the next epoch; each call begins a new epoch."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        for number in range(self.batches):
            yield self._drawn(epoch, number)[self.rank :: self.ranks].tolist()

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be this epoch, from 0, as for a `torch.utils.data.DistributedSampler`."""
        self.epoch = whole(type(self).__name__, "epoch", epoch, 0, "epochs count from 0")

    def state_dict(self) -> dict[str, int]:
        """What `load_state_dict` needs to go on with the next epoch."""
        return {"epoch": self.epoch, "seed": self.seed}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a state of `state_dict`."""
        self.epoch, self.seed = state["epoch"], state["seed"]

    def _drawn(self, epoch: int, number: int) -> np.ndarray:
        """``(batch_size * ranks,)`` row numbers of one batch over all ranks."""
        size = self.batch_size * self.ranks
        rng = stream("batch-sampler", self.seed, epoch, number)
        # Systematic sampling: equally spaced points on [0, 1) hit an interval of length p size * p times, rounded.
        points = (np.arange(size) + rng.random()) / size
        drawn = np.minimum(np.searchsorted(self._ends, points, side="right"), len(self._rows) - 1)
        rows = np.array([self._rows[label][rng.integers(len(self._rows[label]))] for label in drawn])
        return rng.permutation(rows)
