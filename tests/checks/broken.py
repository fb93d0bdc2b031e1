"""Strategies with one fault each, by the property that must catch it.

All have a source in their docstring (K. Popper, 1934), so that none fails for that.
"""

import itertools
import random
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.search_space import Uniform
from imbench.contract.strategy import BatchStrategy, PerBatchStrategy


@dataclass(frozen=True)
class Sound(BatchStrategy):
    """Leave the batch as it is; what the faulty ones derive from (K. Popper, 1934)."""

    name: ClassVar[str] = "sound"

    def rebalance(self, batch, info, noise):
        return batch


def broken(cls):
    """A faulty class as a frozen dataclass that cites a source."""
    cls.__doc__ = "Do one thing wrong (K. Popper, 1934)."
    return dataclass(frozen=True)(cls)


@broken
class OneRowLess(Sound):
    def rebalance(self, batch, info, noise):
        rows = torch.arange(max(2, batch.size) - 1, device=batch.x.device)
        return batch.take(rows.expand(*batch.stack, -1))


@broken
class AlwaysSingle(Sound):
    def rebalance(self, batch, info, noise):
        return Batch(batch.x.float(), batch.y)


@broken
class OnTheDefaultDevice(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x + torch.zeros(batch.size, *[1] * (batch.x.ndim - batch.y.ndim + 1)))


@broken
class WeightOnTheDefaultDevice(Sound):
    def rebalance(self, batch, info, noise):
        return batch.weighted(torch.ones(batch.y.shape[:-1], dtype=batch.x.dtype))


@broken
class LabelsOfLess(Sound):
    def rebalance(self, batch, info, noise):
        return Batch(batch.x, 0.9 * batch.y)


@broken
class NegativeLabels(Sound):
    def rebalance(self, batch, info, noise):
        present = (batch.y.sum(dim=-2, keepdim=True) > 0).to(batch.y)
        centred = present * (1 / present.sum(dim=-1, keepdim=True))
        return Batch(batch.x, 1.5 * batch.y - 0.5 * centred)


@broken
class NegativeLabelsLate(NegativeLabels):
    scheduled: ClassVar = True

    def rebalance(self, batch, info, noise):
        return super().rebalance(batch, info, noise) if info.epoch == info.epochs - 1 else batch


@broken
class NegativeWeights(Sound):
    def rebalance(self, batch, info, noise):
        return batch.weighted(1 - 3 * batch.y[..., 0])


@broken
class InPlace(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x.mul_(2))


@broken
class CountsInPlace(Sound):
    def rebalance(self, batch, info, noise):
        info.class_counts.div_(info.class_counts.sum(dim=-1, keepdim=True))
        return batch


@broken
class OfItsOwnMood(Sound):
    calls: ClassVar = itertools.count()

    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x + next(self.calls))


@broken
class OfFreshEntropy(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x + float(np.random.default_rng().normal()))


@broken
class DrawsFromTorch(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x + torch.rand((), device=batch.x.device))


@broken
class DrawsFromNumpy(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x + float(np.random.normal()))  # noqa: NPY002


@broken
class DrawsFromRandom(Sound):
    def rebalance(self, batch, info, noise):
        random.shuffle([1, 2, 3])
        return batch


@broken
class ReadsAndPutsBack(Sound):
    def rebalance(self, batch, info, noise):
        state = torch.get_rng_state()
        drawn = float(torch.rand(()))
        torch.set_rng_state(state)
        return replace(batch, x=batch.x + drawn)


@broken
class OverTheStack(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x - batch.x.mean())


@broken
class FirstNetsStream(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x + noise.generators[0].normal())


@broken
class OneBatchApart(Sound):
    def rebalance(self, batch, info, noise):
        return batch if batch.stack else replace(batch, x=batch.x + 1)


@broken
class WeighsLate(Sound):
    def rebalance(self, batch, info, noise):
        return batch.weighted(1 + batch.y[..., 0]) if info.epoch >= 0.8 * info.epochs else batch


@broken
class FailsLate(Sound):
    def rebalance(self, batch, info, noise):
        assert info.epoch < info.epochs - 1
        return batch


@broken
class LossOfTheEpoch(Sound):
    def loss(self, logits, y, info):
        return (1 + info.epoch / info.epochs) * super().loss(logits, y, info)


@broken
class Smoothing(Sound):
    def rebalance(self, batch, info, noise):
        return Batch(batch.x, 0.9 * batch.y + 0.1 / batch.classes)


@broken
class InverseCounts(Sound):
    def rebalance(self, batch, info, noise):
        # 0 times infinity for a class without training rows
        return batch.weighted((batch.y / info.class_counts.unsqueeze(-2).to(batch.y)).sum(dim=-1))


@broken
class NeedsTwoClasses(PerBatchStrategy):
    name: ClassVar[str] = "sound"

    def rebalance_one(self, batch, info, noise):
        present = batch.labels.unique()
        assert batch.size <= 2 or present[1] > present[0]
        return batch


@broken
class NeedsTwoRows(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x / (batch.x.std(dim=len(batch.stack), keepdim=True) + 1))


@broken
class ThreeClasses(Sound):
    def rebalance(self, batch, info, noise):
        return batch.weighted(batch.y @ torch.tensor([1.0, 2.0, 3.0], device=batch.x.device).to(batch.y))


@broken
class DividesBySpread(Sound):
    def rebalance(self, batch, info, noise):
        axis = len(batch.stack)
        spread = batch.x.amax(dim=axis, keepdim=True) - batch.x.amin(dim=axis, keepdim=True)
        return replace(batch, x=batch.x / spread) if batch.size > 2 else batch


@broken
class Squares(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x * (batch.x**2) / (batch.x**2 + 1))


@broken
class Reciprocals(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=torch.where(batch.x == 0, 0, batch.x / batch.x.square().sqrt()))


@broken
class TablesOnly(Sound):
    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x * batch.y.new_ones(*batch.y.shape[:-1], 5))


@broken
class OfText(Sound):
    modalities: ClassVar = ("tabular", "text")


@broken
class MeanLoss(Sound):
    def loss(self, logits, y, info):
        return super().loss(logits, y, info).mean(dim=-1)


@broken
class LogOfSoftmax(Sound):
    def loss(self, logits, y, info):
        return -(y * logits.softmax(dim=-1).log()).sum(dim=-1)


@broken
class FocalPower(Sound):
    def loss(self, logits, y, info):
        # The slope of (1 - p) ** 0.5 is infinite at p = 1.
        likely = (y * logits.softmax(dim=-1)).sum(dim=-1)
        return (1 - likely) ** 0.5 * super().loss(logits, y, info)


@broken
class MarginOfCounts(Sound):
    def loss(self, logits, y, info):
        # Infinite for a class without training rows, and 0 times infinity for every other row.
        margin = info.class_counts.unsqueeze(-2) ** -0.25
        return super().loss(logits - margin * y, y, info)


@broken
class LossOverTheStack(Sound):
    def loss(self, logits, y, info):
        losses = super().loss(logits, y, info)
        return losses / losses.mean().detach()


@broken
class DoubledLabels(Sound):
    def forward(self, net, batch, noise):
        return net(batch.x), 2 * batch.y


@broken
class WithoutGradient(Sound):
    def forward(self, net, batch, noise):
        with torch.no_grad():
            return net(batch.x), batch.y


@broken
class SkipsAStage(Sound):
    def forward(self, net, batch, noise):
        return net.stages[-1](net.stages[0](batch.x)), batch.y


@broken
class ForwardOverTheStack(Sound):
    def forward(self, net, batch, noise):
        logits = net(batch.x)
        return logits - logits.mean(), batch.y


@broken
class SaysBalanced(Sound):
    def class_share(self, batch, info):
        present = (batch.y.sum(dim=-2) > 0).to(batch.y)
        return present / present.sum(dim=-1, keepdim=True)


@broken
class SlightlyOff(Sound):
    """Draws balanced rows, and says so but for one part in a hundred."""

    def rebalance(self, batch, info, noise):
        return batch.take(noise.balanced(batch.y))

    def class_share(self, batch, info):
        present = (batch.y.sum(dim=-2) > 0).to(batch.y)
        lean = torch.linspace(1.02, 0.98, batch.classes).to(batch.y)
        return present * lean / (present * lean).sum(dim=-1, keepdim=True)


@broken
class TakesAnything(Sound):
    strength: float = 1.0


@broken
class SaysOnlyNo(Sound):
    strength: float = 1.0

    def __post_init__(self):
        if not (isinstance(self.strength, float) and 0 < self.strength < 9):
            raise UsageError("wrong")


@broken
class CrashesOnText(Sound):
    strength: float = 1.0

    def __post_init__(self):
        if not 0 < self.strength < 9:
            raise UsageError(f"strength must be positive, got {self.strength}")


@dataclass(frozen=True, eq=False)
class OnlyItself(BatchStrategy):
    """Be equal to nothing but itself (K. Popper, 1934)."""

    name: ClassVar[str] = "sound"

    def rebalance(self, batch, info, noise):
        return batch


@broken
class Unhashable(Sound):
    def __hash__(self):
        raise TypeError("unhashable")


@dataclass
class Changeable(BatchStrategy):
    """Change at will (K. Popper, 1934)."""

    name: ClassVar[str] = "sound"
    __hash__ = object.__hash__

    def rebalance(self, batch, info, noise):
        return batch


@broken
class StaysAtHome(Sound):
    def __reduce__(self):
        raise TypeError("cannot pickle")


@broken
class ParenthesisInDefault(Sound):
    columns: str = "a,b)c("


@broken
class NameWithSpace(Sound):
    name: ClassVar[str] = "my sound"


@dataclass(frozen=True)
class WithoutSource(Sound):
    """Do what everybody does."""


@dataclass(frozen=True)
class WithoutYear(Sound):
    """Do what K. Popper does."""


@dataclass(frozen=True)
class WithoutAuthor(Sound):
    """Do what was done in 1934."""


@broken
class ExemptFromNothingKnown(Sound):
    exemptions: ClassVar = {"beauty": "it is in the eye of the beholder"}


@broken
class ExemptWithoutReason(Sound):
    exemptions: ClassVar = {"dtypes_kept": " "}


@broken
class TunesWhatItHasNot(Sound):
    search_space: ClassVar = {"alpha": Uniform(0.0, 1.0)}


@broken
class TunesWhatItRefuses(Sound):
    search_space: ClassVar = {"alpha": Uniform(0.0, 1.0)}
    alpha: float = 0.5

    def __post_init__(self):
        if isinstance(self.alpha, str) or not 0 < self.alpha < 1:
            raise UsageError(f"alpha must be between 0 and 1, got {self.alpha!r}")


BROKEN = {
    "shapes_kept": (OneRowLess,),
    "dtypes_kept": (AlwaysSingle,),
    "devices_kept": (OnTheDefaultDevice, WeightOnTheDefaultDevice),
    "labels_are_shares": (LabelsOfLess, NegativeLabels, NegativeLabelsLate),
    "weights_sound": (NegativeWeights,),
    "input_unmutated": (InPlace, CountsInPlace),
    "same_noise_same_batch": (OfItsOwnMood, OfFreshEntropy),
    "global_generators_untouched": (DrawsFromTorch, DrawsFromNumpy, DrawsFromRandom, ReadsAndPutsBack),
    "slice_alone": (OverTheStack, FirstNetsStream, OneBatchApart),
    "schedule_stated": (WeighsLate, FailsLate, LossOfTheEpoch),
    "absent_class": (Smoothing, InverseCounts),
    "single_class": (NeedsTwoClasses,),
    "one_or_two_rows": (NeedsTwoRows,),
    "two_and_twelve_classes": (ThreeClasses,),
    "constant_features": (DividesBySpread,),
    "huge_and_tiny_values": (Squares, Reciprocals),
    "modalities_served": (TablesOnly, OfText),
    "loss_sound": (MeanLoss, LogOfSoftmax, FocalPower, MarginOfCounts),
    "loss_alone": (LossOverTheStack,),
    "forward_sound": (DoubledLabels, WithoutGradient),
    "forward_stages": (SkipsAStage,),
    "forward_alone": (ForwardOverTheStack,),
    "class_share": (SaysBalanced, SlightlyOff),
    "parameters_validated": (TakesAnything, SaysOnlyNo, CrashesOnText),
    "frozen_hashable_equal": (OnlyItself, Unhashable, Changeable),
    "picklable": (StaysAtHome,),
    "spec_round_trip": (ParenthesisInDefault, NameWithSpace),
    "search_space_valid": (TunesWhatItHasNot, TunesWhatItRefuses),
    "docstring_cites_source": (WithoutSource, WithoutYear, WithoutAuthor),
    "exemptions_reasoned": (ExemptFromNothingKnown, ExemptWithoutReason),
}
