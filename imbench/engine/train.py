"""Train one net on every fold of a variant."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold, Predictions, Preprocessing
from imbench.contract.strategy import BatchStrategy
from imbench.engine.batches import steps_per_epoch
from imbench.engine.choice import compile_once
from imbench.engine.group import train_group
from imbench.engine.net_group import Request, TrainingError

__all__ = ["TrainingError", "compile_once", "steps_per_epoch", "train"]


def train(
    dataset: Dataset,
    folds: Sequence[Fold],
    preprocessing: Sequence[Preprocessing],
    strategy: BatchStrategy,
    protocol: Protocol,
    *,
    device: torch.device | str = "cpu",
) -> list[Predictions]:
    """Train one net for each fold and predict its validation and test rows.

    Parameters
    ----------
    dataset, folds : the variant's arrays and its splits
    preprocessing : one for each fold, fitted inside it
    strategy, protocol : the recipe, and everything else (its exceptions applied)

    Returns
    -------
    One `Predictions` a fold, in the order of ``folds``. Each net's random streams are keyed by the variant, its repeat
    and fold, so its result does not depend on which folds are asked for together.

    Raises
    ------
    UsageError for a modality without a net, `TrainingError` when a training loss is not finite.
    """
    ((_, result),) = train_group([Request(dataset, folds, preprocessing, strategy, protocol)], device=device)
    if isinstance(result, Exception):
        raise result
    return result
