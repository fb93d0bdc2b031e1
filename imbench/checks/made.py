"""Batches that strategies are checked on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from imbench.checks.global_state import same_globals
from imbench.checks.result import ViolationError
from imbench.contract.batch import Batch
from imbench.contract.modality import MODALITIES, TABULAR
from imbench.contract.noise import Noise
from imbench.contract.strategy import BatchStrategy, TrainingInfo

COUNTS = (20, 7, 5)  # rows of each class in a batch
NETS, STEPS = 3, 2
EPOCHS = 10
_epoch = ContextVar("epoch", default=0)


@dataclass(frozen=True, eq=False)
class Case:
    """A batch or stack of batches with its training info and the key of each net's random stream."""

    batch: Batch
    info: TrainingInfo
    keys: tuple[int, ...] = (0,)

    def noise(self) -> Noise:
        """Fresh streams, the same each time."""
        streams = [np.random.default_rng([20260, key]) for key in self.keys]
        return Noise(streams, self.batch.stack, self.batch.x.device)

    def copy(self) -> Case:
        """A copy with its own memory."""
        return replace(
            self,
            batch=copied(self.batch),
            info=replace(self.info, class_counts=self.info.class_counts.clone()),
        )

    def net(self, index: int) -> Case:
        """One net of the stack as a stack of one."""
        only = slice(index, index + 1)
        weight = self.batch.weight
        alone = Batch(self.batch.x[only], self.batch.y[only], None if weight is None else weight[only])
        return Case(alone, replace(self.info, class_counts=self.info.class_counts[only]), (self.keys[index],))

    def with_x(self, x: Tensor) -> Case:
        """The case with other features and the same labels."""
        return replace(self, batch=replace(self.batch, x=x))

    def rebalanced(self, strategy: BatchStrategy) -> Batch:
        """The rebalanced copy of the batch, with equal global generators each time."""
        case = self.copy()
        with same_globals():
            result = strategy.rebalance(case.batch, case.info, case.noise())
        if not isinstance(result, Batch):
            raise ViolationError(
                f"rebalance must return a Batch, got {type(result).__name__}; return imbench.Batch(x, y)"
            )
        return result


def made(
    strategy: BatchStrategy,
    counts: Sequence[int] = COUNTS,
    stack: tuple[int, ...] = (),
    *,
    modality: str | None = None,
    training: Sequence[int] | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Case:
    """Batches with this many rows of each class in random order, and features near the centre of the class.

    The nets of a stack have different class counts: ``counts`` rotated by the position of the net.

    Parameters
    ----------
    modality : default: the first one in ``strategy.modalities``
    training : training rows of each class; default: ten times ``counts``, and at least 10
    """
    modality = modality or next((m for m in strategy.modalities if m in MODALITIES), TABULAR.name)
    features = MODALITIES[modality].example
    rng = np.random.default_rng(seed)
    known = np.asarray([max(10, 10 * n) for n in counts] if training is None else training)
    labels = np.empty((*stack, sum(counts)), int)
    for index in np.ndindex(*stack):
        turned = np.roll(counts, index[0] if index else 0)
        labels[index] = rng.permutation(np.repeat(np.arange(len(counts)), turned))
    x = rng.normal(size=(*labels.shape, *features)) + labels.reshape(*labels.shape, *[1] * len(features))
    class_counts = np.stack([np.roll(known, i) for i in range(stack[0])]) if stack else known
    # In a run, class counts are (nets, 1, classes) for a stack (nets, steps).
    class_counts = class_counts.reshape(*class_counts.shape[:-1], *[1] * (len(stack) - 1), len(counts))
    y = torch.nn.functional.one_hot(torch.as_tensor(labels), len(counts))
    kinds = ("numeric",) * features[0] if MODALITIES[modality].storage == "columns" else ()
    info = TrainingInfo(torch.as_tensor(class_counts, dtype=torch.float32), modality, kinds, _epoch.get(), EPOCHS)
    return Case(Batch(torch.as_tensor(x, dtype=dtype), y.to(dtype)), info, tuple(range(stack[0] if stack else 1)))


@contextmanager
def in_epoch(epoch: int) -> Iterator[None]:
    """Inside the context, `made` makes batches of this epoch out of `EPOCHS`; by default of epoch 0."""
    token = _epoch.set(epoch)
    try:
        yield
    finally:
        _epoch.reset(token)


def copied(batch: Batch) -> Batch:
    """A copy with its own memory."""
    return Batch(batch.x.clone(), batch.y.clone(), None if batch.weight is None else batch.weight.clone())


def parts(batch: Batch) -> dict[str, Tensor]:
    """The tensors of a batch by name, weight only if there is one."""
    found = {"x": batch.x, "y": batch.y, "weight": batch.weight}
    return {name: value for name, value in found.items() if value is not None}


def infinite(batch: Batch) -> str:
    """The names of the tensors of a batch with NaN or infinity; empty if there are none."""
    return " and ".join(name for name, value in parts(batch).items() if not torch.isfinite(value).all())
