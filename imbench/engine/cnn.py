"""The convolutional net of the ReMix paper."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from imbench.engine.architecture import Architecture, Stage, glorot
from imbench.engine.convolution import convolve, pooled
from imbench.engine.mlp import dense

# Side of a convolution's window and of a pooling window, in pixels.
WINDOW, POOL = 3, 2


@dataclass(frozen=True)
class Cnn(Architecture):
    """The paper's CNN: two 3 x 3 convolutions, each with ReLU and 2 x 2 max-pooling, and two dense layers.

    C. Bellinger, R. Corizzo and N. Japkowicz, "ReMix Training for Calibrated Imbalanced Deep Learning": 32 and 64
    channels and 64 hidden units, without padding or dropout.

    NOTE: pooling is applied before ReLU. The results are equal, since ReLU is monotonic, and ReLU is computed on a
    quarter of the values.

    Parameters
    ----------
    channels : output channels of each convolution
    hidden : units of the hidden dense layer
    """

    channels: tuple[int, ...] = (32, 64)
    hidden: int = 64

    @property
    def _sides(self) -> list[tuple[int, int]]:
        """Height and width before each convolution and after the last pooling layer."""
        sides = [self.features[1:]]
        for _ in self.channels:
            sides.append(tuple((side - WINDOW + 1) // POOL for side in sides[-1]))
        return [(height, width) for height, width in sides]

    @property
    def _flat(self) -> int:
        return self.channels[-1] * math.prod(self._sides[-1])

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of ``[W0, b0, …]``: W is ``(outputs, inputs, 3, 3)`` for convolutions, else ``(inputs, outputs)``."""
        convolutions = [(b, a, WINDOW, WINDOW) for a, b in itertools.pairwise((self.features[0], *self.channels))]
        weights = [*convolutions, (self._flat, self.hidden), (self.hidden, self.classes)]
        outputs = [*self.channels, self.hidden, self.classes]
        return [shape for w, b in zip(weights, outputs, strict=True) for shape in (w, (b,))]

    def weights(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Glorot-uniform weights and zero biases."""
        return [glorot(rng, shape) if len(shape) > 1 else np.zeros(shape, np.float32) for shape in self.shapes]

    def stages(self, arrays: Sequence[Tensor], kept: Sequence[Tensor], *, training: bool) -> Sequence[Stage]:
        """See `Architecture.stages`: one stage for each convolution with pooling and ReLU, and each dense layer."""
        *convolutions, hidden, output = zip(arrays[::2], arrays[1::2], strict=True)
        return [
            *(_convolution(weight, bias) for weight, bias in convolutions),
            _flattened(dense(*hidden, relu=True)),
            dense(*output, relu=False),
        ]

    @property
    def outputs(self) -> list[int]:
        """See `Architecture.outputs`."""
        after = [
            out * math.prod(side - WINDOW + 1 for side in sides)
            for out, sides in zip(self.channels, self._sides[:-1], strict=True)
        ]
        return [*after, self.hidden, self.classes]

    @property
    def multiplications(self) -> int:
        """See `Architecture.multiplications`."""
        inputs = (self.features[0], *self.channels)
        convolved = sum(out * a * WINDOW**2 for out, a in zip(self.outputs, inputs[:-1], strict=False))
        return convolved + self._flat * self.hidden + self.hidden * self.classes


def _convolution(weight: Tensor, bias: Tensor) -> Stage:
    def run(x: Tensor) -> Tensor:
        return pooled(convolve(x, weight, bias), POOL).relu()

    return run


def _flattened(stage: Stage) -> Stage:
    def run(x: Tensor) -> Tensor:
        return stage(x.flatten(2))

    return run
