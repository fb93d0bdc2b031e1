"""Manifold ReMix: class-balanced batches, mixed where they enter a layer drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench import Batch, HiddenMix, HiddenMixStrategy, Noise, TrainingInfo
from imbench_longtail.manifold import drawn_mix
from imbench_longtail.parameters import validated
from imbench_longtail.rows import expected_share, levelling_odds


@dataclass(frozen=True)
class ManifoldReMix(HiddenMixStrategy):
    """Draw the batch's rows anew with every class present equally often, then mix them before a layer drawn at random.

    C. Bellinger, R. Corizzo and N. Japkowicz, "ReMix Training for Calibrated Imbalanced Deep Learning", name it as
    future work: line 3 of their Algorithm 1 (B/C rows of each of the C classes present, with replacement), then in
    place of lines 4 to 7 the mixing of V. Verma et al., "Manifold Mixup: Better Representations by Interpolating Hidden
    States", ICML 2019, Equation (1), with ``lam ~ Beta(alpha, alpha)``. Where the input is drawn, this is ReMix.

    NOTE: no paper defines it; the layers it may draw are the input and all hidden ones. A hidden layer's dropout comes
    before the mixing.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out; `forward` gives logits and
    labels ``(*stack, batch, classes)``.

    Parameters
    ----------
    alpha : positive; ReMix's tables use 0.1, its sensitivity study recommends 0.3

    Raises
    ------
    UsageError for an alpha that is not a positive finite number.

    >>> import torch
    >>> from imbench.torch import Rebalancer
    >>> x, y = torch.tensor([[1.0], [2.0], [3.0], [9.0]]), torch.tensor([0, 0, 0, 1])
    >>> x2, y2, weight = Rebalancer(ManifoldReMix(), class_counts=[3, 1])(x, y)  # drawn, not yet mixed
    >>> x2.shape, y2.mean(dim=0)
    (torch.Size([4, 1]), tensor([0.5000, 0.5000]))
    """

    name: ClassVar[str] = "manifold-remix"
    reads_features: ClassVar[bool] = False

    alpha: float = 0.1

    def __post_init__(self) -> None:
        validated(self, "alpha", "positive", "ReMix uses 0.1 to 0.4")

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """B/C rows of each class present: Algorithm 1, line 3."""
        return batch.take(noise.balanced(batch.y))

    def hidden_mix(self, stages: int, batch: Batch, noise: Noise) -> HiddenMix:
        """One layer, one order of the rows and one lam, drawn at random."""
        return drawn_mix(stages, batch, noise, self.alpha)

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """1/C for each of the C classes present; mixing with a permutation does not change it."""
        return expected_share(batch, levelling_odds(batch))
