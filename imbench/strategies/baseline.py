"""Baseline: batches as they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.strategies.shares import mean_label


@dataclass(frozen=True)
class Baseline(BatchStrategy):
    """Leave the batch as it is.

    The reference that every other recipe is compared with: empirical risk minimisation (V. Vapnik, "Principles of Risk
    Minimization for Learning Theory", NIPS 1991) on the imbalanced training rows.

    Shapes: any batch in, the same batch out.

    >>> import torch
    >>> x, y = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1])
    >>> Baseline()(x, y)
    (tensor([[1.],
            [2.],
            [3.]]), tensor([[1., 0.],
            [1., 0.],
            [0., 1.]]))
    """

    name: ClassVar[str] = "baseline"

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batch itself."""
        return batch

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor:
        """That of the batch."""
        return mean_label(batch)
