"""Augmented: what any other strategy makes of a batch of images, turned and shifted."""

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
    """Turn and shift at random every image of the batch that another strategy makes.

    Any strategy for images can be wrapped, built-in or a plugin's: its batches are augmented, its loss, its way through
    the net and its class share stay its own. Around `Baseline`, the default, it is plain augmentation without any
    rebalancing, which tells how much of the gain of `Augment` is augmentation's (C. Bellinger, R. Corizzo and
    N. Japkowicz, 2020, arXiv:2012.02312, do not have it). See `imbench.augment` for the transform.

    A strategy that mixes is augmented after mixing, both images of a pair alike; `ReMixAug` augments before.

    Shapes: ``x (*stack, batch, channels, height, width)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    inner : the strategy that is wrapped; in a spec, its own: ``augmented:inner=cost-adjusted``, and in parentheses if
        it has parameters: ``augmented:inner=(mixup:alpha=0.3),rotation=0.1``
    rotation : most of a full turn, either way, from 0 to 0.5
    shift : most of the height, and of the width, either way, from 0 to 1
    fill : what lies outside an image: ``"reflect"`` (d c b a | a b c d | d c b a) or ``"nearest"`` (a a a a | a b c d)

    Raises
    ------
    UsageError for values outside these ranges, an inner strategy that is none or does not serve images, and for batches
    that are not images.

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
        # Stored results are those of this inner recipe, as it is now; and what it cannot do, it cannot do wrapped.
        object.__setattr__(self, "version", f"{type(self).version}+{self.inner.name}@{self.inner.version}")
        object.__setattr__(self, "exemptions", {**self.inner.exemptions})
        object.__setattr__(self, "scheduled", self.inner.scheduled)

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The inner strategy's batch, every row augmented by itself."""
        return augment(self.inner.rebalance(batch, info, noise), noise, self.rotation, self.shift, self.fill)

    def loss(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """The inner strategy's."""
        return self.inner.loss(logits, y, info)

    def forward(self, net: Net, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """The inner strategy's."""
        return self.inner.forward(net, batch, noise)

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """The inner strategy's: augmentation changes no label."""
        return self.inner.class_share(batch, info)

    def overrides(self, hook: str) -> bool:
        """Whether the inner strategy's is its own."""
        return self.inner.overrides(hook)


def _validate_inner(inner: Any) -> None:
    if not isinstance(inner, BatchStrategy):
        raise UsageError(
            f"Augmented.inner must be a strategy, got {inner!r}; for one by its spec write "
            'imbench.strategy("remix:alpha=0.3")'
        )
    if "image" not in inner.modalities:
        raise UsageError(
            f"Augmented.inner must serve images, and {inner.spec} serves {' and '.join(inner.modalities)}; "
            "wrap another strategy"
        )
