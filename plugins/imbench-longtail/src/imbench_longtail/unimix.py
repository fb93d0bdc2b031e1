"""UniMix: MixUp with partners and shares that favour rare classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench.contract.rows import take_rows
from imbench_longtail.parameters import validated
from imbench_longtail.rows import counts_of, draw_independently, mix, of_rows


@dataclass(frozen=True)
class UniMix(BatchStrategy):
    """Mix every row with a partner drawn in favour of rare classes, in a share that favours the rarer of the two.

    Z. Xu, Z. Chai and C. Yuan, "Towards Calibrated Model for Long-Tailed Visual Recognition from Prior Perspective",
    NeurIPS 2021, Section 3 (UniMix Factor and UniMix Sampler), in the form of the authors' code: a partner j of class
    size n_j is drawn with odds ``n_j^tau``, tau <= 0, and with ``t ~ Beta(alpha, alpha)`` for each row i

        lam = t + n_j / (n_i + n_j),  less 1 where that is above 1
        x'  = lam x_i + (1 - lam) x_j
        y'  = lam y_i + (1 - lam) y_j

    alpha = 1 and tau = 0 is MixUp with a uniform share for each row and partners drawn with replacement.

    NOTE: the authors train UniMix together with a loss of their own ("Bayias"), which is `BalancedSoftmax` up to a
    constant; this is UniMix alone. A soft label counts the mean of the training rows of the classes under it; a class
    without training rows counts as one row.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    alpha : positive; the authors' configuration for CIFAR-10 with an imbalance of 100 has 0.8
    tau : at most 0; that configuration has -0.5; at -1 all classes of a training set are drawn equally often

    Raises
    ------
    UsageError for values outside these ranges.

    >>> import torch
    >>> x, y = torch.tensor([[1.0], [2.0], [9.0]]), torch.tensor([0, 0, 1])
    >>> x2, y2 = UniMix()(x, y, class_counts=[990, 10], seed=0)
    >>> x2.shape, y2.sum(dim=-1)
    (torch.Size([3, 1]), tensor([1., 1., 1.]))
    """

    name: ClassVar[str] = "unimix"
    exemptions: ClassVar[Mapping[str, str]] = {
        "parameters_validated": "tau is a power that the paper has at or below 0, so negative numbers are taken for it"
    }

    alpha: float = 0.8
    tau: float = -0.5

    def __post_init__(self) -> None:
        validated(self, "alpha", "positive", "the authors use 0.8")
        validated(self, "tau", "at most 0", "the authors use -0.5")

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Every row mixed with its partner."""
        counts = of_rows(batch.y, counts_of(info, batch.y))  # (*stack, batch)
        partners = draw_independently(counts**self.tau, noise)  # UniMix Sampler
        other = take_rows(counts, partners)
        share = noise.beta(self.alpha, self.alpha, batch.size) + other / (counts + other)  # UniMix Factor
        return mix(batch, partners, share.where(share <= 1, share - 1))
