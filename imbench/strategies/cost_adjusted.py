"""Cost-adjusted training: rows of rare classes weigh more in the loss."""

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
    """Keep the rows and weigh each in the loss by how rare its class is among the training rows.

    Class c of K weighs ``n / (K * n_c)``, with n_c its training rows and n all of them (scikit-learn's "balanced"
    class weights; G. King and L. Zeng, "Logistic Regression in Rare Events Data", 2001), so that every class has the
    same total weight and the training rows' mean weight is 1. A class without training rows weighs 0. A soft label
    weighs the mean of the class weights under it.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` unchanged, ``weight (*stack, batch)``.

    >>> import torch
    >>> batch = Batch(torch.zeros(3, 1), torch.eye(2)[[0, 0, 1]])
    >>> info = TrainingInfo(class_counts=torch.tensor([90.0, 10.0]))
    >>> CostAdjusted().rebalance(batch, info, Noise.__new__(Noise)).weight
    tensor([0.5556, 0.5556, 5.0000])
    """

    name: ClassVar[str] = "cost-adjusted"

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The same rows with ``weight = y @ (n / (K * n_class))``, times any weight they had."""
        return self._weighted(batch, info)

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor:
        """The mean label of the weighted rows; nothing here is left to chance."""
        return mean_label(self._weighted(batch, info))

    def _weighted(self, batch: Batch, info: TrainingInfo) -> Batch:
        counts = info.class_counts.to(batch.y)  # (*stack, classes)
        per_row = counts.sum(dim=-1, keepdim=True) / (info.classes * counts)
        class_weight = torch.where(counts > 0, per_row, 0.0)
        # (*stack, batch, classes) -> (*stack, batch)
        return batch.weighted((batch.y * class_weight.unsqueeze(-2)).sum(dim=-1))
