"""Augmented: a wrapper that rotates and shifts the images of another strategy's batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.noise import Noise
from imbench.contract.strategy import BatchStrategy, Net, TrainingInfo
from imbench.strategies.augmentation import FILL, ROTATION, SHIFT, augment, validate
from imbench.strategies.baseline import Baseline

_BASELINE = Baseline()


@dataclass(frozen=True)
class Augmented(BatchStrategy):
    """Rotate and shift each image of another strategy's batch at random.

    Any strategy for images can be wrapped, including those of plugins. Its batches are augmented; its loss, forward
    pass and class shares do not change. Around `Baseline`, the default, this is augmentation without rebalancing, which
    shows how much of the gain of `Augment` is due to augmentation. The ReMix paper (C. Bellinger,
    R. Corizzo and N. Japkowicz, 2020, arXiv:2012.02312) does not include it. See `imbench.augment` for the transform.

    If the inner strategy mixes rows, they are mixed before augmentation; `ReMixAug` mixes them after it.

    Shapes: ``x (*stack, batch, channels, height, width)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    inner : the wrapped strategy. In a spec, give its spec, such as ``augmented:inner=cost-adjusted``, in parentheses if
        it has parameters: ``augmented:inner=(mixup:alpha=0.3),rotation=0.1``
    rotation : largest angle in both directions, as a share of a full turn, from 0 to 0.5
    shift : largest shift in all directions, as a share of height and width, from 0 to 1
    fill : pixels outside the image: ``"reflect"`` (d c b a | a b c d | d c b a) or ``"nearest"`` (a a a a | a b c d)

    Raises
    ------
    UsageError for values outside these ranges, an inner object that is not a strategy for images, and for batches that
    are not images.

    >>> from imbench.strategies.mixup import MixUp
    >>> Augmented(MixUp(alpha=0.3), rotation=0.1).spec
    'augmented:inner=(mixup:alpha=0.3),rotation=0.1'
    """

    name: ClassVar[str] = "augmented"
    modalities: ClassVar[tuple[str, ...]] = ("image",)
    run_by_default: ClassVar[bool] = False

    inner: BatchStrategy = _BASELINE
    rotation: float = ROTATION
    shift: float = SHIFT
    fill: str = FILL

    def __post_init__(self) -> None:
        _validate_inner(self.inner)
        validate(self)
        # Results depend on the version of the inner strategy, and its exemptions and schedule apply to the wrapper too.
        object.__setattr__(self, "version", f"{type(self).version}+{self.inner.name}@{self.inner.version}")
        object.__setattr__(self, "exemptions", {**self.inner.exemptions})
        object.__setattr__(self, "scheduled", self.inner.scheduled)

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The inner strategy's batch, with each row augmented independently."""
        return augment(self.inner.rebalance(batch, info, noise), noise, self.rotation, self.shift, self.fill)

    def loss(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """The loss of the inner strategy."""
        return self.inner.loss(logits, y, info)

    def forward(self, net: Net, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """The forward pass of the inner strategy."""
        return self.inner.forward(net, batch, noise)

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """The class shares of the inner strategy, since augmentation does not change labels."""
        return self.inner.class_share(batch, info)

    def overrides(self, hook: str) -> bool:
        """Whether the inner strategy overrides ``"loss"`` or ``"forward"``."""
        return self.inner.overrides(hook)


def _validate_inner(inner: Any) -> None:
    if not isinstance(inner, BatchStrategy):
        raise UsageError(
            f"Augmented.inner must be a strategy, got {inner!r}; create one from a spec with "
            'imbench.strategy("remix:alpha=0.3")'
        )
    if "image" not in inner.modalities:
        raise UsageError(
            f"Augmented.inner must support image data, but {inner.spec} supports {' and '.join(inner.modalities)} "
            "data; wrap another strategy"
        )
