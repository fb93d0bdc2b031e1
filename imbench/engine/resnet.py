"""ResNet-32, the standard net of long-tailed recognition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from imbench.engine.architecture import Architecture, Stage
from imbench.engine.convolution import convolve, merge_nets, split_nets
from imbench.engine.mlp import dense

# Batch normalisation: weight of a batch in the running statistics, and epsilon of the variance (PyTorch's defaults).
MOMENTUM, EPSILON = 0.1, 1e-5


@dataclass(frozen=True)
class ResNet32(Architecture):
    """The residual net for small images: 5 blocks of two 3 x 3 convolutions at each of 3 resolutions.

    K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, Section 4.2, with n =
    5: 16, 32 and 64 channels, batch normalisation after each convolution, shortcuts without parameters (option A: every
    second pixel, padded with zero channels), global average pooling and one dense layer. Weights are normal with
    variance 2 / fan in (He et al. 2015).

    NOTE: predictions use the running means and variances, which are not updated by gradients. The dense layer is
    initialised like the convolutions, with zero biases.

    Parameters
    ----------
    blocks : residual blocks at each resolution
    channels : channels at each resolution
    """

    blocks: int = 5
    channels: tuple[int, ...] = (16, 32, 64)

    @property
    def _convolutions(self) -> list[tuple[int, int, int]]:
        """``(inputs, outputs, stride)`` of every convolution."""
        found = [(self.features[0], self.channels[0], 1)]
        for level, outputs in enumerate(self.channels):
            for block in range(self.blocks):
                first = level > 0 and block == 0
                inputs = self.channels[level - 1] if first else outputs
                found += [(inputs, outputs, 2 if first else 1), (outputs, outputs, 1)]
        return found

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """W, scale, shift, running mean and running variance of each convolution; then W and b of the dense layer."""
        found: list[tuple[int, ...]] = []
        for inputs, outputs, _ in self._convolutions:
            found += [(outputs, inputs, 3, 3), *[(outputs,)] * 4]
        return [*found, (self.channels[-1], self.classes), (self.classes,)]

    @property
    def trainable(self) -> list[bool]:
        """True for all arrays except the running means and variances."""
        return [*[True, True, True, False, False] * len(self._convolutions), True, True]

    def weights(self, rng: np.random.Generator) -> list[np.ndarray]:
        """He-normal weights; scales and variances are 1; shifts, means and biases are 0."""
        found = []
        for inputs, outputs, _ in self._convolutions:
            found.append(_he(rng, (outputs, inputs, 3, 3), inputs * 9))
            found += [np.full(outputs, value, np.float32) for value in (1, 0, 0, 1)]
        last = self.channels[-1]
        return [*found, _he(rng, (last, self.classes), last), np.zeros(self.classes, np.float32)]

    def stages(self, arrays: Sequence[Tensor], kept: Sequence[Tensor], *, training: bool) -> Sequence[Stage]:
        """See `Architecture.stages`: the first convolution, each block, and average pooling with the dense layer."""
        units = iter(
            _normalised(arrays[5 * i : 5 * i + 5], stride, training)
            for i, (_, _, stride) in enumerate(self._convolutions)
        )
        first = next(units)
        return [_with_relu(first), *_residuals(units), _averaged(dense(arrays[-2], arrays[-1], relu=False))]

    @property
    def outputs(self) -> list[int]:
        """See `Architecture.outputs`."""
        height, width = self.features[1:]
        found = []
        for _, outputs, stride in self._convolutions:
            height, width = -(-height // stride), -(-width // stride)
            found.append(outputs * height * width)
        return [*found, self.classes]

    @property
    def multiplications(self) -> int:
        """See `Architecture.multiplications`."""
        convolved = sum(out * inputs * 9 for out, (inputs, _, _) in zip(self.outputs, self._convolutions, strict=False))
        return convolved + self.channels[-1] * self.classes


def _he(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    values: np.ndarray = rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)
    return values.astype(np.float32)


def _normalised(arrays: Sequence[Tensor], stride: int, training: bool) -> Stage:
    """A convolution and its batch normalisation."""
    weight, factor, shift, mean, variance = arrays

    def run(x: Tensor) -> Tensor:
        values = convolve(x, weight, stride=stride, padding=1)
        # Channels are normalised independently, so the nets can be merged; running statistics are updated in place.
        running = mean.detach().reshape(-1), variance.detach().reshape(-1)
        normal = functional.batch_norm(
            _merge_nets(values),
            running[0],
            running[1],
            factor.reshape(-1),
            shift.reshape(-1),
            training,
            MOMENTUM,
            EPSILON,
        )
        return normal.unsqueeze(0) if len(x) == 1 else split_nets(normal, len(x))

    return run


def _merge_nets(x: Tensor) -> Tensor:
    return x[0] if len(x) == 1 else merge_nets(x)


def _residuals(units: Iterator[Stage]) -> Iterator[Stage]:
    for first in units:
        yield _residual(first, next(units))


def _residual(first: Stage, second: Stage) -> Stage:
    def run(x: Tensor) -> Tensor:
        values = second(first(x).relu())
        return (values + _shortcut(x, values)).relu()

    return run


def _shortcut(x: Tensor, like: Tensor) -> Tensor:
    """x itself, or every second pixel padded with zero channels if the block changes the resolution (option A)."""
    if x.shape == like.shape:
        return x
    more = like.shape[2] - x.shape[2]
    return functional.pad(x[..., ::2, ::2], (0, 0, 0, 0, more // 2, more - more // 2))


def _with_relu(stage: Stage) -> Stage:
    return lambda x: stage(x).relu()


def _averaged(stage: Stage) -> Stage:
    return lambda x: stage(torch.mean(x, dim=(-2, -1)))
