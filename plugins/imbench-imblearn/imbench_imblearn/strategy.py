"""Imblearn: a batch resampled by one of imbalanced-learn's samplers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn import config_context
from torch import Tensor
from torch.nn.functional import one_hot

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.spec import ALWAYS_WRITTEN, OPEN_ENDED, Options
from imbench.contract.strategy import PerBatchStrategy, TrainingInfo
from imbench_imblearn.limits import fitted_to
from imbench_imblearn.samplers import arguments, checked, sampler_class, takes_seed


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
        if len(np.unique(y)) < 2:
            return None
        with _quiet(seed) as said:
            # Whatever a sampler raises, it is this batch that it cannot serve; the share of such batches is reported.
            try:
                fitted = fitted_to(self.sampler, self._arguments(info), y)
                if fitted is None:
                    return None
                x2, y2 = _seeded(sampler_class(self.sampler), dict(fitted.arguments), seed).fit_resample(x, y)
            except Exception:
                return None
        if not len(y2) or not np.isfinite(x2).all():
            return None
        warned = any(issubclass(warning.category, UserWarning) for warning in said)
        return x2, y2, fitted.cut or warned

    def _arguments(self, info: TrainingInfo) -> dict[str, Any]:
        given = arguments(self.options)
        if self.sampler == "SMOTENC":
            kinds = enumerate(info.feature_kinds)
            given["categorical_features"] = [column for column, kind in kinds if kind == "categorical"]
        return given


def drawn(count: int, size: int, noise: Noise) -> np.ndarray:
    """``(size,)`` of the row numbers 0 to count - 1: each size // count times, and as many more at random as lack."""
    return np.resize(noise.permutation(count).numpy(force=True), size)  # the order over and over


def _seeded(cls: type, given: dict[str, Any], seed: int) -> Any:
    """The sampler, and the SMOTE that it may begin with, with this seed as far as they take one."""
    if "smote" in given:
        given["smote"].random_state = seed
    return cls(**given, random_state=seed) if takes_seed(cls) else cls(**given)


@contextmanager
def _quiet(seed: int) -> Iterator[list[warnings.WarningMessage]]:
    """Meanwhile warnings are collected, and NumPy's global generator is another one, made from the seed.

    Estimators inside some samplers are not given a random state and draw from the global generator. Parameters are not
    judged again for every batch.
    """
    kept = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        with warnings.catch_warnings(record=True) as said, config_context(skip_parameter_validation=True):
            warnings.simplefilter("always")
            yield said
    finally:
        np.random.set_state(kept)  # noqa: NPY002


def _plain(x: Tensor) -> np.ndarray:
    """As an array of a kind that NumPy has."""
    wide = x if x.dtype in (torch.float32, torch.float64) else x.float()
    return wide.numpy(force=True)


def _class_means(weight: Tensor, labels: Tensor, classes: int) -> Tensor:
    """``(classes,)`` mean of the ``(batch,)`` weights over the rows of each class."""
    sums = weight.new_zeros(classes).index_add_(0, labels, weight)
    return sums / torch.bincount(labels, minlength=classes).clamp(min=1)
