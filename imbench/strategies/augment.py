"""Augment: class-balanced batches of images, rotated and shifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.search_space import Choice, Uniform
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.strategies.augmentation import FILL, ROTATION, SHIFT, augment, validate
from imbench.strategies.shares import balanced_share


@dataclass(frozen=True)
class Augment(BatchStrategy):
    """Resample the batch so that all classes present are equally frequent, then rotate and shift each image at random.

    C. Bellinger, R. Corizzo and N. Japkowicz, "ReMix Training for Calibrated Imbalanced Deep Learning", 2020
    (arXiv:2012.02312), section on image datasets: B/C rows of each of the C classes present, drawn with replacement as
    in line 3 of Algorithm 1, then "20 percent rotations, width shift range of 0.2 and height shift range of 0.2".
    Labels do not change, and rows are not mixed. See `imbench.augment` for the transform.

    NOTE: the paper does not say what the 20 percent refer to, or how borders are filled. Here rotations are up to 20 %
    of a full turn in both directions and borders mirror the image, as documented for `RandomRotation(0.2)` in Keras.
    The other interpretation, 20 degrees and the border of Keras' `ImageDataGenerator`, is
    ``rotation=0.0556,fill=nearest``.

    Shapes: ``x (*stack, batch, channels, height, width)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    rotation : largest angle in both directions, as a share of a full turn, from 0 to 0.5
    shift : largest shift in all directions, as a share of height and width, from 0 to 1
    fill : pixels outside the image: ``"reflect"`` (d c b a | a b c d | d c b a) or ``"nearest"`` (a a a a | a b c d)

    Raises
    ------
    UsageError for values outside these ranges, and for batches that are not images.

    >>> import torch
    >>> x, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 0, 1])
    >>> x2, y2 = Augment(rotation=0.05)(x, y, seed=3)
    >>> x2.shape, y2.mean(dim=0)
    (torch.Size([4, 3, 8, 8]), tensor([0.5000, 0.5000]))
    """

    name: ClassVar[str] = "augment"
    modalities: ClassVar[tuple[str, ...]] = ("image",)
    search_space: ClassVar = {
        "rotation": Uniform(0.0, 0.25, "from none to a quarter turn; the paper's 0.2 read as Keras documents it"),
        "shift": Uniform(0.0, 0.25, "from none to a quarter of the image, around the paper's 0.2"),
        "fill": Choice(("reflect", "nearest"), "both interpretations of the paper, see the note above"),
    }

    rotation: float = ROTATION
    shift: float = SHIFT
    fill: str = FILL

    def __post_init__(self) -> None:
        validate(self)

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Resample B/C rows of each class, and augment each row independently."""
        return augment(batch, noise, self.rotation, self.shift, self.fill, rows=noise.balanced(batch.y))

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """1/C for each of the C classes present if labels are hard; None if rows have weights."""
        return balanced_share(batch)
