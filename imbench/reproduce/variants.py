"""Strategies as in the authors' code, for the two places where it differs from the paper; a plugin, not built in.

imbench follows the paper and, where the paper says nothing, its authors' published code. `imbench reproduce decisions`
measures the effect of the two differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.noise import Noise
from imbench.contract.strategy import BatchStrategy, Net, TrainingInfo
from imbench.strategies.baseline import Baseline
from imbench.strategies.by_class import ByClass
from imbench.strategies.parameters import positive
from imbench.strategies.shares import mean_over_classes

# Keras keeps probabilities this far from 0 and 1 before it takes their logarithm.
LEAST = 1e-7
_BASELINE = Baseline()


@dataclass(frozen=True)
class TwoStepReMix(BatchStrategy):
    """Oversample every class present to the size of the largest, draw the batch from those rows, then mix as ReMix.

    Replaces line 3 of Algorithm 1 (C. Bellinger, R. Corizzo and N. Japkowicz, 2020, arXiv:2012.02312). With n the
    number of rows of the largest class:

        a:  fill up each class present to n rows with rows drawn from it with replacement
        b:  draw B of these C n rows with replacement

    A class has B/C rows on average, as in Algorithm 1, but their number varies: it is binomial. A row that step a drew
    several times is also more likely in step b.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    alpha : above 0, as in ReMix

    Raises
    ------
    UsageError for an alpha that is not a positive finite number.
    """

    name: ClassVar[str] = "remix-two-step"

    alpha: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", positive("TwoStepReMix.alpha", self.alpha, "the paper uses 0.1 to 0.4"))

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Steps a and b, then lines 4 to 8 of Algorithm 1."""
        rows = self._draw(batch, noise)
        partners = rows.gather(-1, noise.permutation(batch.size))
        return batch.take_mixed(rows, partners, noise.beta(self.alpha, self.alpha))

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """1/C for each of the C classes present, if labels are hard; None if rows have weights, which are mixed."""
        return mean_over_classes(batch) if batch.weight is None else None

    def _draw(self, batch: Batch, noise: Noise) -> Tensor:
        """``(*stack, batch)`` row numbers."""
        size, classes = batch.size, batch.classes
        luck = noise.uniform(classes * size).reshape(-1, classes * size)  # step a, for the most rows possible
        drawn = noise.uniform(2, size).reshape(-1, 2, size)  # step b: the class, and the place among its n rows
        groups = ByClass(batch.labels.reshape(-1, size), classes)
        rank = _below(drawn[:, 0], groups.present)
        place = _below(drawn[:, 1], groups.largest)
        own = groups.sizes.gather(-1, rank)
        again = _below(luck.gather(-1, rank * size + place), own)
        return groups.row(rank, torch.where(place < own, place, again)).reshape(batch.y.shape[:-1])


@dataclass(frozen=True)
class KerasLoss(BatchStrategy):
    """Wrap a strategy to train with Keras's binary cross-entropy of the softmax.

    Keras (F. Chollet and others, 2015), ``BinaryCrossentropy`` of probabilities: with p the softmax, clipped to
    [1e-7, 1 − 1e-7], the loss of a row is the mean over the K outputs of

        −(y_c log p_c + (1 − y_c) log(1 − p_c))

    For two classes p_1 = 1 − p_0 and y_1 = 1 − y_0, so both outputs have the same term, and the loss equals categorical
    cross-entropy except for the clipping.

    Shapes: as the inner strategy's; logits and y ``(*stack, batch, classes)`` -> loss ``(*stack, batch)``.

    Parameters
    ----------
    inner : strategy to wrap, given by its spec: ``keras-loss:inner=remix``

    Raises
    ------
    UsageError if ``inner`` is not a strategy.
    """

    name: ClassVar[str] = "keras-loss"
    run_by_default: ClassVar[bool] = False

    inner: BatchStrategy = _BASELINE

    def __post_init__(self) -> None:
        if not isinstance(self.inner, BatchStrategy):
            raise UsageError(f"KerasLoss.inner must be a strategy, got {self.inner!r}; write keras-loss:inner=remix")
        # A new version of the inner strategy invalidates stored results.
        object.__setattr__(self, "version", f"{type(self).version}+{self.inner.name}@{self.inner.version}")
        object.__setattr__(self, "modalities", self.inner.modalities)
        object.__setattr__(self, "exemptions", {**self.inner.exemptions})
        object.__setattr__(self, "scheduled", self.inner.scheduled)

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Call the inner strategy."""
        return self.inner.rebalance(batch, info, noise)

    def loss(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """Binary cross-entropy of the softmax, ``(*stack, batch)``."""
        p = torch.softmax(logits, dim=-1).clamp(LEAST, 1 - LEAST)
        return -(y * p.log() + (1 - y) * torch.log1p(-p)).mean(dim=-1)

    def forward(self, net: Net, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """Call the inner strategy."""
        return self.inner.forward(net, batch, noise)

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """Call the inner strategy."""
        return self.inner.class_share(batch, info)

    def overrides(self, hook: str) -> bool:
        """True for the loss; otherwise the inner strategy's answer."""
        return hook == "loss" or self.inner.overrides(hook)


def _below(luck: Tensor, limit: Tensor) -> Tensor:
    """Integers from 0 to limit − 1, from numbers in [0, 1)."""
    return (luck * limit).long().minimum(limit - 1)
