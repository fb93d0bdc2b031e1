"""Batch-SMOTE: oversampling with synthetic rows inside the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.strategies.by_class import ByClass
from imbench.strategies.nearest import nearest
from imbench.strategies.shares import mean_label

MAX_NEIGHBOURS = 5
# If a class of the batch has fewer rows, there are no useful neighbours, and rows are repeated instead.
MIN_ROWS = 3


@dataclass(frozen=True)
class BatchSMOTE(BatchStrategy):
    """Oversample each class present to the size of the largest with SMOTE, then draw a batch of the original size.

    N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE: Synthetic Minority Over-sampling Technique",
    JAIR 2002, applied inside a mini-batch, as in the comparison of the ReMix paper. A synthetic row is interpolated
    between a random row of its class, the seed, and one of the seed's k nearest neighbours in that class:

        x' = x_seed + gap (x_neighbour - x_seed),    gap ~ U[0, 1),    k = min(5, rows of the smallest class - 1)

    The B rows of the result are drawn without replacement from all original and synthetic rows. Labels are hard: a soft
    label counts as its largest class. There are two fallbacks, both marked in ``fallback``: if a class present has
    fewer than 3 rows, rows are repeated instead of interpolated, and a batch of a single class is not changed.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out. A synthetic row has the
    weight of its seed.

    >>> import torch
    >>> x, y = torch.tensor([[1.0], [2.0], [9.0]]), torch.tensor([0, 0, 1])
    >>> x2, y2 = BatchSMOTE()(x, y, seed=5)
    >>> x2.flatten(), y2.argmax(dim=-1)
    (tensor([1., 9., 9.]), tensor([0, 1, 1]))
    """

    name: ClassVar[str] = "batch-smote"
    reads_features: ClassVar[bool] = False

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Draw positions in the oversampled set, and create only the rows at these positions."""
        size, shape = batch.size, (*batch.stack, batch.size)
        order = noise.permutation(_max_positions(size, batch.classes))
        draws = noise.uniform(3, size)  # for each row of the result: seed, neighbour and gap
        groups = ByClass(batch.labels.reshape(-1, size), batch.classes)

        # The oversampled set consists of the original rows, then the synthetic rows, of one class after another.
        filled = groups.present * groups.largest  # (stack, 1); from here on the stack is one axis
        position = _first_below(order.reshape(-1, order.shape[-1]), filled, size)  # (stack, batch)
        rank, member = position // groups.largest, position % groups.largest
        originals = groups.sizes.gather(-1, rank)
        synthetic = member >= originals
        seed = torch.where(synthetic, _pick(draws[..., 0, :].reshape_as(originals), originals), member)
        nearby = _neighbours(batch, groups, rank, seed, draws[..., 1, :].reshape_as(originals))
        rows = groups.row(rank, seed)
        partners = torch.where(synthetic, groups.row(rank, nearby), rows)

        single = groups.present == 1
        in_place = torch.arange(size, device=rows.device)
        rows = torch.where(single, in_place, rows).reshape(shape)
        partners = torch.where(single, in_place, partners).reshape(shape)
        hard = one_hot(batch.labels.gather(-1, rows), batch.classes).to(batch.y.dtype)
        labels = torch.where(single.reshape(*batch.stack, 1, 1), batch.y, hard)
        weight = None if batch.weight is None else batch.weight.gather(-1, rows)
        result = batch.interpolated(rows, partners, draws[..., 2, :], labels, weight)
        return result.mark_fallback((single | (groups.smallest < MIN_ROWS)).reshape(batch.stack))

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """1/C for each of the C classes present, where a soft label counts as its largest class.

        A batch of a single class keeps its labels. None if rows have weights.
        """
        if batch.weight is not None:
            return None
        is_present = one_hot(batch.labels, batch.classes).sum(dim=-2) > 0  # (*stack, classes)
        present = is_present.sum(dim=-1, keepdim=True)
        return torch.where(present == 1, mean_label(batch), is_present / present)


def _max_positions(size: int, classes: int) -> int:
    """Largest possible size of an oversampled batch; with c classes present, the largest has ``size - c + 1`` rows."""
    return max(c * (size - c + 1) for c in range(1, min(classes, size) + 1))


def _first_below(order: Tensor, limit: Tensor, count: int) -> Tensor:
    """The first ``count`` numbers below ``limit`` ``(stack, 1)`` in each row of ``order`` ``(stack, numbers)``."""
    below = order < limit
    place = torch.where(below, below.cumsum(dim=-1) - 1, count).clamp_(max=count)  # others go to the discarded column
    return order.new_empty(len(order), count + 1).scatter_(-1, place, order)[:, :count]


def _pick(draws: Tensor, count: Tensor) -> Tensor:
    """Convert uniform draws in [0, 1) to integers from 0 to count - 1."""
    return (draws * count).long().minimum(count - 1)


def _neighbours(batch: Batch, groups: ByClass, rank: Tensor, seed: Tensor, draws: Tensor) -> Tensor:
    """Member number of a random one of the k nearest neighbours of each seed; the seed itself in a fallback.

    ``rank``, ``seed``, ``draws`` and the result are ``(stack, batch)``. Results for the
    largest class are not meaningful, since it needs no synthetic rows.
    """
    interpolating = ((groups.present > 1) & (groups.smallest >= MIN_ROWS)).flatten().nonzero().flatten()
    if not len(interpolating):
        return seed
    tables = []
    widest = groups.sizes[interpolating].amax(dim=0)[1:].tolist()
    for r, members in enumerate(filter(None, widest), start=1):
        rows, sizes = groups.rows_of_rank(r, interpolating, members)
        values = batch.features_of(interpolating, rows).flatten(2)  # (interpolating, members, features)
        table = nearest(values, sizes, min(MAX_NEIGHBOURS, members - 1))
        tables.append(pad(table, (0, MAX_NEIGHBOURS - table.shape[-1], 0, widest[0] - members)))
    nth = _pick(draws[interpolating], (groups.smallest[interpolating] - 1).clamp(max=MAX_NEIGHBOURS))
    table_of, row_of = (rank[interpolating] - 1).clamp(min=0), seed[interpolating].clamp(max=widest[0] - 1)
    number = torch.arange(len(interpolating), device=seed.device).unsqueeze(-1)
    return seed.index_copy(0, interpolating, torch.stack(tables, dim=1)[number, table_of, row_of, nth])
