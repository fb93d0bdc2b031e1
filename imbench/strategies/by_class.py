"""The rows of mini-batches, grouped by class."""

from __future__ import annotations

import torch
from torch import Tensor


class ByClass:
    """The rows of each batch of a stack by class, largest class first.

    A class is known by its rank in that order, a row by its rank and its member number within the class.

    Parameters
    ----------
    labels : ``(stack, batch)`` class numbers, ``stack`` being one axis
    classes : number of classes, present or not

    Attributes
    ----------
    sizes, starts : ``(stack, classes)`` rows of the class of each rank, and where they start in `rows`
    present, largest, smallest : ``(stack, 1)`` number of classes present, rows of the largest and of the smallest one
    rows : ``(stack, batch)`` row numbers, class 0 first, in their order within a class

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
        """Row numbers of these members of the classes of these ranks, all ``(stack, any)``."""
        return self.rows.gather(-1, self.starts.gather(-1, rank) + member)

    def of_rank(self, rank: int, chosen: Tensor, widest: int) -> tuple[Tensor, Tensor]:
        """All rows of the class of one rank in the chosen batches ``(chosen, widest)``, and how many ``(chosen,)``.

        Smaller classes are padded with their first row; for a class that is not present the rows are any.
        """
        sizes, starts = self.sizes[chosen, rank], self.starts[chosen, rank]
        member = torch.arange(widest, device=self.rows.device)
        place = starts.unsqueeze(-1) + torch.where(member < sizes.unsqueeze(-1), member, 0)
        return self.rows[chosen].gather(-1, place.clamp(max=self.rows.shape[-1] - 1)), sizes
