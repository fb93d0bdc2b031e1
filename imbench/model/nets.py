"""Probabilities of dense nets in NumPy, equal to the bit for any number of rows and threads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.records import Preprocessing
from imbench.data.preprocess import apply
from imbench.scoring.outcome import Floats

# Rows computed at a time; fewer are filled up. So every array has the same shape whatever the number of rows.
BLOCK = 512

Net = Sequence[np.ndarray]


@dataclass(frozen=True, eq=False)
class Nets:
    """Dense nets that see the same standardised inputs; their probabilities are averaged.

    Products are summed in one order, input after input, without a library of linear algebra: such a library sums in
    an order that depends on the number of rows and threads.

    Parameters
    ----------
    preprocessing : standardisation of the inputs
    arrays : for each net ``[W0, b0, W1, b1, …]``, W ``(inputs, outputs)``, b ``(outputs,)``, float32

    Raises
    ------
    UsageError for arrays that do not fit each other, or are not finite.
    """

    preprocessing: Preprocessing
    arrays: tuple[Net, ...]

    def __post_init__(self) -> None:
        width = len(self.preprocessing.center)
        if not self.arrays or len(self.preprocessing.scale) != width:
            raise UsageError("a model needs at least one net, and a scale for each input")
        for net in self.arrays:
            inputs = width
            for weight, bias in zip(net[::2], net[1::2], strict=True):
                if weight.shape != (inputs, len(bias)) or not (np.isfinite(weight).all() and np.isfinite(bias).all()):
                    raise UsageError(f"a layer of {inputs} inputs has weights of shape {weight.shape}")
                inputs = len(bias)

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return len(self.preprocessing.center)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.arrays[0][-1])

    def probabilities(self, x: np.ndarray) -> Floats:
        """``(rows, classes)`` float64 mean of the nets' probabilities, of ``(rows, inputs)`` float32."""
        found = np.empty((len(x), self.classes))
        layers = [[np.ascontiguousarray(array, np.float64) for array in net] for net in self.arrays]
        for rows, block in blocks(x):
            given = np.ascontiguousarray(apply(block, self.preprocessing), np.float64)
            mean: Floats = np.asarray(sum(softmax(_logits(net, given)) for net in layers) / len(layers))
            found[rows] = mean[: rows.stop - rows.start]
        return found


def blocks(x: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """The rows in blocks of `BLOCK`, the last one filled up with zeros, with their place among the rows."""
    for start in range(0, len(x), BLOCK):
        end = min(start + BLOCK, len(x))
        block = np.zeros((BLOCK, *x.shape[1:]), x.dtype)
        block[: end - start] = x[start:end]
        yield slice(start, end), block


def softmax(logits: Floats) -> Floats:
    """Probabilities ``(rows, classes)`` of logits ``(rows, classes)``."""
    top = np.exp(logits - logits.max(axis=1, keepdims=True))
    total = top[:, :1].copy()
    for place in range(1, top.shape[1]):
        total += top[:, place : place + 1]
    found: Floats = top / total
    return found


def _logits(net: Net, x: Floats) -> Floats:
    """``(rows, classes)`` logits of ``(rows, inputs)``."""
    last, layer = len(net) // 2 - 1, _layer()
    for number in range(last + 1):
        out = np.empty((len(x), len(net[2 * number + 1])))
        layer(x, net[2 * number], net[2 * number + 1], out)
        x = np.maximum(out, 0.0, out=out) if number < last else out
    return x


@functools.cache
def _layer() -> Callable[[Floats, Floats, Floats, Floats], None]:
    """A compiled layer, or a plain one without Numba; both give the same bits."""
    try:
        from imbench.kernels.ordered_sums import layer
    except ImportError:
        return plain_layer
    compiled: Callable[[Floats, Floats, Floats, Floats], None] = layer
    return compiled


def plain_layer(x: Floats, weight: Floats, bias: Floats, out: Floats) -> None:
    """``out = x @ weight + bias``, summed input after input (see `imbench.kernels.ordered_sums`)."""
    out[:] = bias
    for values, weights in zip(x.T, weight, strict=True):
        out += values[:, None] * weights
