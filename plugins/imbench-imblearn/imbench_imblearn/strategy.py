"""Imblearn: a batch resampled by one of imbalanced-learn's samplers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.spec import ALWAYS_WRITTEN, OPEN_ENDED, Options
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench_imblearn.calls import resample
from imbench_imblearn.limits import fitted_to
from imbench_imblearn.samplers import checked


@dataclass(frozen=True)
class Imblearn(BatchStrategy):
    """Resample the batch with a sampler of imbalanced-learn, then draw as many rows as there were.

    G. Lemaître, F. Nogueira and C. K. Aridas, "Imbalanced-learn: A Python Toolbox to Tackle the Curse of Imbalanced
    Datasets in Machine Learning", JMLR 18 (2017); the user guide names the paper of each sampler.

    The sampler's result has M rows, more than the batch's B or fewer. The batch to train on is made of floor(B / M)
    copies of each and of B mod M different ones drawn at random, so that every row of the result is expected B / M
    times: class shares are the result's in expectation, and a batch of an under-sampler costs what any other does.

    NOTE: a batch may not hold what the sampler needs. Neighbours are as many as there are, if fewer than asked for; a
    class with a single row, which has none, is left as it is. A batch of one class, one the sampler raises an error
    for, and one of which it leaves nothing, or nothing finite, stays as it is. All of these, and batches the sampler
    warns of, are marked in the result's ``fallback``.

    Labels are hard: a soft label counts as its largest class. Features of images are flattened for the sampler. A row's
    weight is the mean weight of its class in the batch.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    sampler : name of a class in imblearn.over_sampling, imblearn.under_sampling or imblearn.combine
    options : the sampler's own parameters by their own names, but ``random_state`` and ``n_jobs``

    Raises
    ------
    UsageError for a sampler or parameter that does not exist, and for a value the sampler does not accept.

    >>> import imbench, torch
    >>> strategy = Imblearn("RandomOverSampler", {"sampling_strategy": "minority"})
    >>> strategy.spec
    'imblearn:sampler=RandomOverSampler,sampling_strategy=minority'
    >>> x, y = torch.tensor([[1.0], [2.0], [3.0], [9.0]]), torch.tensor([0, 0, 0, 1])
    >>> x2, y2 = strategy(x, y, seed=0)
    >>> x2.shape, sorted(set(x2.flatten().tolist()) - {1.0, 2.0, 3.0})
    (torch.Size([4, 1]), [9.0])
    """

    name: ClassVar[str] = "imblearn"

    sampler: str = field(default="SMOTE", metadata=ALWAYS_WRITTEN)
    options: Options = field(default=(), metadata=OPEN_ENDED)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", checked(self.sampler, dict(self.options)))

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batches drawn from what the sampler makes of each; a batch itself where the sampler cannot."""
        stack, labels, device = batch.stack, batch.labels, batch.y.device
        batches, features = math.prod(stack), math.prod(batch.shape[len(stack) + 1 :])
        # Tensors and arrays are made once for the whole stack: for every batch they would take a third of the time.
        x = _plain(batch.x).reshape(batches, batch.size, features).copy()
        y = labels.numpy(force=True).reshape(batches, batch.size).copy()
        kept, cut = np.ones(batches, dtype=bool), np.zeros(batches, dtype=bool)
        for number in range(batches):
            rng = noise.generators[number * len(noise.generators) // batches]
            result = self.resampled(x[number], y[number], info, seed=int(rng.integers(2**31 - 1)))
            if result is not None:
                x2, y2, cut[number] = result
                rows = drawn(len(y2), batch.size, rng)
                x[number], y[number], kept[number] = x2[rows], y2[rows], False
        new = torch.as_tensor(y).to(device).reshape(labels.shape)
        as_it_was = torch.as_tensor(kept).to(device).reshape(stack)
        weight = batch.weight
        if weight is not None:
            means = _class_means(weight, labels, batch.classes)
            weight = torch.where(as_it_was.unsqueeze(-1), weight, means.gather(-1, new))
        return Batch(
            torch.as_tensor(x).to(batch.x).reshape(batch.x.shape),
            torch.where(as_it_was[..., None, None], batch.y, one_hot(new, batch.classes).to(batch.y.dtype)),
            weight,
            batch.fallback,
        ).mark_fallback(as_it_was | torch.as_tensor(cut).to(device).reshape(stack))

    def resampled(
        self, x: np.ndarray, y: np.ndarray, info: TrainingInfo, seed: int
    ) -> tuple[np.ndarray, np.ndarray, bool] | None:
        """All that the sampler makes of one batch, before rows are drawn.

        Parameters
        ----------
        x : ``(batch, features)`` float32 or float64
        y : ``(batch,)`` class numbers
        seed : the sampler's ``random_state``, in [0, 2^32)

        Returns
        -------
        Features ``(rows, features)``, class numbers ``(rows,)``, and whether the sampler was asked for less than the
        strategy is, or warned; None if it can do nothing with the batch.
        """
        counts = tuple(np.bincount(y, minlength=info.classes).tolist())
        if max(counts) == len(y) or not x.size:
            return None
        # Whatever a sampler raises, it is this batch that it cannot serve; the share of such batches is reported.
        try:
            fitted = fitted_to(self.sampler, self.options, counts)
            if fitted is None:
                return None
            x2, y2, warned = resample(self.sampler, fitted, x, y, seed, **self._kinds(info))
        except Exception:
            return None
        if not len(y2) or not np.isfinite(x2).all():
            return None
        return x2, y2, fitted.cut or warned

    def _kinds(self, info: TrainingInfo) -> dict[str, Any]:
        """Arguments of the sampler that depend on the dataset."""
        if self.sampler != "SMOTENC":
            return {}
        kinds = enumerate(info.feature_kinds)
        return {"categorical_features": [column for column, kind in kinds if kind == "categorical"]}


def drawn(count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """``(size,)`` of the row numbers 0 to count - 1: each size // count times, and as many more at random as lack."""
    return np.resize(rng.permuted(np.arange(count)), size)  # the order over and over


def _plain(x: Tensor) -> np.ndarray:
    """As an array of a kind that NumPy has."""
    wide = x if x.dtype in (torch.float32, torch.float64) else x.float()
    return wide.numpy(force=True)


def _class_means(weight: Tensor, labels: Tensor, classes: int) -> Tensor:
    """``(*stack, classes)`` mean of the ``(*stack, batch)`` weights over the rows of each class."""
    zeros = weight.new_zeros(*labels.shape[:-1], classes)
    sums, counts = (zeros.scatter_add(-1, labels, values) for values in (weight, torch.ones_like(weight)))
    return sums / counts.clamp(min=1)
