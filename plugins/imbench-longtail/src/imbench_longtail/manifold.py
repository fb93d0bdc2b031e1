"""The forward pass of manifold methods: rows mixed where they enter one layer of the net, drawn at random."""

from __future__ import annotations

import torch
from torch import Tensor

from imbench import Batch, Noise
from imbench.contract.strategy import Net
from imbench_longtail.rows import mixed


def mixing_forward(net: Net, batch: Batch, noise: Noise, alpha: float) -> tuple[Tensor, Tensor]:
    """Logits and soft labels, both ``(*stack, batch, classes)``, of rows mixed before one stage of the net.

    One stage, one permutation and one ``lam ~ Beta(alpha, alpha)`` a batch. Batches of a stack draw different stages:
    before each stage all are mixed, those that drew another one with a share of 1, which leaves them as they are.
    """
    share = noise.beta(alpha, alpha)  # (*stack,)
    partners = noise.permutation(batch.size)  # (*stack, batch)
    drawn = noise.choice(len(net.stages))  # (*stack,): 0 is the input
    x = batch.x
    for number, stage in enumerate(net.stages):
        x = stage(mixed(x, partners, torch.where(drawn == number, share, 1.0)))
    return x, mixed(batch.y, partners, share)
