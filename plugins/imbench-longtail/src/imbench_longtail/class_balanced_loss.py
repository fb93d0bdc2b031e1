"""Class-balanced loss: rows weigh by the effective number of samples of their class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench_longtail.parameters import validated
from imbench_longtail.rows import expected_share, of_rows

ADVICE = "the paper uses 0.9 to 0.9999"


@dataclass(frozen=True)
class ClassBalancedLoss(BatchStrategy):
    """Keep the rows and weigh each by the inverse of its class's effective number of samples.

    Y. Cui, M. Jia, T.-Y. Lin, Y. Song and S. Belongie, "Class-Balanced Loss Based on Effective Number of Samples",
    CVPR 2019: n samples of a class are worth ``E_n = (1 - beta^n) / (1 - beta)`` (Proposition 1), and the softmax
    cross-entropy of a row of class c weighs (Section 4)

        (1 - beta) / (1 - beta^n_c),  made to sum to the number of classes

    beta = 0 weighs all classes alike, beta near 1 by the inverse of their training rows. A class without training rows
    weighs 0 and does not count. A soft label weighs the mean of the weights of the classes under it.

    NOTE: the paper leaves open whether the mean over a batch is one of rows or of weights; here it is one of rows.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` unchanged, ``weight (*stack, batch)``.

    Parameters
    ----------
    beta : from 0 to below 1; the paper chooses 0.9, 0.99, 0.999 or 0.9999 for each dataset

    Raises
    ------
    UsageError for any other beta.

    >>> import torch
    >>> batch, info = Batch(torch.zeros(3, 1), torch.eye(2)[[0, 0, 1]]), TrainingInfo(torch.tensor([90.0, 10.0]))
    >>> ClassBalancedLoss(beta=0.9).rebalance(batch, info, Noise.__new__(Noise)).weight
    tensor([0.7889, 0.7889, 1.2111])
    """

    name: ClassVar[str] = "class-balanced-loss"

    beta: float = 0.9999

    def __post_init__(self) -> None:
        validated(self, "beta", "from 0 to below 1", ADVICE)

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The same rows with their weights, times any they had."""
        return batch.weighted(self._weights(batch, info))

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """The batch's labels under their weights."""
        return expected_share(batch, self._weights(batch, info))

    def _weights(self, batch: Batch, info: TrainingInfo) -> Tensor:
        return of_rows(batch.y, effective_weights(info.class_counts.to(batch.y), self.beta))


def effective_weights(counts: Tensor, beta: float) -> Tensor:
    """``(*stack, 1, classes)`` weights of the classes, summing to how many have training rows.

    ``counts`` is ``(*stack, classes)``. What cancels when they are made to sum, ``1 - beta``, is left out.
    """
    # 1 - beta^n keeps its digits where beta^n is close to 1.
    inverse = -torch.expm1(counts * (math.log(beta) if beta > 0 else -math.inf))
    weights = torch.where(counts > 0, inverse.reciprocal(), 0.0)
    classes = (counts > 0).sum(dim=-1, keepdim=True)
    return (weights * classes / weights.sum(dim=-1, keepdim=True)).unsqueeze(-2)
