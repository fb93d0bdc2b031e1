"""Convolutions of a stack of nets, each with weights of its own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0) -> Tensor:
    """One convolution for each net of a stack.

    Parameters
    ----------
    x : ``(nets, batch, inputs, height, width)``; ``weight``: ``(nets, outputs, inputs, window, window)``
    bias : ``(nets, outputs)``, or None

    Returns
    -------
    ``(nets, batch, outputs, height', width')``

    One net is a convolution with its channels last in memory, which on a CPU makes it and the pooling after it faster
    (docs/decisions/0004); several are one grouped convolution, a single launch on a GPU.
    """
    flat = None if bias is None else bias.reshape(-1)
    if len(x) == 1:
        rows = x[0].contiguous(memory_format=torch.channels_last)
        return functional.conv2d(rows, weight[0], flat, stride, padding).unsqueeze(0)
    return apart(functional.conv2d(beside(x), weight.flatten(0, 1), flat, stride, padding, groups=len(x)), len(x))


def beside(x: Tensor) -> Tensor:
    """The channels of all nets side by side, ``(nets, batch, channels, …)`` -> ``(batch, nets * channels, …)``."""
    return x.transpose(0, 1).flatten(1, 2)


def apart(x: Tensor, nets: int) -> Tensor:
    """Back from `beside`."""
    return x.reshape(len(x), nets, -1, *x.shape[2:]).transpose(0, 1)


def pooled(x: Tensor, window: int) -> Tensor:
    """Max-pooling without overlap, ``(nets, batch, channels, height, width)``; what does not fill a window is left."""
    rows = functional.max_pool2d(x.flatten(0, 1), window)
    return rows.unsqueeze(0) if len(x) == 1 else rows.reshape(*x.shape[:2], *rows.shape[1:])
