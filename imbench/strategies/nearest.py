"""Nearest neighbours inside each of many small groups of rows."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest(x: Tensor, sizes: Tensor, k: int) -> Tensor:
    """The k nearest members of every member of a group, nearest first, itself left out.

    Parameters
    ----------
    x : ``(groups, members, features)``, floating point; group g's members are its first ``sizes[g]`` rows, the others
        are padding and must repeat the first
    sizes : ``(groups,)``, 1 to ``members``
    k : neighbours wanted, below ``members``

    Returns
    -------
    ``(groups, members, k)`` member numbers. For a member of a group of n, the first ``min(k, n - 1)`` are meaningful.

    Distances are Euclidean and come from differences, not from products of rows: rows that are nearly alike cost no
    accuracy, and a pair's distance does not depend on what is computed beside it. Equally near members come in their
    order.
    """
    members = x.shape[1]
    x = _to_unit_range(x)
    distance = x.new_full((x.shape[0], members, members), torch.inf)
    for step in range(1, members):  # all pairs of members that are `step` apart
        apart = torch.linalg.vector_norm(x[:, step:] - x[:, :-step], dim=-1)  # (groups, members - step)
        distance.diagonal(step, -2, -1).copy_(apart)
        distance.diagonal(-step, -2, -1).copy_(apart)
    padding = torch.arange(members, device=x.device) >= sizes[:, None]
    distance.masked_fill_(padding[:, None, :], torch.inf)
    found = []
    for _ in range(k):
        found.append(distance.argmin(dim=-1, keepdim=True))
        distance.scatter_(-1, found[-1], torch.inf)
    return torch.cat(found, dim=-1)


def _to_unit_range(x: Tensor) -> Tensor:
    """Shift and scale each group so that no square of a difference leaves the range of its numbers."""
    x = x if x.dtype == torch.float64 else x.float()
    shifted = (x - x[:, :1]).nan_to_num_()  # a difference beyond the largest number becomes that number
    largest = shifted.abs().amax(dim=(1, 2), keepdim=True)
    return shifted.div_(torch.where(largest > 0, largest, 1.0))
