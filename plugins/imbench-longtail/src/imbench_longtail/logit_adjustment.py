"""Logit adjustment: cross-entropy of logits moved by the logarithm of the class prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench_longtail.parameters import validated
from imbench_longtail.rows import counts_of


@dataclass(frozen=True)
class LogitAdjustment(BatchStrategy):
    """Keep the rows and take cross-entropy of the logits plus tau times the logarithm of each class's frequency.

    A. K. Menon, S. Jayasumana, A. S. Rawat, H. Jain, A. Veit and S. Kumar, "Long-tail Learning via Logit Adjustment",
    ICLR 2021, Equation (10), the adjustment in the loss: for a row of class c with logits z and class frequencies pi

        L_c = -log( exp(z_c + tau log pi_c) / sum_j exp(z_j + tau log pi_j) )

    tau = 0 is cross-entropy; tau = 1 is consistent for the balanced error. A soft label counts linearly: ``sum_c
    y_c L_c``. The paper's other adjustment, after training, is not this one; imbench's decision rule
    ``prior-corrected`` does that for any strategy.

    NOTE: a class without training rows counts as one row. Training rows stand for frequencies: their sum cancels.

    Shapes: the batch unchanged; logits and y ``(*stack, batch, classes)`` -> loss ``(*stack, batch)``.

    Parameters
    ----------
    tau : at least 0; the paper uses 1 and also tunes it

    Raises
    ------
    UsageError for any other tau.

    >>> import torch
    >>> logits, y = torch.zeros(3, 2), torch.eye(2)[[0, 0, 1]]
    >>> LogitAdjustment(tau=0.5).loss(logits, y, TrainingInfo(torch.tensor([90.0, 10.0])))  # odds of 3 to 1
    tensor([0.2877, 0.2877, 1.3863])
    """

    name: ClassVar[str] = "logit-adjustment"

    tau: float = 1.0

    def __post_init__(self) -> None:
        validated(self, "tau", "at least 0", "the paper uses 1")

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batch itself."""
        return batch

    def loss(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """Equation (10), ``(*stack, batch)``."""
        return super().loss(logits + self.tau * counts_of(info, logits).log(), y, info)
