"""Randomness as an argument: one random stream per net, drawn in blocks.

A net's streams are keyed by names (dataset, variant, repeat, fold, and the strategy's name for the strategy's own
draws), so what one net draws never depends on which others are in the run, nor on how they were grouped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from imbench.contract.rows import balanced

Sample = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


class Noise:
    """Random draws for a stack of batches, every net from its own stream.

    Parameters
    ----------
    generators : one NumPy generator for each entry of the first axis of ``stack``; exactly one if it is ``()``
    stack : the leading axes of the batches, for example ``()``, ``(nets,)`` or ``(nets, steps)``
    device : where the draws are wanted

    Every method returns ``(*stack, *shape)``: the net's generator fills its whole ``(steps, *shape)`` part at once.
    """

    def __init__(
        self,
        generators: Sequence[np.random.Generator],
        stack: tuple[int, ...] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        wanted = stack[0] if stack else 1
        if wanted < 1 or len(generators) != wanted:
            raise ValueError(f"Noise needs one generator a net: {wanted} for stack {stack}, got {len(generators)}")
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
        """``(*stack, n)``: the numbers 0 to n-1 in random order, int64."""
        order = np.arange(n)

        def sample(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
            # One order by itself has the same digits, in less than half the time.
            return rng.permuted(order) if len(size) == 1 else rng.permuted(np.broadcast_to(order, size), axis=-1)

        return self._draw(sample, (n,))

    def choice(self, n: int, *shape: int) -> Tensor:
        """Numbers from 0 to n-1 with replacement, int64."""
        return self._draw(lambda rng, size: np.asarray(rng.integers(n, size=size or None)), shape)

    def balanced(self, y: Tensor) -> Tensor:
        """``(*stack, batch)`` row numbers of a class-balanced draw with replacement, y ``(*stack, batch, classes)``.

        Each of the C classes present gives ``batch // C`` rows; the ``batch % C`` rows left over go to as many
        different classes drawn at random, so that the expected share of every class present is 1/C (line 3 of
        Algorithm 1 in Bellinger, Corizzo & Japkowicz, which leaves the remainder open). The classes take turns in
        the result: permute it before pairing rows with their neighbours.
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
    """The array as a tensor there; on a GPU it arrives while the host goes on, in the order of the current stream."""
    tensor = torch.as_tensor(values)
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    # From pinned memory, which PyTorch does not use again before the copy is made.
    return tensor.pin_memory().to(device, non_blocking=True)
