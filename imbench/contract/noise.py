"""Noise: random numbers for strategies, with one random stream for each net.

Streams are keyed by dataset, variant, repeat, fold and name of the strategy, so the random numbers of a net do not
depend on the other nets of the run or on how nets are grouped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from imbench.contract.rows import balanced

Sample = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


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
        return self._draw(lambda rng, size: rng.random(size, dtype=np.float32), shape)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, float32."""
        return self._draw(lambda rng, size: rng.standard_normal(size, dtype=np.float32), shape)

    def beta(self, a: float, b: float, *shape: int) -> Tensor:
        """Beta(a, b) on [0, 1], float32; a and b positive."""
        return self._draw(lambda rng, size: rng.beta(a, b, size).astype(np.float32), shape)

    def permutation(self, n: int) -> Tensor:
        """``(*stack, n)`` int64: the numbers 0 to n-1 in random order."""
        order = np.arange(n)

        def sample(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
            # A single permutation without an axis gives the same numbers in less than half the time.
            return rng.permuted(order) if len(size) == 1 else rng.permuted(np.broadcast_to(order, size), axis=-1)

        return self._draw(sample, (n,))

    def choice(self, n: int, *shape: int) -> Tensor:
        """Uniform integers from 0 to n-1, drawn with replacement, int64."""
        return self._draw(lambda rng, size: np.asarray(rng.integers(n, size=size or None)), shape)

    def balanced(self, y: Tensor) -> Tensor:
        """``(*stack, batch)`` row numbers of a class-balanced draw with replacement; y is ``(*stack, batch, classes)``.

        Each of the C classes present gets ``batch // C`` rows. The remaining ``batch % C`` rows go to different classes
        chosen at random, so that the expected share of every class present is 1/C (line 3 of Algorithm 1 in Bellinger,
        Corizzo & Japkowicz, which leaves the remainder open). Classes alternate in the result, so permute it before
        pairing rows with their neighbours.
        """
        size, classes = y.shape[-2:]
        return balanced(y, self.uniform(classes), self.uniform(size))

    def _draw(self, sample: Sample, shape: tuple[int, ...]) -> Tensor:
        if not self.stack:
            values = sample(self.generators[0], shape)
        else:
            inner = (*self.stack[1:], *shape)
            values = np.stack([sample(rng, inner) for rng in self.generators])
        return on_device(values, self.device)


def on_device(values: np.ndarray, device: torch.device | str) -> Tensor:
    """The array as a tensor on the device. A copy to a GPU is asynchronous, in the order of the current stream."""
    tensor = torch.as_tensor(values)
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    # PyTorch does not reuse the pinned memory before the copy has finished.
    return tensor.pin_memory().to(device, non_blocking=True)
