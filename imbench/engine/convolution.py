"""Convolution and pooling for a stack of nets, each with its own weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Convolve the rows of each net of a stack with its own weights.

    Parameters
    ----------
    x : ``(nets, batch, inputs, height, width)``; ``weight``: ``(nets, outputs, inputs, window, window)``
    bias : ``(nets, outputs)``, or None

    Returns
    -------
    ``(nets, batch, outputs, height', width')``

    A single net uses the channels-last memory format, which makes convolution and pooling faster on a CPU
    (docs/decisions/0004). Several nets use one grouped convolution, which is a single launch on a GPU.
    """
    flat = None if bias is None else bias.reshape(-1)
    if len(x) == 1:
        rows = x[0].contiguous(memory_format=torch.channels_last)
        return functional.conv2d(rows, weight[0], flat, stride, padding).unsqueeze(0)
    merged = functional.conv2d(merge_nets(x), weight.flatten(0, 1), flat, stride, padding, groups=len(x))
    return split_nets(merged, len(x))


def merge_nets(x: Tensor) -> Tensor:
    """Concatenate the channels of all nets: ``(nets, batch, channels, …)`` -> ``(batch, nets * channels, …)``."""
    return x.transpose(0, 1).flatten(1, 2)


def split_nets(x: Tensor, nets: int) -> Tensor:
    """The inverse of `merge_nets`: ``(batch, nets * channels, …)`` -> ``(nets, batch, channels, …)``."""
    return x.reshape(len(x), nets, -1, *x.shape[2:]).transpose(0, 1)


def pooled(x: Tensor, window: int) -> Tensor:
    """Max-pooling of ``(nets, batch, channels, height, width)`` without overlap; incomplete windows are dropped."""
    rows = functional.max_pool2d(x.flatten(0, 1), window)
    return rows.unsqueeze(0) if len(x) == 1 else rows.reshape(*x.shape[:2], *rows.shape[1:])
