"""Noise: random numbers for strategies, with one random stream for each net.

Streams are keyed by dataset, variant, repeat, fold and name of the strategy, so the random numbers of a net do not
depend on the other nets of the run or on how nets are grouped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imbench.contract.rows import balanced

Fill = Callable[[np.random.Generator, np.ndarray], object]


class Noise:
    """Random draws for a stack of batches. Each net has its own random stream.

    Every method returns ``(*stack, *shape)``. The generator of a net fills its ``(steps, *shape)`` values in one call.

    Parameters
    ----------
    generators : one NumPy generator for each entry of the first axis of ``stack``; one generator for the stack ``()``
    stack : the leading axes of the batches, for example ``()``, ``(nets,)`` or ``(nets, steps)``
    device : device of the returned tensors

    Raises
    ------
    ValueError if the number of generators does not match the stack.
    """

    def __init__(
        self,
        generators: Sequence[np.random.Generator],
        stack: tuple[int, ...] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        wanted = stack[0] if stack else 1
        if wanted < 1 or len(generators) != wanted:
            raise ValueError(f"Noise needs one generator per net: {wanted} for stack {stack}, got {len(generators)}")
        self.generators = tuple(generators)
        self.stack = tuple(stack)
        self.device = device

    def uniform(self, *shape: int) -> Tensor:
        """Uniform on [0, 1), float32."""
        return self._filled(np.float32, shape, lambda rng, own: rng.random(dtype=np.float32, out=own))

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, float32."""
        return self._filled(np.float32, shape, lambda rng, own: rng.standard_normal(dtype=np.float32, out=own))

    def beta(self, a: float, b: float, *shape: int) -> Tensor:
        """Beta(a, b) on [0, 1], float32; a and b positive."""

        def fill(rng: np.random.Generator, own: np.ndarray) -> None:
            own[:] = rng.beta(a, b, own.size)

        return self._filled(np.float32, shape, fill)

    def permutation(self, n: int) -> Tensor:
        """``(*stack, n)`` int64: the numbers 0 to n-1 in random order."""
        order = np.arange(n)

        def fill(rng: np.random.Generator, own: np.ndarray) -> None:
            rows = own.reshape(-1, max(n, 1))
            rows[:] = order if n else 0
            # A single permutation without an axis gives the same numbers in less than half the time.
            rng.permuted(rows, axis=None if len(rows) == 1 else -1, out=rows)

        return self._filled(order.dtype, (n,), fill)

    def choice(self, n: int, *shape: int) -> Tensor:
        """Uniform integers from 0 to n-1, drawn with replacement, int64."""
        inner = (*self.stack[1:], *shape)
        drawn = [np.asarray(rng.integers(n, size=inner or None)) for rng in self.generators]
        return on_device(np.stack(drawn) if self.stack else drawn[0], self.device)

    def balanced(self, y: Tensor) -> Tensor:
        """``(*stack, batch)`` row numbers of a class-balanced draw with replacement; y is ``(*stack, batch, classes)``.

        Each of the C classes present gets ``batch // C`` rows. The remaining ``batch % C`` rows go to different classes
        chosen at random, so that the expected share of every class present is 1/C (line 3 of Algorithm 1 in Bellinger,
        Corizzo & Japkowicz, which leaves the remainder open). Classes alternate in the result, so permute it before
        pairing rows with their neighbours.
        """
        size, classes = y.shape[-2:]
        return balanced(y, self.uniform(classes), self.uniform(size))

    def _filled(self, dtype: type[np.generic] | np.dtype[Any], shape: tuple[int, ...], fill: Fill) -> Tensor:
        """What ``fill`` writes: each generator fills its values, one after the other in C order, without copying."""
        values = np.empty((*(self.stack or (1,)), *shape), dtype)
        for rng, own in zip(self.generators, values.reshape(len(self.generators), -1), strict=True):
            fill(rng, own)
        return on_device(values if self.stack else values[0], self.device)


def on_device(values: np.ndarray, device: torch.device | str) -> Tensor:
    """The array as a tensor on the device. A copy to a GPU is asynchronous, in the order of the current stream."""
    tensor = torch.as_tensor(values)
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    # PyTorch does not reuse the pinned memory before the copy has finished.
    return tensor.pin_memory().to(device, non_blocking=True)
