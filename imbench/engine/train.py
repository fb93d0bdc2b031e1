"""Train one net for each fold of a variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold, Predictions, Preprocessing
from imbench.contract.strategy import BatchStrategy
from imbench.engine.batches import steps_per_epoch
from imbench.engine.choice import compile_once
from imbench.engine.group import train_group
from imbench.engine.net_group import Request
from imbench.engine.validation import TrainingError

__all__ = ["TrainingError", "compile_once", "steps_per_epoch", "train"]


def train(
    dataset: Dataset,
    folds: Sequence[Fold],
    preprocessing: Sequence[Preprocessing],
    strategy: BatchStrategy,
    protocol: Protocol,
    *,
    device: torch.device | str = "cpu",
    start: Sequence[Sequence[np.ndarray]] = (),
    keep_arrays: bool = False,
    on_epoch: Callable[[int, np.ndarray], None] | None = None,
) -> list[Predictions]:
    """Train one net for each fold and predict its validation and test rows.

    Parameters
    ----------
    dataset : arrays of the variant
    folds : its folds
    preprocessing : one for each fold, fitted inside it by `imbench.data.preprocess.fit`
    strategy : rebalances the batches
    protocol : net and training settings, with exceptions for this dataset applied
    device : where to train, such as ``"cpu"`` or ``"cuda:0"``
    start, keep_arrays, on_epoch : see `imbench.engine.net_group.Request`

    Returns
    -------
    One `Predictions` for each fold, in the order of ``folds``. Random streams are keyed by variant, repeat and fold, so
    the result of a fold does not depend on the other folds in the call.

    Raises
    ------
    UsageError for a net that does not support the modality, `TrainingError` for a strategy that breaks its contract and
    for a training loss that is not finite.
    """
    request = Request(dataset, folds, preprocessing, strategy, protocol, start, keep_arrays, on_epoch)
    ((_, result),) = train_group([request], device=device)
    if isinstance(result, Exception):
        raise result
    return result
