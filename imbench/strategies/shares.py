"""Expected class shares of batches, for `BatchStrategy.class_share`."""

from __future__ import annotations

import torch
from torch import Tensor

from imbench.contract.batch import Batch


def mean_label(batch: Batch) -> Tensor:
    """``(*stack, classes)`` mean soft label of the rows, weighted by their weights; NaN if all weights are 0."""
    if batch.weight is None:
        return batch.y.mean(dim=-2)
    # (*stack, 1, batch) @ (*stack, batch, classes)
    return (batch.weight.unsqueeze(-2) @ batch.y).squeeze(-2) / batch.weight.sum(dim=-1, keepdim=True)


def balanced_share(batch: Batch) -> Tensor | None:
    """Expected class shares of a class-balanced draw, ``(*stack, classes)``, also after mixing or augmentation.

    They are 1/C for each of the C classes present if labels are hard. None if rows have weights, since mixing changes
    the weights too.
    """
    return mean_over_classes(batch) if batch.weight is None else None


def mean_over_classes(batch: Batch) -> Tensor:
    """``(*stack, classes)`` mean label of each class's rows, averaged over the classes present.

    This is the expected class share of `imbench.Noise.balanced`: 1/C for each of C classes if labels are hard.

    >>> mean_over_classes(Batch(torch.zeros(4, 1), torch.eye(3)[[0, 0, 0, 2]]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    rows = torch.nn.functional.one_hot(batch.labels, batch.classes).to(batch.y)  # (*stack, batch, classes)
    size = rows.sum(dim=-2).unsqueeze(-1)  # (*stack, classes, 1)
    means = (rows.mT @ batch.y) / size.clamp(min=1)  # (*stack, classes of rows, classes of labels)
    return means.sum(dim=-2) / (size > 0).sum(dim=-2)
