"""From the loss of each row to that of a batch."""

from __future__ import annotations

from torch import Tensor


def mean_loss(losses: Tensor, weight: Tensor | None) -> Tensor:
    """``(nets, batch)`` -> ``(nets,)``: the weighted sum over the batch size, as Keras reduces class weights."""
    return (losses if weight is None else losses * weight).mean(dim=-1)
