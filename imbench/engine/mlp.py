"""The dense net of the ReMix paper."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from imbench.contract.protocol import Protocol
from imbench.engine.architecture import Architecture, Stage, glorot


@dataclass(frozen=True)
class Mlp(Architecture):
    """A dense net: hidden layers with ReLU, dropout after each of them except the last, and an output layer.

    Parameters
    ----------
    hidden : units of each hidden layer
    dropout : dropout rate in [0, 1)
    """

    hidden: tuple[int, ...]
    dropout: float = 0.0

    @property
    def widths(self) -> tuple[int, ...]:
        """``(features, hidden, …, classes)``."""
        return (*self.features, *self.hidden, self.classes)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of ``[W0, b0, W1, b1, …]``: W is ``(inputs, outputs)``, b is ``(outputs,)``."""
        return [shape for a, b in itertools.pairwise(self.widths) for shape in ((a, b), (b,))]

    def weights(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Glorot-uniform weights and zero biases."""
        return glorot_uniform(self.widths, rng)

    def stages(self, arrays: Sequence[Tensor], kept: Sequence[Tensor], *, training: bool) -> Sequence[Stage]:
        """See `Architecture.stages`: one stage for each layer, including its ReLU and dropout."""
        last = len(arrays) // 2 - 1
        factors = [*(units / (1.0 - self.dropout) for units in kept), *[None] * (last + 1 - len(kept))]
        return [dense(arrays[2 * i], arrays[2 * i + 1], relu=i < last, factor=factors[i]) for i in range(last + 1)]

    @property
    def outputs(self) -> list[int]:
        """See `Architecture.outputs`."""
        return list(self.widths[1:])

    @property
    def multiplications(self) -> int:
        """See `Architecture.multiplications`."""
        return sum(a * b for a, b in itertools.pairwise(self.widths))

    @property
    def dropout_shape(self) -> tuple[int, int]:
        """See `Architecture.dropout_shape`."""
        return (len(self.hidden) - 1 if self.dropout else 0, self.hidden[0] if self.hidden else 0)


def dense(weight: Tensor, bias: Tensor, *, relu: bool, factor: Tensor | None = None) -> Stage:
    """A dense layer of a stack of nets, ``(nets, batch, inputs)`` -> ``(nets, batch, outputs)``.

    The outputs are multiplied by ``factor``, such as a scaled dropout mask; None for 1.
    """

    def run(x: Tensor) -> Tensor:
        x = torch.baddbmm(bias[:, None], x, weight)
        x = x.relu() if relu else x
        return x if factor is None else x * factor

    return run


def dense_logits(arrays: Sequence[Tensor], x: Tensor) -> Tensor:
    """``(rows, classes)`` logits of one net ``[W0, b0, W1, b1, …]`` without dropout, from ``(rows, features)``."""
    layers = len(arrays) // 2
    for layer in range(layers):
        x = torch.addmm(arrays[2 * layer + 1], x, arrays[2 * layer])
        x = x.relu_() if layer < layers - 1 else x
    return x


# Hidden units below which a net outside of the paper's protocol is widened: the paper's rule gives a net of two inputs
# two units, which learn nothing. Chosen without a study.
FEWEST_UNITS = 32


def mlp_widths(features: int, classes: int, protocol: Protocol) -> tuple[int, ...]:
    """``(features, hidden, …, classes)``, ``hidden = int(2 * (features + classes) / divisor * width)``, at least 1.

    The divisor is ``width_divisor`` for two classes, ``multiclass_width_divisor`` for more (`Protocol`).
    """
    divisor = protocol.width_divisor if classes == 2 else protocol.multiclass_width_divisor
    hidden = max(1, int(2 * (features + classes) / divisor * protocol.width))
    return (features, *[hidden] * protocol.hidden_layers, classes)


def glorot_uniform(widths: tuple[int, ...], rng: np.random.Generator) -> list[np.ndarray]:
    """Initial ``[W0, b0, W1, b1, …]`` float32: W is ``(inputs, outputs)``, b is ``(outputs,)`` and zero."""
    parameters = []
    for inputs, outputs in itertools.pairwise(widths):
        parameters += [glorot(rng, (inputs, outputs)), np.zeros(outputs, np.float32)]
    return parameters
