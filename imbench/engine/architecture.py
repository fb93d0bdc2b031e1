"""Architecture: the arrays of a net and the chain of stages from features to logits."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

Stage = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Architecture(ABC):
    """The shape of a net. Nets of equal architectures can be trained as one stack.

    Parameters
    ----------
    features : shape of a row, ``(features,)`` or ``(channels, height, width)``
    classes : number of classes
    """

    features: tuple[int, ...]
    classes: int

    @property
    @abstractmethod
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the arrays of one net, in the order of `weights`."""

    @abstractmethod
    def weights(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Initial arrays of one net, float32, drawn from ``rng``."""

    @abstractmethod
    def stages(self, arrays: Sequence[Tensor], kept: Sequence[Tensor], *, training: bool) -> Sequence[Stage]:
        """The functions that map features to logits for a stack of nets, to be applied one after another.

        Parameters
        ----------
        arrays : the arrays of `weights`, each with ``nets`` as its first axis
        kept : dropout masks, one ``(nets, batch, units)`` for each layer with dropout, True where a unit is kept; empty
            without dropout
        training : True for a training step, False for prediction

        Returns
        -------
        Functions of a tensor ``(nets, batch, *any)``; the last one returns logits ``(nets, batch, classes)``. A custom
        forward pass receives them as `imbench.contract.strategy.Net.stages`.
        """

    @property
    @abstractmethod
    def outputs(self) -> list[int]:
        """Number of output values of each layer, for one row."""

    @property
    @abstractmethod
    def multiplications(self) -> int:
        """Number of multiplications in the forward pass of one row."""

    @property
    def dropout_shape(self) -> tuple[int, int]:
        """``(number of layers followed by dropout, units of each)``."""
        return (0, 0)

    @property
    def trainable(self) -> list[bool]:
        """For each array, whether it is updated by gradients."""
        return [True] * len(self.shapes)

    @property
    def size(self) -> int:
        """Number of values in all arrays of one net."""
        return sum(math.prod(shape) for shape in self.shapes)


class StagedNet:
    """A stack of nets as an `imbench.contract.strategy.Net`: applies its stages one after another."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = stages

    def __call__(self, x: Tensor) -> Tensor:
        """Logits ``(nets, batch, classes)`` of x ``(nets, batch, *features)``."""
        for stage in self.stages:
            x = stage(x)
        return x


def glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Weights uniform on ``±sqrt(6 / (fan in + fan out))``, float32 (Glorot & Bengio 2010, equation 16).

    This is the default of Keras, which the authors of the ReMix paper used. ``shape`` is ``(inputs, outputs)`` for a
    dense layer, or ``(outputs, inputs, height, width)`` for a convolution, whose fans are multiplied by
    ``height * width``.
    """
    inputs, outputs = shape if len(shape) == 2 else (shape[1], shape[0])
    limit = np.sqrt(6.0 / ((inputs + outputs) * math.prod(shape[2:])))
    return rng.uniform(-limit, limit, shape).astype(np.float32)
