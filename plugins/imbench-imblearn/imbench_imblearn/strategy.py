"""Imblearn: a batch resampled by one of imbalanced-learn's samplers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.spec import ALWAYS_WRITTEN, OPEN_ENDED, Options
from imbench.contract.strategy import PerBatchStrategy, TrainingInfo
from imbench_imblearn.calls import resample
from imbench_imblearn.limits import fitted_to
from imbench_imblearn.samplers import checked


@dataclass(frozen=True)
class Imblearn(PerBatchStrategy):
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

    def rebalance_one(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batch drawn from what the sampler makes of it; the batch itself where the sampler cannot."""
        seed = int(noise.choice(2**31 - 1))
        result = self.resampled(batch, info, seed)
        if result is None:
            return batch.mark_fallback(torch.tensor(True))
        x, labels, cut = result
        rows = drawn(len(labels), batch.size, noise)
        new = torch.as_tensor(labels[rows], dtype=torch.long, device=batch.y.device)
        return Batch(
            torch.as_tensor(x[rows]).to(batch.x).reshape(batch.x.shape),
            one_hot(new, batch.classes).to(batch.y.dtype),
            None if batch.weight is None else _class_means(batch.weight, batch.labels, batch.classes)[new],
            torch.tensor(cut),
        )

    def resampled(self, batch: Batch, info: TrainingInfo, seed: int) -> tuple[np.ndarray, np.ndarray, bool] | None:
        """All that the sampler makes of one batch, before rows are drawn.

        Parameters
        ----------
        batch : ``x (batch, *features)``
        seed : the sampler's ``random_state``, in [0, 2^32)

        Returns
        -------
        Features ``(rows, features)``, class numbers ``(rows,)``, and whether the sampler was asked for less than the
        strategy is, or warned; None if it can do nothing with the batch.
        """
        x, y = _plain(batch.x.flatten(1)), batch.labels.numpy(force=True)
        counts = tuple(np.bincount(y, minlength=batch.classes).tolist())
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


def drawn(count: int, size: int, noise: Noise) -> np.ndarray:
    """``(size,)`` of the row numbers 0 to count - 1: each size // count times, and as many more at random as lack."""
    return np.resize(noise.permutation(count).numpy(force=True), size)  # the order over and over


def _plain(x: Tensor) -> np.ndarray:
    """As an array of a kind that NumPy has."""
    wide = x if x.dtype in (torch.float32, torch.float64) else x.float()
    return wide.numpy(force=True)


def _class_means(weight: Tensor, labels: Tensor, classes: int) -> Tensor:
    """``(classes,)`` mean of the ``(batch,)`` weights over the rows of each class."""
    sums = weight.new_zeros(classes).index_add_(0, labels, weight)
    return sums / torch.bincount(labels, minlength=classes).clamp(min=1)
