"""MixUp: convex combinations of pairs of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.search_space import LogUniform
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.strategies.parameters import positive
from imbench.strategies.shares import mean_label


@dataclass(frozen=True)
class MixUp(BatchStrategy):
    """Replace each row and its label by the convex combination with another row of the batch.

    H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018, with one
    ``lam ~ Beta(alpha, alpha)`` and one permutation for each batch:

        x'_i = lam x_i + (1 - lam) x_perm(i)
        y'_i = lam y_i + (1 - lam) y_perm(i)

    The class shares of the batch do not change: MixUp does not rebalance.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    alpha : above 0; the smaller alpha, the less rows change. The ReMix paper uses 0.1 to 0.4

    Raises
    ------
    UsageError for an alpha that is not a positive finite number.

    >>> import torch
    >>> x, y = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 0, 1])
    >>> x2, y2 = MixUp(alpha=1.0)(x, y, seed=3)
    >>> round(float(x2.sum()), 4), round(float(y2[:, 1].sum()), 4)
    (7.0, 1.0)
    """

    name: ClassVar[str] = "mixup"
    reads_features: ClassVar[bool] = False
    search_space: ClassVar = {
        "alpha": LogUniform(0.05, 1.0, "the mixup paper uses 0.1 to 0.4 on ImageNet and 1 on CIFAR, Section 3")
    }

    alpha: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", positive("MixUp.alpha", self.alpha, "the ReMix paper uses 0.1 to 0.4"))

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Mix the batch with a random permutation of itself."""
        share = noise.beta(self.alpha, self.alpha)  # (*stack,)
        partners = noise.permutation(batch.size)  # (*stack, batch)
        rows = torch.arange(batch.size, device=partners.device).expand_as(partners)
        return batch.take_mixed(rows, partners, share)

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """The class shares of the batch; None if rows have weights, since these are mixed like the labels."""
        return mean_label(batch) if batch.weight is None else None
