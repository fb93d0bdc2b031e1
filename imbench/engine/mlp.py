"""The paper's dense net: its widths and its initial weights."""

from __future__ import annotations

import itertools

import numpy as np

from imbench.contract.protocol import Protocol


def mlp_widths(features: int, classes: int, protocol: Protocol) -> tuple[int, ...]:
    """``(features, hidden, …, classes)``; ``hidden = int(2 * (features + classes) / divisor)``, at least 1."""
    divisor = protocol.width_divisor if classes == 2 else protocol.multiclass_width_divisor
    hidden = max(1, int(2 * (features + classes) / divisor))
    return (features, *[hidden] * protocol.hidden_layers, classes)


def glorot_uniform(widths: tuple[int, ...], rng: np.random.Generator) -> list[np.ndarray]:
    """Initial weights and biases ``[W0, b0, W1, b1, …]``, W ``(inputs, outputs)``, b ``(outputs,)``, float32.

    Weights are uniform on ``±sqrt(6 / (inputs + outputs))`` (Glorot & Bengio 2010, equation 16), biases zero: the
    defaults of Keras, which the authors used.
    """
    parameters = []
    for inputs, outputs in itertools.pairwise(widths):
        limit = np.sqrt(6.0 / (inputs + outputs))
        parameters.append(rng.uniform(-limit, limit, (inputs, outputs)).astype(np.float32))
        parameters.append(np.zeros(outputs, np.float32))
    return parameters
