"""Random over-sampling: batches in which every class is equally frequent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench_longtail.rows import expected_share, levelling_odds


@dataclass(frozen=True)
class RandomOver(BatchStrategy):
    """Draw the batch's rows anew, with replacement, so that every class present is equally frequent.

    N. Japkowicz, "The Class Imbalance Problem: Significance and Strategies", ICAI 2000, over-samples the smaller class
    at random up to the size of the larger one.

    NOTE: the published method repeats rows of the whole training set, which lengthens an epoch. Here each of the C
    classes present in a batch of B rows gives B/C of them, so that all strategies take equally many, equally large
    steps; rows of frequent classes make room. A class that is absent from a batch stays absent. The rows are drawn as
    in line 3 of Algorithm 1 of ReMix (Bellinger, Corizzo and Japkowicz): this is ReMix without its mixing.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out.

    >>> import torch
    >>> x, y = torch.tensor([[1.0], [2.0], [3.0], [9.0]]), torch.tensor([0, 0, 0, 1])
    >>> x2, y2 = RandomOver()(x, y, seed=0)
    >>> x2.shape, y2.mean(dim=0)
    (torch.Size([4, 1]), tensor([0.5000, 0.5000]))
    """

    name: ClassVar[str] = "random-over"
    reads_features: ClassVar[bool] = False

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """B/C rows of each class present."""
        return batch.take(noise.balanced(batch.y))

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """1/C for each of the C classes present."""
        return expected_share(batch, levelling_odds(batch))
