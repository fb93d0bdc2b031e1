"""Cost-adjusted training: rows of rare classes have larger weights in the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.strategies.shares import mean_label


@dataclass(frozen=True)
class CostAdjusted(BatchStrategy):
    """Weight each row in the loss by the inverse frequency of its class in the training rows.

    Class c of K has the weight ``n / (K * n_c)``, where n_c is the number of its training rows and n of all training
    rows (scikit-learn's "balanced" class weights; G. King and L. Zeng, "Logistic Regression in Rare Events Data",
    2001). All classes then have the same total weight, and the mean weight of the training rows is 1. A class without
    training rows has weight 0. The weight of a soft label is the mean of the class weights under the label.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` unchanged, ``weight (*stack, batch)``.

    >>> import torch
    >>> batch = Batch(torch.zeros(3, 1), torch.eye(2)[[0, 0, 1]])
    >>> info = TrainingInfo(class_counts=torch.tensor([90.0, 10.0]))
    >>> CostAdjusted().rebalance(batch, info, Noise.__new__(Noise)).weight
    tensor([0.5556, 0.5556, 5.0000])
    """

    name: ClassVar[str] = "cost-adjusted"
    reads_features: ClassVar[bool] = False

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The same rows with ``weight = y @ (n / (K * n_class))``, multiplied by their current weight."""
        return self._weighted(batch, info)

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor:
        """The mean label of the weighted rows; the strategy uses no random numbers."""
        return mean_label(self._weighted(batch, info))

    def _weighted(self, batch: Batch, info: TrainingInfo) -> Batch:
        counts = info.class_counts.to(batch.y)  # (*stack, classes)
        per_row = counts.sum(dim=-1, keepdim=True) / (info.classes * counts)
        class_weight = torch.where(counts > 0, per_row, 0.0)
        # (*stack, batch, classes) -> (*stack, batch)
        return batch.weighted((batch.y * class_weight.unsqueeze(-2)).sum(dim=-1))
