"""Batch-SMOTE: classes levelled inside the batch by synthetic rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.rows import between
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.strategies.by_class import ByClass
from imbench.strategies.nearest import nearest
from imbench.strategies.shares import mean_label

MOST_NEIGHBOURS = 5
# With fewer rows in some class of the batch there are no neighbours worth the name: rows are repeated instead.
FEWEST_ROWS = 3


@dataclass(frozen=True)
class BatchSMOTE(BatchStrategy):
    """Oversample every class present to the batch's largest with SMOTE, then draw as many rows as there were.

    N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE: Synthetic Minority Over-sampling Technique",
    JAIR 2002, inside a mini-batch, as the ReMix paper compares itself with. A synthetic row lies between a row of its
    class, drawn at random, and one of its k nearest neighbours in that class:

        x' = x_seed + gap (x_neighbour - x_seed),    gap ~ U[0, 1),    k = min(5, rows of the smallest class - 1)

    A batch in which some class present has fewer than 3 rows repeats rows at random instead. The B rows to train on
    are drawn without replacement from the originals and synthetic rows together. A batch of one class is left as it
    is. Both kinds are marked in the result's ``fallback``. Labels are hard: a soft label counts as its largest class.

    Shapes: ``x (*stack, batch, *features)`` and ``y (*stack, batch, classes)`` in and out. A row's weight is its
    seed's.

    >>> import torch
    >>> x, y = torch.tensor([[1.0], [2.0], [9.0]]), torch.tensor([0, 0, 1])
    >>> x2, y2 = BatchSMOTE()(x, y, seed=5)
    >>> x2.flatten(), y2.argmax(dim=-1)
    (tensor([1., 9., 9.]), tensor([0, 1, 1]))
    """

    name: ClassVar[str] = "batch-smote"

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Draw positions of the oversampled set, which is never made, and make the rows at those positions only."""
        size, shape = batch.size, (*batch.stack, batch.size)
        order = noise.permutation(_most_positions(size, batch.classes))
        luck = noise.uniform(3, size)  # for each row drawn: its seed, its neighbour, its gap
        groups = ByClass(batch.labels.reshape(-1, size), batch.classes)

        # The oversampled set: each class's own rows, then the synthetic ones that level it, class after class.
        filled = groups.present * groups.largest  # (stack, 1), the stack as one axis from here on
        position = _first_below(order.reshape(-1, order.shape[-1]), filled, size)  # (stack, batch)
        rank, member = position // groups.largest, position % groups.largest
        own = groups.sizes.gather(-1, rank)
        synthetic = member >= own
        seed = torch.where(synthetic, _pick(luck[..., 0, :].reshape_as(own), own), member)
        nearby = _neighbours(batch.x, groups, rank, seed, luck[..., 1, :].reshape_as(own))
        rows = groups.row(rank, seed)
        partners = torch.where(synthetic, groups.row(rank, nearby), rows)

        single = groups.present == 1
        in_place = torch.arange(size, device=rows.device)
        rows = torch.where(single, in_place, rows).reshape(shape)
        partners = torch.where(single, in_place, partners).reshape(shape)
        hard = one_hot(batch.labels.gather(-1, rows), batch.classes).to(batch.y.dtype)
        return Batch(
            between(batch.x, rows, partners, luck[..., 2, :]),
            torch.where(single.reshape(*batch.stack, 1, 1), batch.y, hard),
            None if batch.weight is None else batch.weight.gather(-1, rows),
            (single | (groups.smallest < FEWEST_ROWS)).reshape(batch.stack),
        )

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """1/C for each of the C classes present, soft labels as their largest; none where rows have weights.

        A batch of one class keeps its labels.
        """
        if batch.weight is not None:
            return None
        held = one_hot(batch.labels, batch.classes).sum(dim=-2) > 0  # (*stack, classes)
        present = held.sum(dim=-1, keepdim=True)
        return torch.where(present == 1, mean_label(batch), held / present)


def _most_positions(size: int, classes: int) -> int:
    """The most rows an oversampled batch can have: c classes present, and all but c - 1 rows in the largest."""
    return max(c * (size - c + 1) for c in range(1, min(classes, size) + 1))


def _first_below(order: Tensor, limit: Tensor, count: int) -> Tensor:
    """The first ``count`` numbers below ``limit`` ``(stack, 1)`` in each row of ``order`` ``(stack, numbers)``."""
    below = order < limit
    place = torch.where(below, below.cumsum(dim=-1) - 1, count).clamp_(max=count)  # all others go one place further
    return order.new_empty(len(order), count + 1).scatter_(-1, place, order)[:, :count]


def _pick(luck: Tensor, count: Tensor) -> Tensor:
    """Numbers from 0 to count - 1, from luck in [0, 1)."""
    return (luck * count).long().minimum(count - 1)


def _neighbours(x: Tensor, groups: ByClass, rank: Tensor, seed: Tensor, luck: Tensor) -> Tensor:
    """Member numbers of one of the k nearest of each seed's class; the seed's own where the batch only repeats rows.

    ``x`` is the batch's; ``rank, seed, luck`` and the result are ``(stack, batch)``. Not meant for the largest class,
    which needs no synthetic rows.
    """
    able = ((groups.present > 1) & (groups.smallest >= FEWEST_ROWS)).flatten().nonzero().flatten()
    if not len(able):
        return seed
    flat, size = x.reshape(seed.numel(), -1), seed.shape[-1]  # (stack * batch, features)
    tables = []
    widest = groups.sizes[able].amax(dim=0)[1:].tolist()
    for r, members in enumerate(filter(None, widest), start=1):
        rows, sizes = groups.of_rank(r, able, members)
        values = flat[rows + size * able.unsqueeze(-1)]  # (able, members, features)
        table = nearest(values, sizes, min(MOST_NEIGHBOURS, members - 1))
        tables.append(pad(table, (0, MOST_NEIGHBOURS - table.shape[-1], 0, widest[0] - members)))
    nth = _pick(luck[able], (groups.smallest[able] - 1).clamp(max=MOST_NEIGHBOURS))
    of_rank, of_seed = (rank[able] - 1).clamp(min=0), seed[able].clamp(max=widest[0] - 1)
    batch = torch.arange(len(able), device=x.device).unsqueeze(-1)
    return seed.index_copy(0, able, torch.stack(tables, dim=1)[batch, of_rank, of_seed, nth])
