"""ReMix: class-balanced batches of convex combinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.search_space import LogUniform
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.strategies.parameters import positive
from imbench.strategies.shares import balanced_share


@dataclass(frozen=True)
class ReMix(BatchStrategy):
    """Resample the batch so that all classes present are equally frequent, then mix rows as in MixUp.

    C. Bellinger, R. Corizzo and N. Japkowicz, "ReMix Training for Calibrated Imbalanced Deep Learning", 2020
    (arXiv:2012.02312), Algorithm 1, for a batch of B rows with C classes present:

        3:  X', Y' = B/C rows of each class, drawn with replacement
        4:  idx = permutation(B)
        5:  lam ~ Beta(alpha, alpha)
        6:  X'' = lam X' + (1 - lam) X'[idx]
        7:  Y'' = lam Y' + (1 - lam) Y'[idx]

    NOTE: if C does not divide B, the remaining rows go to different classes chosen at random; the paper leaves this
    open. The expected share of each class present is 1/C.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    alpha : above 0; the paper's tables use 0.1, its sensitivity study recommends 0.3 and warns above 0.5

    Raises
    ------
    UsageError for an alpha that is not a positive finite number.

    >>> import torch
    >>> x, y = torch.tensor([[1.0], [2.0], [3.0], [9.0]]), torch.tensor([0, 0, 0, 1])
    >>> x2, y2 = ReMix(alpha=0.3)(x, y, seed=3)
    >>> x2.shape, [round(float(share), 4) for share in y2.mean(dim=0)]
    (torch.Size([4, 1]), [0.5, 0.5])
    """

    name: ClassVar[str] = "remix"
    reads_features: ClassVar[bool] = False
    search_space: ClassVar = {
        "alpha": LogUniform(0.05, 0.5, "the paper's tables use 0.1, its sensitivity study recommends 0.3, up to 0.5")
    }

    alpha: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", positive("ReMix.alpha", self.alpha, "the paper uses 0.1 to 0.4"))

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Algorithm 1, lines 3 to 8."""
        rows = noise.balanced(batch.y)  # line 3: (*stack, batch) row numbers
        partners = rows.gather(-1, noise.permutation(batch.size))  # line 4
        share = noise.beta(self.alpha, self.alpha)  # line 5: (*stack,)
        return batch.take_mixed(rows, partners, share)  # lines 6 and 7

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """1/C for each of the C classes present if labels are hard; None if rows have weights, since these are mixed.

        With soft labels, each class present contributes the mean soft label of the rows for which it is the largest.
        """
        return balanced_share(batch)
