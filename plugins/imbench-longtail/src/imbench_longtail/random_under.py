"""Random under-sampling: only as many rows of each class as the rarest one has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench.contract.rows import take_rows
from imbench_longtail.rows import expected_share, levelling_odds


@dataclass(frozen=True)
class RandomUnder(BatchStrategy):
    """Leave out random rows by a weight of 0 until every class present has as many as the rarest one present.

    N. Japkowicz, "The Class Imbalance Problem: Significance and Strategies", ICAI 2000, removes rows of the larger
    class at random until it has the size of the smaller one.

    NOTE: the published method removes rows of the whole training set, once. Here they are left out batch by batch, so
    that over the epochs every row has its turn. Of C classes present with at least m rows each, ``C m`` rows are kept
    and weigh ``B / (C m)``: the loss of a batch is the mean over the rows kept. A batch of one class is left whole.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` unchanged, ``weight (*stack, batch)``.

    >>> import torch
    >>> batch = Batch(torch.zeros(3, 1), torch.eye(2)[[0, 1, 0]])
    >>> import numpy as np
    >>> noise = Noise([np.random.default_rng(0)])
    >>> RandomUnder().rebalance(batch, TrainingInfo(torch.tensor([90.0, 10.0])), noise).weight
    tensor([0.0000, 1.5000, 1.5000])
    """

    name: ClassVar[str] = "random-under"
    reads_features: ClassVar[bool] = False

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The same rows, those left out with weight 0."""
        order = noise.permutation(batch.size)  # (*stack, batch): rows are kept in this order while there is room
        seen = take_rows(one_hot(batch.labels, batch.classes), order)  # (*stack, batch, classes)
        number = (seen.cumsum(dim=-2) * seen).sum(dim=-1)  # each row's number within its class, from 1
        sizes = seen.sum(dim=-2)
        present = sizes > 0
        smallest = torch.where(present, sizes, batch.size).amin(dim=-1, keepdim=True)  # (*stack, 1)
        kept = torch.zeros_like(order).scatter(-1, order, (number <= smallest).to(order.dtype))
        factor = batch.size / (present.sum(dim=-1, keepdim=True) * smallest)
        return batch.weighted(kept * factor.to(batch.y.dtype))

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """1/C for each of the C classes present."""
        return expected_share(batch, levelling_odds(batch))
