"""The rows of batches: what each one weighs, which are drawn anew, and what two of them make."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from imbench import Batch, Noise, TrainingInfo
from imbench.contract.rows import mixed as blend
from imbench.contract.rows import take_rows


def counts_of(info: TrainingInfo, like: Tensor) -> Tensor:
    """``(*stack, 1, classes)`` training rows of each class, to broadcast along the batch.

    A class without training rows counts as one row, so that shares, logarithms and powers of counts stay finite.
    """
    return info.class_counts.to(like).clamp(min=1).unsqueeze(-2)


def of_rows(y: Tensor, of_classes: Tensor) -> Tensor:
    """``(*stack, batch)``: the number of each row's class, from ``(*stack, 1, classes)``.

    A soft label has the mean of the numbers of the classes under it.
    """
    return (y * of_classes).sum(dim=-1)


def class_sizes(labels: Tensor, classes: int) -> Tensor:
    """``(*stack, classes)`` rows of each class in batches of these ``(*stack, batch)`` class numbers."""
    return one_hot(labels, classes).sum(dim=-2)


def levelling_odds(batch: Batch) -> Tensor:
    """``(*stack, batch)`` odds of each row, under which every class present is drawn equally often."""
    labels = batch.labels
    return class_sizes(labels, batch.classes).gather(-1, labels).to(batch.y).reciprocal()


def draw_evenly(odds: Tensor, noise: Noise) -> Tensor:
    """``(*stack, batch)`` row numbers, each row as often as its share of the odds says, rounded up or down by chance.

    Systematic sampling (W. G. Madow, "On the Theory of Systematic Sampling, II", 1949): B points, equally far apart
    from one random start, along the sums of the odds. The expected number of a row's copies is what B independent
    draws give; the number itself varies by less than one. Equal odds leave the batch as it is.

    ``odds`` is ``(*stack, batch)``, positive.
    """
    size = odds.shape[-1]
    steps = torch.arange(size, dtype=torch.float64, device=odds.device)
    return _at(odds, (steps + noise.uniform(1)) / size)


def draw_independently(odds: Tensor, noise: Noise) -> Tensor:
    """``(*stack, batch)`` row numbers, drawn one by one with replacement and these ``(*stack, batch)`` odds."""
    return _at(odds, noise.uniform(odds.shape[-1]).double())


def _at(odds: Tensor, points: Tensor) -> Tensor:
    """The rows that lie at these points in [0, 1) of the sums of the odds."""
    sums = odds.double().cumsum(dim=-1)
    return torch.searchsorted(sums, points * sums[..., -1:], right=True).clamp_(max=odds.shape[-1] - 1)


def expected_share(batch: Batch, odds: Tensor) -> Tensor | None:
    """``(*stack, classes)`` expected class shares of rows drawn with these odds; None for rows that have weights.

    Copies of weighted rows bring their weights along, and the expectation of a quotient has no such simple form.
    """
    if batch.weight is not None:
        return None
    share = odds / odds.sum(dim=-1, keepdim=True)
    return (share.unsqueeze(-2) @ batch.y).squeeze(-2)


def mixed(values: Tensor, partners: Tensor, share: Tensor) -> Tensor:
    """``share * row + (1 - share) * partner``; equal rows give themselves, and a share of 1 the row, to the digit.

    Parameters
    ----------
    values : ``(*stack, batch, *rest)``
    partners : ``(*stack, batch)`` row numbers
    share : ``(*stack,)`` or ``(*stack, batch)``, in [0, 1]
    """
    return blend(values, take_rows(values, partners), share)


def mix(batch: Batch, partners: Tensor, share: Tensor, label_share: Tensor | None = None) -> Batch:
    """Rows `mixed` with their partners in features, labels and weights.

    ``label_share`` is the share of labels where it differs from that of features.
    """
    return Batch(
        mixed(batch.x, partners, share),
        mixed(batch.y, partners, share if label_share is None else label_share),
        None if batch.weight is None else mixed(batch.weight, partners, share),
    )
