"""Baseline: training without rebalancing."""

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

    The reference for all other strategies: empirical risk minimisation (V. Vapnik, "Principles of Risk Minimization for
    Learning Theory", NIPS 1991) on the imbalanced training rows.

    Shapes: any batch; it is returned unchanged.

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
    reads_features: ClassVar[bool] = False

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Return the batch unchanged."""
        return batch

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor:
        """The class shares of the batch."""
        return mean_label(batch)
