"""Strategies with one effect each, and rows to rebalance."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from imbench.contract.hidden import HiddenMix, HiddenMixStrategy
from imbench.contract.strategy import BatchStrategy

COUNTS = [90, 10]
X = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0] * 12 + [1] * 4)


@dataclass(frozen=True)
class Priced(BatchStrategy):
    """Twice the loss."""

    name: ClassVar[str] = "priced"

    def rebalance(self, batch, info, noise):
        return batch

    def loss(self, logits, y, info):
        return 2 * super().loss(logits, y, info) + info.epoch


@dataclass(frozen=True)
class Paced(BatchStrategy):
    """Rows weighted by the epoch."""

    name: ClassVar[str] = "paced"
    scheduled: ClassVar[bool] = True

    def rebalance(self, batch, info, noise):
        return batch.replace(x=batch.x + info.epoch)


@dataclass(frozen=True)
class Drawn(BatchStrategy):
    """Rows drawn class by class, without a look at them."""

    name: ClassVar[str] = "drawn"
    reads_features: ClassVar[bool] = False

    def rebalance(self, batch, info, noise):
        return batch.take(noise.balanced(batch.y))


@dataclass(frozen=True)
class Nearest(BatchStrategy):
    """The rows in the order of their first feature: whole rows, chosen by what they hold."""

    name: ClassVar[str] = "nearest"

    def rebalance(self, batch, info, noise):
        return batch.take(batch.x[..., 0].argsort(dim=-1).flip(-1))


@dataclass(frozen=True)
class Mixed(HiddenMixStrategy):
    """Hidden values half from the next row, before a stage drawn at random."""

    name: ClassVar[str] = "mixed"

    def rebalance(self, batch, info, noise):
        return batch

    def hidden_mix(self, stages, batch, noise):
        share = torch.full(batch.stack, 0.5)
        return HiddenMix(noise.choice(stages), noise.permutation(batch.size), share)
