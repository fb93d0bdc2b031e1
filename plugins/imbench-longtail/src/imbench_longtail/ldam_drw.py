"""LDAM-DRW: LDAM whose rows get class-balanced weights late in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench_longtail.class_balanced_loss import ADVICE, effective_weights
from imbench_longtail.ldam import margin_loss, validate_margin
from imbench_longtail.parameters import validated
from imbench_longtail.rows import of_rows


@dataclass(frozen=True)
class LDAMDRW(BatchStrategy):
    """Train as LDAM does, and from a late epoch on weigh each row by its class's effective number of samples.

    K. Cao, C. Wei, A. Gaidon, N. Arechiga and T. Ma, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin
    Loss", NeurIPS 2019, Algorithm 1 (deferred re-weighting). The margins are those of `LDAM` (Section 3.2), the weights
    those of `ClassBalancedLoss`, as in the authors' code.

    NOTE: `deferral` is a share of the protocol's epochs; the authors defer for 160 of 200. Nets train all of them, also
    under a protocol that ends those of other strategies early (`scheduled`).
    NOTE: the authors lower the learning rate by 100 where the weights set in; here the protocol's schedule decides, and
    it has usually reached its floor. NOTE: their mean over a batch is one of weights; here it is one of rows. What
    `LDAM` says of the logits holds here too.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` unchanged, late a ``weight (*stack,
    batch)``; logits and y ``(*stack, batch, classes)`` -> loss ``(*stack, batch)``.

    Parameters
    ----------
    max_margin, scale : as for `LDAM`
    deferral : from 0 to 1, the share of epochs without weights; the authors use 160 / 200
    beta : from 0 to below 1, as for `ClassBalancedLoss`; the authors use 0.9999

    Raises
    ------
    UsageError for values outside these ranges.

    >>> import torch
    >>> batch, counts = Batch(torch.zeros(3, 1), torch.eye(2)[[0, 0, 1]]), torch.tensor([90.0, 10.0])
    >>> early, late = (TrainingInfo(counts, epoch=t, epochs=200) for t in (159, 160))
    >>> LDAMDRW().rebalance(batch, early, Noise.__new__(Noise)).weight
    >>> LDAMDRW().rebalance(batch, late, Noise.__new__(Noise)).weight
    tensor([0.2007, 0.2007, 1.7993])
    """

    name: ClassVar[str] = "ldam-drw"
    version: ClassVar[str] = "2"
    scheduled: ClassVar[bool] = True

    max_margin: float = 0.5
    scale: float = 1.0
    deferral: float = 0.8
    beta: float = 0.9999

    def __post_init__(self) -> None:
        validate_margin(self)
        validated(self, "deferral", "from 0 to 1", "the paper's is 0.8: 160 of 200 epochs")
        validated(self, "beta", "from 0 to below 1", ADVICE)

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batch itself, with weights from epoch ``deferral * epochs`` on."""
        if info.epoch < self.deferral * info.epochs:
            return batch
        return batch.weighted(of_rows(batch.y, effective_weights(info.class_counts.to(batch.y), self.beta)))

    def loss(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """As `LDAM.loss`."""
        return margin_loss(logits, y, info.class_counts.to(logits), self.max_margin, self.scale)
