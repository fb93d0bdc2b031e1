"""Mini-batches as in training, and a strategy's output for them, without training a net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.labels import soft_labels
from imbench.contract.noise import Noise
from imbench.contract.strategy import TrainingInfo
from imbench.contract.streams import stream

if TYPE_CHECKING:
    from imbench.contract.strategy import BatchStrategy


@dataclass(frozen=True, eq=False)
class Fed:
    """A strategy's output for some mini-batches.

    Parameters
    ----------
    x : ``(batches, batch, *features)`` float32
    y : ``(batches, batch, classes)`` float32 soft labels
    fallback : share of the batches that the strategy could not rebalance; NaN if it reports none
    """

    x: np.ndarray
    y: np.ndarray
    fallback: float

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """All rows of all batches: ``(rows, *features)`` and ``(rows, classes)``."""
        return self.x.reshape(-1, *self.x.shape[2:]), self.y.reshape(-1, self.y.shape[-1])


def draw(rows: int, size: int, batches: int, rng: np.random.Generator) -> np.ndarray:
    """``(batches, batch)`` row numbers: each epoch in random order, without an incomplete last batch.

    A batch has ``size`` rows; fewer ``rows`` make one batch.
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
    """A strategy's output for these mini-batches.

    Parameters
    ----------
    x, y : preprocessed training rows ``(rows, *features)`` and their class numbers ``(rows,)``
    numbers : ``(batches, batch)`` row numbers
    key : key of the strategy's random stream, to which its name is added; its parameters are not part of the key, so
        they change the draws only where they change the distribution
    halves : replace every Beta draw by ½, with all other draws unchanged; this shows which rows are mixed, even where
        one of them has a share near 0
    """
    # One net whose steps are the batches: (1, batches, batch, *features).
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
    """Noise with every Beta draw replaced by ½; the random stream advances as usual."""

    def beta(self, a: float, b: float, *shape: int) -> Tensor:
        """See `Noise.beta`."""
        return torch.full_like(super().beta(a, b, *shape), 0.5)
