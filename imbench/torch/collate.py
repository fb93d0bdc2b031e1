"""Collate: batches that are rebalanced where a DataLoader makes them, in its worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

from imbench.contract.errors import UsageError
from imbench.torch.rebalancer import Rebalancer

MOST_WORKERS = 256


class WorkerDraws:
    """What the draws of the next batch depend on, in each process of a DataLoader.

    Parameters
    ----------
    rebalancer : gives seed and rank; its epoch is seen by the worker processes from now on
    """

    def __init__(self, rebalancer: Rebalancer) -> None:
        rebalancer.share_epoch()
        self._rebalancer = rebalancer
        # For each number of a worker the iterations that it began, seen by the workers of later iterations.
        self._begun = torch.zeros(MOST_WORKERS, dtype=torch.int64)
        self._begun.share_memory_()  # type: ignore[no-untyped-call]
        self._iteration: tuple[int, int] | None = None  # of this process: the worker's seed, and which one it is
        self._count = 0

    def next(self) -> tuple[str | int, ...] | None:
        """A key that no other batch has; None in the process of the training loop, where the rebalancer counts."""
        worker = get_worker_info()
        if worker is None:
            return None
        if worker.id >= MOST_WORKERS:
            raise UsageError(f"num_workers must be at most {MOST_WORKERS}, got {worker.num_workers}")
        if self._iteration is None or self._iteration[0] != worker.seed:
            self._begun[worker.id] += 1
            self._iteration, self._count = (worker.seed, int(self._begun[worker.id])), 0
        self._count += 1
        return "worker", self._rebalancer.seed, self._rebalancer.rank, worker.id, self._iteration[1], self._count


class Collate:
    """A ``collate_fn`` for `torch.utils.data.DataLoader` that returns rebalanced batches ``x, y, weight``.

    Each worker process draws from streams of its own, which no other worker, epoch or rank has; a run with equal
    ``num_workers`` repeats. Give it to one DataLoader only, that of the training rows.

    Parameters
    ----------
    rebalancer : the rebalancer whose `loss` and `epoch_end` the training loop uses
    collate : makes ``(x, y)`` of a list of examples; default: `torch.utils.data.default_collate`
    """

    def __init__(self, rebalancer: Rebalancer, collate: Callable[[list[Any]], Any] = default_collate) -> None:
        self.rebalancer, self.collate = rebalancer, collate
        self._draws = WorkerDraws(rebalancer)

    def __call__(self, examples: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Rebalanced ``x, y, weight`` of a list of examples ``(x, y)``."""
        made = self.collate(list(examples))
        if not isinstance(made, tuple | list) or len(made) != 2:
            length = f" of {len(made)} values" if isinstance(made, tuple | list) else ""
            raise UsageError(
                f"Collate needs examples (x, y), got a {type(made).__name__}{length}; pass collate=, a function that "
                "makes (x, y) of a list of examples"
            )
        x, y = made
        return self.rebalancer.rebalanced(x, y, self._draws.next())
