"""ReMix-Aug: class-balanced batches of images turned, shifted and mixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.strategies.augment import Augment
from imbench.strategies.augmentation import FILL, ROTATION, SHIFT, validate
from imbench.strategies.mixup import MixUp
from imbench.strategies.parameters import positive
from imbench.strategies.shares import balanced_share


@dataclass(frozen=True)
class ReMixAug(BatchStrategy):
    """Draw the batch's images anew with every class present equally often, turn and shift each, then mix them.

    C. Bellinger, R. Corizzo and N. Japkowicz, "ReMix Training for Calibrated Imbalanced Deep Learning", 2020
    (arXiv:2012.02312), "ReMix (Aug)": the batches of `Augment`, mixed with a permutation of themselves as lines 4 to 7
    of Algorithm 1 have it, one ``lam ~ Beta(alpha, alpha)`` a batch. Both images of a pair are augmented, each by
    itself, before they are mixed.

    NOTE: the paper's results use alpha = 0.1, its authors' code for images 0.2 (``remix-aug:alpha=0.2``); the paper
    decides, and `ReMix` has the same default. For rotation and fill see the note in `Augment`.

    Shapes: ``x (*stack, batch, channels, height, width)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    alpha : above 0; the paper's tables use 0.1, its sensitivity study recommends 0.3 and warns above 0.5
    rotation : most of a full turn, either way, from 0 to 0.5
    shift : most of the height, and of the width, either way, from 0 to 1
    fill : what lies outside an image: ``"reflect"`` (d c b a | a b c d | d c b a) or ``"nearest"`` (a a a a | a b c d)

    Raises
    ------
    UsageError for values outside these ranges, and for batches that are not images.

    >>> import torch
    >>> x, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 0, 1])
    >>> x2, y2 = ReMixAug(alpha=0.3)(x, y, seed=3)
    >>> x2.shape, [round(float(share), 4) for share in y2.mean(dim=0)]
    (torch.Size([4, 3, 8, 8]), [0.5, 0.5])
    """

    name: ClassVar[str] = "remix-aug"
    modalities: ClassVar[tuple[str, ...]] = ("image",)

    alpha: float = 0.1
    rotation: float = ROTATION
    shift: float = SHIFT
    fill: str = FILL

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", positive("ReMixAug.alpha", self.alpha, "the paper uses 0.1 to 0.4"))
        validate(self)

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """What `Augment` makes of the batch, mixed as `MixUp` does it."""
        augmented = Augment(self.rotation, self.shift, self.fill).rebalance(batch, info, noise)
        return MixUp(self.alpha).rebalance(augmented, info, noise)

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """1/C for each of the C classes present, if labels are hard; none where rows have weights."""
        return balanced_share(batch)
