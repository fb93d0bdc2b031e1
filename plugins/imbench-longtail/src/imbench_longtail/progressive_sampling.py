"""Progressively balanced sampling: from the natural class shares to equal ones over the epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench_longtail.rows import counts_of, draw_evenly, expected_share, of_rows


@dataclass(frozen=True)
class ProgressiveSampling(BatchStrategy):
    """Draw the batch's rows anew, classes as frequent as they come at first and nearer to all alike with every epoch.

    B. Kang, S. Xie, M. Rohrbach, Z. Yan, A. Gordo, J. Feng and Y. Kalantidis, "Decoupling Representation and
    Classifier for Long-Tailed Recognition", ICLR 2020, Equation (2): in epoch t of T, class j of C is sampled with
    probability

        p_j(t) = (1 - t/T) n_j / n + (t/T) / C

    and each of its n_j training rows with ``p_j(t) / n_j``. Epoch 0 is trained on batches as they come.

    NOTE: rows are drawn again from the batch at hand, each with odds ``p_j(t) / n_j``, where the paper draws from the
    whole training set: a class that is absent from a batch stays absent. C counts the classes that have training rows.
    NOTE: the draws are systematic (`imbench_longtail.rows.draw_evenly`), not independent.
    NOTE: T is the protocol's epochs. Nets train all of them, also under a protocol that ends those of other strategies
    early (`scheduled`).

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out.

    >>> import torch
    >>> batch, counts = Batch(torch.zeros(3, 1), torch.eye(2)[[0, 0, 1]]), torch.tensor([200.0, 100.0])
    >>> [ProgressiveSampling().class_share(batch, TrainingInfo(counts, epoch=t, epochs=2))[1].item() for t in (0, 1)]
    [0.3333333432674408, 0.4166666567325592]
    """

    name: ClassVar[str] = "progressive-sampling"
    reads_features: ClassVar[bool] = False
    version: ClassVar[str] = "2"
    scheduled: ClassVar[bool] = True

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """B rows drawn with odds ``p_j(t) / n_j``."""
        return batch.take(draw_evenly(self._odds(batch, info), noise))

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """The batch's own shares times ``p_j(t) / n_j``, made to sum to one."""
        return expected_share(batch, self._odds(batch, info))

    def _odds(self, batch: Batch, info: TrainingInfo) -> Tensor:
        way = info.epoch / info.epochs
        trained = (info.class_counts > 0).to(batch.y.dtype)
        classes = trained.sum(dim=-1)[..., None, None].clamp(min=1)
        rows = info.class_counts.to(batch.y).sum(dim=-1)[..., None, None].clamp(min=1)
        # Equation (2) divided by n_j
        return of_rows(batch.y, (1 - way) / rows + way / classes / counts_of(info, batch.y))
