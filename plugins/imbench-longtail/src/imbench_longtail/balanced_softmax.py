"""Balanced softmax: cross-entropy of the shares a net would predict under the training rows' prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench_longtail.rows import counts_of


@dataclass(frozen=True)
class BalancedSoftmax(BatchStrategy):
    """Keep the rows and take cross-entropy after each class's share is multiplied by its training rows.

    J. Ren, C. Yu, S. Sheng, X. Ma, H. Zhao, S. Yi and H. Li, "Balanced Meta-Softmax for Long-Tailed Visual
    Recognition", NeurIPS 2020, Equation (4): for a row of class c with logits z

        L_c = -log( n_c exp(z_c) / sum_j n_j exp(z_j) )

    so that softmax(z) itself fits classes that are all equally frequent. A soft label counts linearly: ``sum_c y_c
    L_c``. The same loss as `LogitAdjustment` with tau = 1, digit by digit. The paper's meta sampler is no part of it.

    NOTE: a class without training rows counts as one row.

    Shapes: the batch unchanged; logits and y ``(*stack, batch, classes)`` -> loss ``(*stack, batch)``.

    >>> import torch
    >>> logits, y = torch.zeros(3, 2), torch.eye(2)[[0, 0, 1]]
    >>> BalancedSoftmax().loss(logits, y, TrainingInfo(torch.tensor([90.0, 10.0])))  # -log 0.9 and -log 0.1
    tensor([0.1054, 0.1054, 2.3026])
    """

    name: ClassVar[str] = "balanced-softmax"

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batch itself."""
        return batch

    def loss(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """Equation (4): cross-entropy of ``z + log n``, ``(*stack, batch)``."""
        return super().loss(logits + counts_of(info, logits).log(), y, info)
