"""Square-root sampling: half way, in logarithms, from the natural class shares to equal ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench import Batch, BatchStrategy, Noise, TrainingInfo
from imbench_longtail.rows import counts_of, draw_evenly, expected_share, of_rows


@dataclass(frozen=True)
class SqrtSampling(BatchStrategy):
    """Draw the batch's rows anew so that classes are as frequent as the square roots of their training rows.

    B. Kang, S. Xie, M. Rohrbach, Z. Yan, A. Gordo, J. Feng and Y. Kalantidis, "Decoupling Representation and
    Classifier for Long-Tailed Recognition", ICLR 2020, Equation (1) with q = 1/2: class j of n_j training rows is
    sampled with probability

        p_j = n_j^q / sum_i n_i^q

    and each of its rows with ``p_j / n_j``.

    NOTE: rows are drawn again from the batch at hand, each with odds ``p_j / n_j``, where the paper draws from the
    whole training set: a class that is absent from a batch stays absent, and the share of those present depends on the
    batch. NOTE: the draws are systematic (`imbench_longtail.rows.draw_evenly`), not independent: the same expected
    copies of each row with less noise.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out.

    >>> import torch
    >>> batch = Batch(torch.zeros(3, 1), torch.eye(2)[[0, 0, 1]])
    >>> SqrtSampling().class_share(batch, TrainingInfo(torch.tensor([64.0, 4.0])))
    tensor([0.3333, 0.6667])
    """

    name: ClassVar[str] = "sqrt-sampling"
    reads_features: ClassVar[bool] = False

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """B rows drawn with odds ``n_j^(q - 1)``."""
        return batch.take(draw_evenly(self._odds(batch, info), noise))

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """The batch's own shares times ``n_j^(q - 1)``, made to sum to one."""
        return expected_share(batch, self._odds(batch, info))

    def _odds(self, batch: Batch, info: TrainingInfo) -> Tensor:
        return of_rows(batch.y, counts_of(info, batch.y).rsqrt())
