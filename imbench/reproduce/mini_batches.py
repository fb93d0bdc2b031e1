"""Mini-batches as training draws them, and what a strategy makes of them, without any training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.strategy import TrainingInfo, soft_labels
from imbench.contract.streams import stream

if TYPE_CHECKING:
    from imbench.contract.strategy import BatchStrategy


@dataclass(frozen=True, eq=False)
class Fed:
    """Mini-batches that a strategy made.

    Parameters
    ----------
    x : ``(batches, batch, *features)`` float32
    y : ``(batches, batch, classes)`` float32 soft labels
    fallback : share of the batches with which the strategy could not do what it was asked to; NaN if it does not say
    """

    x: np.ndarray
    y: np.ndarray
    fallback: float

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """All rows of all batches: ``(rows, *features)`` and ``(rows, classes)``."""
        return self.x.reshape(-1, *self.x.shape[2:]), self.y.reshape(-1, self.y.shape[-1])


def draw(rows: int, size: int, batches: int, rng: np.random.Generator) -> np.ndarray:
    """``(batches, batch)`` row numbers: each epoch in a random order, an incomplete last batch dropped.

    ``size`` is that of a batch; fewer ``rows`` than that are one batch.
    """
    size = min(size, rows)
    epochs = -(-batches // (rows // size))
    orders = [rng.permutation(rows)[: rows // size * size].reshape(-1, size) for _ in range(epochs)]
    return np.concatenate(orders)[:batches]


def feed(
    strategy: BatchStrategy,
    x: np.ndarray,
    y: np.ndarray,
    numbers: np.ndarray,
    classes: int,
    *key: str | int,
    halves: bool = False,
) -> Fed:
    """What a strategy makes of these mini-batches.

    Parameters
    ----------
    x, y : ``(rows, *features)`` as a net sees them and ``(rows,)`` class numbers, of the training rows
    numbers : ``(batches, batch)`` row numbers
    key : of the strategy's random stream, to which its name is added; a strategy's parameters are no part of it, so
        that one key gives the same draws at each of their values, as far as these do not change what is drawn
    halves : whether every mixture is half and half, whatever was drawn from a Beta distribution, with all draws as they
        are without this: it shows which rows are mixed, where a share next to 1 hides one of them
    """
    # One net, and its batches as its steps: (1, batches, batch, *features).
    batch = Batch(
        torch.as_tensor(x[numbers][None].astype(np.float32)), soft_labels(torch.as_tensor(y[numbers][None]), classes)
    )
    counts = torch.as_tensor(np.bincount(y, minlength=classes).astype(np.float32))
    info = TrainingInfo(counts[None, None], "tabular" if x.ndim == 2 else "image")
    noise = (_Halves if halves else Noise)([stream(*key, strategy.name)], (1, len(numbers)))
    fed = strategy.rebalance(batch, info, noise)
    fallback = float("nan") if fed.fallback is None else float(fed.fallback.float().mean())
    return Fed(fed.x[0].numpy(), fed.y[0].numpy(), fallback)


class _Halves(Noise):
    """Noise that draws as any other, and then says 1/2 for what it drew from a Beta distribution."""

    def beta(self, a: float, b: float, *shape: int) -> Tensor:
        """See `Noise.beta`."""
        return torch.full_like(super().beta(a, b, *shape), 0.5)
