"""Manifold MixUp: rows are mixed where they enter a layer drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench import Batch, HiddenMix, HiddenMixStrategy, Noise, TrainingInfo
from imbench_longtail.manifold import drawn_mix
from imbench_longtail.parameters import validated


@dataclass(frozen=True)
class ManifoldMixUp(HiddenMixStrategy):
    """Keep the rows and mix what they have become where they enter a layer drawn at random, labels likewise.

    V. Verma, A. Lamb, C. Beckham, A. Najafi, I. Mitliagkas, D. Lopez-Paz and Y. Bengio, "Manifold Mixup: Better
    Representations by Interpolating Hidden States", ICML 2019, Equation (1): with g_k the part of the net before layer
    k and f_k the rest, k drawn for each batch and ``lam ~ Beta(alpha, alpha)``,

        f_k( lam g_k(x) + (1 - lam) g_k(x') )   is judged by   lam y + (1 - lam) y'

    where x' are the batch's rows in random order. k = 0 is the input, which is MixUp.

    NOTE: the paper draws k from a set it chooses for each net; here from the input and all hidden layers. A hidden
    layer's dropout comes before the mixing. A weight that rows have is not mixed.

    Shapes: the batch unchanged; `forward` gives logits and labels ``(*stack, batch, classes)``. The class shares of a
    batch stay what they are.

    Parameters
    ----------
    alpha : positive; the paper uses 2 in most of its experiments

    Raises
    ------
    UsageError for an alpha that is not a positive finite number.

    >>> import numpy as np, torch
    >>> class Doubled:
    ...     stages = [lambda x: x + x]
    >>> batch = Batch(torch.tensor([[1.0], [2.0], [3.0]]), torch.eye(2)[[0, 0, 1]])
    >>> logits, y = ManifoldMixUp().forward(Doubled(), batch, Noise([np.random.default_rng(0)]))
    >>> round(logits.sum().item(), 4), y.mean(dim=0)
    (12.0, tensor([0.6667, 0.3333]))
    """

    name: ClassVar[str] = "manifold-mixup"
    reads_features: ClassVar[bool] = False

    alpha: float = 2.0

    def __post_init__(self) -> None:
        validated(self, "alpha", "positive", "the paper uses 2")

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batch itself."""
        return batch

    def hidden_mix(self, stages: int, batch: Batch, noise: Noise) -> HiddenMix:
        """Equation (1)'s k, x' and lam."""
        return drawn_mix(stages, batch, noise, self.alpha)

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """The batch's own: a permutation of labels has the same mean."""
        return batch.y.mean(dim=-2) if batch.weight is None else None
