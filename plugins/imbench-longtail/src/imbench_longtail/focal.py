"""Focal loss: rows that are already well classified count for little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench_longtail.parameters import validated

# The slope of q^gamma at q = 0 is infinite for gamma below 1; this is less than one float32 step from it.
LEAST = 1e-8


@dataclass(frozen=True)
class Focal(BatchStrategy):
    """Keep the rows and take the cross-entropy of each times ``(1 - p)^gamma``, p being its class's probability.

    T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollar, "Focal Loss for Dense Object Detection", ICCV 2017,
    Equations (4) and (5): with p_c the probability of a row's class c,

        FL = -alpha_c (1 - p_c)^gamma log p_c

    gamma = 0 without alpha is cross-entropy. A soft label counts linearly: ``sum_c y_c FL_c``.

    NOTE: the paper has one sigmoid a class; here p is the softmax over the classes, as the nets of all strategies
    predict. NOTE: the paper's alpha is the weight of the one foreground class and ``1 - alpha`` that of the background.
    Here alpha is the weight of the class with the fewest training rows (the first of equals) and ``1 - alpha`` that of
    every other; without alpha all weigh 1, as in Equation (4).

    Shapes: the batch unchanged; logits and y ``(*stack, batch, classes)`` -> loss ``(*stack, batch)``.

    Parameters
    ----------
    gamma : at least 0; the paper uses 0 to 5, and 2 for its results
    alpha : above 0 and below 1, or None; the paper uses 0.25 with gamma = 2

    Raises
    ------
    UsageError for values outside these ranges.

    >>> import torch
    >>> logits, y = torch.tensor([[0.0, 0.0], [2.0, 0.0], [2.0, 0.0]]), torch.eye(2)[[0, 0, 1]]
    >>> Focal().loss(logits, y, TrainingInfo(torch.tensor([90.0, 10.0])))
    tensor([0.1733, 0.0018, 1.6501])
    """

    name: ClassVar[str] = "focal"

    gamma: float = 2.0
    alpha: float | None = None

    def __post_init__(self) -> None:
        validated(self, "gamma", "at least 0", "the paper uses 0 to 5")
        if self.alpha is not None:
            validated(self, "alpha", "above 0 and below 1", "the paper uses 0.25, or leave it out")

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batch itself."""
        return batch

    def loss(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """Equation (4) or (5), ``(*stack, batch)``."""
        log_p = torch.log_softmax(logits, dim=-1)
        focus = (-torch.expm1(log_p)).clamp(min=LEAST) ** self.gamma
        return -(self._weighted(y, info) * focus * log_p).sum(dim=-1)

    def _weighted(self, y: Tensor, info: TrainingInfo) -> Tensor:
        if self.alpha is None:
            return y
        counts = info.class_counts
        rarest = torch.where(counts > 0, counts, torch.inf).argmin(dim=-1, keepdim=True)
        weights = torch.full_like(counts, 1 - self.alpha).scatter(-1, rarest, self.alpha)
        return y * weights.to(y).unsqueeze(-2)
