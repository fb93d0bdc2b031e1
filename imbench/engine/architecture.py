"""What an architecture is: the arrays of a net, and the chain of stages from features to logits."""

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
    """A kind of net; equal ones can be one stack.

    Parameters
    ----------
    features : shape of a row: ``(features,)``, or ``(channels, height, width)``
    classes : number of classes
    """

    features: tuple[int, ...]
    classes: int

    @property
    @abstractmethod
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the arrays of one net, in the order of `weights`."""

    @abstractmethod
    def weights(self, rng: np.random.Generator) -> list[np.ndarray]:
        """The arrays of one net before its first step, float32."""

    @abstractmethod
    def stages(self, arrays: Sequence[Tensor], kept: Sequence[Tensor], *, training: bool) -> Sequence[Stage]:
        """The chain from features to logits, of a stack of nets.

        Parameters
        ----------
        arrays : as `weights`, each with ``nets`` as its first axis
        kept : for each layer with dropout ``(nets, batch, units)``, True where a unit is kept; none without dropout
        training : whether rows are trained on; else predicted

        Returns
        -------
        Functions from ``(nets, batch, *any)`` to the same, the last to ``(nets, batch, classes)``; their number and
        where they begin are what a strategy's own forward pass sees as `imbench.contract.strategy.Net.stages`.
        """

    @property
    @abstractmethod
    def outputs(self) -> list[int]:
        """How many numbers leave each layer, for one row."""

    @property
    @abstractmethod
    def products(self) -> int:
        """Multiplications of one row's way to its logits."""

    @property
    def dropped(self) -> tuple[int, int]:
        """Layers followed by dropout, and units of each; `stages` takes masks for as many."""
        return (0, 0)

    @property
    def learned(self) -> list[bool]:
        """For each array, whether gradients change it."""
        return [True] * len(self.shapes)

    @property
    def size(self) -> int:
        """Numbers in the arrays of one net."""
        return sum(math.prod(shape) for shape in self.shapes)


class StagedNet:
    """The `imbench.contract.strategy.Net` of a stack of nets: its stages, one after another."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = stages

    def __call__(self, x: Tensor) -> Tensor:
        """Logits ``(nets, batch, classes)`` of x ``(nets, batch, *features)``."""
        for stage in self.stages:
            x = stage(x)
        return x


def glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Weights uniform on ``±sqrt(6 / (fan in + fan out))``, float32 (Glorot & Bengio 2010, equation 16).

    The default of Keras, which the paper's authors used. ``shape`` is ``(inputs, outputs)``, or ``(outputs, inputs,
    height, width)``, where each fan counts the places of the window.
    """
    inputs, outputs = shape if len(shape) == 2 else (shape[1], shape[0])
    limit = np.sqrt(6.0 / ((inputs + outputs) * math.prod(shape[2:])))
    return rng.uniform(-limit, limit, shape).astype(np.float32)
