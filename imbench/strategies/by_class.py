"""The rows of mini-batches, grouped by class."""

from __future__ import annotations

import torch
from torch import Tensor


class ByClass:
    """The rows of each batch of a stack, grouped by class, with the largest class first.

    A class is identified by its rank in that order, and a row by its class and its member number within the class.

    Parameters
    ----------
    labels : ``(stack, batch)`` class numbers, where ``stack`` is one axis
    classes : number of classes, including those that are not present

    Attributes
    ----------
    sizes, starts : ``(stack, classes)`` number of rows of each class, by rank, and where they start in `rows`
    present : ``(stack, 1)`` number of classes present
    largest, smallest : ``(stack, 1)`` rows of the largest and of the smallest class present
    rows : ``(stack, batch)`` row numbers sorted by class number, in their order within each class

    >>> groups = ByClass(torch.tensor([[1, 1, 0, 1]]), classes=3)
    >>> groups.sizes, groups.starts, groups.rows
    (tensor([[3, 1, 0]]), tensor([[1, 0, 4]]), tensor([[2, 0, 1, 3]]))
    """

    def __init__(self, labels: Tensor, classes: int) -> None:
        ordered, self.rows = labels.sort(dim=-1, stable=True)
        numbers = torch.arange(classes + 1, device=labels.device).expand(len(labels), -1).contiguous()
        starts = torch.searchsorted(ordered, numbers)
        self.sizes, by_size = starts.diff(dim=-1).sort(dim=-1, descending=True, stable=True)
        self.starts = starts.gather(-1, by_size)
        self.present = (self.sizes > 0).sum(dim=-1, keepdim=True)
        self.largest = self.sizes[:, :1]
        self.smallest = self.sizes.gather(-1, self.present - 1)

    def row(self, rank: Tensor, member: Tensor) -> Tensor:
        """Row numbers of members of classes; ``rank``, ``member`` and the result are ``(stack, any)``."""
        return self.rows.gather(-1, self.starts.gather(-1, rank) + member)

    def rows_of_rank(self, rank: int, chosen: Tensor, widest: int) -> tuple[Tensor, Tensor]:
        """Rows of the class of one rank in the chosen batches, ``(chosen, widest)``, and their number, ``(chosen,)``.

        Classes with fewer rows are padded with their first row. Rows of a class that is not present are arbitrary.
        """
        sizes, starts = self.sizes[chosen, rank], self.starts[chosen, rank]
        member = torch.arange(widest, device=self.rows.device)
        place = starts.unsqueeze(-1) + torch.where(member < sizes.unsqueeze(-1), member, 0)
        return self.rows[chosen].gather(-1, place.clamp(max=self.rows.shape[-1] - 1)), sizes
