"""Chou's Remix: MixUp whose labels favour the rarer class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench.contract.rows import take_rows
from imbench_longtail.parameters import validated
from imbench_longtail.rows import counts_of, mix, of_rows


@dataclass(frozen=True)
class ChouRemix(BatchStrategy):
    """Mix every row with another of the batch as MixUp does, but give the label to the rarer class more often.

    H.-P. Chou, S.-C. Chang, J.-Y. Pan, W. Wei and D.-C. Juan, "Remix: Rebalanced Mixup", ECCV 2020 Workshops. Features
    are mixed with ``lam ~ Beta(alpha, alpha)``, one a batch, labels with (Equation (10))

        lam_y = 0    if n_i / n_j >= kappa    and lam < tau
                1    if n_i / n_j <= 1/kappa  and 1 - lam < tau
                lam  otherwise

    where n_i and n_j are the training rows of the classes of a row and of its partner. Not to be confused with ReMix
    (Bellinger, Corizzo and Japkowicz), which is imbench's ``remix`` and draws classes equally often before mixing.

    With tau = 0, or a kappa above every imbalance ratio, it is MixUp. A soft label counts the mean of the training rows
    of the classes under it.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    alpha : positive; 1, the uniform distribution, as is usual for MixUp on the paper's images
    kappa : at least 1; imbalance from which labels are given away; the paper uses 3
    tau : from 0 to 1; largest share of features that may be left without a label; the paper uses 0.5

    Raises
    ------
    UsageError for values outside these ranges.

    >>> import torch
    >>> batch, counts = Batch(torch.tensor([[0.0], [0.0], [8.0]]), torch.eye(2)[[0, 0, 1]]), torch.tensor([90.0, 10.0])
    >>> import numpy as np
    >>> mixed = ChouRemix().rebalance(batch, TrainingInfo(counts), Noise([np.random.default_rng(0)]))
    >>> mixed.x.flatten(), mixed.y[:, 1]  # the last row keeps 70 % of its features and all of its label
    (tensor([2.3803, 0.0000, 5.6197]), tensor([0.2975, 0.0000, 1.0000]))
    """

    name: ClassVar[str] = "chou-remix"

    alpha: float = 1.0
    kappa: float = 3.0
    tau: float = 0.5

    def __post_init__(self) -> None:
        validated(self, "alpha", "positive", "1 is usual")
        validated(self, "kappa", "at least 1", "the paper uses 3")
        validated(self, "tau", "from 0 to 1", "the paper uses 0.5")

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batch mixed with a random permutation of itself."""
        share = noise.beta(self.alpha, self.alpha).unsqueeze(-1)  # (*stack, 1)
        partners = noise.permutation(batch.size)  # (*stack, batch)
        own = of_rows(batch.y, counts_of(info, batch.y))  # (*stack, batch)
        other = take_rows(own, partners)
        label_share = torch.where((own >= self.kappa * other) & (share < self.tau), 0.0, share)
        label_share = torch.where((other >= self.kappa * own) & (1 - share < self.tau), 1.0, label_share)
        return mix(batch, partners, share.expand_as(own), label_share)
